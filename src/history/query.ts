// Questions, answered over the tail and the runs together. Generators: they yield often, so that
// whoever runs them can let others come in between, and never take more than some milliseconds at a
// time.
//
// A question is first brought down to a range of numbers: timestamps rise with the numbers. Then
// one of three ways leads through it: an account's chain, the index of user data, or every number.

import { HOLD_STATES, type HoldState } from '../base/answers.ts';
import { idWordsUnixMs } from '../base/ids.ts';
import type { ListQuery } from '../base/list-query.ts';
import { TRANSFER_WORDS, TransferFlag, TransferWord } from '../base/transfer-record.ts';
import { incomplete } from './incomplete.ts';
import type { LatestRuns } from './latest-runs.ts';
import { NONE, hashOfTerm } from './layout.ts';
import { Matcher } from './matcher.ts';
import { isInRanges } from './run-format.ts';
import type { RunSet } from './run-set.ts';
import type { AccountGroup, SideVisitor } from './run-reader.ts';
import { PageOfTransfers } from './page-of-transfers.ts';
import type { Tail } from './tail.ts';

/** Numbers of which something is missing: from, until (not included). */
export type Gap = { readonly from: number; readonly until: number; readonly why: string };

export type Source = {
  readonly size: number;
  readonly tail: Tail;
  readonly runs: RunSet;
  readonly latest: LatestRuns;
  /** Why `latest` cannot be believed; undefined = it can. */
  readonly latestDoubt: string | undefined;
  readonly gap: Gap | undefined;
};

/** A question with what only the payments' thread knows. */
export type Question = {
  readonly query: ListQuery;
  /** Number of the account; undefined = nobody asks for one. NONE = nobody opened it. */
  readonly account: number | undefined;
  /** Numbers below it are answered. */
  readonly through: number;
  /** Nobody asks what became of holds. */
  readonly isBare?: boolean;
};

export type Answer = {
  readonly records: Uint8Array<ArrayBuffer>;
  readonly count: number;
  readonly holds: Uint8Array<ArrayBuffer>;
  readonly next: number | undefined;
};

type Work = Generator<undefined, void, undefined>;

/** A question that goes through every number looks at so many for one page. */
const SCANNED_MAX = 2048;
/** One that has an index looks at so many. */
const LOOKED_MAX = 65_536;
/** Transfers between two chances for others. */
const SLICE = 256;

export class QueryRun {
  readonly #source: Source;
  readonly #question: Question;
  readonly #matcher: Matcher;
  readonly #page: PageOfTransfers;
  readonly #newestFirst: boolean;
  /** Runs below it are in files, the rest in the tail: as it was when the question came. */
  readonly #tailRun: number;
  #low = 0;
  #high: number;

  constructor(source: Source, question: Question) {
    const { query, account, through } = question;
    this.#source = source;
    this.#question = question;
    this.#matcher = new Matcher(query.filter, account);
    const byIndex = account !== undefined || this.#matcher.term !== undefined;
    this.#page = new PageOfTransfers(query.limit, byIndex ? LOOKED_MAX : SCANNED_MAX);
    this.#newestFirst = query.order === 'newest-first';
    this.#tailRun = source.tail.firstRun ?? Math.ceil(through / source.size);
    this.#high = through;
  }

