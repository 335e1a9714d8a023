// Opening an account, in the order of docs/reference/ledger-rules.md.

import { ACCOUNT_FLAGS_KNOWN, AccountFlag } from '../../base/account.ts';
import { ID_MAX, writeIdWords } from '../../base/ids.ts';
import { equal128 } from '../../base/u128.ts';
import { CREATED, REFUSAL } from '../refusals.ts';
import { ACCOUNT_WORDS, AccountWord } from './account-table.ts';
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
};

const LIMITS = AccountFlag.debitsMustNotExceedCredits | AccountFlag.creditsMustNotExceedDebits;

export function createAccount(kernel: LedgerKernel, account: NewAccount): number {
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
  if (account.flags === LIMITS) return REFUSAL.account_flags_are_mutually_exclusive;
  if (account.ledger === 0) return REFUSAL.account_ledger_must_not_be_zero;
  if (account.code === 0) return REFUSAL.account_code_must_not_be_zero;
  const ordinal = kernel.ledgers.ordinalOf(account.ledger);
  if (ordinal === undefined) return REFUSAL.account_ledger_not_found;
  draft[AccountWord.ledgerOrdinal] = ordinal;
  kernel.accounts.add(draft, 0);
  return CREATED;
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
  draft[AccountWord.timestampNs] = kernel.eventTime[0]!;
  draft[AccountWord.timestampNs + 1] = kernel.eventTime[1]!;
}

function compareAccounts(draft: Uint32Array, kept: Uint32Array, k: number): number {
  const codeAndFlags = kept[k + AccountWord.codeAndFlags]!;
  if (draft[AccountWord.codeAndFlags]! >>> 16 !== codeAndFlags >>> 16) {
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
  return REFUSAL.account_exists;
}
