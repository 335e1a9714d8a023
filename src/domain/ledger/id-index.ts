// From a 128-bit id to the number of its record: open addressing with linear probing. Entries hold
// the hash and the record's number; ids are compared in the records themselves. The index is
// derived (it is not in the image), so nothing that can be observed may depend on its layout: it is
// only ever asked for one id.
//
// Growth is incremental: before the table is half full one of twice the size is allocated and its
// pages are touched bit by bit; then each insertion moves a few entries over while both are probed.
// An entry is in exactly one of the two: in the old table a moved or deleted entry leaves a mark
// that keeps probe chains whole; in the current one deletion shifts entries back, so marks never
// pile up.

import { assert } from '../../base/assert.ts';
import { useIdHashes } from './id-hash.ts';
import { CHUNK_BITS, CHUNK_MASK, type RecordChunks } from './record-chunks.ts';

/** No record: what `find` answers for an id that is not there. */
export const NO_RECORD = -1;

const EMPTY = 0;
const MOVED = -1;
const POSITIONS_AT_START = 256;
/** Begun at 7/16, this many touch the next table's last page when the table is half full. */
const INSERTS_PER_PAGE = 16;
const PAGE_WORDS = 1024;
/** A growing table is moved over soon, since two are slower to look into: 2 would be enough. */
const POSITIONS_MOVED_PER_INSERT = 16;

export class IdIndex {
  readonly #chunks: readonly Uint32Array[];
  readonly #recordWords: number;
  readonly #idWord: number;
  /** Pairs of hash and record + 1: record numbers stay below 2^31. */
  #table = new Int32Array(2 * POSITIONS_AT_START);
  #mask = POSITIONS_AT_START - 1;
  /** The smaller table that is being moved over; empty when none is. */
  #oldTable = new Int32Array(0);
  #oldMask = -1;
  #oldCursor = 0;
  /** The larger table to come, and how much of it has been touched. */
  #nextTable: Int32Array<ArrayBuffer> | undefined;
  #touched = 0;
  #count = 0;
  /** Holds what was loaded ahead, so that no compiler may leave the loads out. */
  readonly #loaded = new Int32Array(1);

  /** Ids stand at word `idWord` of the records. */
  constructor(records: RecordChunks, idWord: number) {
    useIdHashes();
    this.#chunks = records.chunks;
    this.#recordWords = records.recordWords;
    this.#idWord = idWord;
  }

  get count(): number {
    return this.#count;
  }

  /** True while two tables are probed. */
  get growing(): boolean {
    return this.#oldMask >= 0;
  }

