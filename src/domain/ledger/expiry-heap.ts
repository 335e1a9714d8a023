// Holds by expiry: a binary heap over slots of the hold table, ordered by expiry and then by the
// hold's own timestamp. Timestamps are unique, so the order of release is one and the same however
// the heap happens to be arranged. Each slot knows its place, so that a hold that is posted or
// voided leaves at once.

import { assert } from '../../base/assert.ts';
import { CHUNK_BITS, CHUNK_MASK, RecordChunks } from './record-chunks.ts';

/** Words of a hold record that the order looks at (hold-table.ts). */
const EXPIRY_WORD = 12;
const TIMESTAMP_WORD = 14;

export class ExpiryHeap {
  readonly #holds: RecordChunks;
  /** Slot at each place of the heap. */
  readonly #slots = new RecordChunks(1);
  /** Place + 1 of each slot; 0 = not in the heap. */
  readonly #places = new RecordChunks(1);
  #count = 0;

  constructor(holds: RecordChunks) {
    this.#holds = holds;
  }

  get count(): number {
    return this.#count;
  }

  first(): number {
    return this.#slotAt(0);
  }

  push(slot: number): void {
    this.#slots.reserve(this.#count);
    while (this.#places.chunks.length <= slot >>> CHUNK_BITS) {
      this.#places.reserve(this.#places.chunks.length << CHUNK_BITS);
    }
    this.#count += 1;
    this.#rise(this.#count - 1, slot);
  }

  remove(slot: number): void {
    const places = this.#places.wordsOf(slot);
    const place = places[slot & CHUNK_MASK]! - 1;
    assert(place >= 0, 'a hold that leaves the heap is in it');
    places[slot & CHUNK_MASK] = 0;
    this.#count -= 1;
    if (place === this.#count) return;
    const last = this.#slotAt(this.#count);
    if (place > 0 && this.#precedes(last, this.#slotAt((place - 1) >>> 1))) {
      this.#rise(place, last);
    } else {
      this.#sink(place, last);
    }
  }

  #rise(from: number, slot: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >>> 1;
      const above = this.#slotAt(parent);
      if (!this.#precedes(slot, above)) break;
      this.#put(place, above);
      place = parent;
    }
    this.#put(place, slot);
  }

  #sink(from: number, slot: number): void {
    let place = from;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#count) break;
      if (child + 1 < this.#count && this.#precedes(this.#slotAt(child + 1), this.#slotAt(child))) {
        child += 1;
      }
      const below = this.#slotAt(child);
      if (!this.#precedes(below, slot)) break;
      this.#put(place, below);
      place = child;
    }
    this.#put(place, slot);
  }

  #precedes(a: number, b: number): boolean {
    const x = this.#holds.wordsOf(a);
    const y = this.#holds.wordsOf(b);
    const i = this.#holds.offsetOf(a);
    const j = this.#holds.offsetOf(b);
    const expiry = compareTime(x, i + EXPIRY_WORD, y, j + EXPIRY_WORD);
    if (expiry !== 0) return expiry < 0;
    return compareTime(x, i + TIMESTAMP_WORD, y, j + TIMESTAMP_WORD) < 0;
  }

  #slotAt(place: number): number {
    return this.#slots.wordsOf(place)[place & CHUNK_MASK]!;
  }

  #put(place: number, slot: number): void {
    this.#slots.wordsOf(place)[place & CHUNK_MASK] = slot;
    this.#places.wordsOf(slot)[slot & CHUNK_MASK] = place + 1;
  }
}

/** Negative, 0 or positive: two 64-bit times as little-endian pairs of words. */
export function compareTime(x: Uint32Array, i: number, y: Uint32Array, j: number): number {
  const high = x[i + 1]! - y[j + 1]!;
  return high === 0 ? x[i]! - y[j]! : high;
}
