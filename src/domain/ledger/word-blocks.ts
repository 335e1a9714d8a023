// Blocks of memory for the index of remembered ids: 2^5 to 2^15 words each, out of chunks of 1 MiB.
// A chunk holds blocks of one size. Once all of them are free it can be cut up for any other size,
// so memory is not lost to a size that is no longer asked for.
//
// A block is known by its unit: its first word divided by 32, counted over all chunks.

import { assert } from '../../base/assert.ts';
import { newWords, touchSlice } from './spare-chunks.ts';

export const UNIT_BITS = 5;
const CHUNK_BITS = 18;
const CHUNK_WORDS = 1 << CHUNK_BITS;
/** From a unit to its chunk, and to its place there. */
export const UNIT_CHUNK_BITS = CHUNK_BITS - UNIT_BITS;
export const UNIT_CHUNK_MASK = (1 << UNIT_CHUNK_BITS) - 1;
/** Blocks of 2^5 words up to 2^15. */
const SIZES = 11;
const NONE = -1;

export class WordBlocks {
  readonly chunks: Int32Array[] = [];
  /** For each chunk: the size of its blocks, how many are in use, how many were ever cut off. */
  readonly #sizes: number[] = [];
  readonly #used: number[] = [];
  readonly #cut: number[] = [];
  /** For each chunk: its freed blocks, chained through their first words (unit + 1, 0 = none). */
  readonly #freed: number[] = [];
  /** For each size, the chunks that have room, chained both ways; last, chunks without a size. */
  readonly #first: number[] = Array.from({ length: SIZES + 1 }, () => NONE);
  readonly #next: number[] = [];
  readonly #previous: number[] = [];

  /** The chunk that is being taken ahead, and how much of it is there. */
  #ahead: Int32Array | undefined;
  #touched = 0;

  /** The unit of a block of 2^(5 + size) words, which hold anything. */
  take(size: number): number {
    let chunk = this.#first[size]!;
    if (chunk === NONE) chunk = this.#openChunk(size);
    this.#used[chunk] = this.#used[chunk]! + 1;
    const freed = this.#freed[chunk]!;
    if (freed !== 0) {
      const unit = freed - 1;
      this.#freed[chunk] = this.chunks[chunk]![(unit & UNIT_CHUNK_MASK) << UNIT_BITS]!;
      if (this.#isFull(chunk)) this.#unlink(size, chunk);
      return unit;
    }
    const place = this.#cut[chunk]!;
    this.#cut[chunk] = place + 1;
    if (this.#isFull(chunk)) this.#unlink(size, chunk);
    return (chunk << UNIT_CHUNK_BITS) + (place << size);
  }

  give(unit: number, size: number): void {
    const chunk = unit >>> UNIT_CHUNK_BITS;
    assert(this.#sizes[chunk] === size, 'a block is given back with its size');
    const wasFull = this.#isFull(chunk);
    this.chunks[chunk]![(unit & UNIT_CHUNK_MASK) << UNIT_BITS] = this.#freed[chunk]!;
    this.#freed[chunk] = unit + 1;
    this.#used[chunk] = this.#used[chunk]! - 1;
    if (wasFull) this.#link(size, chunk);
    if (this.#used[chunk] === 0) {
      this.#unlink(size, chunk);
      this.#link(SIZES, chunk);
    }
  }

  get bytes(): number {
    return 4 * CHUNK_WORDS * this.chunks.length;
  }

  /** Takes memory ahead, up to `bytes` in all, a slice at a time; returns whether more is left. */
  growAhead(bytes: number): boolean {
    if (this.bytes >= bytes) return false;
    this.#ahead ??= new Int32Array(newWords(CHUNK_WORDS).buffer);
    this.#touched = touchSlice(this.#ahead, this.#touched);
    if (this.#touched === CHUNK_WORDS) this.#addChunk();
    return true;
  }

  #addChunk(): void {
    const words = this.#ahead ?? new Int32Array(newWords(CHUNK_WORDS).buffer);
    this.#ahead = undefined;
    this.#touched = 0;
    this.#sizes.push(SIZES);
    this.#used.push(0);
    this.#cut.push(0);
    this.#freed.push(0);
    this.#next.push(NONE);
    this.#previous.push(NONE);
    this.#link(SIZES, this.chunks.length);
    this.chunks.push(words);
  }

  #openChunk(size: number): number {
    if (this.#first[SIZES] === NONE) this.#addChunk();
    const chunk = this.#first[SIZES]!;
    this.#unlink(SIZES, chunk);
    this.#sizes[chunk] = size;
    this.#cut[chunk] = 0;
    this.#freed[chunk] = 0;
    this.#link(size, chunk);
    return chunk;
  }

  #isFull(chunk: number): boolean {
    return this.#used[chunk] === CHUNK_WORDS >>> (UNIT_BITS + this.#sizes[chunk]!);
  }

  #link(list: number, chunk: number): void {
    const first = this.#first[list]!;
    this.#next[chunk] = first;
    this.#previous[chunk] = NONE;
    if (first !== NONE) this.#previous[first] = chunk;
    this.#first[list] = chunk;
  }

  #unlink(list: number, chunk: number): void {
    const next = this.#next[chunk]!;
    const previous = this.#previous[chunk]!;
    if (previous === NONE) this.#first[list] = next;
    else this.#next[previous] = next;
    if (next !== NONE) this.#previous[next] = previous;
  }
}
