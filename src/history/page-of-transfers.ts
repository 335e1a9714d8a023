// A page that is being put together: records are written where the next one would stand, and stay
// there when they match.

import { TRANSFER_WORDS } from '../base/transfer-record.ts';
import { unpackRecord } from './packed-record.ts';

export class PageOfTransfers {
  readonly words: Uint32Array<ArrayBuffer>;
  readonly numbers: number[] = [];
  readonly #limit: number;
  readonly #lookedMax: number;
  #looked = 0;
  #last: number | undefined;

  /** `lookedMax`: after so many transfers that did not match either the page ends, full or not. */
  constructor(limit: number, lookedMax: number) {
    this.#limit = limit;
    this.#lookedMax = Math.max(limit, lookedMax);
    // One more: the last look may not match.
    this.words = new Uint32Array((limit + 1) * TRANSFER_WORDS);
  }

  get isFull(): boolean {
    return this.numbers.length >= this.#limit || this.#looked >= this.#lookedMax;
  }

  /** Where the next record goes. */
  place(): { readonly words: Uint32Array; readonly at: number } {
    return { words: this.words, at: this.numbers.length * TRANSFER_WORDS };
  }

  unpack(packed: Uint32Array, p: number): number {
    const at = this.numbers.length * TRANSFER_WORDS;
    unpackRecord(packed, p, this.words, at);
    return at;
  }

  /** What stands at the place is this number; returns whether there may be more. */
  offer(number: number, matches: boolean): boolean {
    if (matches) this.numbers.push(number);
    this.#looked += 1;
    this.#last = number;
    return !this.isFull;
  }

  finish(): {
    readonly records: Uint32Array<ArrayBuffer>;
    readonly count: number;
    readonly next: number | undefined;
  } {
    const count = this.numbers.length;
    const records = this.words.slice(0, count * TRANSFER_WORDS);
    return { records, count, next: this.isFull ? this.#last : undefined };
  }
}
