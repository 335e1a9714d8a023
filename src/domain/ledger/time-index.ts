// From a transfer id to the slot of its record, by the time in the id. New ids are nearly always of
// now, so what is looked at stands close together in memory, which a single hash table of all ids
// does not; and a second that is forgotten is dropped whole, without taking out its ids one by one.
//
// Each second has a table. A table is a hash table with linear probing (pairs of hash and
// slot + 1), at most 5/8 full, which doubles up to 16,384 places. What outgrows that becomes a
// directory: of one second, of 1,024 tables, one for each of its milliseconds; of anything below,
// of 256 tables, by the upper bits of another hash of the ids, then by their bytes. So nothing ever
// copies more than one table, and however ids are chosen without knowing the keys of the hashes, no
// look-up takes more than a few steps.
//
// A table or directory is known by a reference of 32 bits: the unit of its block (word-blocks.ts)
// above, its kind in the lower four. A reference stands in a pair with the number of ids in the
// table. Everything here is derived from the records; nothing that can be observed depends on it.

import { assert } from '../../base/assert.ts';
import { idWordsUnixMs } from '../../base/ids.ts';
import { DEDUPE_RING_SECONDS } from '../../base/limits.ts';
import { hashId, hashIdAgain, useIdHashes } from './id-hash.ts';
import { NO_RECORD } from './id-index.ts';
import { CHUNK_BITS, CHUNK_MASK, type RecordChunks } from './record-chunks.ts';
import { UNIT_BITS, UNIT_CHUNK_BITS, UNIT_CHUNK_MASK, WordBlocks } from './word-blocks.ts';

const PAGE_BITS = 12;
const PAGE_SECONDS = 1 << PAGE_BITS;
const PAGES = DEDUPE_RING_SECONDS >>> PAGE_BITS;
const RING_MASK = DEDUPE_RING_SECONDS - 1;
const NO_WORDS: Int32Array = new Int32Array(0);

/** Kinds 1 to 11: tables of 2^(3 + kind) places, which take blocks of size `kind - 1`. */
const PLACES_BITS = 3;
const TABLE_KIND_MAX = 11;
const MILLISECONDS = 12;
const HASHES = 13;
const KIND_BITS = 4;
const KIND_MASK = (1 << KIND_BITS) - 1;
/** A directory of 1,024 pairs and one of 256, as sizes of blocks. */
const MILLISECONDS_SIZE = 6;
const HASHES_SIZE = 4;
const EMPTY = 0;
const ID_BYTES = 16;

const FREED_PER_BLOCK = 2;

/**
 * What a directory at `depth` (from 1) divides by and its tables probe by. Below the second level
 * the directories go by the bytes of the id, the last byte first: so ids are told apart at last,
 * even where all their hashes were equal.
 */
function hashAtDepth(words: Uint32Array, i: number, again: number, depth: number): number {
  if (depth === 1) return again;
  const byte = ID_BYTES + 1 - depth;
  return ((words[i + (byte >>> 2)]! >>> (8 * (byte & 3))) << 24) | (again >>> 8);
}

export class TimeIndex {
  readonly #records: readonly Uint32Array[];
  readonly #recordWords: number;
  readonly #blocks = new WordBlocks();
  /** A pair for each second. */
  readonly #pages: Int32Array[] = Array.from({ length: PAGES }, () => NO_WORDS);
  /** References of what was dropped and is not yet freed. */
  readonly #dropped: number[] = [];
  /** The millisecond looked at last, and where its pair stands: at depth 0. */
  #unixMs = -1;
  #msWords = NO_WORDS;
  #msPair = 0;
  /** Where the last search ended: pair, depth, hash there, and the empty place of the table. */
  #words = NO_WORDS;
  #pair = 0;
  #depth = 0;
  #hash = 0;
  #hole = 0;
  /** The pair that got its first table last. */
  #tableWords = NO_WORDS;
  #tablePair = 0;

  readonly #hashAgain: typeof hashIdAgain;

