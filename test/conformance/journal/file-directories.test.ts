// A journal in two directories at its start: what is damaged in one is repaired from the other, who
// is missing is asked for, who was dropped is not believed (DESIGN 7). All bytes, not a sample of
// them: HOLDFAST_FLIP_ALL=1.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Entry, equalBytes } from '../../../src/base/entry.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import { Prng } from '../../../src/base/prng.ts';
import { type FileJournal, createJournal } from '../../../src/drivers/file/driver.ts';
import { chainAfter, entryAfter, openingAfter, randomBody } from './entries.ts';
import { SEGMENT_BYTES } from './simulated-journal.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';
import { collect, hasCode } from './support.ts';

const WRITE = { mode: 'write', signal: new AbortController().signal } as const;
const FIRST = '/first';
const SECOND = '/second';
const BOTH = [FIRST, SECOND];
const STRIDE = process.env['HOLDFAST_FLIP_ALL'] === '1' ? 1 : 31;

type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

void describe('two directories of which one is damaged', () => {
  void it('are equal again after a start, whichever byte of one was flipped', async () => {
    const { files, entries } = await twoDirectories();
    let flipCount = 0;
    for (const [path, pristine] of files) {
      if (!path.endsWith('.journal')) continue;
      // A stride of its own for each directory, so that other bytes have their turn.
      const start = path.startsWith(FIRST) ? 0 : 11;
      for (let index = start; index < pristine.byteLength; index += STRIDE) {
        const bytes = pristine.slice();
        bytes[index] = (bytes[index] ?? 0) ^ (1 << (index % 8));
        const disk = diskWith(files, new Map([[path, bytes]]));
        assertSame(await entriesOn(disk), entries, `byte ${index} of ${path}`);
        assertRepaired(disk, files);
        flipCount += 1;
      }
    }
    assert.ok(flipCount > 500);
  });

  void it('are equal again after pages of one were lost, or it was cut short, or files are gone', async () => {
    const { files, entries } = await twoDirectories();
    for (const [path, pristine] of files) {
      if (!path.endsWith('.journal')) continue;
      for (let at = 0; at < pristine.byteLength; at += 4096) {
        const zeroed = pristine.slice().fill(0, at, at + 4096);
        for (const bytes of [zeroed, pristine.slice(0, at)]) {
          const disk = diskWith(files, new Map([[path, bytes]]));
          assertSame(await entriesOn(disk), entries, `byte ${at} of ${path}`);
          assertRepaired(disk, files);
        }
      }
      const disk = diskWith(files);
      await disk.remove(path);
      assertSame(await entriesOn(disk), entries, `${path} is gone`);
      assertRepaired(disk, files);
    }
  });

  void it('get back a lost segment that a start from a later entry does not look at', async () => {
    const { files, entries } = await twoDirectories();
    const disk = diskWith(files);
    const [path = ''] = disk.paths().filter((name) => name.startsWith(`${SECOND}/0`));
    const all = journalOn(disk);
    await all.open(WRITE);
    const from = (await collect(all)).at(-1)?.offset ?? '';
    await all.close();
    await disk.remove(path);
    const journal = journalOn(disk);
    const { notes } = await journal.open({ ...WRITE, from });
    assert.ok(notes.some((note) => note.startsWith(`Repaired ${path}, which was missing`)));
    assertSame(await allOf(journal), entries, path);
    await journal.close();
    assertRepaired(disk, files);
  });

  void it('mend each other where each is damaged in another place', async () => {
    const { files, entries } = await twoDirectories();
    const [path = '', pristine] = [...files].find(([name]) => name.endsWith('.journal')) ?? [];
    assert.ok(pristine !== undefined);
    const other = path.replace(FIRST, SECOND);
    const disk = diskWith(
      files,
      new Map([
        [path, flipped(pristine, 300)],
        [other, flipped(pristine, 5000)],
      ]),
    );
    assertSame(await entriesOn(disk), entries, path);
    assertRepaired(disk, files);
  });

  void it('are repaired for good: a machine that goes off at once loses nothing of it', async () => {
    const { files, entries } = await twoDirectories();
    const [path = ''] = [...files.keys()].filter((name) => name.startsWith(`${SECOND}/0`));
    for (const damage of ['flipped', 'gone'] as const) {
      for (let seed = 1; seed <= 10; seed++) {
        const pristine = files.get(path) ?? new Uint8Array();
        const disk = diskWith(files, new Map([[path, flipped(pristine, 400)]]));
        if (damage === 'gone') await disk.remove(path);
        await journalOn(disk).open(WRITE);
        const restarted = disk.restart(new Prng(seed));
        await dropFiles(restarted, FIRST);
        const alone = journalOn(restarted, BOTH, [FIRST]);
        await alone.open(WRITE);
        assertSame(await allOf(alone), entries, `${damage}, seed ${seed}`);
        await alone.close();
      }
    }
  });

  void it('halt when one is damaged where the other, an old copy, has ended', async () => {
    const { files, entries } = await twoDirectories();
    const disk = diskWith(files);
    const journal = journalOn(disk);
    await journal.open(WRITE);
    const next = entryAfter(entries.at(-1), { durable: entries.length });
    await journal.append(next);
    await journal.close();
    for (const [path, bytes] of files) if (path.startsWith(FIRST)) disk.setBytes(path, bytes);
    const path = disk.paths().findLast((name) => name.startsWith(`${SECOND}/0`)) ?? '';
    const whole = disk.bytesOf(path);
    const at = Buffer.from(whole).indexOf(next.bytes);
    for (let index = at; index < at + next.bytes.byteLength; index += 3) {
      disk.setBytes(path, flipped(whole, index));
      await assert.rejects(journalOn(disk).open(WRITE), hasCode('JOURNAL_CORRUPT'));
    }
    disk.setBytes(path, whole);
    assertSame(await entriesOn(disk), [...entries, next], 'the newer one counts');
  });

  void it('halt where both are damaged in one place, and nothing is changed', async () => {
    const { files } = await twoDirectories();
    let haltCount = 0;
    for (const [path, pristine] of files) {
      if (!path.startsWith(FIRST) || !path.endsWith('.journal')) continue;
      const end = Math.min(2000, pristine.findLastIndex((byte) => byte !== 0) + 1);
      for (let index = 0; index < end; index += STRIDE) {
        const bytes = flipped(pristine, index);
        const other = path.replace(FIRST, SECOND);
        const disk = diskWith(
          files,
          new Map([
            [path, bytes],
            [other, bytes],
          ]),
        );
        await assert.rejects(journalOn(disk).open(WRITE), hasCode('JOURNAL_CORRUPT'));
        assert.ok(equalBytes(disk.bytesOf(path), bytes));
        haltCount += 1;
      }
    }
    assert.ok(haltCount > 50);
  });

  void it('halt when each holds another whole entry in one place', async () => {
    const { files, entries } = await twoDirectories();
    const last = entries.at(-1);
    assert.ok(last !== undefined);
    const other = entryAfter(entries.at(-2), { body: randomBody(99, 96), durable: 7 });
    assert.equal(other.bytes.byteLength, last.bytes.byteLength);
    const path = [...files.keys()].findLast((name) => name.startsWith(`${SECOND}/0`)) ?? '';
    const bytes = files.get(path)?.slice() ?? new Uint8Array();
    const at = Buffer.from(bytes).indexOf(last.bytes);
    bytes.set(other.bytes, at);
    const disk = diskWith(files, new Map([[path, bytes]]));
    await assert.rejects(journalOn(disk).open(WRITE), hasCode('JOURNAL_DIVERGED'));
    assert.ok(equalBytes(disk.bytesOf(path), bytes));
  });

  void it('keep the member record through any flipped byte of it', async () => {
    const { files, entries } = await twoDirectories();
    for (const path of [`${FIRST}/members.json`, `${SECOND}/members.json`]) {
      const pristine = files.get(path);
      assert.ok(pristine !== undefined);
      for (let index = 0; index < pristine.byteLength; index += 7) {
        const disk = diskWith(files, new Map([[path, flipped(pristine, index)]]));
        assertSame(await entriesOn(disk), entries, `byte ${index} of ${path}`);
        assert.ok(equalBytes(disk.bytesOf(path), pristine), 'the record is whole again');
      }
      const disk = diskWith(files, new Map([[path, new Uint8Array(pristine.byteLength)]]));
      await assert.rejects(journalOn(disk).open(WRITE), wayOut(/JOURNAL_WITHOUT=\/(first|second)/));
    }
  });
});

