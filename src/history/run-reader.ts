// Reads the file of a run. Its index is checked against the catalog when it is opened, and each
// page against the index whenever it is read: what is wrong throws RunDamaged and is never an
// answer.

import { hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { TRANSFER_WORDS } from '../base/transfer-record.ts';
import { NONE, PAGE_BYTES, PAGE_WORDS, compareIds } from './layout.ts';
import {
  PACKED_WORDS_MAX,
  lastLength,
  lastNumber,
  lastSide,
  packedLength,
  unpackRecord,
} from './packed-record.ts';
import type { PageCache } from './page-cache.ts';
import {
  END_BLOCK_BYTES,
  ENTRY_WORDS,
  type FixedSection,
  type IndexLayout,
  KEY_WORDS,
  type RunEntry,
  type RunMeta,
  decodeEnd,
  entriesPerPage,
  fixedPages,
  indexLayout,
  runName,
} from './run-format.ts';
import { timeAt } from './transfer-facts.ts';

export class RunDamaged extends Error {
  override readonly name = 'RunDamaged';
  readonly run: number;

  constructor(run: number, found: string) {
    super(`${runName(run)}: ${found}`);
    this.run = run;
  }
}

export type AccountGroup = {
  /** Words from the beginning of `sides`. */
  readonly place: number;
  readonly words: number;
  /** The latest earlier run with a transfer of this account, or NONE. */
  readonly previous: number;
};

/** Pages of one account that are read at once. */
const WINDOW_PAGES = 8;

/** `record` lies in `words` at `at`; returns true to go on. */
export type SideVisitor = (words: Uint32Array, at: number, number: number, side: number) => boolean;

export class RunReader {
  readonly meta: RunMeta;
  readonly #fd: number;
  readonly #index: Uint32Array;
  readonly #layout: IndexLayout;
  readonly #cache: PageCache;
  readonly #window = new Uint32Array(WINDOW_PAGES * PAGE_WORDS);
  readonly #windowBytes = new Uint8Array(this.#window.buffer);

  private constructor(fd: number, meta: RunMeta, index: Uint32Array, cache: PageCache) {
    this.#fd = fd;
    this.meta = meta;
    this.#index = index;
    this.#cache = cache;
    const { page, entries } = meta.sections.resolutions;
    this.#layout = indexLayout(page + fixedPages('resolutions', entries), meta.sections);
  }

  /** Throws RunDamaged where the file is not there, or not as the catalog says. */
  static open(folder: string, entry: RunEntry, cache: PageCache): RunReader {
    const opened = openIndex(folder, entry.run);
    const { fd, index, meta } = opened;
    if (opened.bytes !== entry.bytes || opened.indexDigest !== entry.indexDigest) {
      closeSync(fd);
      throw new RunDamaged(entry.run, 'its index is not the one in the catalog');
    }
    return new RunReader(fd, meta, index, cache);
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** Reads every page. */
  checkPages(): void {
    for (let page = 0; page < this.#layout.pages; page++) this.#readWindow(page, 1);
  }

  /** The account's transfers; undefined = it has none here. */
  group(account: number): AccountGroup | undefined {
    const stride = ENTRY_WORDS.accounts;
    const page = this.#pageOf('accounts', (keys, at) => keys[at]! <= account);
    if (page === undefined) return undefined;
    const { words, count } = this.#fixedPage('accounts', page);
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (words[middle * stride]! < account) low = middle + 1;
      else high = middle;
    }
    const at = low * stride;
    if (low === count || words[at] !== account) return undefined;
    return { place: words[at + 1]!, words: words[at + 2]!, previous: words[at + 3]! };
  }

  /** Every account with a transfer here. */
  accounts(visit: (account: number) => void): void {
    const pages = fixedPages('accounts', this.meta.sections.accounts.entries);
    for (let page = 0; page < pages; page++) {
      const { words, count } = this.#fixedPage('accounts', page);
      for (let entry = 0; entry < count; entry++) visit(words[entry * ENTRY_WORDS.accounts]!);
    }
  }

  /** The number in the run of the transfer whose id stands at `id[i]`; NONE = it is not here. */
  findId(id: Uint32Array, i: number): number {
    return this.#valueOf('ids', id, i);
  }

  /** What became here of the hold whose id stands at `id[i]`; NONE = nothing. */
  findResolution(id: Uint32Array, i: number): number {
    return this.#valueOf('resolutions', id, i);
  }

  /** Numbers in the run, rising, whose user data have this hash. */
  terms(wanted: number): number[] {
    const { entries } = this.meta.sections.terms;
    const numbers: number[] = [];
    if (entries === 0) return numbers;
    // The first page may end with it although the second begins with it.
    const first = this.#pageOf('terms', (keys, at) => keys[at]! < wanted) ?? 0;
    for (let page = first; page < fixedPages('terms', entries); page++) {
      const { words, count } = this.#fixedPage('terms', page);
      for (let entry = 0; entry < count; entry++) {
        const found = words[2 * entry]!;
        if (found > wanted) return numbers;
        if (found === wanted) numbers.push(words[2 * entry + 1]!);
      }
    }
    return numbers;
  }

  /** Writes the record of a number in the run to `target[t]`. */
  record(number: number, target: Uint32Array, t: number): void {
    const page = Math.floor(number / entriesPerPage('numbers'));
    const { words } = this.#fixedPage('numbers', page);
    const place = words[number % entriesPerPage('numbers')]!;
    const first = Math.floor(place / PAGE_WORDS);
    const begin = place % PAGE_WORDS;
    const packed = this.#page(first);
    const length = packedLength(packed[begin]!);
    if (begin + length <= PAGE_WORDS) {
      unpackRecord(packed, begin, target, t);
      return;
    }
    const whole = new Uint32Array(PACKED_WORDS_MAX);
    const here = PAGE_WORDS - begin;
    whole.set(packed.subarray(begin));
    whole.set(this.#page(first + 1).subarray(0, length - here), here);
    unpackRecord(whole, 0, target, t);
  }

  /** The first number in the run with a timestamp at or after `ns`; its size = all are before. */
  firstAtOrAfter(ns: bigint): number {
    const record = new Uint32Array(TRANSFER_WORDS);
    let low = 0;
    let high = this.meta.transfers;
    while (low < high) {
      const middle = (low + high) >>> 1;
      this.record(middle, record, 0);
      if (timeAt(record, 0) < ns) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Visits what the account has below `end`, latest first, until the visitor has enough. */
  backward(group: AccountGroup, end: number, visit: SideVisitor): void {
    const begin = group.place;
    let behind = this.#endFor(group, end);
    while (behind > begin) {
      const lastPage = Math.floor((behind - 1) / PAGE_WORDS);
      const firstPage = Math.max(Math.floor(begin / PAGE_WORDS), lastPage - WINDOW_PAGES + 1);
      this.#readWindow(firstPage, lastPage - firstPage + 1);
      const windowPlace = firstPage * PAGE_WORDS;
      const lowest = Math.max(begin, windowPlace);
      while (behind > lowest) {
        const last = this.#window[behind - windowPlace - 1]!;
        const at = behind - lastLength(last);
        if (at < lowest) break;
        behind = at;
        const number = lastNumber(last);
        if (number >= end) continue;
        if (!visit(this.#window, at - windowPlace, number, lastSide(last))) return;
      }
    }
  }

  /** Visits what the account has from `from` on, oldest first, until the visitor has enough. */
  forward(group: AccountGroup, from: number, visit: SideVisitor): void {
    const end = group.place + group.words;
    let at = this.#beginFor(group, from);
    while (at < end) {
      const firstPage = Math.floor(at / PAGE_WORDS);
      const lastPage = Math.min(Math.floor((end - 1) / PAGE_WORDS), firstPage + WINDOW_PAGES - 1);
      this.#readWindow(firstPage, lastPage - firstPage + 1);
      const windowPlace = firstPage * PAGE_WORDS;
      const windowEnd = Math.min(end, (lastPage + 1) * PAGE_WORDS);
      while (at < windowEnd) {
        const length = packedLength(this.#window[at - windowPlace]!);
        if (at + length > windowEnd) break;
        const last = this.#window[at - windowPlace + length - 1]!;
        const here = at - windowPlace;
        at += length;
        const number = lastNumber(last);
        if (number < from) continue;
        if (!visit(this.#window, here, number, lastSide(last))) return;
      }
    }
  }

  /** Where to begin reading backward so that nothing below `end` is missed: a large account. */
  #endFor({ place, words }: AccountGroup, end: number): number {
    const index = this.#index;
    let low = Math.floor(place / PAGE_WORDS) + 1;
    let high = Math.floor((place + words - 1) / PAGE_WORDS) + 1;
    if (high - low < WINDOW_PAGES) return place + words;
    // The first page that begins with a transfer of the group at or after `end`, or behind it all.
    while (low < high) {
      const middle = (low + high) >>> 1;
      const isBefore =
        this.#isOfGroup(middle, place, words) && index[this.#layout.sideNumber + middle]! < end;
      if (isBefore) low = middle + 1;
      else high = middle;
    }
    if (!this.#isOfGroup(low, place, words)) return place + words;
    return low * PAGE_WORDS + index[this.#layout.sideFirst + low]!;
  }

  #beginFor({ place, words }: AccountGroup, from: number): number {
    const index = this.#index;
    let low = Math.floor(place / PAGE_WORDS);
    let high = Math.floor((place + words) / PAGE_WORDS);
    if (high - low < WINDOW_PAGES) return place;
    // The last page that begins with the group's own transfers before `from`.
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (
        this.#isOfGroup(middle, place, words) &&
        index[this.#layout.sideNumber + middle]! < from
      ) {
        low = middle;
      } else high = middle - 1;
    }
    if (low === Math.floor(place / PAGE_WORDS)) return place;
    return low * PAGE_WORDS + index[this.#layout.sideFirst + low]!;
  }

  /** Whether the first transfer that begins in the page is one of the group's. */
  #isOfGroup(page: number, place: number, words: number): boolean {
    if (page >= this.#layout.sidePages) return false;
    const first = this.#index[this.#layout.sideFirst + page]!;
    if (first === NONE) return false;
    const at = page * PAGE_WORDS + first;
    return at >= place && at < place + words;
  }

  #valueOf(section: 'ids' | 'resolutions', id: Uint32Array, i: number): number {
    const stride = ENTRY_WORDS[section];
    const page = this.#pageOf(section, (keys, at) => compareIds(keys, at, id, i) <= 0);
    if (page === undefined) return NONE;
    const { words, count } = this.#fixedPage(section, page);
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareIds(words, middle * stride, id, i) < 0) low = middle + 1;
      else high = middle;
    }
    if (low === count || compareIds(words, low * stride, id, i) !== 0) return NONE;
    return words[low * stride + 4]!;
  }

  /** The last page of the section whose first key satisfies `isBefore`; undefined = none does. */
  #pageOf(
    section: FixedSection,
    isBefore: (keys: Uint32Array, at: number) => boolean,
  ): number | undefined {
    const keys = this.#layout.keys[section];
    let low = 0;
    let high = fixedPages(section, this.meta.sections[section].entries);
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isBefore(this.#index, keys + middle * KEY_WORDS[section])) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? undefined : low - 1;
  }

  #fixedPage(section: FixedSection, page: number): { words: Uint32Array; count: number } {
    const { page: first, entries } = this.meta.sections[section];
    const perPage = entriesPerPage(section);
    const words = this.#page(first + page);
    return { words, count: Math.min(perPage, entries - page * perPage) };
  }

  /** A page by its number in the file; kept, for it is likely to be asked for again. */
  #page(page: number): Uint32Array {
    const known = this.#cache.get(this.meta.run, page);
    if (known !== undefined) return known;
    const words = new Uint32Array(PAGE_WORDS);
    this.#read(new Uint8Array(words.buffer), page, 1);
    this.#cache.set(this.meta.run, page, words);
    return words;
  }

  #readWindow(page: number, count: number): void {
    this.#read(this.#windowBytes, page, count);
  }

  #read(target: Uint8Array, page: number, count: number): void {
    const { run } = this.meta;
    const length = count * PAGE_BYTES;
    const read = readSync(this.#fd, target, 0, length, page * PAGE_BYTES);
    if (read !== length) throw new RunDamaged(run, `page ${page} is cut short`);
    for (let number = 0; number < count; number++) {
      const bytes = target.subarray(number * PAGE_BYTES, (number + 1) * PAGE_BYTES);
      if (crc32(bytes) === this.#index[page + number]) continue;
      throw new RunDamaged(run, `page ${page + number} is not as it was written`);
    }
  }
}

/** What the catalog would say of a run, from its file alone. */
export function inspectRun(
  folder: string,
  run: number,
  file: { readonly bytes: number; readonly digest: string },
): RunEntry {
  const { fd, meta, indexDigest } = openIndex(folder, run);
  closeSync(fd);
  return { ...meta, indexDigest, ...file };
}

type OpenedIndex = {
  readonly fd: number;
  readonly meta: RunMeta;
  readonly index: Uint32Array;
  readonly bytes: number;
  readonly indexDigest: string;
};

function openIndex(folder: string, run: number): OpenedIndex {
  let fd: number;
  try {
    fd = openSync(join(folder, runName(run)), 'r');
  } catch (error) {
    throw new RunDamaged(run, `it cannot be opened (${String(error)})`);
  }
  try {
    return readIndex(fd, run);
  } catch (error) {
    closeSync(fd);
    throw error instanceof RunDamaged ? error : new RunDamaged(run, String(error));
  }
}

function readIndex(fd: number, run: number): OpenedIndex {
  const bytes = fstatSync(fd).size;
  const end = decodeEnd(readAt(fd, run, bytes - END_BLOCK_BYTES, END_BLOCK_BYTES));
  if (end === undefined) throw new RunDamaged(run, 'its last bytes are not as they were written');
  const { indexBytes, trailerBytes, digest } = end;
  const length = indexBytes + trailerBytes;
  const from = bytes - END_BLOCK_BYTES - length;
  const both = readAt(fd, run, from, length);
  const found = hash('sha256', both, 'buffer');
  if (found.compare(digest) !== 0) {
    throw new RunDamaged(run, 'its index is not as it was written');
  }
  const meta = JSON.parse(new TextDecoder().decode(both.subarray(indexBytes))) as RunMeta;
  const index = new Uint32Array(both.buffer, 0, indexBytes / 4);
  return { fd, meta, index, bytes, indexDigest: found.toString('hex') };
}

function readAt(fd: number, run: number, from: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  if (from < 0 || readSync(fd, bytes, 0, length, from) !== length) {
    throw new RunDamaged(run, 'it is cut short');
  }
  return bytes;
}
