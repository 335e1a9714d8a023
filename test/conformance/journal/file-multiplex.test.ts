// A journal in two directories while it is written: one that fails is dropped, which is durable
// before the next answer; one that comes back is filled while payments go on; a crash at any call
// in between loses nothing (I2, I3).

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Entry, equalBytes } from '../../../src/base/entry.ts';
import { Prng } from '../../../src/base/prng.ts';
import { type FileJournal, createJournal } from '../../../src/drivers/file/driver.ts';
import type { JournalAlarm } from '../../../src/drivers/file/options.ts';
import { until } from '../../support/until.ts';
import { chainAfter, entryAfter, openingAfter } from './entries.ts';
import { SEGMENT_BYTES } from './simulated-journal.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';
import { collect, hasCode } from './support.ts';

const WRITE = { mode: 'write', signal: new AbortController().signal } as const;
const FIRST = '/first';
const SECOND = '/second';
/** More: HOLDFAST_CRASH_SEEDS. */
const SEEDS = Number(process.env['HOLDFAST_CRASH_SEEDS'] ?? 3);

void describe('one of two directories that fails', () => {
  for (const under of [FIRST, SECOND]) {
    for (const operation of ['write', 'datasync'] as const) {
      void it(`is dropped when a ${operation} in ${under} fails, and payments go on`, async () => {
        const { disk, journal, alarms } = await openJournal();
        const entries = await appendSome(journal, undefined);
        disk.failNext({ operation, code: 'EIO', under });
        const more = await appendSome(journal, entries.at(-1));
        assert.deepEqual(
          alarms.map(({ kind, directory }) => [kind, directory]),
          [['directory_dropped', under]],
        );
        const other = under === FIRST ? SECOND : FIRST;
        const dropped = journal.health().places.filter(({ state }) => state === 'dropped');
        assert.deepEqual(
          dropped.map(({ name }) => name),
          [under],
        );
        // The machine goes off now: what is left has everything, and its record says that it is
        // enough.
        for (let seed = 1; seed <= 10; seed++) {
          const restarted = disk.restart(new Prng(seed));
          await removeAll(restarted, under);
          const alone = journalOn(restarted, [other]);
          await alone.open(WRITE);
          assertSame(await allOf(alone), [...entries, ...more]);
          await alone.close();
        }
        await journal.close();
      });
    }
  }

  void it('is dropped without an append when it fails in the background', async () => {
    const disk = new SimulatedFileSystem();
    const alarms: JournalAlarm[] = [];
    const journal = journalOn(disk, [FIRST, SECOND], alarms, 4 * 1024 * 1024);
    await journal.open(WRITE);
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    const body = new Uint8Array(700 * 1024).fill(7);
    disk.failNext({ operation: 'open', code: 'EIO', under: `${SECOND}/0` });
    await journal.append(entryAfter(opening, { body, durable: 1 }));
    await until(() => alarms.length === 1, 'the failure in the background to be noticed');
    assert.equal(alarms[0]?.directory, SECOND);
    await journal.close();
  });

  void it('is dropped when it alone is full; when both are, nothing is written', async () => {
    const { disk, journal, alarms } = await openJournal();
    const entries = await appendSome(journal, undefined);
    disk.isFullFor = (path) => path.startsWith(SECOND);
    entries.push(...(await appendSome(journal, entries.at(-1))));
    assert.equal(alarms[0]?.directory, SECOND);
    disk.isFullFor = () => true;
    await assert.rejects(journal.append(entryAfter(entries.at(-1))), hasCode('JOURNAL_FULL'));
    await journal.close();
    const both = await openJournal();
    const first = await appendSome(both.journal, undefined);
    both.disk.isFullFor = () => true;
    await assert.rejects(both.journal.append(entryAfter(first.at(-1))), hasCode('JOURNAL_FULL'));
    assert.deepEqual(both.alarms, []);
    both.disk.isFullFor = () => false;
    await both.journal.close();
    const again = journalOn(both.disk);
    await again.open(WRITE);
    assertSame(await allOf(again), first);
    await again.close();
  });

  void it('is dropped before the other says that it is full and nothing was written', async () => {
    const { disk, journal, alarms } = await openJournal();
    const entries = await appendSome(journal, undefined);
    disk.isFullFor = (path) => path.startsWith(`${SECOND}/0`);
    disk.failNext({ operation: 'datasync', code: 'EIO', under: FIRST });
    await assert.rejects(journal.append(entryAfter(entries.at(-1))), hasCode('JOURNAL_FULL'));
    assert.equal(alarms[0]?.directory, FIRST);
    for (let seed = 1; seed <= 10; seed++) {
      const again = journalOn(disk.restart(new Prng(seed)));
      await again.open(WRITE);
      assertSame(await allOf(again), entries);
      await again.close();
    }
    await journal.close();
  });

  void it('ends the journal only when no other is left, or none can record the drop', async () => {
    const { disk, journal } = await openJournal();
    const entries = await appendSome(journal, undefined);
    disk.failNext(
      { operation: 'datasync', code: 'EIO', under: FIRST },
      { operation: 'datasync', code: 'EIO', under: SECOND },
    );
    // The first failed the group, the second fails the record of it.
    await assert.rejects(journal.append(entryAfter(entries.at(-1))), hasCode('JOURNAL_FAILED'));
    await assert.rejects(journal.append(entryAfter(entries.at(-1))), hasCode('JOURNAL_FAILED'));
    await journal.close();
    const again = journalOn(disk);
    await again.open(WRITE);
    const found = await allOf(again);
    assertSame(found.slice(0, entries.length), entries);
    await again.close();
  });

  void it('is read no more where it is damaged: the other one is', async () => {
    const { disk, journal } = await openJournal();
    const entries = await appendSome(journal, undefined);
    entries.push(...(await appendSome(journal, entries.at(-1))));
    for (const path of disk.paths().filter((name) => name.startsWith(`${FIRST}/0`))) {
      const bytes = disk.bytesOf(path);
      bytes[700] = (bytes[700] ?? 0) ^ 1;
      disk.setBytes(path, bytes);
    }
    assertSame(await allOf(journal), entries);
    await journal.close();
  });

  void it('is left by a reader that follows, also for one that came back meanwhile', async () => {
    const { disk, journal } = await openJournal();
    const entries = await appendSome(journal, undefined);
    const append = async (): Promise<void> => {
      const entry = entryAfter(entries.at(-1), { durable: entries.length });
      await journal.append(entry);
      entries.push(entry);
    };
    disk.failNext({ operation: 'datasync', code: 'EIO', under: FIRST });
    await append();
    const stop = new AbortController();
    const read: Entry[] = [];
    const reading = (async () => {
      const batches = journal.read({ from: null, follow: true, signal: stop.signal });
      for await (const batch of batches) read.push(...batch.map(({ entry }) => entry));
    })();
    await until(() => read.length === entries.length, 'the reader to be at the end');
    await journal.addDirectory(FIRST, WRITE.signal);
    disk.failNext({ operation: 'write', code: 'EIO', under: SECOND });
    await append();
    await append();
    await until(() => read.length === entries.length, 'the reader to go on');
    stop.abort();
    await reading;
    assertSame(read, entries);
    await journal.close();
  });

  void it('comes back while payments go on, with all that was discarded', async () => {
    const { disk, journal } = await openJournal();
    let entries = await appendSome(journal, undefined);
    disk.failNext({ operation: 'datasync', code: 'EIO', under: SECOND });
    for (let round = 0; round < 3; round++) {
      entries = [...entries, ...(await appendSome(journal, entries.at(-1)))];
    }
    await journal.discardThrough(5);
    const state = { isAdded: false };
    const adding = journal.addDirectory(SECOND, WRITE.signal).then(() => {
      state.isAdded = true;
    });
    for (let round = 0; !state.isAdded; round++) {
      // In segments that are copied already, and in new ones.
      const next = entryAfter(entries.at(-1), { durable: entries.length });
      if (round % 8 === 7) entries = [...entries, ...(await appendSome(journal, entries.at(-1)))];
      else entries = [...entries, await appended(journal, next)];
    }
    await adding;
    entries = [...entries, ...(await appendSome(journal, entries.at(-1)))];
    await journal.close();
    await removeAll(disk, FIRST);
    const alone = createJournal({
      directories: [SECOND],
      withoutDirectories: [FIRST],
      segmentBytes: SEGMENT_BYTES,
      fileSystem: disk,
    });
    await alone.open(WRITE);
    assertSame(await allOf(alone), entries);
    await alone.close();
  });
});

