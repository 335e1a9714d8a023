// Looks a short way ahead in a batch: hashes of ids, account numbers, and a touch of the memory
// that the transfers will need. Looked up one after the other, each lookup waits for memory; looked
// up in a row, with nothing between them, the machine waits for many at once (measured: about a
// quarter more transfers a second). It answers what a lookup at the transfer's own turn would
// answer, since no transfer opens an account.

import { idWordsUnixMs } from '../../base/ids.ts';
import { TRANSFER_WORDS, TransferWord } from '../../base/transfer-record.ts';
import type { AccountTable } from './account-table.ts';
import { NO_RECORD, hashId } from './id-index.ts';
import type { RememberedTransfers } from './remembered-transfers.ts';

/** Few enough that what has been touched is still in the nearest cache when it is used. */
const EVENTS_AHEAD = 128;
const AHEAD_MASK = EVENTS_AHEAD - 1;

export class LookAhead {
  readonly #accounts: AccountTable;
  readonly #remembered: RememberedTransfers;
  readonly #hashes = new Int32Array(EVENTS_AHEAD);
  readonly #unixMs = new Float64Array(EVENTS_AHEAD);
  readonly #debitAccounts = new Int32Array(EVENTS_AHEAD);
  readonly #creditAccounts = new Int32Array(EVENTS_AHEAD);
  /** Holds what was loaded by touching, so that no compiler may leave the loads out. */
  readonly #touched = new Int32Array(1);
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
    return this.#hashes[index & AHEAD_MASK]!;
  }

  /** Milliseconds in the transfer's id. */
  unixMsOf(index: number): number {
    return this.#unixMs[index & AHEAD_MASK]!;
  }

  /** Account number, or NO_RECORD. */
  debitAccountOf(index: number): number {
    return this.#debitAccounts[index & AHEAD_MASK]!;
  }

  creditAccountOf(index: number): number {
    return this.#creditAccounts[index & AHEAD_MASK]!;
  }

  #look(words: Uint32Array, from: number): void {
    const end = Math.min((from | AHEAD_MASK) + 1, words.length / TRANSFER_WORDS);
    this.#touched[0] = this.#lookAtIds(words, from, end) ^ this.#lookAtAccounts(words, from, end);
    this.#reached = end;
  }

  #lookAtIds(words: Uint32Array, from: number, end: number): number {
    const remembered = this.#remembered;
    const hashes = this.#hashes;
    const times = this.#unixMs;
    let touched = 0;
    for (let index = from; index < end; index++) {
      const o = index * TRANSFER_WORDS;
      const hash = hashId(words, o);
      touched ^= remembered.touch(hash);
      hashes[index & AHEAD_MASK] = hash;
      times[index & AHEAD_MASK] = idWordsUnixMs(words, o);
    }
    return touched;
  }

  #lookAtAccounts(words: Uint32Array, from: number, end: number): number {
    const accounts = this.#accounts;
    const debitAccounts = this.#debitAccounts;
    const creditAccounts = this.#creditAccounts;
    let touched = 0;
    for (let index = from; index < end; index++) {
      const o = index * TRANSFER_WORDS;
      const debit = accounts.find(words, o + TransferWord.debitAccountId);
      const credit = accounts.find(words, o + TransferWord.creditAccountId);
      if (debit !== NO_RECORD) touched ^= accounts.touch(debit);
      if (credit !== NO_RECORD) touched ^= accounts.touch(credit);
      debitAccounts[index & AHEAD_MASK] = debit;
      creditAccounts[index & AHEAD_MASK] = credit;
    }
    return touched;
  }
}
