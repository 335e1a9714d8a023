// Opening from a checkpoint's entry, and discarding, of the file journal: what stands before the
// entry is not looked at, and what is discarded is moved and can be read, never deleted.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Entry, equalBytes } from '../../../src/base/entry.ts';
import { Prng } from '../../../src/base/prng.ts';
import { createJournal } from '../../../src/drivers/file/driver.ts';
import type { FileSystem } from '../../../src/drivers/file/file-system.ts';
import { inspectJournal } from '../../../src/drivers/file/inspect.ts';
import type { EngineOffset, Journal } from '../../../src/ports/journal.ts';
import { chainAfter, entryAfter, openingAfter } from './entries.ts';
import { DIRECTORY, journalOn } from './simulated-journal.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';
import { collect, hasCode } from './support.ts';

const WRITE = { mode: 'write', signal: new AbortController().signal } as const;
const READ = { mode: 'read', signal: new AbortController().signal } as const;
const DISCARDED = `${DIRECTORY}/discarded`;
const SEGMENT_BYTES = 8192;

void describe("opening from a checkpoint's entry", () => {
  void it('looks at no segment before it, and appends behind the same end', async () => {
    const { disk, entries, offsets } = await longJournal();
    const segments = disk.paths();
    for (const index of [0, 17, 30, entries.length - 1]) {
      const from = offsets[index] ?? '';
      const opened = new Set<string>();
      const journal = watched(disk, opened);
      const opening = await journal.open({ ...WRITE, from });
      const before = segments.filter((path) => path < `${DIRECTORY}/${from}`).slice(0, -1);
      assert.deepEqual(
        [...opened].filter((path) => before.includes(path)),
        [],
      );
      assert.deepEqual(opening.bounds, { first: 1, last: entries.length });
      assertSame(await positionsFrom(journal, from), entries.slice(index));
      // All of it can be read all the same, and the last entry is known to the writer.
      assertSame(
        (await collect(journal)).map(({ entry }) => entry),
        entries,
      );
      await journal.close();
      const reader = journalOn(disk, SEGMENT_BYTES);
      assert.deepEqual((await reader.open({ ...READ, from })).bounds, opening.bounds);
      await reader.close();
    }
    const journal = journalOn(disk, SEGMENT_BYTES);
    await journal.open({ ...WRITE, from: offsets.at(-1) ?? '' });
    await journal.append(openingAfter(entries.at(-1), 'b', { durable: entries.length }));
    await journal.close();
  });

  void it('is refused where no entry stands, and changes nothing', async () => {
    const { disk, offsets } = await longJournal();
    const before = new Map(disk.paths().map((path) => [path, disk.bytesOf(path)]));
    const last = offsets.at(-1) ?? '';
    const [segment, at] = last.split(':');
    const wrong = ['', 'x', `${segment}:${Number(at) + 8}`, `${segment}:999999`, `9${last}`];
    for (const from of wrong) {
      for (const options of [WRITE, READ]) {
        const journal = journalOn(disk, SEGMENT_BYTES);
        await assert.rejects(journal.open({ ...options, from }), hasCode('JOURNAL_DIVERGED'), from);
      }
    }
    for (const [path, bytes] of before) assert.ok(equalBytes(disk.bytesOf(path), bytes));
  });

  void it('does not see damage before it, and halts for damage behind it', async () => {
    const { disk, offsets } = await longJournal();
    const [first = ''] = disk.paths();
    const last = disk.paths().at(-1) ?? '';
    flip(disk, first, 400);
    const journal = journalOn(disk, SEGMENT_BYTES);
    await journal.open({ ...WRITE, from: offsets[30] ?? '' });
    await assert.rejects(collect(journal), hasCode('JOURNAL_CORRUPT'));
    await journal.close();
    flip(disk, last, 400);
    const halting = journalOn(disk, SEGMENT_BYTES).open({ ...WRITE, from: offsets[30] ?? '' });
    await assert.rejects(halting, hasCode('JOURNAL_CORRUPT'));
  });
});

