import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import { type Entry, EntryKind, sealEntry } from '../base/entry.ts';
import { isOperationalError } from '../base/errors.ts';
import { ENTRY_HEADER_BYTES } from '../base/limits.ts';
import type { StoredEntry } from '../ports/journal.ts';
import { ReaderRule, type ReaderVerdict } from './reader-rule.ts';

const CLUSTER_ID = new Uint8Array(16).fill(7);
const ACCEPT: ReaderVerdict = { kind: 'accept' };

type Overrides = Partial<
  Pick<
    Entry,
    | 'kind'
    | 'position'
    | 'epoch'
    | 'durable'
    | 'timeNs'
    | 'timeline'
    | 'clusterId'
    | 'previousDigest'
  >
>;

function after(previous: Entry | undefined, overrides: Overrides = {}): Entry {
  const header = {
    kind: EntryKind.commands,
    commandCount: 1,
    clusterId: CLUSTER_ID,
    timeline: 1,
    position: (previous?.position ?? 0) + 1,
    epoch: previous?.epoch ?? 1,
    durable: previous?.durable ?? 0,
    timeNs: (previous?.timeNs ?? 0n) + 10n,
    rulesVersion: 1,
    eventCount: 1,
    bodyBytes: 0,
    outcomePosition: 0,
    outcomeDigest: new Uint8Array(32),
    previousDigest: previous?.digest ?? new Uint8Array(32),
    ...overrides,
  };
  return sealEntry(header, new Uint8Array(ENTRY_HEADER_BYTES), (bytes) => {
    return hash('sha256', bytes, 'buffer');
  });
}

function opening(previous: Entry | undefined, overrides: Overrides = {}): Entry {
  const epoch = (previous?.epoch ?? 0) + 1;
  return after(previous, { kind: EntryKind.opening, epoch, ...overrides });
}

function stored(entry: Entry): StoredEntry {
  return { entry, offset: `o${entry.position}` };
}

function voided(reason: Extract<ReaderVerdict, { kind: 'void' }>['reason']): ReaderVerdict {
  return { kind: 'void', reason };
}

function assertDiverged(rule: ReaderRule, entry: Entry, text: RegExp): void {
  assert.throws(
    () => rule.decide(stored(entry)),
    (error) => {
      assert.ok(isOperationalError(error, 'JOURNAL_DIVERGED'));
      assert.match(error.detail, text);
      assert.ok(error.wayOut.length > 0);
      return true;
    },
  );
}

/** A rule that has accepted an opening and three entries. */
function running(): { readonly rule: ReaderRule; readonly entries: readonly Entry[] } {
  const rule = new ReaderRule({ kind: 'genesis' });
  const first = opening(undefined);
  const second = after(first, { durable: 1 });
  const third = after(second, { durable: 2 });
  const entries = [first, second, third, after(third)];
  for (const entry of entries) assert.deepEqual(rule.decide(stored(entry)), ACCEPT);
  return { rule, entries };
}

function lastOf(entries: readonly Entry[]): Entry {
  const last = entries.at(-1);
  assert.ok(last !== undefined);
  return last;
}

void describe('the reader rule at genesis', () => {
  void it('accepts an opening of epoch 1 at position 1 and learns the cluster from it', () => {
    const { rule, entries } = running();
    assert.equal(rule.head?.position, 4);
    assert.equal(rule.head?.epoch, 1);
    assert.deepEqual(rule.head?.digest, entries[3]?.digest.slice());
    assert.equal(rule.durable, 2);
    const foreign = after(lastOf(entries), { clusterId: new Uint8Array(16).fill(8) });
    assert.deepEqual(rule.decide(stored(foreign)), voided('foreign'));
  });

  void it('voids what stands before the first opening, and what belongs to others', () => {
    const rule = new ReaderRule({ kind: 'genesis', clusterId: CLUSTER_ID, timeline: 2 });
    assert.deepEqual(rule.decide(stored(opening(undefined))), voided('foreign'));
    const early = after(undefined, { timeline: 2 });
    assert.deepEqual(rule.decide(stored(early)), voided('unopened'));
    const other = opening(undefined, { timeline: 2, clusterId: new Uint8Array(16) });
    assert.deepEqual(rule.decide(stored(other)), voided('foreign'));
    assert.deepEqual(rule.decide(stored(opening(undefined, { timeline: 2 }))), ACCEPT);
  });

  void it('stops on a journal that starts later, or opens over something', () => {
    const second = after(opening(undefined));
    assertDiverged(new ReaderRule({ kind: 'genesis' }), second, /must start at position 1/);
    const epochTwo = opening(undefined, { epoch: 2 });
    assertDiverged(new ReaderRule({ kind: 'genesis' }), epochTwo, /must open epoch 1/);
    const over = opening(undefined, { previousDigest: new Uint8Array(32).fill(1) });
    assertDiverged(new ReaderRule({ kind: 'genesis' }), over, /must open epoch 1/);
  });
});

