import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EntryCursor } from './entry-cursor.ts';
import type { OpenFile } from './file-system.ts';

test('looking again where nothing was written yet reads a few bytes only', async () => {
  const sizes: number[] = [];
  const zeros: Pick<OpenFile, 'read'> = {
    read: (into) => {
      sizes.push(into.byteLength);
      into.fill(0);
      return Promise.resolve(into.byteLength);
    },
  };
  const cursor = new EntryCursor(zeros as OpenFile, 0);
  const [first, again] = [await cursor.next(), await cursor.next()];
  assert.equal(first.kind, 'stop');
  assert.deepEqual(again, first);
  assert.ok(sizes.at(-1)! < 100 && sizes[0]! > 10_000);
});
