// A request whose id is remembered: the same meaning answers `exists`, another one names the first
// field that differs. What was kept has accounts, ledger, code and amount resolved, so those that a
// post or void may leave open count as equal.

import { TransferFlag, TransferWord } from '../../base/transfer-record.ts';
import { compare128, equal128, isMax128, isZero128 } from '../../base/u128.ts';
import { REFUSAL } from '../refusals.ts';
import { compareTime } from './expiry-heap.ts';
import { RecordStatus, type RememberedTransfers } from './remembered-transfers.ts';

const BALANCING = TransferFlag.balancingDebit | TransferFlag.balancingCredit;

export function compareWithRecord(
  remembered: RememberedTransfers,
  slot: number,
  words: Uint32Array,
  o: number,
): number {
  const status = remembered.statusOf(slot);
  if ((status & RecordStatus.accepted) === 0) return REFUSAL.id_already_failed;
  const kept = remembered.records.wordsOf(slot);
  const k = remembered.records.offsetOf(slot);
  const whole = (status & RecordStatus.whole) !== 0;
  return compareFields(words, o, kept, k, whole);
}

/**
 * The same for a record that stands elsewhere; `whole`: the post or void took all that was held.
 * Answers `exists` or the first difference.
 */
export function compareFields(
  words: Uint32Array,
  o: number,
  kept: Uint32Array,
  k: number,
  whole: boolean,
): number {
  const request = words[o + TransferWord.codeAndFlags]!;
  const record = kept[k + TransferWord.codeAndFlags]!;
  const flags = request >>> 16;
  if (flags !== record >>> 16) return REFUSAL.exists_with_different_flags;
  const resolving = (flags & (TransferFlag.postPending | TransferFlag.voidPending)) !== 0;

  const pending = TransferWord.pendingId;
  if (!equal128(words, o + pending, kept, k + pending)) {
    return REFUSAL.exists_with_different_pending_id;
  }
  if (words[o + TransferWord.timeoutSeconds] !== kept[k + TransferWord.timeoutSeconds]) {
    return REFUSAL.exists_with_different_timeout;
  }
  if (
    differs(
      words,
      o + TransferWord.debitAccountId,
      kept,
      k + TransferWord.debitAccountId,
      resolving,
    )
  ) {
    return REFUSAL.exists_with_different_debit_account_id;
  }
  if (
    differs(
      words,
      o + TransferWord.creditAccountId,
      kept,
      k + TransferWord.creditAccountId,
      resolving,
    )
  ) {
    return REFUSAL.exists_with_different_credit_account_id;
  }
  const amount = o + TransferWord.amount;
  const post = (flags & TransferFlag.postPending) !== 0;
  const all = resolving && whole && (post ? isMax128(words, amount) : isZero128(words, amount));
  const order = compare128(words, amount, kept, k + TransferWord.amount);
  // The amount asked of a balancing transfer is an upper bound of the amount kept.
  const enough = order > 0 && (flags & BALANCING) !== 0;
  if (order !== 0 && !all && !enough) {
    return REFUSAL.exists_with_different_amount;
  }
  const userData = compareUserData(words, o, kept, k);
  if (userData !== 0) return userData;
  const ledger = words[o + TransferWord.ledger]!;
  if (ledger !== kept[k + TransferWord.ledger] && !(resolving && ledger === 0)) {
    return REFUSAL.exists_with_different_ledger;
  }
  const code = request & 0xffff;
  if (code !== (record & 0xffff) && !(resolving && code === 0)) {
    return REFUSAL.exists_with_different_code;
  }
  const time = TransferWord.timestampNs;
  const imported = (flags & TransferFlag.imported) !== 0;
  if (imported && compareTime(words, o + time, kept, k + time) !== 0) {
    return REFUSAL.exists_with_different_timestamp;
  }
  return REFUSAL.exists;
}

function differs(
  words: Uint32Array,
  i: number,
  kept: Uint32Array,
  k: number,
  zeroInherits: boolean,
): boolean {
  if (equal128(words, i, kept, k)) return false;
  return !(zeroInherits && isZero128(words, i));
}

function compareUserData(words: Uint32Array, o: number, kept: Uint32Array, k: number): number {
  const wide = TransferWord.userData128;
  if (!equal128(words, o + wide, kept, k + wide)) {
    return REFUSAL.exists_with_different_user_data_128;
  }
  const middle = TransferWord.userData64;
  if (words[o + middle] !== kept[k + middle] || words[o + middle + 1] !== kept[k + middle + 1]) {
    return REFUSAL.exists_with_different_user_data_64;
  }
  if (words[o + TransferWord.userData32] !== kept[k + TransferWord.userData32]) {
    return REFUSAL.exists_with_different_user_data_32;
  }
  return 0;
}
