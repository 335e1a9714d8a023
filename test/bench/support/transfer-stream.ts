// The transfers that a load sends, written straight into records, and what the books must say when
// they have been accepted. Seeded: the same stream again is the same transfers under new ids.
// Account i of the choice has the id i + 1.

import { Prng } from '../../../src/base/prng.ts';
import { TRANSFER_BYTES, TransferFlag, TransferOffset } from '../../../src/base/transfer-record.ts';
import { type Chooser, type Distribution, chooserOf } from './account-choice.ts';

export const LEDGER = 978;
/** Of the amounts of the batch workloads; TigerBeetle's benchmark has the same. */
export const AMOUNT_MEAN = 10_000;
const CODE = 1;
const TWO_32 = 0x1_0000_0000;

/** With `pending`, a hold is resolved when so many younger ones wait: about a request later. */
const HOLDS_WAITING = 4096;
/** Of the holds, every so many is voided; the others are posted. */
const VOID_EVERY = 4;
const HOLD_WORDS = 8;

export type StreamOptions = {
  readonly accounts: number;
  readonly distribution: Distribution;
  /** Of an exponential distribution; the amount is floor(that) + 1. */
  readonly amountMean: number;
  /** Half of the transfers are holds, the other half post or void them. */
  readonly pending?: boolean;
  /** Transfers in all, so that the last holds are resolved too. */
  readonly transfers: number;
  readonly seed?: number;
};

/** Sums of what was sent. Amounts stay far below 2^53. */
export class ExpectedBooks {
  transfers = 0;
  /** Posted: debits and credits alike. */
  amount = 0;
  readonly debits: Float64Array;
  readonly credits: Float64Array;
  /** Transfers on either side of the account. */
  readonly counts: Uint32Array;

  constructor(accounts: number) {
    this.debits = new Float64Array(accounts);
    this.credits = new Float64Array(accounts);
    this.counts = new Uint32Array(accounts);
  }

  post(debit: number, credit: number, amount: number): void {
    this.amount += amount;
    this.debits[debit] = this.debits[debit]! + amount;
    this.credits[credit] = this.credits[credit]! + amount;
  }

  touch(debit: number, credit: number): void {
    this.transfers++;
    this.counts[debit] = this.counts[debit]! + 1;
    this.counts[credit] = this.counts[credit]! + 1;
  }
}

export class TransferStream {
  readonly expected: ExpectedBooks;
  readonly #chance: Prng;
  readonly #choose: Chooser;
  readonly #choice = { debit: 0, credit: 0 };
  readonly #options: StreamOptions;
  #sequence = 0;
  #lastMs = 0;
  /** Holds that are not resolved, a ring: 4 words of id, debit, credit, amount. */
  readonly #holds: Uint32Array;
  #oldest = 0;
  #holdCount = 0;

  constructor(options: StreamOptions) {
    this.#options = options;
    this.#chance = new Prng(options.seed ?? 1);
    this.#choose = chooserOf(options.distribution, options.accounts, this.#chance.fork());
    this.expected = new ExpectedBooks(options.accounts);
    this.#holds = new Uint32Array(options.pending === true ? 2 * HOLDS_WAITING * HOLD_WORDS : 0);
  }

  /** Writes transfers `first` to `end` of the request in `view`, whose bytes are all zero there. */
  write(view: DataView, first: number, end: number): void {
    this.#lastMs = Math.max(this.#lastMs, Date.now());
    for (let index = first; index < end; index++) this.#writeOne(view, index * TRANSFER_BYTES);
  }

  #writeOne(view: DataView, offset: number): void {
    this.#writeId(view, offset);
    view.setUint16(offset + TransferOffset.code, CODE, true);
    view.setUint32(offset + TransferOffset.ledger, LEDGER, true);
    if (this.#options.pending === true && this.#mustResolve()) {
      this.#writeResolution(view, offset);
      return;
    }
    const choice = this.#choice;
    this.#choose(choice);
    const amount = this.#amount();
    view.setUint32(offset + TransferOffset.debitAccountId + 12, choice.debit + 1, false);
    view.setUint32(offset + TransferOffset.creditAccountId + 12, choice.credit + 1, false);
    view.setUint32(offset + TransferOffset.amount, amount, true);
    const isHold = this.#options.pending === true && this.#left() >= 2;
    this.expected.touch(choice.debit, choice.credit);
    if (isHold) this.#hold(view, offset, amount);
    else this.expected.post(choice.debit, choice.credit, amount);
  }

  /** Strictly rising: milliseconds, a running number, random bits. */
  #writeId(view: DataView, offset: number): void {
    const unixMs = this.#lastMs;
    const sequence = this.#sequence++;
    view.setUint32(offset, Math.floor(unixMs / 0x1_0000), false);
    view.setUint16(offset + 4, unixMs % 0x1_0000, false);
    view.setUint32(offset + 6, sequence % TWO_32, false);
    view.setUint16(offset + 10, this.#chance.uint32() & 0xffff, false);
    view.setUint32(offset + 12, this.#chance.uint32(), false);
  }

  #amount(): number {
    return Math.floor(-Math.log(1 - this.#chance.ratio()) * this.#options.amountMean) + 1;
  }

  #left(): number {
    return this.#options.transfers - this.expected.transfers;
  }

  /** Enough holds wait, or there is no room left for one more and its end. */
  #mustResolve(): boolean {
    if (this.#holdCount === 0) return false;
    return this.#holdCount >= HOLDS_WAITING || this.#left() < this.#holdCount + 2;
  }

  #hold(view: DataView, offset: number, amount: number): void {
    view.setUint16(offset + TransferOffset.flags, TransferFlag.pending, true);
    const place = this.#placeOf(this.#oldest + this.#holdCount++);
    for (let word = 0; word < 4; word++) {
      this.#holds[place + word] = view.getUint32(offset + 4 * word, false);
    }
    this.#holds[place + 4] = this.#choice.debit;
    this.#holds[place + 5] = this.#choice.credit;
    this.#holds[place + 6] = amount;
  }

  #writeResolution(view: DataView, offset: number): void {
    const place = this.#placeOf(this.#oldest++);
    this.#holdCount--;
    for (let word = 0; word < 4; word++) {
      const pendingId = offset + TransferOffset.pendingId + 4 * word;
      view.setUint32(pendingId, this.#holds[place + word]!, false);
    }
    const debit = this.#holds[place + 4]!;
    const credit = this.#holds[place + 5]!;
    const amount = this.#holds[place + 6]!;
    const isVoid = this.#oldest % VOID_EVERY === 0;
    const flag = isVoid ? TransferFlag.voidPending : TransferFlag.postPending;
    view.setUint16(offset + TransferOffset.flags, flag, true);
    view.setUint32(offset + TransferOffset.debitAccountId + 12, debit + 1, false);
    view.setUint32(offset + TransferOffset.creditAccountId + 12, credit + 1, false);
    view.setUint32(offset + TransferOffset.amount, amount, true);
    this.expected.touch(debit, credit);
    if (!isVoid) this.expected.post(debit, credit, amount);
  }

  #placeOf(hold: number): number {
    return (hold % (2 * HOLDS_WAITING)) * HOLD_WORDS;
  }
}