  *answer(): Generator<undefined, Answer, undefined> {
    const { account } = this.#question;
    this.#source.tail.index(this.#question.through);
    this.#narrow();
    if (this.#low < this.#high && account !== NONE) {
      if (this.#matcher.term !== undefined) yield* this.#byTerm();
      else if (account !== undefined) yield* this.#byAccount(account);
      else yield* this.#byNumber();
    }
    const { records, count, next } = this.#page.finish();
    const isBare = this.#question.isBare === true;
    const { numbers } = this.#page;
    const holds = isBare ? new Uint8Array(0) : yield* holdsOf(this.#source, records, numbers);
    return { records: new Uint8Array(records.buffer), count, holds, next };
  }

  /** The range of numbers that can matter. */
  #narrow(): void {
    const { query } = this.#question;
    const { after } = query;
    if (after !== undefined && this.#newestFirst) this.#high = Math.min(this.#high, after);
    if (after !== undefined && !this.#newestFirst) this.#low = Math.max(0, after + 1);
    const { fromNs, untilNs } = query.filter;
    if (fromNs !== undefined) this.#low = Math.max(this.#low, this.#numberAt(fromNs, 'low'));
    if (untilNs !== undefined) {
      this.#high = Math.min(this.#high, this.#numberAt(untilNs + 1n, 'high'));
    }
  }

  /** The first number at or after a time; where that cannot be said, on the safe side. */
  #numberAt(ns: bigint, side: 'low' | 'high'): number {
    const { runs, tail, size, gap } = this.#source;
    const { through } = this.#question;
    const inRuns = runs.firstAtOrAfter(ns, this.#tailRun, size);
    if (inRuns !== undefined) {
      const run = Math.floor(inRuns / size);
      return side === 'high' && !runs.isUsable(run) ? (run + 1) * size : inRuns;
    }
    const inTail = tail.firstAtOrAfter(ns, through);
    if (gap === undefined || inTail > gap.until) return inTail;
    return side === 'low' ? Math.min(gap.from, inTail) : inTail;
  }

  /** Throws when a part between the two numbers is missing. */
  #need(from: number, until: number): void {
    const { gap } = this.#source;
    if (gap !== undefined && from < gap.until && until > gap.from) throw incomplete(gap.why);
  }

  *#byAccount(account: number): Work {
    if (this.#newestFirst) {
      yield* this.#tailOfAccount(account);
      if (this.#page.isFull) return;
      yield* this.#runsOfAccountBackward(account);
    } else {
      yield* this.#runsOfAccountForward(account);
      if (this.#page.isFull) return;
      yield* this.#tailOfAccountForward(account);
    }
  }

  *#tailOfAccount(account: number): Work {
    const { tail } = this.#source;
    let number = tail.head(account);
    for (let steps = 1; number >= this.#low && number !== -1; steps++) {
      if (number < this.#high && !this.#visitTail(number, account)) return;
      number = tail.before(number, account);
      if (steps % SLICE === 0) yield;
    }
  }

  *#tailOfAccountForward(account: number): Work {
    const { tail } = this.#source;
    this.#need(this.#low, this.#high);
    const numbers: number[] = [];
    let number = tail.head(account);
    for (let steps = 1; number >= this.#low && number !== -1; steps++) {
      if (number < this.#high) numbers.push(number);
      number = tail.before(number, account);
      if (steps % SLICE === 0) yield;
    }
    for (let index = numbers.length - 1; index >= 0; index--) {
      if (!this.#visitTail(numbers[index]!, account)) return;
      if (index % SLICE === 0) yield;
    }
  }

  /** Offers a transfer of the tail; false = the page is full. */
  #visitTail(number: number, account: number | undefined): boolean {
    const chunk = this.#source.tail.chunkOf(number);
    if (chunk === undefined) throw incomplete(`transfer ${number} is not there any more`);
    const index = number - chunk.base;
    const side = account === undefined || chunk.chunk.debits[index] === account ? 0 : 1;
    const o = index * TRANSFER_WORDS;
    const { words, at } = this.#page.place();
    words.set(chunk.chunk.records.subarray(o, o + TRANSFER_WORDS), at);
    return this.#page.offer(number, this.#matcher.matches(words, at, side, account !== undefined));
  }

  /** The account's runs before the tail that reach into the range, latest first. */
  *#runsOf(account: number): Generator<[number, AccountGroup] | undefined, void, undefined> {
    const { runs, latest, latestDoubt, size } = this.#source;
    const end = Math.min(this.#high, this.#tailRun * size);
    if (this.#low >= end) return;
    this.#need(this.#low, end);
    if (latestDoubt !== undefined) throw incomplete(latestDoubt);
    let run = latest.get(account);
    while (run !== NONE && (run + 1) * size > this.#low) {
      const group = runs.reader(run).group(account);
      if (group === undefined) throw incomplete(`run ${run} does not know the account`);
      if (run < this.#tailRun && run * size < this.#high) yield [run, group];
      else yield;
      run = group.previous;
    }
  }

  *#runsOfAccountBackward(account: number): Work {
    const { runs, size, gap } = this.#source;
    if (gap !== undefined) this.#need(this.#low, this.#high);
    for (const found of this.#runsOf(account)) {
      if (found !== undefined) {
        const [run, group] = found;
        const visit = this.#sideVisitor(run * size);
        runs.reader(run).backward(group, Math.min(size, this.#high - run * size), visit);
        if (this.#page.isFull) return;
      }
      yield;
    }
  }

  *#runsOfAccountForward(account: number): Work {
    const { runs, size } = this.#source;
    const list: [number, AccountGroup][] = [];
    for (const found of this.#runsOf(account)) {
      if (found !== undefined) list.push(found);
      yield;
    }
    for (const [run, group] of list.reverse()) {
      const visit = this.#sideVisitor(run * size);
      runs.reader(run).forward(group, Math.max(0, this.#low - run * size), visit);
      if (this.#page.isFull) return;
      yield;
    }
  }

  #sideVisitor(base: number): SideVisitor {
    const page = this.#page;
    const matcher = this.#matcher;
    const low = this.#low;
    const high = this.#high;
    return (words, at, inRun, side) => {
      const number = base + inRun;
      if (number < low || number >= high) return true;
      if (!matcher.wantsSide(side)) return page.offer(number, false);
      const place = page.unpack(words, at);
      return page.offer(number, matcher.matches(page.words, place, side, true));
    };
  }

  *#byTerm(): Work {
    const { size } = this.#source;
    const first = Math.floor(this.#low / size);
    const last = Math.floor((this.#high - 1) / size);
    for (let step = 0; step <= last - first && !this.#page.isFull; step++) {
      const run = this.#newestFirst ? last - step : first + step;
      const base = run * size;
      this.#need(Math.max(base, this.#low), Math.min(base + size, this.#high));
      const numbers = this.#termNumbers(run);
      if (this.#newestFirst) numbers.reverse();
      for (const [index, inRun] of numbers.entries()) {
        const number = base + inRun;
        if (number < this.#low || number >= this.#high) continue;
        if (!this.#visitAny(number)) return;
        if (index % SLICE === SLICE - 1) yield;
      }
      yield;
    }
  }

  /** Rising numbers in the run that may have the user data asked for. */
  #termNumbers(run: number): number[] {
    const { runs, tail } = this.#source;
    const term = this.#matcher.term!;
    const hash = hashOfTerm(term.field, term.words, 0, term.words.length);
    if (run < this.#tailRun) return runs.reader(run).terms(hash);
    const chunk = tail.chunks.find((candidate) => candidate.run === run);
    return chunk?.terms(term.field, hash).reverse() ?? [];
  }

  *#byNumber(): Work {
    let number = this.#newestFirst ? this.#high - 1 : this.#low;
    const step = this.#newestFirst ? -1 : 1;
    for (let steps = 1; number >= this.#low && number < this.#high; steps++) {
      this.#need(number, number + 1);
      if (!this.#visitAny(number)) return;
      number += step;
      if (steps % SLICE === 0) yield;
    }
  }

  #visitAny(number: number): boolean {
    const { runs, size } = this.#source;
    const run = Math.floor(number / size);
    if (run >= this.#tailRun) return this.#visitTail(number, undefined);
    const { words, at } = this.#page.place();
    runs.reader(run).record(number - run * size, words, at);
    return this.#page.offer(number, this.#matcher.matches(words, at, 0, false));
  }
}

export type Found = { readonly record: Uint8Array; readonly number: number; readonly hold: number };

/** The transfer whose id stands at `id[0]`. */
export function* findById(
  source: Source,
  id: Uint32Array,
  through: number,
): Generator<undefined, Found | undefined, undefined> {
  const { tail, runs, size, gap } = source;
  tail.index(through);
  const record = new Uint32Array(TRANSFER_WORDS);
  const found = yield* placeOf(source, id, record);
  if (found !== undefined) {
    const [hold] = yield* holdsOf(source, record, [found]);
    return { record: new Uint8Array(record.buffer), number: found, hold: hold! };
  }
  if (gap !== undefined) throw incomplete(gap.why);
  const known = tail.firstRun ?? Math.floor(through / size);
  if (runs.end < known) throw incomplete(`run ${runs.end} is not there`);
  return undefined;
}

function* placeOf(
  { tail, runs, size }: Source,
  id: Uint32Array,
  record: Uint32Array,
): Generator<undefined, number | undefined, undefined> {
  for (const chunk of tail.chunks) {
    const index = chunk.findId(id, 0);
    if (index === -1) continue;
    const o = index * TRANSFER_WORDS;
    record.set(chunk.chunk.records.subarray(o, o + TRANSFER_WORDS));
    return chunk.base + index;
  }
  const unixMs = idWordsUnixMs(id, 0);
  for (let run = runs.end - 1; run >= 0; run--) {
    const entry = runs.entry(run);
    if (entry === undefined) throw incomplete(`run ${run} is not there`);
    if (!isInRanges(entry.idRanges, unixMs)) continue;
    const reader = runs.reader(run);
    const number = reader.findId(id, 0);
    if (number !== NONE) {
      reader.record(number, record, 0);
      return run * size + number;
    }
    yield;
  }
  return undefined;
}

type Pending = { readonly place: number; readonly unixMs: number; readonly run: number };

/** For each record what became of the hold that it is. */
export function* holdsOf(
  source: Source,
  records: Uint32Array,
  numbers: readonly number[],
): Generator<undefined, Uint8Array<ArrayBuffer>, undefined> {
  const { tail, runs, size, gap } = source;
  const holds = new Uint8Array(numbers.length);
  let open: Pending[] = [];
  for (let place = 0; place < numbers.length; place++) {
    const o = place * TRANSFER_WORDS;
    const flags = records[o + TransferWord.codeAndFlags]! >>> 16;
    if ((flags & TransferFlag.pending) === 0) continue;
    holds[place] = inTail(tail, records, o);
    if (holds[place] !== PENDING) continue;
    const unixMs = idWordsUnixMs(records, o);
    open.push({ place, unixMs, run: Math.floor(numbers[place]! / size) });
  }
  if (open.length === 0) return holds;
  const first = open.reduce((least, { run }) => Math.min(least, run), NONE);
  for (let run = first; run < runs.end && open.length > 0; run++) {
    const entry = runs.entry(run);
    if (entry === undefined) throw incomplete(`run ${run} is not there`);
    const ranges = entry.resolutionRanges;
    if (ranges.length === 0) continue;
    const asked = open.filter((item) => item.run <= run && isInRanges(ranges, item.unixMs));
    for (const [index, { place }] of asked.entries()) {
      const state = runs.reader(run).findResolution(records, place * TRANSFER_WORDS);
      if (state !== NONE) holds[place] = state;
      if (index % SLICE === SLICE - 1) yield;
    }
    if (asked.length > 0) open = open.filter(({ place }) => holds[place] === PENDING);
    yield;
  }
  if (gap !== undefined && open.some(({ place }) => numbers[place]! < gap.until)) {
    throw incomplete(gap.why);
  }
  return holds;
}

const PENDING = HOLD_STATES.indexOf('pending' satisfies HoldState);

function inTail(tail: Tail, records: Uint32Array, o: number): number {
  for (const chunk of tail.chunks) {
    const state = chunk.findResolution(records, o);
    if (state !== 0) return state;
  }
  return PENDING;
}
