// The part of the conformance suite that is about who may write: late records, candidates for one
// epoch, reordered tails, unknown outcomes. Where an engine fences natively the same attempts are
// made and must be refused; where readers fence, the attempts succeed and must be voided.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Entry, EntryKind } from '../../../src/base/entry.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { ReaderRule } from '../../../src/recovery/reader-rule.ts';
import { chainAfter, entryAfter, openingAfter, textOf } from './entries.ts';
import type { JournalHarness, JournalUnderTest } from './harness.ts';
import { acceptedOf, collect, hasCode, withJournal } from './support.ts';

export function fencingConformance(harness: JournalHarness): void {
  guaranteesConformance(harness);
  lateRecordConformance(harness);
  candidateConformance(harness);
  reorderConformance(harness);
  unknownConformance(harness);
}

function guaranteesConformance(harness: JournalHarness): void {
  void it('states the fencing that its engine has', () =>
    withJournal(harness, (under, journal) => {
      assert.equal(journal.guarantees.fencing, under.fencing);
      return Promise.resolve();
    }));

  void it('treats a second writer beside a live one as its write authority says', () =>
    withJournal(harness, async (under, journal) => {
      await journal.append(openingAfter(undefined, 'a'));
      const second = under.attach();
      const opened = second.open({ mode: 'write', signal: new AbortController().signal });
      if (under.secondWriter === 'locked') await assert.rejects(opened, hasCode('JOURNAL_LOCKED'));
      else await opened;
      await second.close();
      await journal.append(entryAfter((await accepted(journal)).at(-1)));
    }));

  void it('refuses or voids what does not follow: position, previous digest, epoch', () =>
    withJournal(harness, async (under, journal) => {
      const opening = openingAfter(undefined, 'a');
      const next = entryAfter(opening);
      await journal.append(opening);
      const strays = [
        entryAfter(opening, { position: 3 }),
        entryAfter(opening, { position: 1, durable: 0 }),
        entryAfter(opening, { previousDigest: next.digest }),
        entryAfter(opening, { epoch: 2 }),
        openingAfter(opening, 'same epoch', { epoch: 1 }),
      ];
      for (const stray of strays) await appendStray(under, journal, stray);
      await journal.append(next);
      assert.deepEqual(positions(await accepted(journal)), [1, 2]);
      assert.deepEqual(journal.bounds(), { first: 1, last: 2 });
    }));
}

function lateRecordConformance(harness: JournalHarness): void {
  void it('never lets a late record of a deposed leader into the history', () =>
    withJournal(harness, async (under, journal) => {
      const opening = openingAfter(undefined, 'old leader');
      const old = [opening, ...chainAfter(opening, 3)];
      for (const entry of old) await journal.append(entry);
      const late = entryAfter(old.at(-1));
      const successor = await succeed(under, journal);
      const opened = openingAfter(old.at(-1), 'new leader');
      await successor.append(opened);
      await appendStray(under, successor, late);
      await appendStray(under, successor, entryAfter(opened, { epoch: 1 }));
      const goingOn = chainAfter(opened, 2);
      await successor.append(goingOn[0] ?? opened);
      await appendStray(under, successor, entryAfter(late));
      await successor.append(goingOn[1] ?? opened);
      const history = await accepted(successor);
      assert.deepEqual(positions(history), [1, 2, 3, 4, 5, 6, 7]);
      assert.equal(textOf(history[4] ?? opening), '{"nonce":"new leader"}');
      assert.equal(history[6]?.epoch, 2);
      await successor.close();
    }));
}

function candidateConformance(harness: JournalHarness): void {
  void it('lets one of two candidates for an epoch win, and both see which', () =>
    withJournal(harness, async (under, journal) => {
      const opening = openingAfter(undefined, 'first');
      await journal.append(opening);
      const candidates = ['candidate one', 'candidate two'].map((nonce) => {
        return openingAfter(opening, nonce);
      });
      const [one, two] = candidates;
      assert.ok(one !== undefined && two !== undefined);
      const winner = await succeed(under, journal);
      await winner.append(one);
      await appendStray(under, winner, two);
      const history = await accepted(winner);
      assert.deepEqual(positions(history), [1, 2]);
      const inPlace = history.at(-1);
      assert.equal(inPlace?.kind, EntryKind.opening);
      assert.equal(textOf(inPlace ?? opening), '{"nonce":"candidate one"}');
      await appendStray(under, winner, entryAfter(two));
      await winner.append(entryAfter(one));
      assert.deepEqual(positions(await accepted(winner)), [1, 2, 3]);
      await winner.close();
    }));
}

