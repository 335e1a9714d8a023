// The checks of docs/reference/ledger-rules.md, in its order, as plain functions: the first line
// that holds is the answer, CREATED when none does. The numbers in comments are those of the text.

import type { Account } from '../../src/base/account.ts';
import { TransferFlag, type Transfer } from '../../src/base/transfer-record.ts';
import type { LedgerInput } from '../../src/domain/commands.ts';
import { CREATED, REFUSAL } from '../../src/domain/refusals.ts';

export type HoldState = 'none' | 'pending' | 'posted' | 'voided' | 'expired';

export type Remembered = {
  readonly transfer: Transfer;
  readonly state: 'accepted' | 'failed';
  readonly hold: HoldState;
  /** A post or a void: whether it used up the whole hold. */
  readonly whole: boolean;
};

export type Hold = { readonly transfer: Transfer; readonly expiresNs: bigint | undefined };

const MAX = (1n << 128n) - 1n;
const TIME_NS_MAX = (1n << 64n) - 1n;
const SECOND_NS = 1_000_000_000n;

const DEBITS_LIMITED = 2;
const CREDITS_LIMITED = 4;

export function accountRefusal(
  account: Account,
  old: Account | undefined,
  ledgerDefined: boolean,
): number {
  const { id, flags } = account;
  const reserved = flags & ~(DEBITS_LIMITED | CREDITS_LIMITED);
  if (reserved !== 0) return REFUSAL.account_reserved_flag; // 1
  if (id === 0n) return REFUSAL.account_id_must_not_be_zero; // 2
  if (id === MAX) return REFUSAL.account_id_must_not_be_max;
  if (old !== undefined) return accountAgain(account, old); // 3
  if (flags === (DEBITS_LIMITED | CREDITS_LIMITED)) {
    return REFUSAL.account_flags_are_mutually_exclusive; // 4
  }
  if (account.ledger === 0) return REFUSAL.account_ledger_must_not_be_zero; // 5
  if (account.code === 0) return REFUSAL.account_code_must_not_be_zero; // 6
  if (!ledgerDefined) return REFUSAL.account_ledger_not_found; // 7
  return CREATED;
}

function accountAgain(now: Account, old: Account): number {
  if (now.flags !== old.flags) return REFUSAL.account_exists_with_different_flags;
  if (now.userData128 !== old.userData128) {
    return REFUSAL.account_exists_with_different_user_data_128;
  }
  if (now.userData64 !== old.userData64) return REFUSAL.account_exists_with_different_user_data_64;
  if (now.userData32 !== old.userData32) return REFUSAL.account_exists_with_different_user_data_32;
  if (now.ledger !== old.ledger) return REFUSAL.account_exists_with_different_ledger;
  if (now.code !== old.code) return REFUSAL.account_exists_with_different_code;
  return REFUSAL.account_exists;
}

export function ledgerRefusal(
  input: LedgerInput,
  old: { readonly currency: string; readonly exponent: number } | undefined,
): number {
  if (input.ledger < 1 || input.ledger > 0xffff_ffff) return REFUSAL.ledger_number_must_not_be_zero;
  if (!/^[A-Z0-9_]{1,16}$/.test(input.currency)) return REFUSAL.ledger_currency_invalid;
  if (input.exponent < 0 || input.exponent > 18) return REFUSAL.ledger_exponent_invalid;
  if (old === undefined) return CREATED;
  if (old.currency !== input.currency) return REFUSAL.ledger_exists_with_different_currency;
  if (old.exponent !== input.exponent) return REFUSAL.ledger_exists_with_different_exponent;
  return REFUSAL.ledger_exists;
}

/** Checks 2 to 4 of a transfer. */
export function shapeRefusal(transfer: Transfer): number {
  if (transfer.timestampNs !== 0n) return REFUSAL.timestamp_must_be_zero; // 2
  if ((transfer.flags & ~0b1111) !== 0) return REFUSAL.reserved_flag; // 3
  if (transfer.id === 0n) return REFUSAL.id_must_not_be_zero; // 4
  if (transfer.id === MAX) return REFUSAL.id_must_not_be_max;
  return CREATED;
}

