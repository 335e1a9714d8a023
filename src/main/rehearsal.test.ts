import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Logger, pino } from 'pino';
import { TemporaryFolder } from '../../test/support/temporary-folder.ts';
import { rehearseTakeOver } from './rehearsal.ts';

function loggerInto(lines: string[]): Logger {
  return pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
}

test('a rehearsal leaves nothing behind and says nothing', async () => {
  await using folder = await TemporaryFolder.make();
  const lines: string[] = [];
  await rehearseTakeOver(folder.path, loggerInto(lines));
  assert.deepEqual([readdirSync(folder.path), lines], [[], []]);
});

test('where it cannot write it says so, and the node goes on', async () => {
  await using folder = await TemporaryFolder.make();
  const file = join(folder.path, 'file');
  writeFileSync(file, '');
  const lines: string[] = [];
  await rehearseTakeOver(file, loggerInto(lines));
  assert.match(lines.join(''), /rehearsal_failed/);
  assert.ok(existsSync(file));
});