void describe('what was discarded', () => {
  void it('is read in order, up to where the journal begins, also after a restart', async () => {
    const { disk, entries, offsets } = await longJournal();
    for (const [position, from] of [
      [12, undefined],
      [30, offsets[30]],
    ] as const) {
      const journal = journalOn(disk, SEGMENT_BYTES);
      await journal.open({ ...WRITE, ...(from !== undefined && { from }) });
      await journal.discardThrough(position);
      for (const mode of ['same', 'restarted', 'reader'] as const) {
        if (mode === 'restarted') await journal.close();
        const other = mode === 'same' ? journal : journalOn(disk, SEGMENT_BYTES);
        if (mode !== 'same') await other.open(mode === 'reader' ? READ : WRITE);
        const discarded = await discardedOf(other);
        const { first } = other.bounds();
        assert.ok(first > 1 && first <= position + 1);
        assertSame(discarded, entries.slice(0, first - 1));
        assertSame(
          (await collect(other)).map(({ entry }) => entry),
          entries.slice(first - 1),
        );
        if (mode !== 'same') await other.close();
      }
    }
    let count = 0;
    for await (const item of inspectJournal(DIRECTORY, { fileSystem: disk })) {
      assert.notEqual(item.kind, 'finding');
      if (item.kind === 'entry') count += 1;
    }
    assert.equal(count, entries.length, 'the tools read both');
  });

  void it('is nothing when nothing was', async () => {
    const { disk } = await longJournal();
    const journal = journalOn(disk, SEGMENT_BYTES);
    await journal.open(WRITE);
    assert.deepEqual(await discardedOf(journal), []);
    await journal.close();
  });

  void it('is not read past damage', async () => {
    const { disk, entries } = await longJournal();
    const journal = journalOn(disk, SEGMENT_BYTES);
    await journal.open(WRITE);
    await journal.discardThrough(30);
    const paths = disk.paths().filter((path) => path.startsWith(DISCARDED));
    flip(disk, paths[1] ?? '', 400);
    await assert.rejects(discardedOf(journal), hasCode('JOURNAL_CORRUPT'));
    await disk.remove(paths.at(-1) ?? '');
    flip(disk, paths[1] ?? '', 400);
    await assert.rejects(discardedOf(journal), hasCode('JOURNAL_CORRUPT'));
    assert.equal((await collect(journal)).at(-1)?.entry.position, entries.length);
    await journal.close();
  });

  void it('can be on another disk, and is then copied before it is removed', async () => {
    for (let calls = 1; calls < 120; calls++) {
      const { disk, entries } = await longJournal();
      disk.otherDisks.add('/archive');
      const elsewhere = (fileSystem: FileSystem): Journal =>
        createJournal({
          directory: DIRECTORY,
          discardedDirectory: '/archive',
          segmentBytes: SEGMENT_BYTES,
          fileSystem,
        });
      const journal = elsewhere(disk);
      await journal.open(WRITE);
      const off = disk.crashAfter(calls);
      await Promise.race([journal.discardThrough(25), off]);
      const restarted = disk.restart(new Prng(calls));
      const again = elsewhere(restarted);
      await again.open(WRITE);
      const kept = (await collect(again)).map(({ entry }) => entry);
      assertSame([...(await discardedOf(again)), ...kept], entries);
      const names = restarted.paths().map((path) => path.slice(path.lastIndexOf('/')));
      assert.equal(new Set(names).size, names.length, 'each segment stands in one place');
      await again.close();
    }
  });

  void it('stops a start when the segments behind it are missing', async () => {
    const { disk } = await longJournal();
    const journal = journalOn(disk, SEGMENT_BYTES);
    await journal.open(WRITE);
    await journal.discardThrough(25);
    await journal.close();
    const kept = disk.paths().filter((path) => !path.startsWith(DISCARDED));
    const last = kept.at(-1) ?? '';
    const bytes = disk.bytesOf(last);
    const misplaced = last.replace(DIRECTORY, DISCARDED);
    disk.setBytes(misplaced, bytes);
    await assert.rejects(journalOn(disk).open(WRITE), hasCode('JOURNAL_CORRUPT'));
    await disk.remove(misplaced);
    for (const path of kept) await disk.remove(path);
    await assert.rejects(journalOn(disk).open(WRITE), hasCode('JOURNAL_CORRUPT'));
  });
});

/** 41 entries in segments of a few. */
async function longJournal(): Promise<{
  readonly disk: SimulatedFileSystem;
  readonly entries: readonly Entry[];
  readonly offsets: readonly EngineOffset[];
}> {
  const disk = new SimulatedFileSystem();
  const journal = journalOn(disk, SEGMENT_BYTES);
  await journal.open(WRITE);
  const opening = openingAfter(undefined, 'a');
  const entries = [opening, ...chainAfter(opening, 39, 1000)];
  entries.push(entryAfter(entries.at(-1), { durable: 40 }));
  const offsets = await Promise.all(entries.map((entry) => journal.append(entry)));
  await journal.close();
  return { disk, entries, offsets };
}

/** Notes the files that are opened while the journal is. */
function watched(disk: SimulatedFileSystem, opened: Set<string>): Journal {
  const fileSystem: FileSystem = {
    makeDirectory: () => disk.makeDirectory(),
    list: (directory) => disk.list(directory),
    open: (path, mode) => {
      if (isOpening) opened.add(path);
      return disk.open(path, mode);
    },
    rename: (source, target) => disk.rename(source, target),
    remove: (path) => disk.remove(path),
    syncDirectory: (directory) => disk.syncDirectory(directory),
    typeOf: () => disk.typeOf(),
    lock: (directory) => disk.lock(directory),
  };
  let isOpening = true;
  const journal = createJournal({ directory: DIRECTORY, segmentBytes: SEGMENT_BYTES, fileSystem });
  const open = journal.open.bind(journal);
  journal.open = async (options) => {
    const opening = await open(options);
    isOpening = false;
    return opening;
  };
  return journal;
}

async function discardedOf(journal: Journal): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const batch of journal.readDiscarded(WRITE.signal)) {
    entries.push(...batch.map(({ entry }) => entry));
  }
  return entries;
}

async function positionsFrom(journal: Journal, from: EngineOffset): Promise<Entry[]> {
  return (await collect(journal, from)).map(({ entry }) => entry);
}

function flip(disk: SimulatedFileSystem, path: string, index: number): void {
  const bytes = disk.bytesOf(path);
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  disk.setBytes(path, bytes);
}

function assertSame(found: readonly Entry[], expected: readonly Entry[]): void {
  assert.deepEqual(
    found.map(({ position }) => position),
    expected.map(({ position }) => position),
  );
  for (const [index, { bytes }] of found.entries()) {
    assert.ok(equalBytes(bytes, expected[index]?.bytes ?? new Uint8Array()));
  }
}