  /** Ids are the first four words of the records. */
  constructor(records: RecordChunks, hashAgain = hashIdAgain) {
    useIdHashes();
    this.#hashAgain = hashAgain;
    this.#records = records.chunks;
    this.#recordWords = records.recordWords;
  }

  /** The slot of the id at `key[k]`, whose milliseconds and hash are given; or NO_RECORD. */
  find(unixMs: number, hash: number, key: Uint32Array, k: number): number {
    this.#seek(unixMs, hash, key, k);
    const reference = this.#words[this.#pair]!;
    if (reference === 0) return NO_RECORD;
    const unit = reference >>> KIND_BITS;
    const table = this.#blocks.chunks[unit >>> UNIT_CHUNK_BITS]!;
    const base = (unit & UNIT_CHUNK_MASK) << UNIT_BITS;
    const mask = (1 << (PLACES_BITS + (reference & KIND_MASK))) - 1;
    const wanted = this.#hash;
    for (let place = wanted & mask; ; place = (place + 1) & mask) {
      const entry = table[base + 2 * place + 1]!;
      if (entry === EMPTY) return NO_RECORD;
      if (table[base + 2 * place] === wanted && this.#isId(entry - 1, key, k)) return entry - 1;
    }
  }

  /**
   * True when the id is certainly not there, by its hash alone; then `insertNew` may follow. False
   * when that needs a closer look.
   */
  isNew(unixMs: number, hash: number, key: Uint32Array, k: number): boolean {
    this.#seek(unixMs, hash, key, k);
    const reference = this.#words[this.#pair]!;
    if (reference === 0) {
      this.#hole = -1;
      return true;
    }
    const unit = reference >>> KIND_BITS;
    const table = this.#blocks.chunks[unit >>> UNIT_CHUNK_BITS]!;
    const base = (unit & UNIT_CHUNK_MASK) << UNIT_BITS;
    const mask = (1 << (PLACES_BITS + (reference & KIND_MASK))) - 1;
    const wanted = this.#hash;
    let place = wanted & mask;
    for (;;) {
      if (table[base + 2 * place + 1] === EMPTY) break;
      if (table[base + 2 * place] === wanted) return false;
      place = (place + 1) & mask;
    }
    this.#hole = base + 2 * place;
    return true;
  }

  /**
   * Inserts the id that `isNew` has just been asked for. False, and nothing is done, when records
   * must be read for it: `insert` does that, once they are in their slots.
   */
  insertNew(slot: number): boolean {
    const words = this.#words;
    const pair = this.#pair;
    const count = words[pair + 1]!;
    const kind = words[pair]! & KIND_MASK;
    if (this.#hole < 0 || count >= idsMax(kind, pair)) {
      if (kind === TABLE_KIND_MAX) return false;
      this.#makeRoom();
      this.#place(this.#hash, slot + 1);
    } else {
      const table = this.#blocks.chunks[words[pair]! >>> (KIND_BITS + UNIT_CHUNK_BITS)]!;
      table[this.#hole] = this.#hash;
      table[this.#hole + 1] = slot + 1;
    }
    words[pair + 1] = count + 1;
    return true;
  }

  /** The id, which is not there yet, stands in its slot, as those of all ids here do. */
  insert(unixMs: number, hash: number, slot: number): void {
    const words = this.#records[slot >>> CHUNK_BITS]!;
    const i = (slot & CHUNK_MASK) * this.#recordWords;
    this.#seek(unixMs, hash, words, i);
    while (this.#isFull()) {
      if ((this.#words[this.#pair]! & KIND_MASK) < TABLE_KIND_MAX) {
        this.#makeRoom();
      } else {
        this.#divide(unixMs);
        this.#seek(unixMs, hash, words, i);
      }
    }
    this.#place(this.#hash, slot + 1);
    this.#words[this.#pair + 1] = this.#words[this.#pair + 1]! + 1;
  }

  /** Takes out the entry that `insert` made; the id still stands in its slot. */
  remove(unixMs: number, hash: number, slot: number): void {
    const words = this.#records[slot >>> CHUNK_BITS]!;
    this.#seek(unixMs, hash, words, (slot & CHUNK_MASK) * this.#recordWords);
    const reference = this.#words[this.#pair]!;
    assert(reference !== 0, 'an entry that is removed is in the index');
    const unit = reference >>> KIND_BITS;
    const table = this.#blocks.chunks[unit >>> UNIT_CHUNK_BITS]!;
    const base = (unit & UNIT_CHUNK_MASK) << UNIT_BITS;
    const mask = (1 << (PLACES_BITS + (reference & KIND_MASK))) - 1;
    let place = this.#hash & mask;
    while (table[base + 2 * place + 1] !== slot + 1) {
      assert(table[base + 2 * place + 1] !== EMPTY, 'an entry that is removed is in the index');
      place = (place + 1) & mask;
    }
    shiftBack(table, base, mask, place);
    this.#words[this.#pair + 1] = this.#words[this.#pair + 1]! - 1;
  }

  /** Loads the pair of a second. */
  touchSecond(second: number): number {
    const page = this.#pages[(second & RING_MASK) >>> PAGE_BITS]!;
    return page === NO_WORDS ? 0 : page[2 * (second & (PAGE_SECONDS - 1))]!;
  }

  /** Loads the place of its table where the hash is looked for. */
  touchTable(second: number, hash: number): number {
    const reference = this.touchSecond(second);
    const kind = reference & KIND_MASK;
    if (kind === 0 || kind > TABLE_KIND_MAX) return 0;
    const unit = reference >>> KIND_BITS;
    const base = (unit & UNIT_CHUNK_MASK) << UNIT_BITS;
    const place = hash & ((1 << (PLACES_BITS + kind)) - 1);
    return this.#blocks.chunks[unit >>> UNIT_CHUNK_BITS]![base + 2 * place]!;
  }

  /** Forgets every id of the second at once; its memory is freed by and by. */
  drop(second: number): void {
    const page = this.#pages[(second & RING_MASK) >>> PAGE_BITS]!;
    if (page === NO_WORDS) return;
    const pair = 2 * (second & (PAGE_SECONDS - 1));
    if (page[pair] !== 0) this.#dropped.push(page[pair]!);
    page[pair] = 0;
    page[pair + 1] = 0;
    this.#unixMs = -1;
  }

  /** Frees up to `count` blocks of what was dropped. */
  freeSome(count: number): void {
    for (let freed = 0; freed < count; freed++) {
      const reference = this.#dropped.pop();
      if (reference === undefined) return;
      const unit = reference >>> KIND_BITS;
      const kind = reference & KIND_MASK;
      if (kind <= TABLE_KIND_MAX) {
        this.#blocks.give(unit, kind - 1);
        continue;
      }
      const words = this.#blocks.chunks[unit >>> UNIT_CHUNK_BITS]!;
      const base = (unit & UNIT_CHUNK_MASK) << UNIT_BITS;
      const end = base + 2 * (kind === MILLISECONDS ? 1024 : 256);
      for (let pair = base; pair < end; pair += 2) {
        if (words[pair] !== 0) this.#dropped.push(words[pair]!);
      }
      this.#blocks.give(unit, kind === MILLISECONDS ? MILLISECONDS_SIZE : HASHES_SIZE);
    }
  }

  /** Memory of tables and directories, in use or not. */
  get bytes(): number {
    return this.#blocks.bytes;
  }

  /** Takes memory ahead, up to `bytes` in all, a slice at a time; returns whether more is left. */
  growAhead(bytes: number): boolean {
    return this.#blocks.growAhead(bytes);
  }

  /** Finds the pair of the table in which the id stands, or would stand. */
  #seek(unixMs: number, hash: number, key: Uint32Array, k: number): void {
    if (unixMs !== this.#unixMs) this.#turnTo(unixMs);
    this.#words = this.#msWords;
    this.#pair = this.#msPair;
    this.#depth = 0;
    this.#hash = hash;
    if ((this.#words[this.#pair]! & KIND_MASK) === HASHES) this.#descend(key, k);
  }

  /** The pair of a millisecond: its second's own, or the one in the second's directory. */
  #turnTo(unixMs: number): void {
    const second = Math.floor(unixMs / 1000);
    const place = (second & RING_MASK) >>> PAGE_BITS;
    let words = this.#pages[place]!;
    if (words === NO_WORDS) {
      words = new Int32Array(2 * PAGE_SECONDS);
      this.#pages[place] = words;
    }
    let pair = 2 * (second & (PAGE_SECONDS - 1));
    const reference = words[pair]!;
    if ((reference & KIND_MASK) === MILLISECONDS) {
      const unit = reference >>> KIND_BITS;
      words = this.#blocks.chunks[unit >>> UNIT_CHUNK_BITS]!;
      pair = ((unit & UNIT_CHUNK_MASK) << UNIT_BITS) + 2 * (unixMs - 1000 * second);
    }
    this.#unixMs = unixMs;
    this.#msWords = words;
    this.#msPair = pair;
  }

  #descend(key: Uint32Array, k: number): void {
    let reference = this.#words[this.#pair]!;
    const again = this.#hashAgain(key, k);
    while ((reference & KIND_MASK) === HASHES) {
      const unit = reference >>> KIND_BITS;
      this.#depth += 1;
      this.#hash = hashAtDepth(key, k, again, this.#depth);
      this.#words = this.#blocks.chunks[unit >>> UNIT_CHUNK_BITS]!;
      this.#pair = ((unit & UNIT_CHUNK_MASK) << UNIT_BITS) + 2 * (this.#hash >>> 24);
      reference = this.#words[this.#pair]!;
    }
  }

  #isFull(): boolean {
    const reference = this.#words[this.#pair]!;
    if (reference === 0) return true;
    return this.#words[this.#pair + 1]! >= idsMax(reference & KIND_MASK, this.#pair);
  }

  /** A first table, or one of twice the size. */
  #makeRoom(): void {
    this.freeSome(FREED_PER_BLOCK);
    const words = this.#words;
    const pair = this.#pair;
    const old = words[pair]!;
    const kind = old === 0 ? this.#firstKind() : (old & KIND_MASK) + 1;
    const unit = this.#takeTable(kind);
    words[pair] = (unit << KIND_BITS) | kind;
    if (old === 0) return;
    const from = this.#blocks.chunks[old >>> (KIND_BITS + UNIT_CHUNK_BITS)]!;
    const base = ((old >>> KIND_BITS) & UNIT_CHUNK_MASK) << UNIT_BITS;
    const end = base + (2 << (PLACES_BITS + kind - 1));
    for (let i = base; i < end; i += 2) {
      if (from[i + 1] !== EMPTY) this.#place(from[i]!, from[i + 1]!);
    }
    this.#blocks.give(old >>> KIND_BITS, kind - 2);
  }

  /** A millisecond is taken to be like the one before: tables then need not grow. */
  #firstKind(): number {
    const known = this.#tableWords[this.#tablePair] ?? 0;
    const count = this.#tableWords[this.#tablePair + 1] ?? 0;
    this.#tableWords = this.#words;
    this.#tablePair = this.#pair;
    const kind = known & KIND_MASK;
    if (kind === 0 || kind > TABLE_KIND_MAX || this.#depth > 0) return 1;
    return 4 * count >= 1 << (PLACES_BITS + kind) ? kind : Math.max(1, kind - 1);
  }

  #takeTable(kind: number): number {
    const unit = this.#blocks.take(kind - 1);
    const base = (unit & UNIT_CHUNK_MASK) << UNIT_BITS;
    const words = this.#blocks.chunks[unit >>> UNIT_CHUNK_BITS]!;
    words.fill(0, base, base + (2 << (PLACES_BITS + kind)));
    return unit;
  }

  #place(hash: number, entry: number): void {
    const reference = this.#words[this.#pair]!;
    const unit = reference >>> KIND_BITS;
    const table = this.#blocks.chunks[unit >>> UNIT_CHUNK_BITS]!;
    const base = (unit & UNIT_CHUNK_MASK) << UNIT_BITS;
    const mask = (1 << (PLACES_BITS + (reference & KIND_MASK))) - 1;
    let place = hash & mask;
    while (table[base + 2 * place + 1] !== EMPTY) place = (place + 1) & mask;
    table[base + 2 * place] = hash;
    table[base + 2 * place + 1] = entry;
  }

