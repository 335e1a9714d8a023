// Readers beside a writer in another process, and inspections of a journal that is being written:
// what they cannot know yet is no corruption, and nothing is waited for in vain.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Entry } from '../../../src/base/entry.ts';
import { createJournal } from '../../../src/drivers/file/driver.ts';
import type { FileSystem, OpenFile } from '../../../src/drivers/file/file-system.ts';
import { type InspectionItem, inspectJournal } from '../../../src/drivers/file/inspect.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { until } from '../../support/until.ts';
import { chainAfter, entryAfter, openingAfter, randomBody } from './entries.ts';
import { DIRECTORY, diskWith, journalOn, savedJournal, smallJournal } from './simulated-journal.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';
import { collect, hasCode } from './support.ts';

const WRITE = { mode: 'write', signal: new AbortController().signal } as const;
const READ = { mode: 'read', signal: new AbortController().signal } as const;

void describe('a reader beside a writer in another process', () => {
  void it('follows into a segment that recovery removed empty and the writer made anew', async () => {
    const { disk, entries } = await diskOfOneEpoch();
    // A writer was killed between making this segment and its first entry.
    disk.setBytes(`${DIRECTORY}/00000000000000000005-0000000002.journal`, new Uint8Array(8192));
    const reader = readerOn(disk);
    await reader.open(READ);
    const stop = new AbortController();
    const positions: number[] = [];
    const reading = (async () => {
      const batches = reader.read({ from: null, follow: true, signal: stop.signal });
      for await (const batch of batches) {
        positions.push(...batch.map(({ entry }) => entry.position));
      }
    })();
    const writer = journalOn(disk);
    try {
      await until(() => positions.length === 4, 'the reader is at the end');
      for (let turns = 0; turns < 20; turns++) await turn();
      await writer.open(WRITE);
      const opening = openingAfter(entries.at(-1), 'b', { durable: 4 });
      for (const entry of [opening, ...chainAfter(opening, 2)]) await writer.append(entry);
      await until(() => positions.length === 7, 'the reader sees the new epoch');
    } finally {
      stop.abort();
      await reading;
      await reader.close();
      await writer.close();
    }
    assert.deepEqual(positions, [1, 2, 3, 4, 5, 6, 7]);
  });

  void it('says that its place is gone, not that it is corrupt, when it was discarded', async () => {
    const disk = new SimulatedFileSystem();
    const writer = journalOn(disk, 8192);
    await writer.open(WRITE);
    const opening = openingAfter(undefined, 'a');
    for (const entry of [opening, ...chainAfter(opening, 40, 1000)]) await writer.append(entry);
    const reader = readerOn(disk);
    await reader.open(READ);
    const reading = (async () => {
      const batches = reader.read({ from: null, follow: false, signal: READ.signal });
      for await (const batch of batches) {
        if (batch[0]?.entry.position === 1) await writer.discardThrough(35);
      }
    })();
    await assert.rejects(reading, hasCode('JOURNAL_DIVERGED'));
    await reader.close();
    await writer.close();
  });

  void it('does not take a segment that it cannot open for one that is gone', async () => {
    const { disk } = await diskOfOneEpoch();
    const reader = readerOn(disk);
    await reader.open(READ);
    disk.failNext({ operation: 'open', code: 'EMFILE' });
    await assert.rejects(collect(reader), { code: 'EMFILE' });
    await reader.close();
  });
});

