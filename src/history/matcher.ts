// A filter, brought into the form in which a record can be held against it.

import { writeIdWords } from '../base/ids.ts';
import type { ListFilter } from '../base/list-query.ts';
import { TransferWord } from '../base/transfer-record.ts';
import { Side } from './packed-record.ts';
import { TERM_FIELDS, timeAt } from './transfer-facts.ts';
import { isSame } from './tail-chunk.ts';

export type Term = { readonly field: number; readonly words: Uint32Array };

export class Matcher {
  /** The field of user data to look up; undefined = there is none that an index has. */
  readonly term: Term | undefined;
  readonly #terms: readonly Term[];
  readonly #filter: ListFilter;
  readonly #side: number | undefined;
  readonly #account: Uint32Array | undefined;

  constructor(filter: ListFilter, account: number | undefined) {
    this.#filter = filter;
    this.#terms = termsOf(filter);
    this.term = this.#terms.find(({ words }) => words.some((word) => word !== 0));
    this.#side = filter.side === undefined ? undefined : Side[filter.side];
    if (account === undefined || filter.account === undefined) return;
    this.#account = new Uint32Array(4);
    writeIdWords(this.#account, 0, filter.account);
  }

  wantsSide(side: number): boolean {
    return this.#side === undefined || this.#side === side;
  }

  /** `ofAccount`: the record is known to be of the account, on this side of it. */
  matches(words: Uint32Array, at: number, side: number, ofAccount: boolean): boolean {
    if (ofAccount ? !this.wantsSide(side) : !this.#isOfAccount(words, at)) return false;
    const { ledger, code, fromNs, untilNs } = this.#filter;
    if (ledger !== undefined && words[at + TransferWord.ledger] !== ledger) return false;
    const codeAndFlags = words[at + TransferWord.codeAndFlags]!;
    if (code !== undefined && (codeAndFlags & 0xffff) !== code) return false;
    if (fromNs !== undefined && timeAt(words, at) < fromNs) return false;
    if (untilNs !== undefined && timeAt(words, at) > untilNs) return false;
    return this.#terms.every((term) => hasTerm(words, at, term));
  }

  #isOfAccount(words: Uint32Array, at: number): boolean {
    const account = this.#account;
    if (account === undefined) return true;
    const debit = isSame(words, at + TransferWord.debitAccountId, account, 0);
    if (debit && this.wantsSide(Side.debit)) return true;
    const credit = isSame(words, at + TransferWord.creditAccountId, account, 0);
    return credit && this.wantsSide(Side.credit);
  }
}

function termsOf(filter: ListFilter): Term[] {
  const terms: Term[] = [];
  const { userData128, userData64, userData32 } = filter;
  if (userData128 !== undefined) {
    const words = new Uint32Array(4);
    writeIdWords(words, 0, userData128);
    terms.push({ field: 0, words });
  }
  if (userData64 !== undefined) {
    const low = Number(userData64 & 0xffff_ffffn);
    terms.push({ field: 1, words: Uint32Array.of(low, Number(userData64 >> 32n)) });
  }
  if (userData32 !== undefined) terms.push({ field: 2, words: Uint32Array.of(userData32) });
  return terms;
}

function hasTerm(words: Uint32Array, at: number, { field, words: wanted }: Term): boolean {
  const first = at + TERM_FIELDS[field]![0];
  for (let word = 0; word < wanted.length; word++) {
    if (words[first + word] !== wanted[word]) return false;
  }
  return true;
}
