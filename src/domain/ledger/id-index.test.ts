import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Prng } from '../../base/prng.ts';
import { hashId } from './id-hash.ts';
import { IdIndex, NO_RECORD } from './id-index.ts';
import { RecordChunks } from './record-chunks.ts';

/** An index over records that are nothing but ids, beside a Map that says what is true. */
class Pair {
  readonly records = new RecordChunks(4);
  readonly index = new IdIndex(this.records, 0);
  readonly truth = new Map<number, number>();
  #made = 0;

  insert(id: number): void {
    const record = this.#made++;
    this.records.reserve(record);
    key(id, this.records.wordsOf(record), this.records.offsetOf(record));
    this.index.insert(hashOf(id), record);
    this.truth.set(id, record);
  }

  remove(id: number): void {
    this.index.remove(hashOf(id), this.truth.get(id) ?? NO_RECORD);
    this.truth.delete(id);
  }

  check(id: number): void {
    const words = key(id);
    const found = this.index.find(hashOf(id), words, 0);
    assert.equal(found, this.truth.get(id) ?? NO_RECORD, `id ${id}`);
  }
}

function key(id: number, words: Uint32Array = new Uint32Array(4), i = 0): Uint32Array {
  words.set([id, id ^ 0x5555, 7, 9], i);
  return words;
}

/** Few different hashes, so that probe chains are long and run into each other. */
function hashOf(id: number): number {
  return (id % 5) * 61;
}

describe('the index from ids to records', () => {
  it('finds what is in and nothing else, while tables grow and entries collide', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const prng = new Prng(seed);
      const pair = new Pair();
      let sawGrowth = false;
      for (let step = 0; step < 1500; step++) {
        const id = prng.below(700);
        if (pair.truth.has(id)) {
          if (prng.chance(0.4)) pair.remove(id);
        } else {
          pair.insert(id);
        }
        sawGrowth ||= pair.index.growing;
        pair.check(id);
        pair.check(prng.below(700));
      }
      assert.equal(pair.index.count, pair.truth.size);
      assert.ok(sawGrowth, 'the run has passed through a growing table');
      for (let id = 0; id < 700; id++) pair.check(id);
    }
  });

  it('finds every one of many ids whose hashes are spread', () => {
    const records = new RecordChunks(4);
    const index = new IdIndex(records, 0);
    const words = new Uint32Array(4);
    for (let id = 0; id < 40_000; id++) {
      records.reserve(id);
      words.set([id, 0, 0, 0]);
      records.wordsOf(id).set(words, records.offsetOf(id));
      index.insert(hashId(words, 0), id);
    }
    for (let id = 0; id < 40_000; id++) {
      words.set([id, 0, 0, 0]);
      assert.equal(index.find(hashId(words, 0), words, 0), id);
    }
    words.set([40_000, 0, 0, 0]);
    assert.equal(index.find(hashId(words, 0), words, 0), NO_RECORD);
  });

  it('finds many at once as it finds each, whether or not it is growing', () => {
    const pair = new Pair();
    const prng = new Prng(5);
    const sawGrowing = new Set<boolean>();
    for (let id = 0; id < 3000; id++) {
      pair.insert(id);
      if (id % 37 !== 0) continue;
      sawGrowing.add(pair.index.growing);
      const wanted = Array.from({ length: 50 }, () => prng.below(2 * id + 1));
      const keys = new Uint32Array(6 * wanted.length);
      const hashes = new Int32Array(wanted.map(hashOf));
      const found = new Int32Array(wanted.length);
      for (const [place, one] of wanted.entries()) key(one, keys, 6 * place + 2);
      pair.index.findMany(keys, 2, 6, wanted.length, hashes, found);
      const expected = wanted.map((one) => pair.truth.get(one) ?? NO_RECORD);
      assert.deepEqual([...found], expected);
    }
    assert.equal(sawGrowing.size, 2);
  });

  it('finds many that have not been moved over yet, each with a hash of its own', () => {
    const records = new RecordChunks(4);
    const index = new IdIndex(records, 0);
    let count = 0;
    for (; !index.growing; count++) {
      records.reserve(count);
      key(count, records.wordsOf(count), records.offsetOf(count));
      index.insert(count, count);
    }
    const keys = new Uint32Array(4 * count);
    for (let id = 0; id < count; id++) key(id, keys, 4 * id);
    const numbers = Int32Array.from({ length: count }, (_, id) => id);
    const found = new Int32Array(count);
    index.findMany(keys, 0, 4, count, numbers, found);
    assert.deepEqual(found, numbers);
  });

  it('is moved over while nothing is inserted, and made large at once while it is empty', () => {
    const pair = new Pair();
    for (let id = 0; !pair.index.growing; id++) pair.insert(id);
    while (pair.index.growing) pair.index.move(10);
    for (const id of pair.truth.keys()) pair.check(id);
    const large = new Pair();
    large.index.reserve(5000);
    for (let id = 0; id < 5000; id++) {
      large.insert(id);
      assert.equal(large.index.growing, false);
    }
    large.check(4999);
    large.check(5000);
  });

  it('keeps ids apart that differ in any one word', () => {
    const records = new RecordChunks(4);
    const index = new IdIndex(records, 0);
    records.reserve(0);
    records.wordsOf(0).set([1, 2, 3, 4]);
    index.insert(77, 0);
    assert.equal(index.find(77, new Uint32Array([1, 2, 3, 4]), 0), 0);
    for (let word = 0; word < 4; word++) {
      const other = new Uint32Array([1, 2, 3, 4]);
      other[word] = 99;
      assert.equal(index.find(77, other, 0), NO_RECORD);
    }
  });
});