function reorderConformance(harness: JournalHarness): void {
  void it('takes a pipelined tail only in order', () =>
    withJournal(harness, async (under, journal) => {
      const opening = openingAfter(undefined, 'a');
      await journal.append(opening);
      const [second, third] = chainAfter(opening, 2);
      assert.ok(second !== undefined && third !== undefined);
      if (under.fencing === 'reader') {
        under.reorderNext(2);
        await Promise.all([journal.append(second), journal.append(third)]);
      } else {
        await assert.rejects(journal.append(third), hasCode('JOURNAL_FENCED'));
        await journal.append(second);
      }
      // Position 3 came first and is not in the history: its writer finds out by reading back.
      assert.deepEqual(positions(await accepted(journal)), [1, 2]);
      await journal.append(third);
      assert.deepEqual(positions(await accepted(journal)), [1, 2, 3]);
    }));

  void it('keeps many pipelined appends whole and in order', () =>
    withJournal(harness, async (_under, journal) => {
      const opening = openingAfter(undefined, 'a');
      const entries = [opening, ...chainAfter(opening, 500, 304)];
      await Promise.all(entries.map((entry) => journal.append(entry)));
      assert.deepEqual(positions(await accepted(journal)), positions(entries));
    }));
}

function unknownConformance(harness: JournalHarness): void {
  for (const written of ['now', 'never'] as const) {
    void it(`resolves an unknown outcome to exactly one by barrier and read: written ${written}`, () =>
      withJournal(harness, async (under, journal) => {
        const opening = openingAfter(undefined, 'a');
        await journal.append(opening);
        const [doubtful, behind] = chainAfter(opening, 2);
        assert.ok(doubtful !== undefined && behind !== undefined);
        await under.loseNextAnswer(written);
        await assert.rejects(
          journal.append(doubtful),
          hasCode('JOURNAL_UNKNOWN_OUTCOME', 'JOURNAL_FAILED'),
        );
        await assert.rejects(
          journal.append(behind),
          hasCode('JOURNAL_UNKNOWN_OUTCOME', 'JOURNAL_FAILED', 'JOURNAL_CLOSED'),
        );
        const successor = await succeed(under, journal);
        const head = (await accepted(successor)).at(-1);
        assert.equal(head?.position, written === 'now' ? 2 : 1);
        const barrier = openingAfter(head, 'barrier');
        await successor.append(barrier);
        await appendStray(under, successor, doubtful);
        const expected = written === 'now' ? [1, 2, 3] : [1, 2];
        const history = await accepted(successor);
        assert.deepEqual(positions(history), expected);
        assert.equal(textOf(history.at(-1) ?? opening), '{"nonce":"barrier"}');
        await successor.close();
      }));
  }

  void it('keeps a doubtful record out when it arrives only behind the barrier', () =>
    withJournal(harness, async (under, journal) => {
      const opening = openingAfter(undefined, 'a');
      await journal.append(opening);
      const doubtful = entryAfter(opening);
      await under.loseNextAnswer('never');
      await assert.rejects(journal.append(doubtful));
      const successor = await succeed(under, journal);
      const barrier = openingAfter(opening, 'barrier');
      await successor.append(barrier);
      await appendStray(under, successor, doubtful);
      await successor.append(entryAfter(barrier));
      assert.deepEqual(positions(await accepted(successor)), [1, 2, 3]);
      const kinds = (await accepted(successor)).map(({ epoch }) => epoch);
      assert.deepEqual(kinds, [1, 2, 2]);
      await successor.close();
    }));
}

/** A record that no reader may believe: refused natively, or in the log and then voided. */
async function appendStray(under: JournalUnderTest, journal: Journal, stray: Entry): Promise<void> {
  if (under.fencing === 'reader') {
    await under.sendLate(stray);
    return;
  }
  await assert.rejects(journal.append(stray), hasCode('JOURNAL_FENCED'));
}

/** The next leader's driver: where the engine locks writers out, the old one must end first. */
async function succeed(under: JournalUnderTest, old: Journal): Promise<Journal> {
  if (under.secondWriter === 'locked') await old.close();
  const journal = under.attach();
  await journal.open({ mode: 'write', signal: new AbortController().signal });
  return journal;
}

async function accepted(journal: Journal): Promise<Entry[]> {
  return acceptedOf(await collect(journal), new ReaderRule({ kind: 'genesis' }));
}

function positions(entries: readonly Entry[]): number[] {
  return entries.map(({ position }) => position);
}
