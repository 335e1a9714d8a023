// Both sides of one movement: pending or posted, forth or back. Every balance changes here or, for
// the hot path of new transfers, in move-money.ts; always through `Books`.

import { AccountWord } from './account-table.ts';
import { Balance, LEDGER_TOTAL_WORDS, TOTAL_WORDS } from './books.ts';
import type { LedgerKernel } from './kernel.ts';

/** 1 adds the amount at `amounts[a]` to both sides, -1 takes it back. */
export type Direction = 1 | -1;

export function movePending(
  kernel: LedgerKernel,
  direction: Direction,
  debitAccount: number,
  creditAccount: number,
  amounts: Uint32Array,
  a: number,
): void {
  moveSide(kernel, direction, debitAccount, Balance.debitsPending, amounts, a);
  moveSide(kernel, direction, creditAccount, Balance.creditsPending, amounts, a);
}

export function movePosted(
  kernel: LedgerKernel,
  direction: Direction,
  debitAccount: number,
  creditAccount: number,
  amounts: Uint32Array,
  a: number,
): void {
  moveSide(kernel, direction, debitAccount, Balance.debitsPosted, amounts, a);
  moveSide(kernel, direction, creditAccount, Balance.creditsPosted, amounts, a);
}

function moveSide(
  kernel: LedgerKernel,
  direction: Direction,
  account: number,
  balance: number,
  amounts: Uint32Array,
  a: number,
): void {
  const records = kernel.accounts.records;
  records.beforeWrite(account);
  const words = records.wordsOf(account);
  const first = records.offsetOf(account);
  const ordinal = words[first + AccountWord.ledgerOrdinal]!;
  const total = ordinal * LEDGER_TOTAL_WORDS + balance * TOTAL_WORDS;
  if (direction === 1) kernel.books.raise(words, first + 4 * balance, amounts, a, total);
  else kernel.books.lower(words, first + 4 * balance, amounts, a, total);
}