void describe('who belongs to the journal at a start', () => {
  void it('is locked, each directory for itself', async () => {
    const { files } = await twoDirectories();
    const disk = diskWith(files);
    const journal = journalOn(disk);
    await journal.open(WRITE);
    for (const path of BOTH) {
      await assert.rejects(journalOn(disk, [path]).open(WRITE), hasCode('JOURNAL_LOCKED'));
    }
    await journal.close();
  });

  void it('is filled when it is new, and then holds the same bytes', async () => {
    const disk = new SimulatedFileSystem();
    const journal = journalOn(disk, [FIRST]);
    await journal.open(WRITE);
    const entries = await appendSome(journal, undefined);
    await journal.discardThrough(3);
    await journal.close();
    assert.ok(!disk.paths().some((path) => path.endsWith('members.json')), 'one needs no record');
    const two = journalOn(disk);
    await two.open(WRITE);
    assert.deepEqual(statesOf(two), ['active', 'active']);
    entries.push(...(await appendSome(two, entries.at(-1))));
    await two.close();
    await dropFiles(disk, FIRST);
    const alone = journalOn(disk, BOTH, [FIRST]);
    await alone.open(WRITE);
    assertSame(await allOf(alone), entries, 'the new one holds everything, also what is discarded');
    await alone.close();
  });

  void it('is needed while it is active: without it nothing starts, unless it is named', async () => {
    const { files, entries } = await twoDirectories();
    for (const lost of BOTH) {
      const disk = diskWith(files);
      await dropFiles(disk, lost);
      const before = disk.paths();
      await assert.rejects(journalOn(disk).open(WRITE), wayOut(new RegExp(`WITHOUT=${lost}`)));
      const left = BOTH.filter((path) => path !== lost);
      await assert.rejects(journalOn(disk, left).open(WRITE), wayOut(/WITHOUT=/));
      assert.deepEqual(disk.paths(), before);
      const without = journalOn(disk, BOTH, [lost]);
      await without.open(WRITE);
      assertSame(await allOf(without), entries, lost);
      assert.deepEqual(statesOf(without).sort(), ['active', 'dropped']);
      const more = await appendSome(without, entries.at(-1));
      await without.close();
      // The next start knows it, fills the empty directory, and needs both again.
      assertSame(await entriesOn(disk), [...entries, ...more], lost);
      await dropFiles(disk, left[0] ?? '');
      await assert.rejects(journalOn(disk).open(WRITE), wayOut(/missing or empty/, 'detail'));
    }
  });

  void it('is not left out by a mistake, when it can be seen to be the newer one', async () => {
    const { files, entries } = await twoDirectories();
    const disk = diskWith(files);
    const without = journalOn(disk, BOTH, [FIRST]);
    await without.open(WRITE);
    const more = await appendSome(without, entries.at(-1));
    await without.close();
    const mistaken = journalOn(disk, BOTH, [SECOND]).open(WRITE);
    await assert.rejects(mistaken, wayOut(/its member record is newer/, 'detail'));
    assertSame(await entriesOn(disk), [...entries, ...more], 'the newer one counts');
    const reader = journalOn(disk);
    await reader.open({ ...WRITE, mode: 'read' });
    assert.equal((await collect(reader)).length, entries.length + more.length);
    await reader.close();
  });

  void it('is not believed when it was dropped, whatever it holds', async () => {
    const { files, entries } = await twoDirectories();
    const disk = diskWith(files);
    const without = journalOn(disk, BOTH, [SECOND]);
    await without.open(WRITE);
    const more = await appendSome(without, entries.at(-1));
    await without.close();
    const old = disk.bytesOf(`${SECOND}/members.json`);
    const alarms: string[] = [];
    const again = journalOn(disk, BOTH, [], (kind) => alarms.push(kind));
    await again.open(WRITE);
    assertSame(await allOf(again), [...entries, ...more], 'the dropped one is ignored');
    assert.deepEqual(alarms, ['directory_ignored']);
    assert.ok(equalBytes(disk.bytesOf(`${SECOND}/members.json`), old));
    await again.addDirectory(SECOND, WRITE.signal);
    assert.deepEqual(statesOf(again), ['active', 'active']);
    await again.close();
    await dropFiles(disk, FIRST);
    const other = journalOn(disk, [SECOND], [FIRST]);
    await other.open(WRITE);
    assertSame(await allOf(other), [...entries, ...more], 'filled again, it has everything');
    await other.close();
  });

  void it('never goes back to an older copy of a directory', async () => {
    const { files, entries } = await twoDirectories();
    const disk = diskWith(files);
    const journal = journalOn(disk);
    await journal.open(WRITE);
    const more = await appendSome(journal, entries.at(-1));
    await journal.close();
    for (const stale of BOTH) {
      const restored = diskWith(new Map(disk.paths().map((path) => [path, disk.bytesOf(path)])));
      await dropFiles(restored, stale);
      for (const [path, bytes] of files) {
        if (path.startsWith(stale)) restored.setBytes(path, bytes);
      }
      assertSame(await entriesOn(restored), [...entries, ...more], `${stale} is old`);
    }
  });

  void it('halts when each has gone on without the other', async () => {
    const { files, entries } = await twoDirectories();
    const disk = diskWith(files);
    // Each on a machine of its own, so that nobody could see it coming.
    for (const [self, other] of [
      [FIRST, SECOND],
      [SECOND, FIRST],
    ] as const) {
      const machine = diskWith(files);
      await dropFiles(machine, other);
      const alone = journalOn(machine, [self], [other]);
      await alone.open(WRITE);
      await appendSome(alone, entries.at(-1), self);
      await alone.close();
      await dropFiles(disk, self);
      for (const path of machine.paths().filter((name) => name.startsWith(self))) {
        disk.setBytes(path, machine.bytesOf(path));
      }
    }
    await assert.rejects(journalOn(disk).open(WRITE), hasCode('JOURNAL_DIVERGED'));
  });

  void it('refuses a directory of another journal, and a copy of one of its own', async () => {
    const { files } = await twoDirectories();
    const strange = diskWith(files);
    await dropFiles(strange, '/third');
    for (const [path, bytes] of (await twoDirectories()).files) {
      if (path.startsWith(FIRST)) strange.setBytes(path.replace(FIRST, '/third'), bytes);
    }
    const three = [...BOTH, '/third'];
    await assert.rejects(journalOn(strange, three).open(WRITE), hasCode('JOURNAL_DIVERGED'));
    const copied = diskWith(files);
    for (const [path, bytes] of files) {
      if (path.startsWith(FIRST)) copied.setBytes(path.replace(FIRST, '/third'), bytes);
    }
    await assert.rejects(
      journalOn(copied, three).open(WRITE),
      wayOut(/same directory of the journal/, 'detail'),
    );
    const open = journalOn(strange);
    await open.open(WRITE);
    const adding = open.addDirectory('/third', WRITE.signal);
    await assert.rejects(adding, hasCode('DATA_FOLDER_UNUSABLE'));
    await open.close();
  });
});

