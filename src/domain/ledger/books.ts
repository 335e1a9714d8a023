// The only place where balances change. Beside each balance stand the totals of its ledger, debit
// side and credit side apart, and they follow what is really read back after a write: if a write
// goes wrong, the two sides differ and `assertBalanced` stops the node before anything is answered.
// The running mix of all balances written makes a fault in memory visible in the outcome digest as
// soon as the balance is touched again.

import { assert } from '../../base/assert.ts';
import { add128, copy128, subtract128 } from '../../base/u128.ts';

/** Order of the balances in an account's record and of the totals of a ledger. */
export const Balance = {
  debitsPending: 0,
  debitsPosted: 1,
  creditsPending: 2,
  creditsPosted: 3,
} as const;
export const BALANCES = 4;

/** Fewer than 2^32 accounts of 128-bit balances: a sum takes 160 bits. */
export const TOTAL_WORDS = 5;
export const LEDGER_TOTAL_WORDS = BALANCES * TOTAL_WORDS;

const WORD = 0x1_0000_0000;

export class Books {
  /** For each ledger (in the order of definition) four sums of five words. */
  #totals = new Uint32Array(4 * LEDGER_TOTAL_WORDS);
  readonly #before = new Uint32Array(4);
  readonly mix = new Uint32Array([0x243f_6a88, 0x85a3_08d3]);

  get totals(): Uint32Array {
    return this.#totals;
  }

  /** Makes room for the totals of `count` ledgers. */
  reserve(count: number): void {
    if (count * LEDGER_TOTAL_WORDS <= this.#totals.length) return;
    const larger = new Uint32Array(2 * count * LEDGER_TOTAL_WORDS);
    larger.set(this.#totals);
    this.#totals = larger;
  }

  /** Adds to the balance at `words[i]`; `total` is the first word of the sum that it belongs to. */
  raise(words: Uint32Array, i: number, amount: Uint32Array, a: number, total: number): void {
    const before = words[i]!;
    const low = (before + amount[a]!) >>> 0;
    if ((amount[a + 1]! | amount[a + 2]! | amount[a + 3]!) === 0 && low >= before) {
      // An amount of 32 bits that carries nothing over, as nearly all do: one word is written.
      words[i] = low;
      const totals = this.#totals;
      const sum = totals[total]!;
      const raised = (sum + words[i] - before) >>> 0;
      totals[total] = raised;
      if (raised < sum) this.#carryUp(total + 1);
      this.#mixIn(words, i);
      return;
    }
    copy128(this.#before, 0, words, i);
    const overflow = add128(words, i, amount, a);
    assert(!overflow, 'a balance never passes 2^128 - 1');
    this.#follow(words, i, total);
  }

  /**
   * The same for many balances at once, which the caller has raised: `raised` is what the words
   * show beside what stood there before, below 2^53.
   */
  raiseTotal(total: number, raised: number): void {
    const totals = this.#totals;
    const low = totals[total]! + (raised % WORD);
    totals[total] = low;
    const second = totals[total + 1]! + Math.floor(raised / WORD) + (low >= WORD ? 1 : 0);
    totals[total + 1] = second;
    if (second >= WORD) this.#carryUp(total + 2);
  }

  /** Takes from the balance at `words[i]`. */
  lower(words: Uint32Array, i: number, amount: Uint32Array, a: number, total: number): void {
    copy128(this.#before, 0, words, i);
    const underflow = subtract128(words, i, amount, a);
    assert(!underflow, 'a balance never goes below 0');
    this.#follow(words, i, total);
  }

  /** Totals and mix after a write: total += after - before, from the words as they now stand. */
  #follow(words: Uint32Array, i: number, total: number): void {
    const before = this.#before;
    const totals = this.#totals;
    let carry = 0;
    for (let word = 0; word < 4; word++) {
      const sum = totals[total + word]! + words[i + word]! - before[word]! + carry;
      totals[total + word] = sum;
      carry = sum >= WORD ? 1 : sum < 0 ? -1 : 0;
    }
    totals[total + 4] = totals[total + 4]! + carry;
    this.#mixIn(words, i);
  }

  /** Adds 1 to the upper words of a total, from `words[first]` on. */
  #carryUp(first: number): void {
    const totals = this.#totals;
    const end = first - (first % TOTAL_WORDS) + TOTAL_WORDS;
    for (let word = first; word < end; word++) {
      const sum = (totals[word]! + 1) >>> 0;
      totals[word] = sum;
      if (sum !== 0) return;
    }
  }

  #mixIn(words: Uint32Array, i: number): void {
    const mix = this.mix;
    const even = mixEven(mix[0]!, words, i);
    mix[0] = (even << 13) | (even >>> 19);
    mix[1] = mixOdd(mix[1]!, even, words, i);
  }

  /** Debits = credits for each of the first `count` ledgers, held amounts included. */
  assertBalanced(count: number): void {
    const totals = this.#totals;
    for (let first = 0; first < count * LEDGER_TOTAL_WORDS; first += LEDGER_TOTAL_WORDS) {
      let difference = 0;
      for (let word = first; word < first + 2 * TOTAL_WORDS; word++) {
        difference |= totals[word]! ^ totals[word + 2 * TOTAL_WORDS]!;
      }
      assert(difference === 0, 'the debits of a ledger equal its credits');
    }
  }

  /** One sum as a number. */
  total(ledgerOrdinal: number, balance: number): bigint {
    return readTotal(this.#totals, ledgerOrdinal * LEDGER_TOTAL_WORDS + balance * TOTAL_WORDS);
  }
}

/** The mix's first word after the balance at `words[i]`, before it is rotated by 13 bits. */
export function mixEven(mix: number, words: Uint32Array, i: number): number {
  return Math.imul(mix ^ words[i]!, 0x9e37_79b1) ^ words[i + 2]!;
}

/** The mix's second word; `even` is what `mixEven` gave for the same balance. */
export function mixOdd(mix: number, even: number, words: Uint32Array, i: number): number {
  const odd = Math.imul(mix ^ words[i + 1]!, 0x85eb_ca77) ^ words[i + 3]!;
  return ((odd << 17) | (odd >>> 15)) ^ even;
}

export function readTotal(words: Uint32Array, i: number): bigint {
  let value = 0n;
  for (let word = TOTAL_WORDS - 1; word >= 0; word--) {
    value = (value << 32n) | BigInt(words[i + word]!);
  }
  return value;
}