void describe('the reader rule at a head', () => {
  void it('confirms the head where it must stand, then goes on', () => {
    const { entries } = running();
    const head = lastOf(entries);
    const rule = new ReaderRule({ kind: 'at-head', head });
    assert.deepEqual(rule.decide(stored(head)), { kind: 'head' });
    assert.equal(rule.durable, 2);
    assert.deepEqual(rule.decide(stored(after(head))), ACCEPT);
  });

  void it('stops when another entry stands there', () => {
    const { entries } = running();
    const head = lastOf(entries);
    const other = after(entries[2], { timeNs: 1_000_000n });
    assertDiverged(new ReaderRule({ kind: 'at-head', head }), other, /head \(position 4/);
    const later = after(head);
    assertDiverged(new ReaderRule({ kind: 'at-head', head }), later, /head \(position 4/);
  });

  void it('goes on behind a head that the caller has verified', () => {
    const { entries } = running();
    const head = lastOf(entries);
    const rule = new ReaderRule({ kind: 'after-head', head });
    assert.deepEqual(rule.decide(stored(after(head))), ACCEPT);
    const timeline = new ReaderRule({ kind: 'after-head', head });
    const other = after(head, { timeline: 2 });
    assert.deepEqual(timeline.decide(stored(other)), voided('foreign'));
  });

  void it('ends at once when the head is a roll', () => {
    const roll = after(opening(undefined), { kind: EntryKind.roll });
    const rule = new ReaderRule({ kind: 'at-head', head: roll });
    assert.deepEqual(rule.decide(stored(roll)), { kind: 'head' });
    assert.equal(rule.rolled, true);
  });
});

void describe('the reader rule between entries of one epoch', () => {
  void it('voids a wrong position, a wrong chain and another epoch, and goes on', () => {
    const { rule, entries } = running();
    const head = lastOf(entries);
    const skipped = after(head, { position: 6 });
    assert.deepEqual(rule.decide(stored(skipped)), voided('position'));
    assert.deepEqual(rule.decide(stored(head)), voided('position'));
    const unchained = after(head, { previousDigest: entries[0]?.digest ?? new Uint8Array(32) });
    assert.deepEqual(rule.decide(stored(unchained)), voided('chain'));
    const higher = after(head, { epoch: 2 });
    assert.deepEqual(rule.decide(stored(higher)), voided('epoch'));
    assert.deepEqual(rule.decide(stored(after(head))), ACCEPT);
  });

  void it('stops when time or the durable position falls in a chained entry', () => {
    const { rule, entries } = running();
    const head = lastOf(entries);
    assertDiverged(rule, after(head, { timeNs: head.timeNs }), /time/);
    assertDiverged(rule, after(head, { durable: 1 }), /durable/);
    assert.deepEqual(rule.decide(stored(after(head))), ACCEPT);
  });

  void it('accepts a roll and voids everything behind it', () => {
    const { rule, entries } = running();
    const roll = after(lastOf(entries), { kind: EntryKind.roll });
    assert.equal(rule.rolled, false);
    assert.deepEqual(rule.decide(stored(roll)), ACCEPT);
    assert.equal(rule.rolled, true);
    assert.deepEqual(rule.decide(stored(after(roll))), voided('rolled'));
    assert.deepEqual(rule.decide(stored(opening(roll))), voided('rolled'));
    assert.equal(rule.head?.position, roll.position);
  });
});

void describe('the reader rule at openings', () => {
  void it('raises the epoch by an opening in its place, and voids the old leader', () => {
    const { rule, entries } = running();
    const head = lastOf(entries);
    const next = opening(head);
    const late = after(head);
    assert.deepEqual(rule.decide(stored(next)), ACCEPT);
    assert.equal(rule.head?.epoch, 2);
    assert.deepEqual(rule.decide(stored(late)), voided('epoch'));
    assert.deepEqual(rule.decide(stored(after(next, { epoch: 1 }))), voided('epoch'));
    assert.deepEqual(rule.decide(stored(after(next))), ACCEPT);
  });

  void it('lets an epoch be skipped, but never be opened twice', () => {
    const { rule, entries } = running();
    const next = opening(lastOf(entries), { epoch: 5 });
    assert.deepEqual(rule.decide(stored(next)), ACCEPT);
    const second = opening(lastOf(entries), { epoch: 5, timeNs: 1_000_000n });
    assert.deepEqual(rule.decide(stored(second)), voided('epoch'));
    assert.deepEqual(rule.decide(stored(opening(next, { epoch: 5 }))), voided('epoch'));
    assert.deepEqual(rule.decide(stored(opening(next, { epoch: 4 }))), voided('epoch'));
  });

  void it('stops on an opening at a later position or over an unknown digest', () => {
    const { rule, entries } = running();
    const head = lastOf(entries);
    assertDiverged(rule, opening(after(head)), /ends at position 4/);
    const unknown = new Uint8Array(32).fill(3);
    assertDiverged(rule, opening(head, { previousDigest: unknown }), /over a digest/);
    assertDiverged(rule, opening(entries[1], { previousDigest: unknown }), /over a digest/);
  });

  void it('voids an opening that was overtaken, also one from beyond its memory', () => {
    const { rule, entries } = running();
    assert.deepEqual(rule.decide(stored(opening(entries[1]))), voided('overtaken'));
    const head = lastOf(entries);
    const short = new ReaderRule({ kind: 'after-head', head });
    assert.deepEqual(short.decide(stored(opening(entries[1]))), voided('overtaken'));
    assert.deepEqual(short.decide(stored(opening(head))), ACCEPT);
  });
});
