// Makes the file of a run from a chunk: sorts its transfers by account and by id, packs them, and
// writes them under a temporary name that becomes the run's own when all of it is on the disk.

import { hash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { idWordsUnixMs, readIdWords } from '../base/ids.ts';
import { TRANSFER_WORDS, TransferWord } from '../base/transfer-record.ts';
import { syncFolder } from './files.ts';
import { type Chunk, NONE, PAGE_WORDS, compareIds, hashOfTerm } from './layout.ts';
import { PACKED_WORDS_MAX, SIDE_BIT, packRecord, packedLengthOf } from './packed-record.ts';
import { PageStream } from './page-stream.ts';
import {
  ENTRY_WORDS,
  type FixedSection,
  KEY_WORDS,
  type RunEntry,
  type RunMeta,
  type Section,
  encodeEnd,
  encodeTrailer,
  entriesPerPage,
  fixedPages,
  indexLayout,
  rangesOf,
  runName,
} from './run-format.ts';
import type { LatestRuns } from './latest-runs.ts';
import { Sorter } from './sorting.ts';
import { Resolution, TERM_FIELDS, resolutionOf, timeAt } from './transfer-facts.ts';

const SIDES_PART_WORDS = 256 * 1024;
/** 4,096 words a page. */
const PAGE_WORDS_BITS = 12;

/** What a record needs beside its places: most need nothing. */
const Mark = { userData: 1, resolution: 2 } as const;

export type RunSource = {
  readonly run: number;
  /** Full. */
  readonly chunk: Chunk;
  /** Ids of holds that expired while it was filled, four words each. */
  readonly expiredIds: readonly Uint32Array[];
  /** Nothing waits behind it: most of the time the disk is left to others. */
  readonly isUnhurried?: boolean;
};

type Keyed = { readonly page: number; readonly entries: number; readonly keys: number[] };

export class RunWriter {
  readonly #folder: string;
  readonly #size: number;
  readonly #sorter: Sorter;
  readonly #latest: LatestRuns;
  readonly #keys: Uint32Array;
  readonly #places: Uint32Array;
  readonly #accounts: Uint32Array;
  #accountCount = 0;
  readonly #marks: Uint8Array;
  readonly #sidePlaces: Uint32Array;
  /** Pages of it that no run needs are never touched, and take no memory. */
  readonly #sides: Uint32Array;
  readonly #pageFirsts: Uint32Array;
  readonly #pageNumbers: Uint32Array;

  /** `latest` must know all earlier runs; it learns each run that is written. */
  constructor(folder: string, size: number, latest: LatestRuns) {
    this.#folder = folder;
    this.#size = size;
    this.#latest = latest;
    this.#sorter = new Sorter(2 * size);
    this.#keys = new Uint32Array(2 * size);
    this.#places = new Uint32Array(size);
    this.#marks = new Uint8Array(size);
    this.#sidePlaces = new Uint32Array(2 * size);
    this.#sides = new Uint32Array(2 * size * PACKED_WORDS_MAX);
    const pagesMax = Math.ceil(this.#sides.length / PAGE_WORDS);
    this.#pageFirsts = new Uint32Array(pagesMax);
    this.#pageNumbers = new Uint32Array(pagesMax);
    this.#accounts = new Uint32Array(2 * size * ENTRY_WORDS.accounts);
  }

  /** Writes the run and makes it durable under its name. Throws what the file system says. */
  write(source: RunSource): RunEntry {
    const path = join(this.#folder, runName(source.run));
    const temporary = `${path}.partial`;
    const fd = openSync(temporary, 'w', 0o600);
    let entry: RunEntry;
    try {
      entry = this.#writeTo(fd, source);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    syncFolder(this.#folder);
    this.#learn(source.run);
    return entry;
  }

  #learn(run: number): void {
    const stride = ENTRY_WORDS.accounts;
    for (let at = 0; at < this.#accountCount * stride; at += stride) {
      this.#latest.set(this.#accounts[at]!, run);
    }
  }

  #writeTo(fd: number, source: RunSource): RunEntry {
    const { records } = source.chunk;
    const size = this.#size;
    const stream = new PageStream(fd, source.isUnhurried ?? false);
    const sides = this.#writeSides(stream, source.chunk);
    const accounts = writeFixed(stream, 'accounts', this.#accounts, this.#accountCount);
    const byId = this.#sorter.byId(records, TRANSFER_WORDS, size);
    const ids = writeFixed(stream, 'ids', idsOf(records, byId), size);
    const idRanges = rangesOf(timesOf(records, byId));
    const numbers = writeFixed(stream, 'numbers', this.#places, size);
    const [terms, termCount] = this.#terms(records);
    const termSection = writeFixed(stream, 'terms', terms, termCount);
    const resolved = resolutionsOf(source, this.#marks);
    const resolvedCount = resolved.length / ENTRY_WORDS.resolutions;
    const resolutions = writeFixed(stream, 'resolutions', resolved, resolvedCount);
    stream.finishPages();
    const last = (size - 1) * TRANSFER_WORDS;
    const meta: RunMeta = {
      run: source.run,
      transfers: size,
      firstNs: String(timeAt(records, 0)),
      lastNs: String(timeAt(records, last)),
      lastId: readIdWords(records, last).toString(16).padStart(32, '0'),
      idRanges,
      resolutionRanges: rangesOf(resolutionTimes(resolved)),
      sections: {
        sides: { page: 0, entries: 2 * size },
        accounts: section(accounts),
        ids: section(ids),
        numbers: section(numbers),
        terms: section(termSection),
        resolutions: section(resolutions),
      },
    };
    const keyed = [accounts, ids, termSection, resolutions];
    return writeEnd(stream, meta, [...sides, ...keyed.map(({ keys }) => keys)]);
  }

  /** Both sides of every transfer, by account; fills `#places` and `#accounts`. */
  #writeSides(stream: PageStream, chunk: Chunk): [Uint32Array, Uint32Array] {
    const words = this.#placeSides(chunk);
    this.#packSides(chunk.records);
    const sides = this.#sides;
    for (let from = 0; from < words; from += SIDES_PART_WORDS) {
      const part = sides.subarray(from, Math.min(words, from + SIDES_PART_WORDS));
      stream.reserve(part.length);
      stream.words.set(part, stream.used);
      stream.used += part.length;
    }
    return this.#sidePages(stream.endPage());
  }

  /** Where each side of each transfer is going to stand; returns how many words all take. */
  #placeSides(chunk: Chunk): number {
    const size = this.#size;
    const keys = this.#keys;
    const lengths = this.#places;
    for (let number = 0; number < size; number++) {
      keys[2 * number] = chunk.debits[number]!;
      keys[2 * number + 1] = chunk.credits[number]!;
      const o = number * TRANSFER_WORDS;
      lengths[number] = packedLengthOf(chunk.records, o);
      this.#marks[number] = marksOf(chunk.records, o);
    }
    const order = this.#sorter.byKey(keys, 2 * size);
    const sidePlaces = this.#sidePlaces;
    let account = NONE;
    let place = 0;
    let page = -1;
    this.#accountCount = 0;
    for (let index = 0; index < order.length; index++) {
      const item = order[index]!;
      if (keys[item] !== account) {
        account = keys[item]!;
        this.#beginAccount(account, place);
      }
      if (place >>> PAGE_WORDS_BITS !== page) {
        page = place >>> PAGE_WORDS_BITS;
        this.#pageFirsts[page] = place & (PAGE_WORDS - 1);
        this.#pageNumbers[page] = item >>> 1;
      }
      sidePlaces[item] = place;
      place += lengths[item >>> 1]!;
    }
    this.#endAccount(place);
    for (let number = 0; number < size; number++) this.#places[number] = sidePlaces[2 * number]!;
    return place;
  }

  /** Reads each record once, in order, and leaves it in its two places. */
  #packSides(records: Uint32Array): void {
    const sides = this.#sides;
    const places = this.#sidePlaces;
    for (let number = 0; number < this.#size; number++) {
      const debit = places[2 * number]!;
      const length = packRecord(records, number * TRANSFER_WORDS, sides, debit, number << 1);
      const credit = places[2 * number + 1]!;
      for (let word = 0; word < length; word++) sides[credit + word] = sides[debit + word]!;
      sides[credit + length - 1] = sides[credit + length - 1]! | SIDE_BIT;
    }
  }

  /** A page in which no entry begins says so. */
  #sidePages(pages: number): [Uint32Array, Uint32Array] {
    return [this.#pageFirsts.subarray(0, pages), this.#pageNumbers.subarray(0, pages)];
  }

  #beginAccount(account: number, place: number): void {
    this.#endAccount(place);
    const at = this.#accountCount * ENTRY_WORDS.accounts;
    this.#accounts[at] = account;
    this.#accounts[at + 1] = place;
    this.#accounts[at + 3] = this.#latest.get(account);
    this.#accountCount += 1;
  }

  #endAccount(place: number): void {
    if (this.#accountCount === 0) return;
    const at = (this.#accountCount - 1) * ENTRY_WORDS.accounts;
    this.#accounts[at + 2] = place - this.#accounts[at + 1]!;
  }

  /** (hash, number) for each field of user data that is not zero, by hash and then by number. */
  #terms(records: Uint32Array): [Uint32Array, number] {
    const hashes: number[] = [];
    const numbers: number[] = [];
    for (let number = 0; number < this.#size; number++) {
      if ((this.#marks[number]! & Mark.userData) === 0) continue;
      for (const [field, [first, count]] of TERM_FIELDS.entries()) {
        const at = number * TRANSFER_WORDS + first;
        let bits = 0;
        for (let word = 0; word < count; word++) bits |= records[at + word]!;
        if (bits === 0) continue;
        hashes.push(hashOfTerm(field, records, at, count));
        numbers.push(number);
      }
    }
    const keys = Uint32Array.from(hashes);
    const sorter = keys.length > 2 * this.#size ? new Sorter(keys.length) : this.#sorter;
    const order = sorter.byKey(keys, keys.length);
    const terms = new Uint32Array(2 * keys.length);
    for (let index = 0; index < order.length; index++) {
      terms[2 * index] = keys[order[index]!]!;
      terms[2 * index + 1] = numbers[order[index]!]!;
    }
    return [terms, keys.length];
  }
}

/** Entries that lie one behind the other in `words`; none crosses the border of a page. */
function writeFixed(
  stream: PageStream,
  name: FixedSection,
  words: Uint32Array,
  entries: number,
): Keyed {
  const page = stream.place / PAGE_WORDS;
  const wordsPerPage = entriesPerPage(name) * ENTRY_WORDS[name];
  const end = entries * ENTRY_WORDS[name];
  const keys: number[] = [];
  for (let from = 0; from < end; from += wordsPerPage) {
    const part = words.subarray(from, Math.min(end, from + wordsPerPage));
    for (let word = 0; word < KEY_WORDS[name]; word++) keys.push(part[word]!);
    stream.reserve(PAGE_WORDS);
    stream.words.set(part, stream.used);
    stream.used += part.length;
    stream.endPage();
  }
  return { page, entries, keys };
}

function section({ page, entries }: Keyed): Section {
  return { page, entries };
}

function writeEnd(
  stream: PageStream,
  meta: RunMeta,
  parts: readonly (Uint32Array | readonly number[])[],
): RunEntry {
  const { sections } = meta;
  const { page, entries } = sections.resolutions;
  const layout = indexLayout(page + fixedPages('resolutions', entries), sections);
  const index = new Uint32Array(layout.words);
  index.set(stream.checksums);
  let at = stream.checksums.length;
  for (const part of parts) {
    index.set(part, at);
    at += part.length;
  }
  const trailer = encodeTrailer(meta);
  const bytes = new Uint8Array(index.byteLength + trailer.byteLength);
  bytes.set(new Uint8Array(index.buffer));
  bytes.set(trailer, index.byteLength);
  const digest = hash('sha256', bytes, 'buffer');
  stream.append(bytes);
  stream.append(encodeEnd(index.length, trailer, digest));
  return { ...meta, indexDigest: digest.toString('hex'), ...stream.finish() };
}

function idsOf(records: Uint32Array, order: Uint32Array): Uint32Array {
  const ids = new Uint32Array(order.length * ENTRY_WORDS.ids);
  let at = 0;
  for (let index = 0; index < order.length; index++) {
    const number = order[index]!;
    const id = number * TRANSFER_WORDS;
    for (let word = 0; word < 4; word++) ids[at + word] = records[id + word]!;
    ids[at + 4] = number;
    at += ENTRY_WORDS.ids;
  }
  return ids;
}

function timesOf(records: Uint32Array, order: Uint32Array): Float64Array {
  const times = new Float64Array(order.length);
  for (let index = 0; index < order.length; index++) {
    times[index] = idWordsUnixMs(records, order[index]! * TRANSFER_WORDS);
  }
  return times;
}

function resolutionTimes(resolved: Uint32Array): Float64Array {
  const times = new Float64Array(resolved.length / ENTRY_WORDS.resolutions);
  for (let index = 0; index < times.length; index++) {
    times[index] = idWordsUnixMs(resolved, index * ENTRY_WORDS.resolutions);
  }
  return times;
}

/** (id of the hold, what became of it), by id. */
function resolutionsOf({ chunk, expiredIds }: RunSource, marks: Uint8Array): Uint32Array {
  const found: number[] = [];
  const add = (words: Uint32Array, at: number, state: number): void => {
    found.push(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!, state);
  };
  for (let number = 0; number < marks.length; number++) {
    if ((marks[number]! & Mark.resolution) === 0) continue;
    const o = number * TRANSFER_WORDS;
    const state = resolutionOf(chunk.records, o);
    if (state !== 0) add(chunk.records, o + TransferWord.pendingId, state);
  }
  for (const ids of expiredIds) {
    for (let at = 0; at < ids.length; at += 4) add(ids, at, Resolution.expired);
  }
  const stride = ENTRY_WORDS.resolutions;
  const words = Uint32Array.from(found);
  const order = Uint32Array.from({ length: words.length / stride }, (_, item) => item);
  order.sort((a, b) => compareIds(words, a * stride, words, b * stride));
  const sorted = new Uint32Array(words.length);
  for (const [index, item] of order.entries()) {
    sorted.set(words.subarray(item * stride, (item + 1) * stride), index * stride);
  }
  return sorted;
}

function marksOf(records: Uint32Array, o: number): number {
  let bits = 0;
  for (let word = TransferWord.userData128; word <= TransferWord.userData32; word++) {
    bits |= records[o + word]!;
  }
  return (bits === 0 ? 0 : Mark.userData) | (resolutionOf(records, o) === 0 ? 0 : Mark.resolution);
}