/** Check 8: the same id again. */
export function compareAgain(now: Transfer, remembered: Remembered): number {
  const old = remembered.transfer;
  if (now.flags !== old.flags) return REFUSAL.exists_with_different_flags;
  const resolves = (now.flags & (TransferFlag.postPending | TransferFlag.voidPending)) !== 0;
  const posts = (now.flags & TransferFlag.postPending) !== 0;
  const same = (a: bigint | number, b: bigint | number): boolean =>
    a === b || (resolves && (a === 0n || a === 0));
  const wholeWord = posts ? MAX : 0n;
  const sameAmount =
    now.amount === old.amount || (resolves && remembered.whole && now.amount === wholeWord);
  if (now.pendingId !== old.pendingId) return REFUSAL.exists_with_different_pending_id;
  if (now.timeoutSeconds !== old.timeoutSeconds) return REFUSAL.exists_with_different_timeout;
  if (!same(now.debitAccountId, old.debitAccountId)) {
    return REFUSAL.exists_with_different_debit_account_id;
  }
  if (!same(now.creditAccountId, old.creditAccountId)) {
    return REFUSAL.exists_with_different_credit_account_id;
  }
  if (!sameAmount) return REFUSAL.exists_with_different_amount;
  if (now.userData128 !== old.userData128) return REFUSAL.exists_with_different_user_data_128;
  if (now.userData64 !== old.userData64) return REFUSAL.exists_with_different_user_data_64;
  if (now.userData32 !== old.userData32) return REFUSAL.exists_with_different_user_data_32;
  if (!same(now.ledger, old.ledger)) return REFUSAL.exists_with_different_ledger;
  if (!same(now.code, old.code)) return REFUSAL.exists_with_different_code;
  return REFUSAL.exists;
}

/** Checks 11 to 22 of an immediate or pending transfer. */
export function moneyRefusal(
  transfer: Transfer,
  timestampNs: bigint,
  debit: Account | undefined,
  credit: Account | undefined,
): number {
  const { debitAccountId, creditAccountId, timeoutSeconds } = transfer;
  const pending = (transfer.flags & TransferFlag.pending) !== 0;
  if (debitAccountId === 0n) return REFUSAL.debit_account_id_must_not_be_zero; // 11
  if (debitAccountId === MAX) return REFUSAL.debit_account_id_must_not_be_max;
  if (creditAccountId === 0n) return REFUSAL.credit_account_id_must_not_be_zero;
  if (creditAccountId === MAX) return REFUSAL.credit_account_id_must_not_be_max;
  if (debitAccountId === creditAccountId) return REFUSAL.accounts_must_be_different; // 12
  if (transfer.pendingId !== 0n) return REFUSAL.pending_id_must_be_zero; // 13
  if (timeoutSeconds !== 0 && !pending) return REFUSAL.timeout_reserved_for_pending_transfer; // 14
  if (transfer.amount === 0n) return REFUSAL.amount_must_not_be_zero; // 15
  if (transfer.ledger === 0) return REFUSAL.ledger_must_not_be_zero; // 16
  if (transfer.code === 0) return REFUSAL.code_must_not_be_zero;
  if (debit === undefined) return REFUSAL.debit_account_not_found; // 17
  if (credit === undefined) return REFUSAL.credit_account_not_found;
  if (debit.ledger !== credit.ledger) return REFUSAL.accounts_must_have_the_same_ledger; // 18
  if (transfer.ledger !== debit.ledger) {
    return REFUSAL.transfer_must_have_the_same_ledger_as_accounts;
  }
  const overflow = overflowRefusal(transfer.amount, pending, debit, credit); // 19
  if (overflow !== CREATED) return overflow;
  if (timestampNs + BigInt(timeoutSeconds) * SECOND_NS > TIME_NS_MAX) {
    return REFUSAL.overflows_timeout; // 20
  }
  const debits = debit.debitsPending + debit.debitsPosted + transfer.amount;
  if ((debit.flags & DEBITS_LIMITED) !== 0 && debits > debit.creditsPosted) {
    return REFUSAL.exceeds_credits; // 21
  }
  const credits = credit.creditsPending + credit.creditsPosted + transfer.amount;
  if ((credit.flags & CREDITS_LIMITED) !== 0 && credits > credit.debitsPosted) {
    return REFUSAL.exceeds_debits; // 22
  }
  return CREATED;
}