/** What happens between the crash points, on a journal with four entries. */
const ACTS: readonly {
  readonly name: string;
  readonly act: (life: Life) => Promise<void>;
}[] = [
  {
    name: 'a directory is dropped',
    act: async ({ disk, journal, append }) => {
      disk.failNext({ operation: 'datasync', code: 'EIO', under: SECOND });
      await append(3);
      await append(2);
      assert.equal(journal.health().places.length, 2);
    },
  },
  {
    name: 'a dropped directory is filled again',
    act: async ({ disk, journal, append }) => {
      disk.failNext({ operation: 'write', code: 'EIO', under: FIRST });
      await append(2);
      const adding = journal.addDirectory(FIRST, WRITE.signal);
      await append(2);
      await adding;
      await append(2);
    },
  },
  {
    name: 'segments are discarded',
    act: async ({ journal, append }) => {
      await append(2);
      await append(2);
      await Promise.all([journal.discardThrough(6), append(2)]);
    },
  },
];

void describe('two directories and a machine that goes off', { timeout: 120_000 }, () => {
  for (const { name, act } of ACTS) {
    void it(`lose nothing at any call while ${name}`, async () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        let calls = 0;
        // Every call in turn, until the act is over before the machine goes off.
        for (let isOver = false; !isOver; ) {
          calls += seed === 1 ? 1 : 5;
          isOver = await crashedAt(calls, act, new Prng(seed * 10_000 + calls));
        }
        assert.ok(calls > 20);
      }
    });
  }
});

