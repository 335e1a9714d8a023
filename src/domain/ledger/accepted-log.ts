// What one command accepted, for whoever keeps the history: which events became transfers, between
// which accounts, and the record where it differs from what was asked for. Filled while the command
// is applied and overwritten by the next one; nothing of it is state.
//
// Nearly every transfer is kept as it was asked for, with its timestamp set: then only its place in
// the batch is noted. A balancing transfer, a post and a void have records of their own.

import { ENTRY_BYTES_MAX } from '../../base/limits.ts';
import { TRANSFER_BYTES, TRANSFER_WORDS } from '../../base/transfer-record.ts';

const ID_WORDS = 4;
/** No entry carries more. */
const TRANSFERS_MAX = ENTRY_BYTES_MAX / TRANSFER_BYTES;
const RECORDS_AT_START = 16;

export class AcceptedLog {
  #count = 0;
  /** Index of the event in its command. */
  readonly events = new Uint16Array(TRANSFERS_MAX);
  /** Account numbers. */
  readonly debitAccounts = new Uint32Array(TRANSFERS_MAX);
  readonly creditAccounts = new Uint32Array(TRANSFERS_MAX);
  /** Place in `records`; -1 = the record is the one asked for, with the event's timestamp. */
  readonly recordPlaces = new Int16Array(TRANSFERS_MAX);
  #records = new Uint32Array(TRANSFER_WORDS * RECORDS_AT_START);
  #recordCount = 0;
  #expiredIds = new Uint32Array(ID_WORDS * RECORDS_AT_START);
  #expiredCount = 0;

  /** Transfers that the command accepted, in order. */
  get count(): number {
    return this.#count;
  }

  /** Records of 32 words, complete; see `recordPlaces`. */
  get records(): Uint32Array {
    return this.#records;
  }

  /** Ids, four words each, of the holds that the command released because their time had come. */
  get expiredIds(): Uint32Array {
    return this.#expiredIds;
  }

  get expiredCount(): number {
    return this.#expiredCount;
  }

  /** A new command begins. */
  restart(): void {
    this.#count = 0;
    this.#recordCount = 0;
    this.#expiredCount = 0;
  }

  add(event: number, debitAccount: number, creditAccount: number): void {
    this.put(this.#count, event, debitAccount, creditAccount);
    this.#count += 1;
  }

  /** Many at once: each is put in its place, then all count. */
  put(place: number, event: number, debitAccount: number, creditAccount: number): void {
    this.events[place] = event;
    this.debitAccounts[place] = debitAccount;
    this.creditAccounts[place] = creditAccount;
    this.recordPlaces[place] = -1;
  }

  advanceTo(count: number): void {
    this.#count = count;
  }

  /** `words[w]` is the record as it is kept. */
  addResolved(
    event: number,
    debitAccount: number,
    creditAccount: number,
    words: Uint32Array,
    w: number,
  ): void {
    this.add(event, debitAccount, creditAccount);
    const first = this.#recordCount * TRANSFER_WORDS;
    if (first === this.#records.length) this.#records = doubled(this.#records);
    for (let word = 0; word < TRANSFER_WORDS; word++) {
      this.#records[first + word] = words[w + word]!;
    }
    this.recordPlaces[this.#count - 1] = this.#recordCount;
    this.#recordCount += 1;
  }

  addExpired(words: Uint32Array, w: number): void {
    const first = this.#expiredCount * ID_WORDS;
    if (first === this.#expiredIds.length) this.#expiredIds = doubled(this.#expiredIds);
    for (let word = 0; word < ID_WORDS; word++) this.#expiredIds[first + word] = words[w + word]!;
    this.#expiredCount += 1;
  }

  /** The chain after the first `count` was undone. */
  truncate(count: number): void {
    for (let place = count; place < this.#count; place++) {
      if (this.recordPlaces[place] !== -1) this.#recordCount -= 1;
    }
    this.#count = count;
  }
}

function doubled(words: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * words.length);
  larger.set(words);
  return larger;
}
