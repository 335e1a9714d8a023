// Accounts by what their owners wrote into them: a walk over the account table that can be stopped
// and resumed at any account. It compares the raw words, so that an account that does not fit costs
// a few loads; whoever asks takes it in slices, because a table of ten million takes longer than
// payments may wait. Accounts are numbered in the order of opening and never removed, so a number
// is a place to go on at for ever, and their timestamps rise with their numbers.

import { writeIdWords } from '../base/ids.ts';
import type { AccountFilter } from '../base/list-query.ts';
import { ACCOUNT_WORDS, AccountWord } from './ledger/account-table.ts';
import { CHUNK_MASK } from './ledger/record-chunks.ts';
import type { DomainState } from './state.ts';

export type AccountScan = {
  readonly filter: AccountFilter;
  readonly order: 'newest-first' | 'oldest-first';
  /** An account's number; the walk begins behind it. */
  readonly after?: number | undefined;
  /** Accounts to look at, at most. */
  readonly examinedMax: number;
  /** Accounts to find, at most. */
  readonly limit: number;
};

export type AccountSlice = {
  /** Numbers of the accounts that fit, in the order asked for. */
  readonly numbers: readonly number[];
  /** The number to go on behind; undefined = there is nothing more. */
  readonly next: number | undefined;
  readonly examined: number;
};

/** One comparison: `words[first + word] & mask` must be `value`. */
type Condition = { readonly word: number; readonly mask: number; readonly value: number };

const ALL_BITS = 0xffff_ffff;
const CODE_BITS = 0xffff;
const U64_MAX = 0xffff_ffff_ffff_ffffn;

/** Looks at up to `examinedMax` accounts behind `after`. */
export function scanAccounts(state: DomainState, scan: AccountScan): AccountSlice {
  const { filter, order, after, examinedMax, limit } = scan;
  const step = order === 'oldest-first' ? 1 : -1;
  const [low, high] = rangeOf(state, filter);
  let number = step === 1 ? low : high;
  if (after !== undefined) {
    number = step === 1 ? Math.max(low, after + 1) : Math.min(high, after - 1);
  }
  const records = state.ledger.accounts.records;
  const conditions = conditionsOf(filter);
  const numbers: number[] = [];
  let examined = 0;
  for (; number >= low && number <= high; number += step) {
    if (examined === examinedMax || numbers.length === limit) {
      return { numbers, next: number - step, examined };
    }
    examined++;
    const words = records.wordsOf(number);
    if (fits(words, (number & CHUNK_MASK) * ACCOUNT_WORDS, conditions)) numbers.push(number);
  }
  return { numbers, next: undefined, examined };
}

function fits(words: Uint32Array, first: number, conditions: readonly Condition[]): boolean {
  for (let index = 0; index < conditions.length; index++) {
    const { word, mask, value } = conditions[index]!;
    if ((words[first + word]! & mask) >>> 0 !== value) return false;
  }
  return true;
}

function conditionsOf(filter: AccountFilter): Condition[] {
  const conditions: Condition[] = [];
  const add = (word: number, value: number, mask = ALL_BITS): void => {
    conditions.push({ word, mask, value });
  };
  // What tells accounts apart best comes first.
  if (filter.userData128 !== undefined) {
    const wanted = new Uint32Array(4);
    writeIdWords(wanted, 0, filter.userData128);
    for (let word = 3; word >= 0; word--) add(AccountWord.userData128 + word, wanted[word]!);
  }
  if (filter.userData64 !== undefined) {
    add(AccountWord.userData64, Number(filter.userData64 & 0xffff_ffffn));
    add(AccountWord.userData64 + 1, Number(filter.userData64 >> 32n));
  }
  if (filter.userData32 !== undefined) add(AccountWord.userData32, filter.userData32);
  if (filter.code !== undefined) add(AccountWord.codeAndFlags, filter.code, CODE_BITS);
  if (filter.ledger !== undefined) add(AccountWord.ledger, filter.ledger);
  return conditions;
}

/** The first and the last number that were opened in the range of time; empty = last < first. */
function rangeOf(state: DomainState, filter: AccountFilter): [number, number] {
  const { fromNs = 0n, untilNs = U64_MAX } = filter;
  return [firstAt(state, fromNs), firstAt(state, untilNs + 1n) - 1];
}

/** The number of the first account that was opened at this time or later. */
function firstAt(state: DomainState, timestampNs: bigint): number {
  const { records, count } = state.ledger.accounts;
  if (timestampNs > U64_MAX) return count;
  const wantedLow = Number(timestampNs & 0xffff_ffffn);
  const wantedHigh = Number(timestampNs >> 32n);
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const first = records.offsetOf(middle) + AccountWord.timestampNs;
    const words = records.wordsOf(middle);
    const isEarlier =
      words[first + 1]! < wantedHigh ||
      (words[first + 1] === wantedHigh && words[first]! < wantedLow);
    if (isEarlier) low = middle + 1;
    else high = middle;
  }
  return low;
}