  /** The record of the id at `key[k]`, whose hash is given; or NO_RECORD. */
  find(hash: number, key: Uint32Array, k: number): number {
    const record = this.#probe(this.#table, this.#mask, hash, key, k);
    if (record !== NO_RECORD || this.#oldMask < 0) return record;
    return this.#probe(this.#oldTable, this.#oldMask, hash, key, k);
  }

  /**
   * `found[i]` becomes what `find` says of the id at `keys[k + i * step]`, for `count` of them with
   * their hashes given. Loops without a condition load what is needed first, so that the machine
   * waits for many places of memory at once.
   */
  findMany(
    keys: Uint32Array,
    k: number,
    step: number,
    count: number,
    hashes: Int32Array,
    found: Int32Array,
  ): void {
    const table = this.#table;
    const mask = this.#mask;
    const chunks = this.#chunks;
    const recordWords = this.#recordWords;
    const idWord = this.#idWord;
    let touched = 0;
    for (let i = 0; i < count; i++) touched ^= table[2 * (hashes[i]! & mask)]!;
    for (let i = 0; i < count; i++) {
      const hash = hashes[i]!;
      let position = hash & mask;
      while (table[2 * position] !== hash && table[2 * position + 1] !== EMPTY) {
        position = (position + 1) & mask;
      }
      found[i] = table[2 * position + 1]! - 1;
    }
    for (let i = 0; i < count; i++) {
      const record = found[i]!;
      if (record < 0) continue;
      const first = (record & CHUNK_MASK) * recordWords;
      const words = chunks[record >>> CHUNK_BITS]!;
      touched ^= words[first]! ^ words[first + idWord]!;
    }
    this.#loaded[0] = touched;
    for (let i = 0; i < count; i++) {
      const record = found[i]!;
      const key = k + i * step;
      if (record >= 0) {
        const words = chunks[record >>> CHUNK_BITS]!;
        const id = (record & CHUNK_MASK) * recordWords + idWord;
        const difference =
          (words[id]! ^ keys[key]!) |
          (words[id + 1]! ^ keys[key + 1]!) |
          (words[id + 2]! ^ keys[key + 2]!) |
          (words[id + 3]! ^ keys[key + 3]!);
        if (difference === 0) continue;
      } else if (this.#oldMask < 0) continue;
      found[i] = this.find(hashes[i]!, keys, key);
    }
  }

  /** The id must not be there yet: the caller has just looked. */
  insert(hash: number, record: number): void {
    if (2 * (this.#count + 1) > this.#mask + 1) this.#grow();
    else if (16 * this.#count > 7 * this.#mask) this.#touchNext();
    if (this.#oldMask >= 0) this.move(POSITIONS_MOVED_PER_INSERT);
    this.#place(hash, record + 1);
    this.#count += 1;
  }

  /** Takes out the entry that `insert(hash, record)` made. */
  remove(hash: number, record: number): void {
    let position = this.#positionOf(this.#table, this.#mask, hash, record + 1);
    if (position >= 0) {
      this.#shiftBack(position);
    } else {
      assert(this.#oldMask >= 0, 'an entry that is removed is in the index');
      position = this.#positionOf(this.#oldTable, this.#oldMask, hash, record + 1);
      assert(position >= 0, 'an entry that is removed is in the index');
      this.#oldTable[2 * position + 1] = MOVED;
    }
    this.#count -= 1;
  }

  #probe(table: Int32Array, mask: number, hash: number, key: Uint32Array, k: number): number {
    let position = hash & mask;
    for (;;) {
      const entry = table[2 * position + 1]!;
      if (entry === EMPTY) return NO_RECORD;
      if (table[2 * position] === hash && entry !== MOVED) {
        if (this.#isId(entry - 1, key, k)) return entry - 1;
      }
      position = (position + 1) & mask;
    }
  }

  #isId(record: number, key: Uint32Array, k: number): boolean {
    const words = this.#chunks[record >>> CHUNK_BITS]!;
    const i = (record & CHUNK_MASK) * this.#recordWords + this.#idWord;
    return (
      words[i] === key[k] &&
      words[i + 1] === key[k + 1] &&
      words[i + 2] === key[k + 2] &&
      words[i + 3] === key[k + 3]
    );
  }

  #positionOf(table: Int32Array, mask: number, hash: number, entry: number): number {
    let position = hash & mask;
    for (;;) {
      const there = table[2 * position + 1]!;
      if (there === EMPTY) return -1;
      if (there === entry && table[2 * position] === hash) return position;
      position = (position + 1) & mask;
    }
  }

  #place(hash: number, entry: number): void {
    const table = this.#table;
    const mask = this.#mask;
    let position = hash & mask;
    while (table[2 * position + 1] !== EMPTY) position = (position + 1) & mask;
    table[2 * position] = hash;
    table[2 * position + 1] = entry;
  }

  #shiftBack(position: number): void {
    const table = this.#table;
    const mask = this.#mask;
    let hole = position;
    let next = (hole + 1) & mask;
    while (table[2 * next + 1] !== EMPTY) {
      const home = table[2 * next]! & mask;
      // An entry may fill the hole unless the hole lies before the place where its probing begins.
      if (((next - home) & mask) >= ((next - hole) & mask)) {
        table[2 * hole] = table[2 * next]!;
        table[2 * hole + 1] = table[2 * next + 1]!;
        hole = next;
      }
      next = (next + 1) & mask;
    }
    table[2 * hole] = 0;
    table[2 * hole + 1] = EMPTY;
  }

  #grow(): void {
    assert(this.#oldMask < 0, 'a table is moved over before the next one grows');
    this.#oldTable = this.#table;
    this.#oldMask = this.#mask;
    this.#oldCursor = 0;
    const positions = 2 * (this.#mask + 1);
    this.#table = this.#nextTable ?? new Int32Array(2 * positions);
    this.#mask = positions - 1;
    this.#nextTable = undefined;
    this.#touched = 0;
  }

  /** The machine gives memory its pages when they are first written to; see spare-chunks.ts. */
  #touchNext(): void {
    if (this.#count % INSERTS_PER_PAGE !== 0) return;
    this.#nextTable ??= new Int32Array(4 * (this.#mask + 1));
    if (this.#touched >= this.#nextTable.length) return;
    this.#nextTable[this.#touched] = EMPTY;
    this.#touched += PAGE_WORDS;
  }

  /** Makes room for `count` entries in all at once, while the index is empty. */
  reserve(count: number): void {
    assert(this.#count === 0, 'only an empty index is made larger at once');
    let positions = this.#mask + 1;
    while (2 * count > positions) positions *= 2;
    if (positions === this.#mask + 1) return;
    this.#table = new Int32Array(2 * positions);
    this.#mask = positions - 1;
  }

  /** While two tables are probed, moves up to `count` positions of the smaller one over. */
  move(count: number): void {
    if (this.#oldMask < 0) return;
    const table = this.#oldTable;
    const end = Math.min(this.#oldCursor + count, this.#oldMask + 1);
    for (let position = this.#oldCursor; position < end; position++) {
      const entry = table[2 * position + 1]!;
      if (entry === EMPTY || entry === MOVED) continue;
      this.#place(table[2 * position]!, entry);
      table[2 * position + 1] = MOVED;
    }
    this.#oldCursor = end;
    if (end === this.#oldMask + 1) {
      this.#oldTable = new Int32Array(0);
      this.#oldMask = -1;
    }
  }
}
