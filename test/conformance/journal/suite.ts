// The journal conformance suite: what every driver must pass, with the reader rule in front of it.
// A new driver brings a harness (harness.ts) and no test logic of its own.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Entry, equalBytes } from '../../../src/base/entry.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import type { EngineOffset, Journal, StoredEntry } from '../../../src/ports/journal.ts';
import { ReaderRule } from '../../../src/recovery/reader-rule.ts';
import { CLUSTER_ID, chainAfter, entryAfter, openingAfter, randomBody } from './entries.ts';
import type { JournalHarness } from './harness.ts';
import { fencingConformance } from './suite-fencing.ts';
import { acceptedOf, collect, hasCode, withJournal } from './support.ts';

export function journalConformance(name: string, harness: JournalHarness): void {
  void describe(`journal conformance: ${name}`, () => {
    orderConformance(harness);
    followConformance(harness);
    offsetConformance(harness);
    unitConformance(harness);
    fencingConformance(harness);
  });
}

function orderConformance(harness: JournalHarness): void {
  void it('reads back what was appended, in order and byte for byte', () =>
    withJournal(harness, async (_under, journal) => {
      const entries = [openingAfter(undefined, 'a')];
      for (const bodyBytes of [8, 4096, 40, 70_000, 8192, 16]) {
        entries.push(entryAfter(entries.at(-1), { body: randomBody(bodyBytes, bodyBytes) }));
      }
      for (const entry of entries) await journal.append(entry);
      assertSame(await collect(journal), entries);
      assert.deepEqual(journal.bounds(), { first: 1, last: entries.length });
    }));

  void it('keeps the largest entry, and one whose body is all zeros', () =>
    withJournal(harness, async (under, journal) => {
      const opening = openingAfter(undefined, 'a');
      const largest = entryAfter(opening, { body: randomBody(1, 1024 * 1024 - 256) });
      const zeros = entryAfter(largest, { body: new Uint8Array(20_000) });
      const entries = [opening, largest, zeros];
      for (const entry of entries) await journal.append(entry);
      await journal.close();
      const reopened = under.attach();
      await reopened.open({ mode: 'write', signal: new AbortController().signal });
      assertSame(await collect(reopened), entries);
      await reopened.close();
    }));

  void it('resolves overlapping appends in call order, each with its own offset', () =>
    withJournal(harness, async (_under, journal) => {
      const opening = openingAfter(undefined, 'a');
      const entries = [opening, ...chainAfter(opening, 300, 200)];
      const resolved: number[] = [];
      const offsets = await Promise.all(
        entries.map(async (entry) => {
          const offset = await journal.append(entry);
          resolved.push(entry.position);
          return offset;
        }),
      );
      assert.deepEqual(
        resolved,
        entries.map(({ position }) => position),
      );
      const stored = await collect(journal);
      assertSame(stored, entries);
      assert.deepEqual(
        stored.map(({ offset }) => offset),
        offsets,
      );
    }));

  void it('looks at the bytes of an entry until its append has settled, and not after', () =>
    withJournal(harness, async (_under, journal) => {
      const opening = openingAfter(undefined, 'a');
      const entries = [opening, ...chainAfter(opening, 20, 5000)];
      const copies = entries.map((entry) => ({ ...entry, bytes: entry.bytes.slice() }));
      await Promise.all(
        entries.map(async ({ bytes }, index) => {
          await journal.append(entries[index]!);
          bytes.buffer.transfer(0);
        }),
      );
      assertSame(await collect(journal), copies);
    }));

  void it('keeps everything over close and reopen, and goes on behind it', () =>
    withJournal(harness, async (under, journal) => {
      const opening = openingAfter(undefined, 'a');
      const first = [opening, ...chainAfter(opening, 5)];
      for (const entry of first) await journal.append(entry);
      await journal.close();
      await assert.rejects(journal.append(entryAfter(first.at(-1))), hasCode('JOURNAL_CLOSED'));
      const next = under.attach();
      const opened = await next.open({ mode: 'write', signal: new AbortController().signal });
      assert.deepEqual(opened.bounds, { first: 1, last: 6 });
      assert.equal(opened.tornBytes, 0);
      const second = [openingAfter(first.at(-1), 'b')];
      second.push(...chainAfter(second[0], 3));
      for (const entry of second) await next.append(entry);
      assertSame(await collect(next), [...first, ...second]);
      assert.deepEqual(next.bounds(), { first: 1, last: 10 });
      await next.close();
    }));

  void it('says that an empty journal is empty', () =>
    withJournal(harness, async (_under, journal) => {
      assert.deepEqual(journal.bounds(), { first: 0, last: 0 });
      assert.deepEqual(await collect(journal), []);
    }));

  if (harness.neverFull === true) return;
  void it('says its bounds to whoever asks, also before it is open and when it is closed', () =>
    withJournal(harness, async (under, journal) => {
      await journal.append(openingAfter(undefined, 'a'));
      assert.deepEqual(journal.bounds(), { first: 1, last: 1 });
      const other = under.attach();
      assert.doesNotThrow(() => other.bounds());
      await other.close();
      assert.doesNotThrow(() => other.bounds());
      await journal.close();
      assert.doesNotThrow(() => journal.bounds());
    }));

  void it('refuses for lack of room what it did not write, and takes it again later', () =>
    withJournal(harness, async (under, journal) => {
      const opening = openingAfter(undefined, 'a');
      await journal.append(opening);
      await under.fillUpOnce();
      const [next, behind] = chainAfter(opening, 2);
      assert.ok(next !== undefined && behind !== undefined);
      const results = await Promise.allSettled([journal.append(next), journal.append(behind)]);
      for (const result of results) {
        assert.equal(result.status, 'rejected');
        assert.ok(isOperationalError(result.reason, 'JOURNAL_FULL'));
      }
      assertSame(await collect(journal), [opening]);
      await appendWhenThereIsRoom(journal, next);
      await journal.append(behind);
      assertSame(await collect(journal), [opening, next, behind]);
    }));
}

