// Opening an account, in the order of docs/reference/ledger-rules.md, and freezing it.

import { ACCOUNT_FLAGS_KNOWN, AccountFlag } from '../../base/account.ts';
import { ID_MAX, writeIdWords } from '../../base/ids.ts';
import { equal128 } from '../../base/u128.ts';
import { CREATED, REFUSAL } from '../refusals.ts';
import { ACCOUNT_WORDS, AccountWord } from './account-table.ts';
import { compareTime } from './expiry-heap.ts';
import { NO_RECORD } from './id-index.ts';
import type { LedgerKernel } from './kernel.ts';

/** What a command asks for; every field is in the range of its type. */
export type NewAccount = {
  readonly id: bigint;
  readonly ledger: number;
  readonly code: number;
  readonly flags: number;
  readonly userData128: bigint;
  readonly userData64: bigint;
  readonly userData32: number;
  /** 0 unless it is imported. */
  readonly timestampNs: bigint;
};

/** The state wanted, and the one that the account is taken to be in. */
export type AccountFlagsChange = {
  readonly account: bigint;
  readonly frozen: boolean;
  readonly expectedFrozen: boolean;
};

/** Flags that say how the account is, not what was asked for when it was opened. */
const STATES = AccountFlag.closed | AccountFlag.frozen;
const LIMITS = AccountFlag.debitsMustNotExceedCredits | AccountFlag.creditsMustNotExceedDebits;

const IMPORTED_TIME_NS_MAX = (1n << 63n) - 1n;

/** `importing`: the first account of the command is imported, so all must be. */
export function createAccount(
  kernel: LedgerKernel,
  account: NewAccount,
  importing: boolean,
): number {
  const fault = checkTime(kernel, account, importing);
  if (fault !== CREATED) return fault;
  if ((account.flags & ~ACCOUNT_FLAGS_KNOWN) !== 0) return REFUSAL.account_reserved_flag;
  if (account.id === 0n) return REFUSAL.account_id_must_not_be_zero;
  if (account.id === ID_MAX) return REFUSAL.account_id_must_not_be_max;
  const draft = kernel.draft;
  writeDraft(kernel, account, draft);
  const existing = kernel.accounts.find(draft, AccountWord.id);
  if (existing !== NO_RECORD) {
    const records = kernel.accounts.records;
    return compareAccounts(draft, records.wordsOf(existing), records.offsetOf(existing));
  }
  if ((account.flags & LIMITS) === LIMITS) return REFUSAL.account_flags_are_mutually_exclusive;
  if (account.ledger === 0) return REFUSAL.account_ledger_must_not_be_zero;
  if (account.code === 0) return REFUSAL.account_code_must_not_be_zero;
  const ordinal = kernel.ledgers.ordinalOf(account.ledger);
  if (ordinal === undefined) return REFUSAL.account_ledger_not_found;
  if (importing && regresses(kernel, draft)) {
    return REFUSAL.account_imported_event_timestamp_must_not_regress;
  }
  draft[AccountWord.ledgerOrdinal] = ordinal;
  kernel.accounts.add(draft, 0);
  return CREATED;
}

export function changeAccountFlags(kernel: LedgerKernel, change: AccountFlagsChange): number {
  const key = kernel.draft;
  writeIdWords(key, 0, change.account);
  const account = kernel.accounts.find(key, 0);
  if (account === NO_RECORD) return REFUSAL.account_not_found;
  const frozen = (kernel.accounts.flagsOf(account) & AccountFlag.frozen) !== 0;
  if (frozen !== change.expectedFrozen) return REFUSAL.account_flags_changed_meanwhile;
  kernel.accounts.setFlags(account, AccountFlag.frozen, change.frozen);
  return CREATED;
}

function checkTime(kernel: LedgerKernel, account: NewAccount, importing: boolean): number {
  const imported = (account.flags & AccountFlag.imported) !== 0;
  if (importing && !imported) return REFUSAL.account_imported_event_expected;
  if (!importing && imported) return REFUSAL.account_imported_event_not_expected;
  const timestampNs = account.timestampNs;
  if (!imported) return timestampNs === 0n ? CREATED : REFUSAL.account_timestamp_must_be_zero;
  if (timestampNs < 1n || timestampNs > IMPORTED_TIME_NS_MAX) {
    return REFUSAL.account_imported_event_timestamp_out_of_range;
  }
  if (timestampNs > kernel.commandTimeNs()) {
    return REFUSAL.account_imported_event_timestamp_must_not_advance;
  }
  return CREATED;
}

/** Whether the account opened last has the same or a later timestamp. */
function regresses(kernel: LedgerKernel, draft: Uint32Array): boolean {
  const last = kernel.accounts.last;
  if (last === NO_RECORD) return false;
  const records = kernel.accounts.records;
  const time = records.offsetOf(last) + AccountWord.timestampNs;
  return compareTime(draft, AccountWord.timestampNs, records.wordsOf(last), time) <= 0;
}

function writeDraft(kernel: LedgerKernel, account: NewAccount, draft: Uint32Array): void {
  draft.fill(0, 0, ACCOUNT_WORDS);
  writeIdWords(draft, AccountWord.id, account.id);
  draft[AccountWord.ledger] = account.ledger;
  draft[AccountWord.codeAndFlags] = account.code | (account.flags << 16);
  draft[AccountWord.userData32] = account.userData32;
  writeIdWords(draft, AccountWord.userData128, account.userData128);
  draft[AccountWord.userData64] = Number(account.userData64 & 0xffff_ffffn);
  draft[AccountWord.userData64 + 1] = Number(account.userData64 >> 32n);
  const imported = (account.flags & AccountFlag.imported) !== 0;
  const timestampNs = imported ? account.timestampNs : kernel.eventTimeNs();
  draft[AccountWord.timestampNs] = Number(timestampNs & 0xffff_ffffn);
  draft[AccountWord.timestampNs + 1] = Number(timestampNs >> 32n);
}

function compareAccounts(draft: Uint32Array, kept: Uint32Array, k: number): number {
  const codeAndFlags = kept[k + AccountWord.codeAndFlags]!;
  const flags = draft[AccountWord.codeAndFlags]! >>> 16;
  if (flags !== ((codeAndFlags >>> 16) & ~STATES)) {
    return REFUSAL.account_exists_with_different_flags;
  }
  if (!equal128(draft, AccountWord.userData128, kept, k + AccountWord.userData128)) {
    return REFUSAL.account_exists_with_different_user_data_128;
  }
  const middle = AccountWord.userData64;
  if (draft[middle] !== kept[k + middle] || draft[middle + 1] !== kept[k + middle + 1]) {
    return REFUSAL.account_exists_with_different_user_data_64;
  }
  if (draft[AccountWord.userData32] !== kept[k + AccountWord.userData32]) {
    return REFUSAL.account_exists_with_different_user_data_32;
  }
  if (draft[AccountWord.ledger] !== kept[k + AccountWord.ledger]) {
    return REFUSAL.account_exists_with_different_ledger;
  }
  if ((draft[AccountWord.codeAndFlags]! & 0xffff) !== (codeAndFlags & 0xffff)) {
    return REFUSAL.account_exists_with_different_code;
  }
  const time = AccountWord.timestampNs;
  const imported = (flags & AccountFlag.imported) !== 0;
  if (imported && compareTime(draft, time, kept, k + time) !== 0) {
    return REFUSAL.account_exists_with_different_timestamp;
  }
  return REFUSAL.account_exists;
}