  /** The largest table, at the pair where the last search ended, becomes a directory. */
  #divide(unixMs: number): void {
    const second = Math.floor(unixMs / 1000);
    const isSecond = this.#words === this.#pages[(second & RING_MASK) >>> PAGE_BITS];
    const size = isSecond ? MILLISECONDS_SIZE : HASHES_SIZE;
    const unit = this.#blocks.take(size);
    const base = (unit & UNIT_CHUNK_MASK) << UNIT_BITS;
    const directory = this.#blocks.chunks[unit >>> UNIT_CHUNK_BITS]!;
    directory.fill(0, base, base + (1 << (UNIT_BITS + size)));
    const old = this.#words[this.#pair]!;
    this.#words[this.#pair] = (unit << KIND_BITS) | (isSecond ? MILLISECONDS : HASHES);
    this.#words[this.#pair + 1] = 0;
    this.#unixMs = -1;
    const from = this.#blocks.chunks[old >>> (KIND_BITS + UNIT_CHUNK_BITS)]!;
    const first = ((old >>> KIND_BITS) & UNIT_CHUNK_MASK) << UNIT_BITS;
    const end = first + (2 << (PLACES_BITS + TABLE_KIND_MAX));
    for (let i = first; i < end; i += 2) {
      if (from[i + 1] === EMPTY) continue;
      const slot = from[i + 1]! - 1;
      const words = this.#records[slot >>> CHUNK_BITS]!;
      const id = (slot & CHUNK_MASK) * this.#recordWords;
      this.insert(idWordsUnixMs(words, id), hashId(words, id), slot);
    }
    this.#blocks.give(old >>> KIND_BITS, TABLE_KIND_MAX - 1);
  }

  #isId(slot: number, key: Uint32Array, k: number): boolean {
    const words = this.#records[slot >>> CHUNK_BITS]!;
    const i = (slot & CHUNK_MASK) * this.#recordWords;
    return (
      words[i] === key[k] &&
      words[i + 1] === key[k + 1] &&
      words[i + 2] === key[k + 2] &&
      words[i + 3] === key[k + 3]
    );
  }
}

/**
 * Ids that fit a table: 5/8 of its places. The largest ones take fewer, each another number, or the
 * many tables of one directory would all become directories at the same time.
 */
function idsMax(kind: number, pair: number): number {
  const most = (5 << (PLACES_BITS + kind)) >>> 3;
  return kind < TABLE_KIND_MAX ? most : most - (Math.imul(pair, 0x9e37_79b1) >>> 20);
}

/** Takes the entry at `place` out and closes the gap, so that probing finds what was behind it. */
function shiftBack(table: Int32Array, base: number, mask: number, place: number): void {
  let hole = place;
  let next = (hole + 1) & mask;
  while (table[base + 2 * next + 1] !== EMPTY) {
    const home = table[base + 2 * next]! & mask;
    // An entry may fill the hole unless the hole lies before the place where its probing begins.
    if (((next - home) & mask) >= ((next - hole) & mask)) {
      table[base + 2 * hole] = table[base + 2 * next]!;
      table[base + 2 * hole + 1] = table[base + 2 * next + 1]!;
      hole = next;
    }
    next = (next + 1) & mask;
  }
  table[base + 2 * hole] = 0;
  table[base + 2 * hole + 1] = EMPTY;
}
