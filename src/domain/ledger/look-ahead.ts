// Looks a short way ahead in a batch: hashes of ids, account numbers, and a touch of the memory
// that the transfers will need. Looked up one after the other, each lookup waits for memory; looked
// up in a row, with nothing between them, the machine waits for many at once (measured: about a
// quarter more transfers a second). It answers what a lookup at the transfer's own turn would
// answer, since no transfer opens an account.

import { idWordsUnixMs } from '../../base/ids.ts';
import { TRANSFER_WORDS, TransferWord } from '../../base/transfer-record.ts';
import type { AccountTable } from './account-table.ts';
import { hashId } from './id-index.ts';
import type { RememberedTransfers } from './remembered-transfers.ts';

/** Few enough that what has been touched is still in the nearest cache when it is used. */
const EVENTS_AHEAD = 256;
/** Ids of seconds next to each other stand near each other. */
const LEAP_MS = 3000;
export const AHEAD_MASK = EVENTS_AHEAD - 1;

export class LookAhead {
  readonly #accounts: AccountTable;
  readonly #remembered: RememberedTransfers;
  readonly hashes = new Int32Array(EVENTS_AHEAD);
  readonly unixMs = new Float64Array(EVENTS_AHEAD);
  readonly debitAccounts = new Int32Array(EVENTS_AHEAD);
  readonly creditAccounts = new Int32Array(EVENTS_AHEAD);
  readonly #room = new Int32Array(EVENTS_AHEAD);
  #reached = 0;

  constructor(accounts: AccountTable, remembered: RememberedTransfers) {
    this.#accounts = accounts;
    this.#remembered = remembered;
  }

  /** A new batch begins. */
  restart(): void {
    this.#reached = 0;
  }

  /** Events are reached in rising order. */
  reach(words: Uint32Array, index: number): void {
    if (index >= this.#reached) this.#look(words, index);
  }

  /** Hash of the transfer's id. */
  hashOf(index: number): number {
    return this.hashes[index & AHEAD_MASK]!;
  }

  /** Milliseconds in the transfer's id. */
  unixMsOf(index: number): number {
    return this.unixMs[index & AHEAD_MASK]!;
  }

  /** Account number, or NO_RECORD. */
  debitAccountOf(index: number): number {
    return this.debitAccounts[index & AHEAD_MASK]!;
  }

  creditAccountOf(index: number): number {
    return this.creditAccounts[index & AHEAD_MASK]!;
  }

  #look(words: Uint32Array, from: number): void {
    const end = Math.min((from | AHEAD_MASK) + 1, words.length / TRANSFER_WORDS);
    this.#lookAtIds(words, from, end);
    const first = from & ~AHEAD_MASK;
    const debit = first * TRANSFER_WORDS + TransferWord.debitAccountId;
    const credit = first * TRANSFER_WORDS + TransferWord.creditAccountId;
    const count = end - first;
    const { debitAccounts, creditAccounts } = this;
    this.#accounts.findMany(words, debit, TRANSFER_WORDS, count, this.#room, debitAccounts);
    this.#accounts.findMany(words, credit, TRANSFER_WORDS, count, this.#room, creditAccounts);
    this.#reached = end;
  }

  #lookAtIds(words: Uint32Array, from: number, end: number): void {
    const hashes = this.hashes;
    const times = this.unixMs;
    let last = idWordsUnixMs(words, from * TRANSFER_WORDS);
    let leaps = 0;
    for (let index = from; index < end; index++) {
      const o = index * TRANSFER_WORDS;
      const time = idWordsUnixMs(words, o);
      if (Math.abs(time - last) > LEAP_MS) leaps += 1;
      last = time;
      hashes[index & AHEAD_MASK] = hashId(words, o);
      times[index & AHEAD_MASK] = time;
    }
    const count = end - (from & ~AHEAD_MASK);
    if (8 * leaps > count) this.#remembered.touchMany(times, hashes, count);
  }
}