function followConformance(harness: JournalHarness): void {
  void it('follows: entries arrive while they are appended, and the end is waited at', () =>
    withJournal(harness, async (_under, journal) => {
      const stop = new AbortController();
      const opening = openingAfter(undefined, 'a');
      const entries = [opening, ...chainAfter(opening, 40, 3000)];
      const read: StoredEntry[] = [];
      const reading = (async () => {
        const batches = journal.read({ from: null, follow: true, signal: stop.signal });
        for await (const batch of batches) {
          read.push(...batch);
          if (read.length === entries.length) stop.abort();
        }
      })();
      for (const entry of entries) await journal.append(entry);
      await reading;
      assertSame(read, entries);
    }));

  void it('lets several readers follow at their own pace', () =>
    withJournal(harness, async (_under, journal) => {
      const opening = openingAfter(undefined, 'a');
      const entries = [opening, ...chainAfter(opening, 10)];
      const readers = [1, 2, 3].map(async () => {
        const stop = new AbortController();
        let count = 0;
        const batches = journal.read({ from: null, follow: true, signal: stop.signal });
        for await (const batch of batches) {
          count += batch.length;
          if (count === entries.length) stop.abort();
        }
        return count;
      });
      for (const entry of entries) await journal.append(entry);
      assert.deepEqual(await Promise.all(readers), [11, 11, 11]);
    }));

  void it('ends a waiting reader without error when it is aborted', () =>
    withJournal(harness, async (_under, journal) => {
      await journal.append(openingAfter(undefined, 'a'));
      const stop = new AbortController();
      let count = 0;
      const batches = journal.read({ from: null, follow: true, signal: stop.signal });
      for await (const batch of batches) {
        count += batch.length;
        // The reader is at the end now: the abort meets it waiting.
        setImmediate(() => {
          stop.abort();
        });
      }
      assert.equal(count, 1);
    }));

  void it('ends waiting readers when the journal is closed', () =>
    withJournal(harness, async (_under, journal) => {
      await journal.append(openingAfter(undefined, 'a'));
      const { signal } = new AbortController();
      let count = 0;
      for await (const batch of journal.read({ from: null, follow: true, signal })) {
        count += batch.length;
        setImmediate(() => void journal.close());
      }
      assert.equal(count, 1);
    }));

  void it('shows a second, reading driver what the writer has made durable', () =>
    withJournal(harness, async (under, journal) => {
      const reader = under.attach();
      await reader.open({ mode: 'read', signal: new AbortController().signal });
      const stop = new AbortController();
      const opening = openingAfter(undefined, 'a');
      const entries = [opening, ...chainAfter(opening, 20, 5000)];
      const read: StoredEntry[] = [];
      const reading = (async () => {
        const batches = reader.read({ from: null, follow: true, signal: stop.signal });
        for await (const batch of batches) {
          read.push(...batch);
          if (read.length === entries.length) stop.abort();
        }
      })();
      for (const entry of entries) await journal.append(entry);
      await reading;
      assertSame(read, entries);
      await assert.rejects(reader.append(entryAfter(entries.at(-1))), hasCode('JOURNAL_CLOSED'));
      await reader.close();
    }));
}