function journalOn(
  fileSystem: SimulatedFileSystem,
  directories: readonly string[] = BOTH,
  withoutDirectories: readonly string[] = [],
  onAlarm: (kind: string) => void = () => undefined,
): FileJournal {
  return createJournal({
    directories,
    withoutDirectories,
    segmentBytes: SEGMENT_BYTES,
    lockWaitMs: 0,
    fileSystem,
    onAlarm: ({ kind }) => {
      onAlarm(kind);
    },
  });
}

/** Two segments in each of two directories, closed in good order. */
async function twoDirectories(): Promise<{
  readonly files: Files;
  readonly entries: readonly Entry[];
}> {
  const disk = new SimulatedFileSystem();
  const journal = journalOn(disk);
  await journal.open(WRITE);
  const entries = await appendSome(journal, undefined);
  entries.push(entryAfter(entries.at(-1), { body: randomBody(5, 4240), durable: 4 }));
  const opening = openingAfter(entries.at(-1), 'b', { durable: 5 });
  entries.push(opening, ...chainAfter(opening, 2, 96));
  for (const entry of entries.slice(4)) await journal.append(entry);
  await journal.close();
  return { files: new Map(disk.paths().map((path) => [path, disk.bytesOf(path)])), entries };
}

/** An epoch of four entries. */
async function appendSome(
  journal: FileJournal,
  last: Entry | undefined,
  nonce = 'a',
): Promise<Entry[]> {
  const opening = openingAfter(last, nonce, { durable: last?.position ?? 0 });
  const entries = [opening, ...chainAfter(opening, 3, 120)];
  for (const entry of entries) await journal.append(entry);
  return entries;
}

