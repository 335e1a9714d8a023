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

const IMPORTED_TIME_MAX = (1n << 63n) - 1n;

const DEBITS_LIMITED = 2;
const CREDITS_LIMITED = 4;
const ACCOUNT_IMPORTED = 16;
export const CLOSED = 32;
export const FROZEN = 64;

/** What a batch says about the time of one of its events. */
export type ImportTime = {
  /** Whether the first event of the batch is imported. */
  readonly batchImported: boolean;
  readonly nowNs: bigint;
  /** Timestamp of the account or transfer that was accepted last. */
  readonly lastNs: bigint;
};

type Flagged = { readonly flags: number };
const isClosed = ({ flags }: Flagged): boolean => (flags & CLOSED) !== 0;
const isFrozen = ({ flags }: Flagged): boolean => (flags & FROZEN) !== 0;
export const isImported = ({ flags }: Flagged): boolean => (flags & TransferFlag.imported) !== 0;
const closes = ({ flags }: Flagged): boolean =>
  (flags & (TransferFlag.closingDebit | TransferFlag.closingCredit)) !== 0;

export function accountRefusal(
  account: Account,
  old: Account | undefined,
  ledgerDefined: boolean,
  time: ImportTime,
): number {
  const { id, flags, timestampNs } = account;
  const imported = (flags & ACCOUNT_IMPORTED) !== 0;
  if (!imported && time.batchImported) return REFUSAL.account_imported_event_expected; // 1
  if (imported && !time.batchImported) return REFUSAL.account_imported_event_not_expected;
  if (!imported && timestampNs !== 0n) return REFUSAL.account_timestamp_must_be_zero; // 2
  if (imported && (timestampNs === 0n || timestampNs > IMPORTED_TIME_MAX)) {
    return REFUSAL.account_imported_event_timestamp_out_of_range;
  }
  if (imported && timestampNs > time.nowNs) {
    return REFUSAL.account_imported_event_timestamp_must_not_advance;
  }
  const reserved = flags & ~(DEBITS_LIMITED | CREDITS_LIMITED | ACCOUNT_IMPORTED);
  if (reserved !== 0) return REFUSAL.account_reserved_flag; // 3
  if (id === 0n) return REFUSAL.account_id_must_not_be_zero; // 4
  if (id === MAX) return REFUSAL.account_id_must_not_be_max;
  if (old !== undefined) return accountAgain(account, old); // 5
  const limits = DEBITS_LIMITED | CREDITS_LIMITED;
  if ((flags & limits) === limits) return REFUSAL.account_flags_are_mutually_exclusive; // 6
  if (account.ledger === 0) return REFUSAL.account_ledger_must_not_be_zero; // 7
  if (account.code === 0) return REFUSAL.account_code_must_not_be_zero; // 8
  if (!ledgerDefined) return REFUSAL.account_ledger_not_found; // 9
  if (imported && timestampNs <= time.lastNs) {
    return REFUSAL.account_imported_event_timestamp_must_not_regress; // 10
  }
  return CREATED;
}