function offsetConformance(harness: JournalHarness): void {
  void it("starts at a checkpoint's offset, where the head's digest is found", () =>
    withJournal(harness, async (_under, journal) => {
      const { entries, offsets } = await appendChain(journal, 12);
      for (const index of [0, 1, 7, 12]) {
        const head = entries[index];
        assert.ok(head !== undefined);
        const rule = new ReaderRule({ kind: 'at-head', head: { ...head, clusterId: CLUSTER_ID } });
        const accepted = acceptedOf(await collect(journal, offsets[index]), rule);
        assert.deepEqual(
          accepted.map(({ position }) => position),
          entries.slice(index + 1).map(({ position }) => position),
        );
      }
    }));

  void it('stops a reader whose head is another entry than the one at its offset', () =>
    withJournal(harness, async (_under, journal) => {
      const { entries, offsets } = await appendChain(journal, 5);
      const head = entryAfter(entries[2], { body: randomBody(99, 64) });
      const rule = new ReaderRule({ kind: 'at-head', head });
      const stored = await collect(journal, offsets[3]);
      assert.throws(() => acceptedOf(stored, rule), hasCode('JOURNAL_DIVERGED'));
    }));

  void it('refuses offsets at which no entry stands', () =>
    withJournal(harness, async (_under, journal) => {
      const { offsets } = await appendChain(journal, 3);
      const last = offsets.at(-1) ?? '';
      const wrong = ['', 'nonsense', `${last}9999`, `x${last}`];
      for (const offset of wrong) {
        await assert.rejects(collect(journal, offset), hasCode('JOURNAL_DIVERGED'), offset);
      }
    }));
}

function unitConformance(harness: JournalHarness): void {
  void it('rolls to new units and reads over their borders', () =>
    withJournal(
      harness,
      async (under, journal) => {
        const { entries } = await appendChain(journal, 60);
        const unitCount = (await under.unitNames()).length;
        assert.equal(unitCount > 3, under.hasUnits);
        assertSame(await collect(journal), entries);
        await journal.close();
        const reopened = under.attach({ unitBytes: UNIT_BYTES });
        await reopened.open({ mode: 'write', signal: new AbortController().signal });
        assertSame(await collect(reopened), entries);
        await reopened.close();
      },
      { unitBytes: UNIT_BYTES },
    ));

  void it('gives each epoch units of its own', () =>
    withJournal(harness, async (under, journal) => {
      const { entries } = await appendChain(journal, 3);
      const before = await under.unitNames();
      const opening = openingAfter(entries.at(-1), 'b');
      await journal.append(opening);
      await journal.append(entryAfter(opening));
      const added = (await under.unitNames()).filter((unit) => !before.includes(unit));
      assert.equal(added.length, under.hasUnits && under.unitsOf !== 'size' ? 1 : 0);
      assert.equal((await collect(journal)).length, 6);
    }));

  void it('discards what is not needed, keeps what is, and never the last entry', () =>
    withJournal(
      harness,
      async (_under, journal) => {
        const { entries, offsets } = await appendChain(journal, 60);
        await journal.discardThrough(30);
        await journal.discardThrough(30);
        const { first, last } = journal.bounds();
        assert.equal(last, 61);
        assert.ok(first > 1 && first <= 31, `first is ${first}`);
        assertSame(await collect(journal), entries.slice(first - 1));
        assertSame(await collect(journal, offsets[30]), entries.slice(30));
        await assert.rejects(collect(journal, offsets[0]), hasCode('JOURNAL_DIVERGED'));
        await journal.discardThrough(1000);
        assert.equal(journal.bounds().last, 61);
        const left = await collect(journal);
        assert.equal(left.at(-1)?.entry.position, 61);
        await journal.append(entryAfter(entries.at(-1)));
        assert.equal(journal.bounds().last, 62);
      },
      { unitBytes: UNIT_BYTES },
    ));

  void it('keeps every entry behind the one through which it discards', () =>
    withJournal(
      harness,
      async (_under, journal) => {
        const { entries } = await appendChain(journal, 60);
        for (let position = 1; position <= entries.length; position++) {
          await journal.discardThrough(position);
          const { first, last } = journal.bounds();
          assert.ok(first <= position + 1, `first is ${first} after ${position}`);
          assert.equal(last, entries.length);
          assertSame(await collect(journal), entries.slice(first - 1));
        }
      },
      { unitBytes: SMALL_UNIT_BYTES },
    ));
}

const UNIT_BYTES = 16 * 1024;
const SMALL_UNIT_BYTES = 8 * 1024;

async function appendChain(
  journal: Journal,
  count: number,
): Promise<{ readonly entries: readonly Entry[]; readonly offsets: readonly EngineOffset[] }> {
  const opening = openingAfter(undefined, 'a');
  const entries = [opening, ...chainAfter(opening, count, 1000)];
  const offsets = await Promise.all(entries.map((entry) => journal.append(entry)));
  return { entries, offsets };
}

/** The driver looks for room at its own pace; the caller just asks again. */
async function appendWhenThereIsRoom(journal: Journal, entry: Entry): Promise<void> {
  const deadlineMs = performance.now() + 5000;
  for (;;) {
    try {
      await journal.append(entry);
      return;
    } catch (error) {
      if (!isOperationalError(error, 'JOURNAL_FULL') || performance.now() > deadlineMs) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function assertSame(stored: readonly StoredEntry[], entries: readonly Entry[]): void {
  assert.deepEqual(
    stored.map(({ entry }) => entry.position),
    entries.map(({ position }) => position),
  );
  for (const [index, { entry }] of stored.entries()) {
    const expected = entries[index];
    assert.ok(expected !== undefined && equalBytes(entry.bytes, expected.bytes));
    assert.equal(entry.bytes.byteOffset % 8, 0);
  }
}