function overflowRefusal(
  amount: bigint,
  pending: boolean,
  debit: Account,
  credit: Account,
): number {
  if (pending && debit.debitsPending + amount > MAX) return REFUSAL.overflows_debits_pending;
  if (pending && credit.creditsPending + amount > MAX) return REFUSAL.overflows_credits_pending;
  if (debit.debitsPosted + amount > MAX) return REFUSAL.overflows_debits_posted;
  if (credit.creditsPosted + amount > MAX) return REFUSAL.overflows_credits_posted;
  if (debit.debitsPending + debit.debitsPosted + amount > MAX) return REFUSAL.overflows_debits;
  if (credit.creditsPending + credit.creditsPosted + amount > MAX) return REFUSAL.overflows_credits;
  return CREATED;
}

/**
 * Checks 11 to 19 of a post or a void. `accepted` is the record of the pending id while it is
 * remembered, `hold` the hold while it is not resolved.
 */
export function resolutionRefusal(
  transfer: Transfer,
  timestampNs: bigint,
  accepted: Remembered | undefined,
  hold: Hold | undefined,
): number {
  const { pendingId, amount } = transfer;
  const posts = (transfer.flags & TransferFlag.postPending) !== 0;
  if (pendingId === 0n) return REFUSAL.pending_id_must_not_be_zero; // 11
  if (pendingId === MAX) return REFUSAL.pending_id_must_not_be_max;
  if (pendingId === transfer.id) return REFUSAL.pending_id_must_be_different;
  if (transfer.timeoutSeconds !== 0) return REFUSAL.timeout_reserved_for_pending_transfer; // 12
  if (posts && amount === 0n) return REFUSAL.amount_must_not_be_zero; // 13
  const held = hold?.transfer ?? accepted?.transfer;
  if (held === undefined) return REFUSAL.pending_transfer_not_found; // 14
  if ((held.flags & TransferFlag.pending) === 0) return REFUSAL.pending_transfer_not_pending; // 15
  const differs = <Value>(value: Value, heldValue: Value, inherited: Value): boolean =>
    value !== inherited && value !== heldValue;
  if (differs(transfer.debitAccountId, held.debitAccountId, 0n)) {
    return REFUSAL.pending_transfer_has_different_debit_account_id; // 16
  }
  if (differs(transfer.creditAccountId, held.creditAccountId, 0n)) {
    return REFUSAL.pending_transfer_has_different_credit_account_id;
  }
  if (differs(transfer.ledger, held.ledger, 0))
    return REFUSAL.pending_transfer_has_different_ledger;
  if (differs(transfer.code, held.code, 0)) return REFUSAL.pending_transfer_has_different_code;
  if (posts && amount !== MAX && amount > held.amount) {
    return REFUSAL.exceeds_pending_transfer_amount; // 17
  }
  if (!posts && amount !== 0n && amount !== held.amount) {
    return REFUSAL.pending_transfer_has_different_amount; // 18
  }
  if (accepted?.hold === 'posted') return REFUSAL.pending_transfer_already_posted; // 19
  if (accepted?.hold === 'voided') return REFUSAL.pending_transfer_already_voided;
  if (accepted?.hold === 'expired') return REFUSAL.pending_transfer_expired;
  const expiresNs = hold?.expiresNs;
  if (expiresNs !== undefined && expiresNs <= timestampNs) return REFUSAL.pending_transfer_expired;
  return CREATED;
}
