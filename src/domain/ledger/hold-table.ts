// Unresolved holds: pending transfers that have not been posted, voided or released. They stand
// apart from the remembered ids because they survive forgetting. Those with an expiry are also in a
// heap.
//
//   word words field
//      0     4 id                  of the pending transfer, bytes as in records
//      4     1 debit account       account number
//      5     1 credit account      account number
//      6     1 ledger
//      7     1 code, flags         of the pending transfer; code in the low half
//      8     4 amount              little-endian
//     12     2 expiry              nanoseconds since 1970, 0 = never; little-endian
//     14     2 timestamp           the pending transfer's own; unique, so it orders holds

import { assert } from '../../base/assert.ts';
import { ExpiryHeap } from './expiry-heap.ts';
import { hashId } from './id-hash.ts';
import { IdIndex, NO_RECORD } from './id-index.ts';
import { RecordChunks } from './record-chunks.ts';

export const HOLD_WORDS = 16;
const CHUNKS_AHEAD = 2;

export const HoldWord = {
  id: 0,
  debitAccount: 4,
  creditAccount: 5,
  ledger: 6,
  codeAndFlags: 7,
  amount: 8,
  expiryNs: 12,
  timestampNs: 14,
} as const;

export class HoldTable {
  readonly records = new RecordChunks(HOLD_WORDS);
  readonly #index = new IdIndex(this.records, HoldWord.id);
  readonly #heap = new ExpiryHeap(this.records);
  #slotsMade = 0;
  /** Freed slots, chained through their first word (slot + 1, 0 = none). */
  #freeHead = 0;

  get count(): number {
    return this.#index.count;
  }

  find(key: Uint32Array, k: number): number {
    return this.#index.find(hashId(key, k), key, k);
  }

  /** Takes over a record of 16 words whose id is not there yet. */
  add(source: Uint32Array, s: number): void {
    const slot = this.#takeSlot();
    this.records.beforeWrite(slot);
    const words = this.records.wordsOf(slot);
    const first = this.records.offsetOf(slot);
    for (let word = 0; word < HOLD_WORDS; word++) words[first + word] = source[s + word]!;
    this.#index.insert(hashId(words, first), slot);
    if (words[first + HoldWord.expiryNs] !== 0 || words[first + HoldWord.expiryNs + 1] !== 0) {
      this.#heap.push(slot);
    }
  }

  remove(slot: number): void {
    const words = this.records.wordsOf(slot);
    const first = this.records.offsetOf(slot);
    if (words[first + HoldWord.expiryNs] !== 0 || words[first + HoldWord.expiryNs + 1] !== 0) {
      this.#heap.remove(slot);
    }
    this.#index.remove(hashId(words, first), slot);
    this.records.beforeWrite(slot);
    words[first] = this.#freeHead;
    // A timestamp of 0 marks a freed slot: no hold has it.
    words[first + HoldWord.timestampNs] = 0;
    words[first + HoldWord.timestampNs + 1] = 0;
    this.#freeHead = slot + 1;
  }

  /** Slots that were ever in use: what a copy of the table holds. */
  get slotsMade(): number {
    return this.#slotsMade;
  }

  /** Finds everything again from the first `slotsMade` records, which stand in chunks already. */
  rebuild(slotsMade: number): void {
    assert(this.#slotsMade === 0, 'a table that is rebuilt was empty');
    this.#slotsMade = slotsMade;
    for (let slot = 0; slot < slotsMade; slot++) {
      const words = this.records.wordsOf(slot);
      const first = this.records.offsetOf(slot);
      if ((words[first + HoldWord.timestampNs]! | words[first + HoldWord.timestampNs + 1]!) === 0) {
        // The chain of free slots may come in another order: it is the same state.
        this.records.beforeWrite(slot);
        words[first] = this.#freeHead;
        this.#freeHead = slot + 1;
        continue;
      }
      this.#index.insert(hashId(words, first), slot);
      if ((words[first + HoldWord.expiryNs]! | words[first + HoldWord.expiryNs + 1]!) !== 0) {
        this.#heap.push(slot);
      }
    }
  }

  /** Takes memory for the next holds ahead, a slice at a time; returns whether more is left. */
  growAhead(): boolean {
    return this.records.spares.prepare(CHUNKS_AHEAD);
  }

  /** The hold that expires first; NO_RECORD when none has an expiry. */
  firstToExpire(): number {
    return this.#heap.count === 0 ? NO_RECORD : this.#heap.first();
  }

  /** Every hold, in no particular order. */
  *slots(): Generator<number> {
    for (let slot = 0; slot < this.#slotsMade; slot++) {
      const words = this.records.wordsOf(slot);
      const i = this.records.offsetOf(slot) + HoldWord.timestampNs;
      if (words[i] !== 0 || words[i + 1] !== 0) yield slot;
    }
  }

  #takeSlot(): number {
    if (this.#freeHead !== 0) {
      const slot = this.#freeHead - 1;
      this.#freeHead = this.records.wordsOf(slot)[this.records.offsetOf(slot)]!;
      return slot;
    }
    const slot = this.#slotsMade;
    this.records.reserve(slot);
    this.#slotsMade += 1;
    return slot;
  }
}