void describe('inspecting a journal that is being written', () => {
  void it('finds nothing wrong with an entry of which it saw a half at first', async () => {
    const saved = await smallJournal();
    const disk = diskWith(saved);
    const path = disk.paths().at(-1) ?? '';
    const whole = disk.bytesOf(path);
    const half = whole.slice();
    // A part of a sector: what a reader may see while the kernel copies.
    half.fill(0, 4000);
    disk.setBytes(path, half);
    let reads = 0;
    const watched = withCalls(disk, path, (call) => {
      if (call === 'read') reads += 1;
      if (reads === 2) disk.setBytes(path, whole);
    });
    const items = await inspected(watched);
    assert.deepEqual(
      items.filter(({ kind }) => kind === 'finding'),
      [],
    );
    assert.equal(entryCountOf(items), saved.entries.length);
  });

  void it('finds nothing wrong when the last file is closed and followed meanwhile', async () => {
    const opening = openingAfter(undefined, 'a');
    const first = [opening, ...chainAfter(opening, 3)];
    const next = openingAfter(first.at(-1), 'b', { durable: 4 });
    const before = await savedJournal(first);
    const after = await savedJournal([...first, next]);
    for (let moment = 1; moment <= 12; moment++) {
      const disk = diskWith(before);
      let callCount = 0;
      const watched = withCalls(disk, disk.paths()[0] ?? '', () => {
        callCount += 1;
        if (callCount !== moment) return;
        for (const [name, bytes] of after.files) disk.setBytes(name, bytes);
      });
      const items = await inspected(watched);
      const findings = items.filter(({ kind }) => kind === 'finding');
      assert.deepEqual(findings, [], `at call ${moment}`);
      assert.ok(entryCountOf(items) >= first.length);
    }
  });

  void it('still finds what is wrong for good', async () => {
    const opening = openingAfter(undefined, 'a');
    const last = entryAfter(opening, { body: randomBody(1, 3000), durable: 1 });
    const saved = await savedJournal([opening, last]);
    const disk = diskWith(saved);
    const path = disk.paths()[0] ?? '';
    const bytes = disk.bytesOf(path);
    bytes.fill(0, 1000, 1010);
    disk.setBytes(path, bytes);
    const findings = (await inspected(disk)).filter((item) => item.kind === 'finding');
    assert.deepEqual(
      findings.map(({ severity, position }) => [severity, position]),
      [['corrupt', 2]],
    );
  });
});

async function diskOfOneEpoch(): Promise<{
  readonly disk: SimulatedFileSystem;
  readonly entries: readonly Entry[];
}> {
  const opening = openingAfter(undefined, 'a');
  const entries = [opening, ...chainAfter(opening, 3)];
  const disk = new SimulatedFileSystem();
  const journal = journalOn(disk);
  await journal.open(WRITE);
  for (const entry of entries) await journal.append(entry);
  await journal.close();
  return { disk, entries };
}

/** Another process's reader; it looks again at each turn. */
function readerOn(fileSystem: FileSystem): Journal {
  const clock = { monotonicMs: () => 0, sleep: async () => await turn() };
  return createJournal({ directory: DIRECTORY, fileSystem, clock });
}

type WatchedCall = 'list' | 'open' | 'size' | 'read';

/** The disk, with something that happens behind each listing and each reading of one file. */
function withCalls(
  disk: SimulatedFileSystem,
  path: string,
  onCall: (call: WatchedCall) => void,
): FileSystem {
  const noting = async <T>(call: WatchedCall, answer: Promise<T>): Promise<T> => {
    const result = await answer;
    onCall(call);
    return result;
  };
  const watched = (file: OpenFile): OpenFile => ({
    isWrittenThrough: false,
    sizeBytes: () => noting('size', file.sizeBytes()),
    read: (target, offset) => noting('read', file.read(target, offset)),
    write: (buffers, offset) => file.write(buffers, offset),
    datasync: () => file.datasync(),
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    close: () => file.close(),
  });
  return {
    makeDirectory: () => disk.makeDirectory(),
    list: (directory) => noting('list', disk.list(directory)),
    open: async (name, mode) => {
      if (name !== path) return await disk.open(name, mode);
      return watched(await noting('open', disk.open(name, mode)));
    },
    rename: (source, target) => disk.rename(source, target),
    remove: (name) => disk.remove(name),
    syncDirectory: (directory) => disk.syncDirectory(directory),
    typeOf: () => disk.typeOf(),
    lock: (directory) => disk.lock(directory),
  };
}

async function inspected(fileSystem: FileSystem): Promise<InspectionItem[]> {
  const items: InspectionItem[] = [];
  for await (const item of inspectJournal(DIRECTORY, { fileSystem })) items.push(item);
  return items;
}

function entryCountOf(items: readonly InspectionItem[]): number {
  return items.filter(({ kind }) => kind === 'entry').length;
}
