// Closed and frozen accounts. A closing hold closes one or both of its accounts; voiding it, its
// expiry and undoing it open them again. An account that is closed takes no other closing hold, so
// a hold that says it closed an account is the one that did.

import { AccountFlag } from '../../base/account.ts';
import { TransferFlag } from '../../base/transfer-record.ts';
import { CREATED, REFUSAL } from '../refusals.ts';
import { HoldWord } from './hold-table.ts';
import type { LedgerKernel } from './kernel.ts';

export const CLOSING = TransferFlag.closingDebit | TransferFlag.closingCredit;
export const BARRED = AccountFlag.closed | AccountFlag.frozen;

/** Closed comes before frozen, the debit account before the credit account. */
export function checkBarred(debitFlags: number, creditFlags: number): number {
  if ((debitFlags & AccountFlag.closed) !== 0) return REFUSAL.debit_account_already_closed;
  if ((creditFlags & AccountFlag.closed) !== 0) return REFUSAL.credit_account_already_closed;
  if ((debitFlags & AccountFlag.frozen) !== 0) return REFUSAL.debit_account_frozen;
  if ((creditFlags & AccountFlag.frozen) !== 0) return REFUSAL.credit_account_frozen;
  return CREATED;
}

/** `flags` are those of the pending transfer. */
export function closeAccounts(
  kernel: LedgerKernel,
  flags: number,
  debitAccount: number,
  creditAccount: number,
): void {
  setClosed(kernel, flags, debitAccount, creditAccount, true);
}

/** What the hold in `slot` closed is open again. */
export function openAccountsOf(kernel: LedgerKernel, slot: number): void {
  const hold = kernel.holds.records.wordsOf(slot);
  const h = kernel.holds.records.offsetOf(slot);
  const flags = hold[h + HoldWord.codeAndFlags]! >>> 16;
  if ((flags & CLOSING) === 0) return;
  const debitAccount = hold[h + HoldWord.debitAccount]!;
  setClosed(kernel, flags, debitAccount, hold[h + HoldWord.creditAccount]!, false);
}

function setClosed(
  kernel: LedgerKernel,
  flags: number,
  debitAccount: number,
  creditAccount: number,
  closed: boolean,
): void {
  const { closed: bit } = AccountFlag;
  if ((flags & TransferFlag.closingDebit) !== 0) {
    kernel.accounts.setFlags(debitAccount, bit, closed);
  }
  if ((flags & TransferFlag.closingCredit) !== 0) {
    kernel.accounts.setFlags(creditAccount, bit, closed);
  }
}
