import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createJournal } from '../drivers/memory/driver.ts';
import type { JournalHealth } from '../ports/journal.ts';
import { OffsetNotes } from './offset-notes.ts';

test('what a journal may leave out is there exactly where the journal has it', () => {
  const plain = createJournal();
  const health: JournalHealth = { places: [{ name: 'here', state: 'active', detail: '' }] };
  let looks = 0;
  const full = Object.assign(createJournal(), {
    look: () => void looks++,
    health: () => health,
  });
  const notes = new OffsetNotes();
  const plainly = notes.noting(plain);
  assert.deepEqual(['look' in plainly, 'health' in plainly], [false, false]);
  notes.noting(full).look?.();
  assert.equal(looks, 1);
  assert.equal(notes.noting(full).health?.(), health);
});
