// What opening a file journal makes of what an earlier process left: it is durable before anything
// of it is answered, what was cut or undone does not come back, and nothing stands where it does
// not belong (I2, I3, I4).

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Entry } from '../../../src/base/entry.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import { Prng } from '../../../src/base/prng.ts';
import { createJournal } from '../../../src/drivers/file/driver.ts';
import { until } from '../../support/until.ts';
import { chainAfter, entryAfter, openingAfter, randomBody } from './entries.ts';
import {
  DIRECTORY,
  type SavedJournal,
  diskWith,
  journalOn,
  openAndRead,
  savedJournal,
} from './simulated-journal.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';
import { collect, hasCode } from './support.ts';

const WRITE = { mode: 'write', signal: new AbortController().signal } as const;
const SEGMENT_BYTES = 65_536;
const POWER_CUTS = 40;

void describe('opening a file journal', () => {
  void it('makes durable all that a failed sync left in memory only', async () => {
    const disk = new SimulatedFileSystem();
    const opening = openingAfter(undefined, 'a');
    const failing = journalOn(disk, SEGMENT_BYTES);
    await failing.open(WRITE);
    await failing.append(opening);
    const group = [entryAfter(opening, { body: randomBody(1, 9000), durable: 1 })];
    while (group.length < 4) {
      group.push(entryAfter(group.at(-1), { body: randomBody(group.length, 3000), durable: 1 }));
    }
    disk.failNext({ operation: 'datasync', code: 'EIO' });
    const results = await Promise.allSettled(group.map((entry) => failing.append(entry)));
    assert.ok(results.every(({ status }) => status === 'rejected'));
    await failing.close();
    const restarted = journalOn(disk, SEGMENT_BYTES);
    assert.equal((await restarted.open(WRITE)).bounds.last, 5);
    // The node has answered for them now. The machine goes off and what is unsynced is lost.
    for (const found of await openingsAfterPowerCuts(disk)) assert.equal(found.last, 5);
    await restarted.close();
  });

  void it('makes a cut durable: what was torn does not come back', async () => {
    const { saved, path, start } = await journalWithLargeLast();
    const torn = (saved.files.get(path) ?? new Uint8Array()).slice();
    torn.fill(0, start + 2048, start + 4096);
    const disk = diskWith(saved, new Map([[path, torn]]));
    const journal = journalOn(disk, SEGMENT_BYTES);
    assert.ok((await journal.open(WRITE)).tornBytes > 0);
    for (const found of await openingsAfterPowerCuts(disk)) {
      assert.deepEqual(found, { last: 3, tornBytes: 0 });
    }
    // Behind the cut the same epoch goes on, with something else.
    const other = entryAfter(saved.entries[2], { body: randomBody(77, 40), durable: 3 });
    await journal.append(other);
    for (const found of await openingsAfterPowerCuts(disk)) {
      assert.deepEqual(found, { last: 4, tornBytes: 0 });
    }
    await journal.close();
  });

  void it('does not bring back what a full disk undid', async () => {
    const disk = new SimulatedFileSystem();
    const journal = journalOn(disk, SEGMENT_BYTES);
    await journal.open(WRITE);
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    const refused = chainAfter(opening, 3, 800);
    disk.failNext({ operation: 'write', code: 'ENOSPC', writtenBytes: 2500 });
    const results = await Promise.allSettled(refused.map((entry) => journal.append(entry)));
    for (const result of results) {
      assert.ok(result.status === 'rejected' && hasCode('JOURNAL_FULL')(result.reason));
    }
    for (const found of await openingsAfterPowerCuts(disk)) {
      assert.deepEqual(found, { last: 1, tornBytes: 0 });
    }
    await journal.close();
  });

  void it('halts when whole, valid entries stand in an order that is not theirs', async () => {
    const opening = openingAfter(undefined, 'a');
    const entries = [opening, ...chainAfter(opening, 4, 400)];
    const saved = await savedJournal(entries, SEGMENT_BYTES);
    const [path, pristine] = fileOf(saved);
    const stored = 400 + 256 + 8;
    const first = opening.bytes.byteLength + 8;
    const swapped = pristine.slice();
    swapped.copyWithin(first, first + stored, first + 2 * stored);
    swapped.set(pristine.subarray(first, first + stored), first + stored);
    await assertHalts(saved, path, swapped, /position 3 stands where 2 must/);
  });

  void it('halts when an entry of another history stands in the place of one', async () => {
    const opening = openingAfter(undefined, 'a');
    const entries = [opening, ...chainAfter(opening, 4, 400)];
    const saved = await savedJournal(entries, SEGMENT_BYTES);
    const [path, pristine] = fileOf(saved);
    const start = opening.bytes.byteLength + 8 + 400 + 256 + 8;
    const other = entryAfter(entries[1], { body: randomBody(99, 400), durable: 2 });
    const exchanged = pristine.slice();
    exchanged.set(other.bytes, start);
    await assertHalts(saved, path, exchanged, /previous digest is not the digest of position 3/);
  });

  void it('halts when the last file is empty, though the one before was closed behind an entry there', async () => {
    const opening = openingAfter(undefined, 'a');
    const before = [opening, ...chainAfter(opening, 3)];
    const next = openingAfter(before.at(-1), 'b', { durable: 4 });
    const saved = await savedJournal([...before, next, entryAfter(next, { durable: 5 })]);
    const [path, pristine] = fileOf(saved);
    await assertHalts(saved, path, new Uint8Array(pristine.byteLength), /no entry, though/);
  });

  void it('does not use a spare segment that is not all zeros, or not of the right size', async () => {
    for (const bytes of [
      new Uint8Array(SEGMENT_BYTES).fill(1, 60_000, 60_001),
      new Uint8Array(512),
    ]) {
      const disk = new SimulatedFileSystem();
      disk.setBytes(`${DIRECTORY}/spare.ready`, bytes);
      disk.setBytes(`${DIRECTORY}/spare.partial`, bytes);
      const journal = journalOn(disk, SEGMENT_BYTES);
      await journal.open(WRITE);
      await until(() => disk.paths().length === 0, 'what cannot be used to be removed');
      await journal.append(openingAfter(undefined, 'a'));
      await journal.close();
      assert.equal((await openAndRead(disk)).kind, 'open');
    }
    const disk = new SimulatedFileSystem();
    disk.setBytes(`${DIRECTORY}/spare.ready`, new Uint8Array(SEGMENT_BYTES));
    const journal = journalOn(disk, SEGMENT_BYTES);
    await journal.open(WRITE);
    // It is looked at in the background.
    for (let turns = 0; turns < 100; turns++) await turn();
    await journal.append(openingAfter(undefined, 'a'));
    assert.equal(disk.paths().length, 1, 'a whole one is used');
    await journal.close();
  });
});