function diskWith(files: Files, replaced: Files = new Map()): SimulatedFileSystem {
  const disk = new SimulatedFileSystem();
  for (const [path, bytes] of files) disk.setBytes(path, replaced.get(path) ?? bytes);
  return disk;
}

async function dropFiles(disk: SimulatedFileSystem, directory: string): Promise<void> {
  for (const path of disk.paths().filter((name) => name.startsWith(`${directory}/`))) {
    await disk.remove(path);
  }
}

function flipped(pristine: Uint8Array<ArrayBuffer>, index: number): Uint8Array<ArrayBuffer> {
  const bytes = pristine.slice();
  bytes[index] = (bytes[index] ?? 0) ^ (1 << (index % 8));
  return bytes;
}

async function allOf(journal: FileJournal): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const batch of journal.readDiscarded(WRITE.signal)) {
    entries.push(...batch.map(({ entry }) => entry));
  }
  return [...entries, ...(await collect(journal)).map(({ entry }) => entry)];
}

async function entriesOn(disk: SimulatedFileSystem): Promise<Entry[]> {
  const journal = journalOn(disk);
  try {
    await journal.open(WRITE);
    return await allOf(journal);
  } finally {
    await journal.close();
  }
}

function assertSame(found: readonly Entry[], expected: readonly Entry[], what: string): void {
  assert.equal(found.length, expected.length, what);
  for (const [index, { bytes }] of found.entries()) {
    assert.ok(equalBytes(bytes, expected[index]?.bytes ?? new Uint8Array()), what);
  }
}

/** Each directory has what it had before the damage; zeros behind the end may be fewer or more. */
function assertRepaired(disk: SimulatedFileSystem, files: Files): void {
  for (const [path, pristine] of files) {
    const bytes = disk.bytesOf(path);
    const common = Math.min(bytes.byteLength, pristine.byteLength);
    assert.ok(equalBytes(bytes.subarray(0, common), pristine.subarray(0, common)), path);
    const rest = bytes.byteLength > common ? bytes.subarray(common) : pristine.subarray(common);
    assert.ok(
      rest.every((byte) => byte === 0),
      path,
    );
  }
}

function statesOf(journal: FileJournal): string[] {
  return journal.health().places.map(({ state }) => state);
}

function wayOut(pattern: RegExp, where: 'wayOut' | 'detail' = 'wayOut'): (error: unknown) => true {
  return (error) => {
    assert.ok(isOperationalError(error, 'DATA_FOLDER_UNUSABLE'), String(error));
    assert.match(error[where], pattern);
    return true;
  };
}
