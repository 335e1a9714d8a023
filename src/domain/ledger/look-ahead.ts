// Looks a short way ahead in a batch: hashes of ids, account numbers, and a touch of the memory
// that the transfers will need. Looked up one after the other, each lookup waits for memory; looked
// up in a row, with nothing between them, the machine waits for many at once (measured: about a
// quarter more transfers a second). It answers what a lookup at the transfer's own turn would
// answer, since no transfer opens an account.
//
// A batch that waits for its sync can be looked at as a whole meanwhile (`prepare`): when its turn
// comes, and no account was opened in between, everything is known already.

import { idWordsUnixMs } from '../../base/ids.ts';
import { ENTRY_BYTES_MAX } from '../../base/limits.ts';
import { TRANSFER_BYTES, TRANSFER_WORDS, TransferWord } from '../../base/transfer-record.ts';
import type { AccountTable } from './account-table.ts';
import { hashId } from './id-hash.ts';
import type { RememberedTransfers } from './remembered-transfers.ts';

/** Few enough that what has been touched is still in the nearest cache when it is used. */
const WINDOW = 256;
const WINDOW_MASK = WINDOW - 1;
/** No entry carries more. */
const EVENTS_AHEAD = ENTRY_BYTES_MAX / TRANSFER_BYTES;
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
  readonly #hashWindows = windowsOf(this.hashes);
  readonly #timeWindows = windowsOf(this.unixMs);
  readonly #debitWindows = windowsOf(this.debitAccounts);
  readonly #creditWindows = windowsOf(this.creditAccounts);
  readonly #room = new Int32Array(WINDOW);
  #reached = 0;
  /** So many events have been looked up before: their accounts need only be brought near again. */
  #known = 0;
  /** The batch that was looked at as a whole, and how many accounts there were. */
  #prepared: Uint32Array | undefined;
  #preparedAccounts = 0;

  constructor(accounts: AccountTable, remembered: RememberedTransfers) {
    this.#accounts = accounts;
    this.#remembered = remembered;
  }

  /** Looks at a whole batch before its turn. */
  prepare(words: Uint32Array): void {
    const count = words.length / TRANSFER_WORDS;
    if (count > EVENTS_AHEAD) return;
    this.#known = 0;
    for (let from = 0; from < count; from += WINDOW) this.#look(words, from);
    this.#prepared = words;
    this.#preparedAccounts = this.#accounts.count;
  }

  /** A new batch begins. */
  restart(words: Uint32Array): void {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    this.#reached = 0;
    this.#known = 0;
    if (prepared?.buffer !== words.buffer || prepared.byteOffset !== words.byteOffset) return;
    if (prepared.length !== words.length || this.#preparedAccounts !== this.#accounts.count) return;
    this.#known = words.length / TRANSFER_WORDS;
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
    const end = Math.min((from | WINDOW_MASK) + 1, words.length / TRANSFER_WORDS);
    const first = from & ~WINDOW_MASK;
    const window = (first & AHEAD_MASK) / WINDOW;
    if (from < this.#known) {
      this.#accounts.touchMany(
        this.#debitWindows[window]!,
        this.#creditWindows[window]!,
        end - first,
      );
      this.#reached = end;
      return;
    }
    this.#lookAtIds(words, from, end);
    const debit = first * TRANSFER_WORDS + TransferWord.debitAccountId;
    const credit = first * TRANSFER_WORDS + TransferWord.creditAccountId;
    const count = end - first;
    const debits = this.#debitWindows[window]!;
    const credits = this.#creditWindows[window]!;
    this.#accounts.findMany(words, debit, TRANSFER_WORDS, count, this.#room, debits);
    this.#accounts.findMany(words, credit, TRANSFER_WORDS, count, this.#room, credits);
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
    const first = from & ~WINDOW_MASK;
    const count = end - first;
    if (8 * leaps <= count) return;
    const window = (first & AHEAD_MASK) / WINDOW;
    const [timesThere, hashesThere] = [this.#timeWindows[window]!, this.#hashWindows[window]!];
    this.#remembered.touchMany(timesThere, hashesThere, count);
  }
}

function windowsOf<Column extends Int32Array | Float64Array>(all: Column): Column[] {
  const windows: Column[] = [];
  for (let from = 0; from < all.length; from += WINDOW) {
    windows.push(all.subarray(from, from + WINDOW) as Column);
  }
  return windows;
}
