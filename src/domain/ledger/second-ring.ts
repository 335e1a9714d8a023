// Remembered ids by the second that is embedded in them: a ring of one-second buckets, each a chain
// of slots (oldest first) with its length. Seconds before `edge` are forgotten. Pages of the ring
// are allocated when first used, so an idle ledger costs nothing.

import { assert } from '../../base/assert.ts';
import { DEDUPE_RING_SECONDS } from '../../base/limits.ts';

const PAGE_BITS = 12;
const PAGE_SECONDS = 1 << PAGE_BITS;
const RING_MASK = DEDUPE_RING_SECONDS - 1;
const PAGES = DEDUPE_RING_SECONDS >>> PAGE_BITS;
/** Head (slot + 1, 0 = empty), tail (slot + 1), count. */
const BUCKET_WORDS = 3;
const NO_PAGE = new Uint32Array(0);

/** A chain of slots: first, last and how many. */
export type Chain = { readonly head: number; readonly tail: number; readonly count: number };

export class SecondRing {
  readonly #pages: Uint32Array[] = Array.from({ length: PAGES }, () => NO_PAGE);
  #edge = 0;
  /** Where the last `push` went: the next one nearly always goes there too. Pages never move. */
  #pushSecond = -1;
  #pushPage: Uint32Array = NO_PAGE;
  #pushBucket = 0;

  /** The first second that is still remembered. */
  get edge(): number {
    return this.#edge;
  }

  /**
   * Puts `count` slots, of which the first and the last are named, at the end of their second's
   * chain; returns what was the last of it (slot + 1, or 0).
   */
  append(second: number, first: number, last: number, count: number): number {
    if (second !== this.#pushSecond) this.#turnTo(second);
    const page = this.#pushPage;
    const i = this.#pushBucket;
    const tail = page[i + 1]!;
    if (tail === 0) page[i] = first + 1;
    page[i + 1] = last + 1;
    page[i + 2] = page[i + 2]! + count;
    return tail;
  }

  #turnTo(second: number): void {
    const place = second & RING_MASK;
    let page = this.#pages[place >>> PAGE_BITS]!;
    if (page === NO_PAGE) {
      page = new Uint32Array(BUCKET_WORDS * PAGE_SECONDS);
      this.#pages[place >>> PAGE_BITS] = page;
    }
    this.#pushSecond = second;
    this.#pushPage = page;
    this.#pushBucket = (place & (PAGE_SECONDS - 1)) * BUCKET_WORDS;
  }

  /** Takes the last of the chain off again; `tail` is what was the last before it. */
  popTail(second: number, slot: number, tail: number): void {
    const place = second & RING_MASK;
    const page = this.#pages[place >>> PAGE_BITS]!;
    const i = (place & (PAGE_SECONDS - 1)) * BUCKET_WORDS;
    assert(page[i + 1] === slot + 1, 'what is undone is the newest of its second');
    page[i + 1] = tail;
    if (tail === 0) page[i] = 0;
    page[i + 2] = page[i + 2]! - 1;
  }

  /** The last of the second's chain (slot + 1, 0 = none). */
  tail(second: number): number {
    const place = second & RING_MASK;
    const page = this.#pages[place >>> PAGE_BITS]!;
    return page === NO_PAGE ? 0 : page[(place & (PAGE_SECONDS - 1)) * BUCKET_WORDS + 1]!;
  }

  head(second: number): number {
    const place = second & RING_MASK;
    const page = this.#pages[place >>> PAGE_BITS]!;
    return page === NO_PAGE ? 0 : page[(place & (PAGE_SECONDS - 1)) * BUCKET_WORDS]!;
  }

  /** The first second of `from` .. `before - 1`, within one round, whose bucket is not empty. */
  firstUsed(from: number, before: number): number | undefined {
    const end = Math.min(before, this.#edge + DEDUPE_RING_SECONDS);
    let second = from;
    while (second < end) {
      const place = second & RING_MASK;
      const page = this.#pages[place >>> PAGE_BITS]!;
      if (page === NO_PAGE) {
        second += PAGE_SECONDS - (place & (PAGE_SECONDS - 1));
        continue;
      }
      if (page[(place & (PAGE_SECONDS - 1)) * BUCKET_WORDS] !== 0) return second;
      second += 1;
    }
    return undefined;
  }

  /** Empties the bucket of `second` and returns the chain that stood there. */
  take(second: number): Chain {
    const place = second & RING_MASK;
    const page = this.#pages[place >>> PAGE_BITS]!;
    const i = (place & (PAGE_SECONDS - 1)) * BUCKET_WORDS;
    const chain = { head: page[i]!, tail: page[i + 1]!, count: page[i + 2]! };
    page[i] = 0;
    page[i + 1] = 0;
    page[i + 2] = 0;
    return chain;
  }

  /** Every bucket before the new edge must have been taken. */
  moveEdge(second: number): void {
    assert(second >= this.#edge, 'the edge of what is remembered only rises');
    this.#edge = second;
  }
}
