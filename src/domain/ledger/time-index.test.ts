import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { idWordsUnixMs, transferIdFrom, writeIdWords } from '../../base/ids.ts';
import { DEDUPE_RING_SECONDS } from '../../base/limits.ts';
import { Prng } from '../../base/prng.ts';
import { hashId } from './id-hash.ts';
import { NO_RECORD } from './id-index.ts';
import { RecordChunks } from './record-chunks.ts';
import { TimeIndex } from './time-index.ts';

/** An index over records that are nothing but ids, beside a Map that says what is true. */
class Pair {
  readonly records = new RecordChunks(4);
  readonly index: TimeIndex;
  readonly truth = new Map<bigint, number>();
  readonly #hash: (words: Uint32Array) => number;
  #made = 0;

  constructor(
    hash: (words: Uint32Array) => number = (words) => hashId(words, 0),
    hashAgain?: () => number,
  ) {
    this.#hash = hash;
    this.index = new TimeIndex(this.records, hashAgain);
  }

  /** By the hot road where that is enough, as the ledger does. */
  insert(id: bigint): void {
    const words = wordsOf(id);
    const [unixMs, hash] = [idWordsUnixMs(words, 0), this.#hash(words)];
    const slot = this.#made++;
    this.records.reserve(slot);
    const isDone = this.index.isNew(unixMs, hash, words, 0) && this.index.insertNew(slot);
    this.records.wordsOf(slot).set(words, this.records.offsetOf(slot));
    if (!isDone) {
      assert.equal(this.index.find(unixMs, hash, words, 0), NO_RECORD);
      this.index.insert(unixMs, hash, slot);
    }
    this.truth.set(id, slot);
  }

  remove(id: bigint): void {
    const words = wordsOf(id);
    this.index.remove(idWordsUnixMs(words, 0), this.#hash(words), this.truth.get(id)!);
    this.truth.delete(id);
  }

  drop(second: number): void {
    this.index.drop(second);
    for (const id of this.truth.keys()) {
      if (Math.floor(Number(id >> 80n) / 1000) === second) this.truth.delete(id);
    }
  }

  check(id: bigint): void {
    const words = wordsOf(id);
    const found = this.index.find(idWordsUnixMs(words, 0), this.#hash(words), words, 0);
    assert.equal(found, this.truth.get(id) ?? NO_RECORD, `id ${id.toString(16)}`);
  }

  checkAll(): void {
    for (const id of this.truth.keys()) this.check(id);
  }
}

function wordsOf(id: bigint): Uint32Array {
  const words = new Uint32Array(4);
  writeIdWords(words, 0, id);
  return words;
}

describe('the index by time', () => {
  it('finds what is in and nothing else, while seconds fill, empty and are dropped', () => {
    for (let seed = 1; seed <= 8; seed++) {
      const prng = new Prng(seed);
      // Some with few hashes, so that probing runs long.
      const pair = new Pair(seed % 2 === 0 ? (words) => (words[3]! >>> 24) % 7 : undefined);
      for (let step = 0; step < 4000; step++) {
        const second = 100 + Math.floor(step / 500) + prng.below(3);
        const unixMs = 1000 * second + prng.below(prng.chance(0.5) ? 2 : 1000);
        const id = transferIdFrom(unixMs, BigInt(prng.below(60)));
        if (!pair.truth.has(id)) pair.insert(id);
        else if (prng.chance(0.3)) pair.remove(id);
        pair.check(id);
        pair.check(transferIdFrom(1000 * second + prng.below(1000), BigInt(prng.below(60))));
        if (step % 500 === 499) {
          pair.drop(100 + Math.floor(step / 500));
          pair.index.freeSome(5);
        }
      }
      pair.checkAll();
    }
  });

  it('keeps many ids of one second and of one millisecond', () => {
    for (const spread of [1000, 3, 1]) {
      const pair = new Pair();
      const prng = new Prng(spread);
      const ids: bigint[] = [];
      for (let number = 0; number < 30_000; number++) {
        const id = transferIdFrom(5_000_000 + prng.below(spread), BigInt(number) << 48n);
        pair.insert(id);
        ids.push(id);
      }
      pair.checkAll();
      pair.check(transferIdFrom(5_000_000, 1n));
      for (const id of ids.filter((_, place) => place % 3 === 0)) pair.remove(id);
      for (const id of ids) pair.check(id);
      pair.drop(5000);
      for (const id of ids) pair.check(id);
    }
  });

  it('tells ids apart whose hashes are all equal', () => {
    const pair = new Pair(() => 77);
    for (let number = 0; number < 7000; number++) {
      pair.insert(transferIdFrom(9000, BigInt(number) << 20n));
    }
    pair.checkAll();
    pair.check(transferIdFrom(9000, 1n));
  });

  it('tells ids of one millisecond apart, at last by their bytes', () => {
    // From the first directory on they are told apart by nothing else.
    const pair = new Pair(undefined, () => 77);
    const ids: bigint[] = [];
    for (let number = 0; number < 11_000; number++) {
      // The last byte is the same for all, and the one before tells few apart.
      const rest = (BigInt(number >>> 6) << 32n) | BigInt((number & 63) << 8);
      ids.push(transferIdFrom(5_000_000, rest));
      pair.insert(ids.at(-1)!);
    }
    pair.checkAll();
    for (const id of ids.filter((_, place) => place % 3 === 0)) pair.remove(id);
    for (const id of ids) pair.check(id);
  });

  it('takes no more memory, however tables grow, are divided, emptied and dropped', () => {
    const pair = new Pair();
    const fill = (second: number): void => {
      // In turn: one millisecond that is divided twice, all of a second, and few that begin small.
      const count = [11_000, 11_000, 30, 2000][second % 4]!;
      for (let number = 0; number < count; number++) {
        const unixMs = 1000 * second + (second % 4 === 1 ? number % 1000 : 7);
        pair.insert(transferIdFrom(unixMs, BigInt(number) << 40n));
      }
      pair.drop(second);
      pair.index.freeSome(5000);
    };
    for (let second = 100; second < 108; second++) fill(second);
    const { bytes } = pair.index;
    for (let second = 108; second < 140; second++) fill(second);
    assert.equal(pair.index.bytes, bytes);
    // What goes in and out again leaves no trace in a table: all of them fit one chunk.
    const other = new Pair();
    for (let number = 0; number < 2000; number++) {
      other.insert(transferIdFrom(200_000, BigInt(number)));
      other.remove(transferIdFrom(200_000, BigInt(number)));
    }
    assert.equal(other.index.bytes, 1 << 20);
  });

  it('uses the place of a second again, one round of the ring later', () => {
    const pair = new Pair();
    pair.insert(transferIdFrom(77_000, 1n));
    pair.drop(77);
    const later = transferIdFrom(77_000 + 1000 * DEDUPE_RING_SECONDS, 1n);
    pair.check(later);
    pair.insert(later);
    pair.check(later);
    pair.check(transferIdFrom(77_000, 1n));
  });
});
