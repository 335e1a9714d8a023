// Accounts: records of 128 bytes in chunks, numbered in the order in which they were opened. What a
// transfer touches (four balances, flags, ledger) stands together, so that it costs two cache
// lines. Accounts are never removed.
//
//   word words field
//      0     4 debits pending      little-endian 128-bit numbers
//      4     4 debits posted
//      8     4 credits pending
//     12     4 credits posted
//     16     4 id                  bytes as in records (base/ids.ts)
//     20     1 ledger ordinal      place of the ledger in the order of definition
//     21     1 ledger
//     22     1 code, flags         code in the low half
//     23     1 user data 32
//     24     4 user data 128       bytes as in records
//     28     2 user data 64        little-endian
//     30     2 timestamp           little-endian

import { assert } from '../../base/assert.ts';
import { hashId } from './id-hash.ts';
import { IdIndex, NO_RECORD } from './id-index.ts';
import { CHUNK_BITS, CHUNK_MASK, CHUNK_RECORDS, RecordChunks } from './record-chunks.ts';

export const ACCOUNT_WORDS = 32;
/** 64 Ki accounts. */
const CHUNKS_AHEAD = 4;
const POSITIONS_PER_SLICE = 8192;

export const AccountWord = {
  balances: 0,
  debitsPending: 0,
  debitsPosted: 4,
  creditsPending: 8,
  creditsPosted: 12,
  id: 16,
  ledgerOrdinal: 20,
  ledger: 21,
  codeAndFlags: 22,
  userData32: 23,
  userData128: 24,
  userData64: 28,
  timestampNs: 30,
} as const;

export class AccountTable {
  readonly records = new RecordChunks(ACCOUNT_WORDS);
  readonly #index = new IdIndex(this.records, AccountWord.id);
  #count = 0;
  /** Holds what was loaded, so that no compiler may leave the loads out. */
  readonly #touched = new Int32Array(1);

  get count(): number {
    return this.#count;
  }

  /** The number of the account whose id stands at `key[k]`; or NO_RECORD. */
  find(key: Uint32Array, k: number): number {
    return this.#index.find(hashId(key, k), key, k);
  }

  /** The same for `count` ids from `keys[k]` on, every `step` words; `hashes` has room for them. */
  findMany(
    keys: Uint32Array,
    k: number,
    step: number,
    count: number,
    hashes: Int32Array,
    found: Int32Array,
  ): void {
    this.#index.move(count);
    for (let i = 0; i < count; i++) hashes[i] = hashId(keys, k + i * step);
    this.#index.findMany(keys, k, step, count, hashes, found);
  }

  /** Loads balances and flags of the accounts of both columns, as far as there are any. */
  touchMany(debits: Int32Array, credits: Int32Array, count: number): void {
    const chunks = this.records.chunks;
    let touched = 0;
    for (let i = 0; i < count; i++) {
      const debit = debits[i]!;
      const credit = credits[i]!;
      if ((debit | credit) < 0) continue;
      const d = (debit & CHUNK_MASK) * ACCOUNT_WORDS;
      const c = (credit & CHUNK_MASK) * ACCOUNT_WORDS;
      const debitWords = chunks[debit >>> CHUNK_BITS]!;
      const creditWords = chunks[credit >>> CHUNK_BITS]!;
      touched ^= debitWords[d]! ^ debitWords[d + AccountWord.id]!;
      touched ^= creditWords[c]! ^ creditWords[c + AccountWord.id]!;
    }
    this.#touched[0] = touched;
  }

  /** The number of the account that was opened last; or NO_RECORD. */
  get last(): number {
    return this.#count === 0 ? NO_RECORD : this.#count - 1;
  }

  flagsOf(account: number): number {
    const words = this.records.wordsOf(account);
    return words[this.records.offsetOf(account) + AccountWord.codeAndFlags]! >>> 16;
  }

  /** Sets or takes off flag bits of an account. */
  setFlags(account: number, bits: number, on: boolean): void {
    this.records.beforeWrite(account);
    const words = this.records.wordsOf(account);
    const i = this.records.offsetOf(account) + AccountWord.codeAndFlags;
    words[i] = on ? words[i]! | (bits << 16) : words[i]! & ~(bits << 16);
  }

  /** Comes before both sides of a transfer change. */
  beforeWriteBoth(debitAccount: number, creditAccount: number): void {
    this.records.beforeWrite(debitAccount);
    this.records.beforeWrite(creditAccount);
  }

  /** Takes over a record of 32 words; its id must be new. Returns the account's number. */
  add(source: Uint32Array, s: number): number {
    const account = this.#count;
    this.records.reserve(account);
    this.records.beforeWrite(account);
    const words = this.records.wordsOf(account);
    const first = this.records.offsetOf(account);
    for (let word = 0; word < ACCOUNT_WORDS; word++) words[first + word] = source[s + word]!;
    this.#index.insert(hashId(words, first + AccountWord.id), account);
    this.#count += 1;
    return account;
  }

  /** Takes memory for the next accounts ahead, a slice at a time; returns whether more is left. */
  growAhead(): boolean {
    if (this.#index.growing) {
      this.#index.move(POSITIONS_PER_SLICE);
      return true;
    }
    return this.records.spares.prepare(CHUNKS_AHEAD);
  }

  /** Finds everything again from the first `count` records, which stand in the chunks already. */
  rebuild(count: number): void {
    assert(this.#count === 0, 'a table that is rebuilt was empty');
    this.#index.reserve(count);
    for (let account = 0; account < count; account++) {
      const words = this.records.wordsOf(account);
      const id = this.records.offsetOf(account) + AccountWord.id;
      this.#index.insert(hashId(words, id), account);
    }
    this.#count = count;
  }

  /** The records in the order of opening, chunk by chunk, as views. */
  *chunks(): Generator<Uint32Array> {
    for (let first = 0; first < this.#count; first += CHUNK_RECORDS) {
      const count = Math.min(CHUNK_RECORDS, this.#count - first);
      yield this.records.wordsOf(first).subarray(0, count * ACCOUNT_WORDS);
    }
  }
}
