import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { transferIdFrom, writeIdWords } from '../../base/ids.ts';
import { DEDUPE_BYTES_PER_ID, DEDUPE_RING_SECONDS } from '../../base/limits.ts';
import { Prng } from '../../base/prng.ts';
import { hashId } from './id-hash.ts';
import { NO_RECORD } from './id-index.ts';
import { RecordStatus, RememberedTransfers, idSecond } from './remembered-transfers.ts';

function record(second: number, rest: number): Uint32Array {
  const words = new Uint32Array(32);
  writeIdWords(words, 0, transferIdFrom(second * 1000, BigInt(rest) + 1n));
  return words;
}

function add(remembered: RememberedTransfers, words: Uint32Array): void {
  remembered.add(hashId(words, 0), idSecond(words, 0), words, 0, RecordStatus.accepted);
}

function has(remembered: RememberedTransfers, words: Uint32Array): boolean {
  return remembered.findAny(words, 0) !== NO_RECORD;
}

function ofCapacity(ids: number): RememberedTransfers {
  return new RememberedTransfers(ids * DEDUPE_BYTES_PER_ID);
}

describe('remembered transfers', () => {
  it('forgets at once what lies before the edge', () => {
    const remembered = ofCapacity(10_000);
    const old = Array.from({ length: 5000 }, (_, rest) => record(100, rest));
    for (const words of old) add(remembered, words);
    const young = record(101, 1);
    add(remembered, young);
    remembered.raiseEdge(101);
    assert.equal(remembered.count, 1);
    for (const words of old) assert.equal(has(remembered, words), false);
    assert.ok(has(remembered, young));
  });

  it('makes room by forgetting the oldest second whole and nothing younger', () => {
    const remembered = ofCapacity(20);
    for (let rest = 0; rest < 5; rest++) add(remembered, record(7, rest));
    for (let rest = 0; rest < 15; rest++) add(remembered, record(9, rest));
    remembered.makeRoom();
    assert.equal(remembered.edge, 8);
    assert.equal(remembered.count, 15);
    assert.ok(has(remembered, record(9, 3)));
    assert.equal(has(remembered, record(7, 3)), false);
  });

  it('loses no slot that was undone before any other was free', () => {
    const remembered = ofCapacity(16);
    for (let rest = 0; rest < 15; rest++) add(remembered, record(7, rest));
    const undone = record(8, 1);
    add(remembered, undone);
    remembered.undoAdd(undone, 0, remembered.tailBefore);
    remembered.raiseEdge(8);
    for (let rest = 0; rest < 16; rest++) add(remembered, record(9, rest));
    assert.equal(remembered.slotsMade, 16);
  });

  it('never needs more slots than its capacity, however much is forgotten and added', () => {
    const remembered = ofCapacity(50);
    const prng = new Prng(3);
    const truth = new Map<number, Uint32Array[]>();
    let slotMax = 0;
    for (let step = 0; step < 20_000; step++) {
      const second = 1000 + Math.floor(step / 40) + prng.below(6);
      remembered.makeRoom();
      if (second < remembered.edge) continue;
      const words = record(second, step);
      add(remembered, words);
      truth.set(second, [...(truth.get(second) ?? []), words]);
      slotMax = Math.max(slotMax, ...remembered.slots());
      if (prng.chance(0.01)) remembered.raiseEdge(remembered.edge + 1);
    }
    assert.ok(slotMax < 50, `slots up to ${slotMax}`);
    let count = 0;
    for (const [second, list] of truth) {
      for (const words of list) assert.equal(has(remembered, words), second >= remembered.edge);
      if (second >= remembered.edge) count += list.length;
    }
    assert.equal(remembered.count, count);
    assert.equal([...remembered.slots()].length, count);
  });

  it('forgets everything when time leaps over the whole ring, and works on after it', () => {
    const remembered = ofCapacity(100);
    const before = record(50, 1);
    add(remembered, before);
    remembered.raiseEdge(50 + 3 * DEDUPE_RING_SECONDS);
    assert.equal(remembered.count, 0);
    assert.equal(has(remembered, before), false);
    // The same place of the ring, three rounds later.
    const after = record(50 + 3 * DEDUPE_RING_SECONDS, 1);
    add(remembered, after);
    assert.ok(has(remembered, after));
  });

  it('takes back what was added last, but not what has been forgotten meanwhile', () => {
    const remembered = ofCapacity(100);
    const words = [record(5, 1), record(6, 2), record(6, 3)];
    const before: number[] = [];
    for (const one of words) {
      add(remembered, one);
      before.push(remembered.tailBefore);
    }
    remembered.undoAdd(words[2]!, 0, before[2]!);
    assert.equal(has(remembered, words[2]!), false);
    assert.ok(has(remembered, words[1]!));
    remembered.raiseEdge(6);
    remembered.undoAdd(words[1]!, 0, before[1]!);
    remembered.undoAdd(words[0]!, 0, before[0]!);
    assert.equal(remembered.count, 0);
    add(remembered, words[1]!);
    assert.ok(has(remembered, words[1]!));
  });

  it('forgets oldest seconds when its capacity is lowered', () => {
    const remembered = ofCapacity(100);
    for (let second = 1; second <= 10; second++) {
      for (let rest = 0; rest < 5; rest++) add(remembered, record(second, rest));
    }
    remembered.setBytesMax(22 * DEDUPE_BYTES_PER_ID);
    assert.equal(remembered.count, 20);
    assert.equal(remembered.edge, 7);
  });

  it('takes no more memory for its index however many seconds pass', () => {
    const remembered = ofCapacity(300);
    let bytes = 0;
    for (let second = 1; second <= 3000; second++) {
      if (second === 200) bytes = remembered.index.bytes;
      remembered.raiseEdge(second - 2);
      for (let rest = 0; rest < 100; rest++) {
        remembered.makeRoom();
        add(remembered, record(second, rest));
      }
    }
    assert.equal(remembered.index.bytes, bytes);
  });

  it('hands a forgotten stretch out again as it was', () => {
    const remembered = ofCapacity(100);
    for (let rest = 0; rest < 60; rest++) add(remembered, record(5, rest));
    for (let rest = 0; rest < 40; rest++) add(remembered, record(6, rest));
    remembered.makeRoom();
    assert.equal(remembered.stretchAt(remembered.nextSlot(), 1000), 60);
    for (let rest = 0; rest < 20; rest++) add(remembered, record(7, rest));
    assert.equal(remembered.stretchAt(remembered.nextSlot(), 1000), 40);
    assert.equal(remembered.stretchAt(remembered.nextSlot(), 7), 7);
  });

  it('rebuilt from its records, it goes on as the one that they were copied from', () => {
    for (let seed = 1; seed <= 6; seed++) {
      const prng = new Prng(seed);
      const original = ofCapacity(seed % 2 === 0 ? 300 : 20_000);
      const past: Uint32Array[] = [];
      const goOn = (tables: readonly RememberedTransfers[], steps: number): void => {
        for (let step = 0; step < steps; step++) {
          const second = 1000 + Math.floor(past.length / 50) + prng.below(6);
          const edge = prng.chance(0.01) ? tables[0]!.edge + 1 : 0;
          const undone = prng.chance(0.1);
          const words = record(second, past.length);
          past.push(words);
          for (const table of tables) {
            table.raiseEdge(edge);
            table.makeRoom();
            if (second < table.edge) continue;
            add(table, words);
            if (undone) table.undoAdd(words, 0, table.tailBefore);
          }
        }
      };
      goOn([original], 2000);
      const rebuilt = rebuiltFrom(original);
      assertAlike(rebuilt, original, past);
      goOn([rebuilt, original], 1500);
      assertAlike(rebuilt, original, past);
    }
  });
});

function rebuiltFrom(original: RememberedTransfers): RememberedTransfers {
  const rebuilt = new RememberedTransfers(original.capacity * DEDUPE_BYTES_PER_ID);
  for (const chunk of original.records.beginCopy(original.slotsMade)) {
    const bytes = new Uint8Array(chunk.bytes);
    original.records.copy(chunk, bytes);
    rebuilt.records.addCopied(chunk.records, bytes);
  }
  original.records.endCopy(true);
  rebuilt.raiseEdge(original.edge);
  rebuilt.rebuild(original.slotsMade);
  return rebuilt;
}

function assertAlike(
  one: RememberedTransfers,
  other: RememberedTransfers,
  past: readonly Uint32Array[],
): void {
  assert.equal(one.count, other.count);
  assert.equal(one.edge, other.edge);
  for (const words of past) assert.equal(has(one, words), has(other, words));
  for (const table of [one, other]) assert.equal([...table.slots()].length, table.count);
}