type Life = {
  readonly disk: SimulatedFileSystem;
  readonly journal: FileJournal;
  /** An epoch of so many entries. */
  readonly append: (count: number) => Promise<void>;
};

/** True when the act was over before the machine went off. */
async function crashedAt(
  calls: number,
  act: (life: Life) => Promise<void>,
  prng: Prng,
): Promise<boolean> {
  const disk = new SimulatedFileSystem();
  const journal = journalOn(disk);
  await journal.open(WRITE);
  const acknowledged = await appendSome(journal, undefined);
  const sent = [...acknowledged];
  const append = async (count: number): Promise<void> => {
    const durable = acknowledged.at(-1)?.position ?? 0;
    const opening = openingAfter(sent.at(-1), `n${sent.length}`, { durable });
    const entries = [opening, ...chainAfter(opening, count - 1, 600)];
    sent.push(...entries);
    for (const entry of entries) {
      await journal.append(entry);
      acknowledged.push(entry);
    }
  };
  const off = disk.crashAfter(calls).then(() => false);
  const isOver = await Promise.race([act({ disk, journal, append }).then(() => true), off]);
  const known = acknowledged.length;
  const restarted = disk.restart(prng);
  for (const mode of ['first', 'second'] as const) {
    // The second start finds what the first has mended.
    const again = journalOn(restarted);
    await again.open(WRITE);
    const found = await allOf(again);
    assert.ok(found.length >= known, `${mode}: ${known} were acknowledged, ${found.length} found`);
    assertSame(found, sent.slice(0, found.length));
    await again.close();
  }
  return isOver;
}

function journalOn(
  fileSystem: SimulatedFileSystem,
  directories: readonly string[] = [FIRST, SECOND],
  alarms: JournalAlarm[] = [],
  segmentBytes = SEGMENT_BYTES,
): FileJournal {
  return createJournal({
    directories,
    segmentBytes,
    lockWaitMs: 0,
    fileSystem,
    onAlarm: (alarm) => alarms.push(alarm),
  });
}

async function openJournal(): Promise<{
  readonly disk: SimulatedFileSystem;
  readonly journal: FileJournal;
  readonly alarms: JournalAlarm[];
}> {
  const disk = new SimulatedFileSystem();
  const alarms: JournalAlarm[] = [];
  const journal = journalOn(disk, [FIRST, SECOND], alarms);
  await journal.open(WRITE);
  return { disk, journal, alarms };
}

async function appended(journal: FileJournal, entry: Entry): Promise<Entry> {
  await journal.append(entry);
  return entry;
}

/** An epoch of four entries. */
async function appendSome(journal: FileJournal, last: Entry | undefined): Promise<Entry[]> {
  const opening = openingAfter(last, 'a', { durable: last?.position ?? 0 });
  const entries = [opening, ...chainAfter(opening, 3, 600)];
  for (const entry of entries) await journal.append(entry);
  return entries;
}

async function removeAll(disk: SimulatedFileSystem, directory: string): Promise<void> {
  for (const path of disk.paths().filter((name) => name.startsWith(`${directory}/`))) {
    await disk.remove(path);
  }
}

async function allOf(journal: FileJournal): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const batch of journal.readDiscarded(WRITE.signal)) {
    entries.push(...batch.map(({ entry }) => entry));
  }
  return [...entries, ...(await collect(journal)).map(({ entry }) => entry)];
}

function assertSame(found: readonly Entry[], expected: readonly Entry[]): void {
  assert.equal(found.length, expected.length);
  for (const [index, { bytes }] of found.entries()) {
    assert.ok(equalBytes(bytes, expected[index]?.bytes ?? new Uint8Array()));
  }
}