void describe('writing to real files', () => {
  void it('takes thousands of appends at once', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-many-'));
    try {
      const journal = createJournal({ directory });
      await journal.open(WRITE);
      const opening = openingAfter(undefined, 'a');
      const entries = [opening, ...chainAfter(opening, 3000, 8)];
      await Promise.all(entries.map((entry) => journal.append(entry)));
      assert.equal((await collect(journal)).length, entries.length);
      await journal.close();
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  void it('does not take a write that the system cut short for a whole one', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-short-'));
    const module = new URL('../../../src/drivers/file/file-system.ts', import.meta.url).href;
    const path = join(directory, 'file');
    const script = `
      import { realFileSystem } from ${JSON.stringify(module)};
      const file = await realFileSystem.open(process.argv[1], 'create');
      const part = new Uint8Array(3000).fill(1);
      await file.write([part, part, part], 0).then(() => process.exit(5), () => process.exit(6));`;
    try {
      // A limit on the size of files: the kernel writes up to it, then refuses.
      const argv = [process.execPath, '--input-type=module', '-e', script, path];
      const child = spawn('sh', ['-c', 'ulimit -f 8 && exec "$@"', 'sh', ...argv], {
        stdio: ['ignore', 'inherit', 'inherit'],
      });
      const [exitCode] = await once(child, 'exit');
      const { size } = await stat(path);
      assert.ok(size > 0 && size < 9000, `${size} bytes were written`);
      assert.equal(exitCode, 6);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});

/** What opening for writing finds after the machine went off now, in many ways. */
async function openingsAfterPowerCuts(
  disk: SimulatedFileSystem,
): Promise<readonly { readonly last: number; readonly tornBytes: number }[]> {
  const found = [];
  for (let seed = 1; seed <= POWER_CUTS; seed++) {
    const journal = journalOn(disk.restart(new Prng(seed)), SEGMENT_BYTES);
    const { bounds, tornBytes } = await journal.open(WRITE);
    found.push({ last: bounds.last, tornBytes });
    await journal.close();
  }
  return found;
}

async function journalWithLargeLast(): Promise<{
  readonly saved: SavedJournal;
  readonly path: string;
  readonly start: number;
}> {
  const opening = openingAfter(undefined, 'a');
  const entries: Entry[] = [opening, ...chainAfter(opening, 2, 200)];
  const start = entries.reduce((sum, { bytes }) => sum + bytes.byteLength + 8, 0);
  entries.push(entryAfter(entries.at(-1), { body: randomBody(9, 9000), durable: 3 }));
  const saved = await savedJournal(entries, SEGMENT_BYTES);
  return { saved, path: fileOf(saved)[0], start };
}

/** The last file. */
function fileOf(saved: SavedJournal): readonly [string, Uint8Array<ArrayBuffer>] {
  const file = [...saved.files].at(-1);
  assert.ok(file !== undefined);
  return file;
}

async function assertHalts(
  saved: SavedJournal,
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
  found: RegExp,
): Promise<void> {
  const disk = diskWith(saved, new Map([[path, bytes]]));
  // The opening itself, before anything is read or written.
  await assert.rejects(journalOn(disk).open(WRITE), (error) => {
    assert.ok(isOperationalError(error, 'JOURNAL_CORRUPT'), String(error));
    assert.match(error.detail, found);
    return true;
  });
  assert.deepEqual(disk.bytesOf(path), bytes, 'nothing was changed');
}
