// A chunk of young transfers as whoever answers questions sees it: records where they lie, and
// small tables beside them that say which transfer of the same account came before, which has an
// id, which user data, and what became of holds.

import { TRANSFER_WORDS, TransferWord } from '../base/transfer-record.ts';
import { type Chunk, hashOfId, hashOfTerm, viewChunk } from './layout.ts';
import { Resolution, TERM_FIELDS, resolutionOf } from './transfer-facts.ts';

const TERM_BUCKETS = 2 ** 16;
const FIELDS = TERM_FIELDS.length;
const RESOLUTIONS_AT_START = 64;

export class TailChunk {
  readonly run: number;
  readonly chunk: Chunk;
  /** Number of the transfer that its first place is for. */
  readonly base: number;
  /** The first one that is there: later than `base` while an earlier part is being read again. */
  from: number;
  /** Indexed up to here. */
  indexed: number;
  /** Low words of the numbers of the account's transfer before: debit side, then credit side. */
  readonly previous: Uint32Array;
  readonly #ids: Uint32Array;
  #termBuckets = new Uint32Array(0);
  #termPrevious = new Uint32Array(0);
  #resolutions = new ResolutionTable(RESOLUTIONS_AT_START);
  readonly #expired: Uint32Array[] = [];

  constructor(run: number, buffer: SharedArrayBuffer, size: number, from: number) {
    this.run = run;
    this.base = run * size;
    this.from = from;
    this.indexed = from;
    this.chunk = viewChunk(buffer, size);
    this.previous = new Uint32Array(2 * size);
    let slots = 16;
    while (slots < 2 * size) slots *= 2;
    this.#ids = new Uint32Array(slots);
  }

  /** Everything is indexed anew, its beginning included. */
  restart(from: number): void {
    this.from = from;
    this.indexed = from;
    this.#ids.fill(0);
    this.#termBuckets.fill(0);
    this.#resolutions = new ResolutionTable(RESOLUTIONS_AT_START);
    for (const ids of this.#expired) this.#addExpired(ids);
  }

  expire(ids: Uint32Array): void {
    this.#expired.push(ids);
    this.#addExpired(ids);
  }

  #addExpired(ids: Uint32Array): void {
    for (let at = 0; at < ids.length; at += 4) this.#resolutions.add(ids, at, Resolution.expired);
  }

  /** The transfer at place `index` can be found from now on, by all but its accounts. */
  add(index: number): void {
    const { records } = this.chunk;
    const o = index * TRANSFER_WORDS;
    const mask = this.#ids.length - 1;
    let slot = hashOfId(records, o) & mask;
    while (this.#ids[slot] !== 0) slot = (slot + 1) & mask;
    this.#ids[slot] = index + 1;
    const resolution = resolutionOf(records, o);
    if (resolution !== 0) this.#resolutions.add(records, o + TransferWord.pendingId, resolution);
    let bits = 0;
    for (let word = TransferWord.userData128; word <= TransferWord.userData32; word++) {
      bits |= records[o + word]!;
    }
    if (bits !== 0) this.#addTerms(index, o);
  }

  #addTerms(index: number, o: number): void {
    if (this.#termBuckets.length === 0) {
      this.#termBuckets = new Uint32Array(TERM_BUCKETS);
      this.#termPrevious = new Uint32Array(FIELDS * this.chunk.size);
    }
    for (const [field, [first, count]] of TERM_FIELDS.entries()) {
      const bucket = hashOfTerm(field, this.chunk.records, o + first, count) % TERM_BUCKETS;
      this.#termPrevious[FIELDS * index + field] = this.#termBuckets[bucket]!;
      this.#termBuckets[bucket] = FIELDS * index + field + 1;
    }
  }

  /** The place of the transfer whose id stands at `id[i]`; -1 = it is not here. */
  findId(id: Uint32Array, i: number): number {
    const { records } = this.chunk;
    const mask = this.#ids.length - 1;
    for (let slot = hashOfId(id, i) & mask; this.#ids[slot] !== 0; slot = (slot + 1) & mask) {
      const index = this.#ids[slot]! - 1;
      const o = index * TRANSFER_WORDS;
      if (isSame(records, o, id, i)) return index;
    }
    return -1;
  }

  /** What became of the hold whose id stands at `id[i]`; 0 = nothing yet. */
  findResolution(id: Uint32Array, i: number): number {
    return this.#resolutions.find(id, i);
  }

  /** Places, falling, of transfers whose field may have the hash; some have another. */
  terms(field: number, hash: number): number[] {
    const places: number[] = [];
    if (this.#termBuckets.length === 0) return places;
    let next = this.#termBuckets[hash % TERM_BUCKETS]!;
    while (next !== 0) {
      if ((next - 1) % FIELDS === field) places.push(Math.floor((next - 1) / FIELDS));
      next = this.#termPrevious[next - 1]!;
    }
    return places;
  }
}

/** Ids and what became of their holds, in an open table that doubles. */
class ResolutionTable {
  #ids: Uint32Array;
  #states: Uint8Array;
  #count = 0;

  constructor(slots: number) {
    this.#ids = new Uint32Array(4 * slots);
    this.#states = new Uint8Array(slots);
  }

  add(words: Uint32Array, at: number, state: number): void {
    if (2 * (this.#count + 1) > this.#states.length) this.#double();
    const slot = this.#slotOf(words, at);
    if (this.#states[slot] === 0) this.#count += 1;
    for (let word = 0; word < 4; word++) this.#ids[4 * slot + word] = words[at + word]!;
    this.#states[slot] = state;
  }

  find(words: Uint32Array, at: number): number {
    return this.#states[this.#slotOf(words, at)]!;
  }

  #slotOf(words: Uint32Array, at: number): number {
    const mask = this.#states.length - 1;
    let slot = hashOfId(words, at) & mask;
    while (this.#states[slot] !== 0 && !isSame(this.#ids, 4 * slot, words, at)) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #double(): void {
    const ids = this.#ids;
    const states = this.#states;
    this.#ids = new Uint32Array(2 * ids.length);
    this.#states = new Uint8Array(2 * states.length);
    this.#count = 0;
    for (let slot = 0; slot < states.length; slot++) {
      if (states[slot] !== 0) this.add(ids, 4 * slot, states[slot]!);
    }
  }
}

export function isSame(a: Uint32Array, i: number, b: Uint32Array, j: number): boolean {
  return a[i] === b[j] && a[i + 1] === b[j + 1] && a[i + 2] === b[j + 2] && a[i + 3] === b[j + 3];
}