function accountAgain(now: Account, old: Account): number {
  const asked = old.flags & ~(CLOSED | FROZEN);
  if (now.flags !== asked) return REFUSAL.account_exists_with_different_flags;
  if (now.userData128 !== old.userData128) {
    return REFUSAL.account_exists_with_different_user_data_128;
  }
  if (now.userData64 !== old.userData64) return REFUSAL.account_exists_with_different_user_data_64;
  if (now.userData32 !== old.userData32) return REFUSAL.account_exists_with_different_user_data_32;
  if (now.ledger !== old.ledger) return REFUSAL.account_exists_with_different_ledger;
  if (now.code !== old.code) return REFUSAL.account_exists_with_different_code;
  if ((now.flags & ACCOUNT_IMPORTED) !== 0 && now.timestampNs !== old.timestampNs) {
    return REFUSAL.account_exists_with_different_timestamp;
  }
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

/** Checks 2 to 5 of a transfer. */
export function shapeRefusal(transfer: Transfer, time: ImportTime): number {
  const { timestampNs } = transfer;
  const imported = isImported(transfer);
  if (!imported && time.batchImported) return REFUSAL.imported_event_expected; // 2
  if (imported && !time.batchImported) return REFUSAL.imported_event_not_expected;
  if (!imported && timestampNs !== 0n) return REFUSAL.timestamp_must_be_zero; // 3
  if (imported && (timestampNs === 0n || timestampNs > IMPORTED_TIME_MAX)) {
    return REFUSAL.imported_event_timestamp_out_of_range;
  }
  if (imported && timestampNs > time.nowNs) {
    return REFUSAL.imported_event_timestamp_must_not_advance;
  }
  if (transfer.flags >= 512) return REFUSAL.reserved_flag; // 4
  if (transfer.id === 0n) return REFUSAL.id_must_not_be_zero; // 5
  if (transfer.id === MAX) return REFUSAL.id_must_not_be_max;
  return CREATED;
}

/** Check 11. */
export function areExclusive(flags: number): boolean {
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const modes = [TransferFlag.pending, TransferFlag.postPending, TransferFlag.voidPending];
  if (modes.filter(has).length > 1) return true;
  const resolves = has(TransferFlag.postPending) || has(TransferFlag.voidPending);
  // Balancing 16 and 32, closing 64 and 128.
  return resolves && has(16 | 32 | 64 | 128);
}

/** Check 9: the same id again. */
export function compareAgain(now: Transfer, remembered: Remembered): number {
  const old = remembered.transfer;
  if (now.flags !== old.flags) return REFUSAL.exists_with_different_flags;
  const resolves = (now.flags & (TransferFlag.postPending | TransferFlag.voidPending)) !== 0;
  const posts = (now.flags & TransferFlag.postPending) !== 0;
  const same = (a: bigint | number, b: bigint | number): boolean =>
    a === b || (resolves && (a === 0n || a === 0));
  const wholeWord = posts ? MAX : 0n;
  const sameAmount =
    now.amount === old.amount ||
    (resolves && remembered.whole && now.amount === wholeWord) ||
    (isBalancing(now) && now.amount >= old.amount);
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
  if (isImported(now) && now.timestampNs !== old.timestampNs) {
    return REFUSAL.exists_with_different_timestamp;
  }
  return REFUSAL.exists;
}

function isBalancing({ flags }: Flagged): boolean {
  return (flags & (TransferFlag.balancingDebit | TransferFlag.balancingCredit)) !== 0;
}

/** The amount that is moved: what is asked for, or of a balancing transfer what is possible. */
export function amountMoved(transfer: Transfer, debit: Account, credit: Account): bigint {
  const bounds = [transfer.amount];
  if ((transfer.flags & TransferFlag.balancingDebit) !== 0) bounds.push(debitable(debit));
  if ((transfer.flags & TransferFlag.balancingCredit) !== 0) bounds.push(creditable(credit));
  return bounds.reduce((least, bound) => (bound < least ? bound : least));
}

function debitable(account: Account): bigint {
  const room = account.creditsPosted - account.debitsPosted - account.debitsPending;
  return room < 0n ? 0n : room;
}

function creditable(account: Account): bigint {
  const room = account.debitsPosted - account.creditsPosted - account.creditsPending;
  return room < 0n ? 0n : room;
}

/** Checks 22 and 23, which a post shares; `closedBy` names the flags that do not count. */
function barredRefusal(debit: Flagged, credit: Flagged, closedBy = 0): number {
  const debitClosed = isClosed(debit) && (closedBy & TransferFlag.closingDebit) === 0;
  const creditClosed = isClosed(credit) && (closedBy & TransferFlag.closingCredit) === 0;
  if (debitClosed) return REFUSAL.debit_account_already_closed; // 22
  if (creditClosed) return REFUSAL.credit_account_already_closed;
  if (isFrozen(debit)) return REFUSAL.debit_account_frozen; // 23
  if (isFrozen(credit)) return REFUSAL.credit_account_frozen;
  return CREATED;
}

/** Check 21. */
function importRefusal(transfer: Transfer, debit: Account, credit: Account, lastNs: bigint) {
  const { timestampNs } = transfer;
  if (timestampNs <= lastNs) return REFUSAL.imported_event_timestamp_must_not_regress;
  if (timestampNs <= debit.timestampNs) {
    return REFUSAL.imported_event_timestamp_must_postdate_debit_account;
  }
  if (timestampNs <= credit.timestampNs) {
    return REFUSAL.imported_event_timestamp_must_postdate_credit_account;
  }
  if (transfer.timeoutSeconds !== 0) return REFUSAL.imported_event_timeout_must_be_zero;
  return CREATED;
}

/** Checks 12 to 29 of an immediate or pending transfer. */
export function moneyRefusal(
  transfer: Transfer,
  timestampNs: bigint,
  debit: Account | undefined,
  credit: Account | undefined,
  lastNs: bigint,
): number {
  const { debitAccountId, creditAccountId, timeoutSeconds } = transfer;
  const pending = (transfer.flags & TransferFlag.pending) !== 0;
  if (debitAccountId === 0n) return REFUSAL.debit_account_id_must_not_be_zero; // 12
  if (debitAccountId === MAX) return REFUSAL.debit_account_id_must_not_be_max;
  if (creditAccountId === 0n) return REFUSAL.credit_account_id_must_not_be_zero;
  if (creditAccountId === MAX) return REFUSAL.credit_account_id_must_not_be_max;
  if (debitAccountId === creditAccountId) return REFUSAL.accounts_must_be_different; // 13
  if (transfer.pendingId !== 0n) return REFUSAL.pending_id_must_be_zero; // 14
  if (timeoutSeconds !== 0 && !pending) return REFUSAL.timeout_reserved_for_pending_transfer; // 15
  if (closes(transfer) && !pending) return REFUSAL.closing_transfer_must_be_pending; // 16
  if (transfer.amount === 0n && !closes(transfer)) return REFUSAL.amount_must_not_be_zero; // 17
  if (transfer.ledger === 0) return REFUSAL.ledger_must_not_be_zero; // 18
  if (transfer.code === 0) return REFUSAL.code_must_not_be_zero;
  if (debit === undefined) return REFUSAL.debit_account_not_found; // 19
  if (credit === undefined) return REFUSAL.credit_account_not_found;
  if (debit.ledger !== credit.ledger) return REFUSAL.accounts_must_have_the_same_ledger; // 20
  if (transfer.ledger !== debit.ledger) {
    return REFUSAL.transfer_must_have_the_same_ledger_as_accounts;
  }
  const importing = isImported(transfer) ? importRefusal(transfer, debit, credit, lastNs) : CREATED;
  if (importing !== CREATED) return importing; // 21
  const barred = barredRefusal(debit, credit);
  if (barred !== CREATED) return barred;
  const amount = amountMoved(transfer, debit, credit);
  if (amount === 0n && !closes(transfer)) {
    const noDebit = (transfer.flags & TransferFlag.balancingDebit) !== 0 && debitable(debit) === 0n;
    return noDebit ? REFUSAL.exceeds_credits : REFUSAL.exceeds_debits; // 24, 25
  }
  const overflow = overflowRefusal(amount, pending, debit, credit); // 26
  if (overflow !== CREATED) return overflow;
  if (timestampNs + BigInt(timeoutSeconds) * SECOND_NS > TIME_NS_MAX) {
    return REFUSAL.overflows_timeout; // 27
  }
  const debits = debit.debitsPending + debit.debitsPosted + amount;
  if ((debit.flags & DEBITS_LIMITED) !== 0 && debits > debit.creditsPosted) {
    return REFUSAL.exceeds_credits; // 28
  }
  const credits = credit.creditsPending + credit.creditsPosted + amount;
  if ((credit.flags & CREDITS_LIMITED) !== 0 && credits > credit.debitsPosted) {
    return REFUSAL.exceeds_debits; // 29
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

type ResolutionBooks = {
  readonly lastNs: bigint;
  readonly accountOf: (id: bigint) => Account;
};

/**
 * Checks 12 to 23 of a post or a void. `accepted` is the record of the pending id while it is
 * remembered, `hold` the hold while it is not resolved.
 */
export function resolutionRefusal(
  transfer: Transfer,
  timestampNs: bigint,
  accepted: Remembered | undefined,
  hold: Hold | undefined,
  { lastNs, accountOf }: ResolutionBooks,
): number {
  const { pendingId, amount } = transfer;
  const posts = (transfer.flags & TransferFlag.postPending) !== 0;
  if (pendingId === 0n) return REFUSAL.pending_id_must_not_be_zero; // 12
  if (pendingId === MAX) return REFUSAL.pending_id_must_not_be_max;
  if (pendingId === transfer.id) return REFUSAL.pending_id_must_be_different;
  if (transfer.timeoutSeconds !== 0) return REFUSAL.timeout_reserved_for_pending_transfer; // 13
  if (posts && amount === 0n) return REFUSAL.amount_must_not_be_zero; // 14
  const held = hold?.transfer ?? accepted?.transfer;
  if (held === undefined) return REFUSAL.pending_transfer_not_found; // 15
  if ((held.flags & TransferFlag.pending) === 0) return REFUSAL.pending_transfer_not_pending; // 16
  const differs = <Value>(value: Value, heldValue: Value, inherited: Value): boolean =>
    value !== inherited && value !== heldValue;
  if (differs(transfer.debitAccountId, held.debitAccountId, 0n)) {
    return REFUSAL.pending_transfer_has_different_debit_account_id; // 17
  }
  if (differs(transfer.creditAccountId, held.creditAccountId, 0n)) {
    return REFUSAL.pending_transfer_has_different_credit_account_id;
  }
  if (differs(transfer.ledger, held.ledger, 0))
    return REFUSAL.pending_transfer_has_different_ledger;
  if (differs(transfer.code, held.code, 0)) return REFUSAL.pending_transfer_has_different_code;
  if (posts && amount !== MAX && amount > held.amount) {
    return REFUSAL.exceeds_pending_transfer_amount; // 18
  }
  if (!posts && amount !== 0n && amount !== held.amount) {
    return REFUSAL.pending_transfer_has_different_amount; // 19
  }
  if (accepted?.hold === 'posted') return REFUSAL.pending_transfer_already_posted; // 20
  if (accepted?.hold === 'voided') return REFUSAL.pending_transfer_already_voided;
  if (accepted?.hold === 'expired') return REFUSAL.pending_transfer_expired;
  const expiresNs = hold?.expiresNs;
  if (expiresNs !== undefined && expiresNs <= timestampNs) return REFUSAL.pending_transfer_expired;
  if (isImported(transfer) && transfer.timestampNs <= lastNs) {
    return REFUSAL.imported_event_timestamp_must_not_regress; // 21
  }
  if (!posts) return CREATED;
  const [debit, credit] = [accountOf(held.debitAccountId), accountOf(held.creditAccountId)];
  return barredRefusal(debit, credit, held.flags); // 22, 23
}
