// The tail: transfers that no run holds yet, in the chunks that the thread of the payments fills.
// For each account the number of its latest transfer is kept, four bytes; from there the chunks'
// tables lead back. Numbers are kept by their low 32 bits: what lies outside the tail, or is of
// another account, is an old one that nobody cleared.

import { TRANSFER_WORDS } from '../base/transfer-record.ts';
import { incomplete } from './incomplete.ts';
import { TailChunk } from './tail-chunk.ts';
import { timeAt } from './transfer-facts.ts';

const ACCOUNTS_AT_START = 1024;

export class Tail {
  readonly #size: number;
  #chunks: TailChunk[] = [];
  #heads = new Uint32Array(ACCOUNTS_AT_START);

  constructor(size: number) {
    this.#size = size;
  }

  get chunks(): readonly TailChunk[] {
    return this.#chunks;
  }

  /** The first run that is still here in part; undefined = there is none. */
  get firstRun(): number | undefined {
    return this.#chunks[0]?.run;
  }

  /** The first number that is here. */
  get from(): number | undefined {
    return this.#chunks[0]?.from;
  }

  add(run: number, buffer: SharedArrayBuffer, from: number): void {
    this.#chunks.push(new TailChunk(run, buffer, this.#size, from));
  }

  expire(run: number, ids: Uint32Array): void {
    this.#chunks.find((chunk) => chunk.run === run)?.expire(ids);
  }

  drop(run: number): void {
    this.#chunks = this.#chunks.filter((chunk) => chunk.run !== run);
  }

  dropAll(): void {
    this.#chunks = [];
  }

  /** The missing part of the first chunk has been put in: all links are made anew. */
  filled(): void {
    this.#heads.fill(0);
    for (const chunk of this.#chunks) chunk.restart(chunk.base);
  }

  /** Makes everything before `through` findable. */
  index(through: number): void {
    for (const chunk of this.#chunks) {
      const end = Math.min(through, chunk.base + this.#size);
      if (chunk.indexed < end) this.#indexChunk(chunk, end);
    }
  }

  #indexChunk(chunk: TailChunk, end: number): void {
    const { debits, credits } = chunk.chunk;
    const { previous, base } = chunk;
    for (let number = chunk.indexed; number < end; number++) {
      const index = number - base;
      const debit = debits[index]!;
      const credit = credits[index]!;
      if (debit >= this.#heads.length || credit >= this.#heads.length) {
        this.#grow(Math.max(debit, credit) + 1);
      }
      const heads = this.#heads;
      previous[2 * index] = heads[debit]!;
      previous[2 * index + 1] = heads[credit]!;
      heads[debit] = number;
      heads[credit] = number;
      chunk.add(index);
    }
    chunk.indexed = end;
  }

  /** The number of the account's latest transfer in the tail; -1 = it has none here. */
  head(account: number): number {
    if (account >= this.#heads.length) return -1;
    return this.#checked(this.#heads[account]!, account, Number.MAX_SAFE_INTEGER);
  }

  /** The account's transfer before `number`, which must be one of it; -1 = none here. */
  before(number: number, account: number): number {
    const chunk = this.chunkOf(number);
    if (chunk === undefined) throw incomplete(`transfer ${number} is not there any more`);
    const index = number - chunk.base;
    const side = chunk.chunk.debits[index] === account ? 0 : 1;
    return this.#checked(chunk.previous[2 * index + side]!, account, number);
  }

  chunkOf(number: number): TailChunk | undefined {
    for (let index = this.#chunks.length - 1; index >= 0; index--) {
      const chunk = this.#chunks[index]!;
      if (number >= chunk.base + this.#size) return undefined;
      if (number >= chunk.base) return number >= chunk.from ? chunk : undefined;
    }
    return undefined;
  }

  /** The first number in the tail whose timestamp is at or after `ns`, below `through`. */
  firstAtOrAfter(ns: bigint, through: number): number {
    let low = this.from ?? through;
    let high = through;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const chunk = this.chunkOf(middle);
      if (chunk === undefined) return low;
      const o = (middle - chunk.base) * TRANSFER_WORDS;
      if (timeAt(chunk.chunk.records, o) < ns) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #checked(lowWord: number, account: number, before: number): number {
    const first = this.#chunks[0]?.from;
    if (first === undefined) return -1;
    const number = first + ((lowWord - first) >>> 0);
    if (number >= before) return -1;
    const chunk = this.chunkOf(number);
    if (chunk === undefined || number >= chunk.indexed) return -1;
    const { debits, credits } = chunk.chunk;
    const index = number - chunk.base;
    return debits[index] === account || credits[index] === account ? number : -1;
  }

  #grow(accounts: number): void {
    const larger = new Uint32Array(Math.max(accounts, 2 * this.#heads.length));
    larger.set(this.#heads);
    this.#heads = larger;
  }
}
