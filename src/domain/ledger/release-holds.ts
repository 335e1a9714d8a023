// Holds whose time has come give back what they held: by expiry, then by their own timestamp.

import { HOLDS_EXPIRED_PER_TICK_MAX } from '../../base/limits.ts';
import { openAccountsOf } from './account-states.ts';
import { compareTime } from './expiry-heap.ts';
import { HoldWord } from './hold-table.ts';
import { NO_RECORD } from './id-index.ts';
import type { LedgerKernel } from './kernel.ts';
import { movePending } from './move-balances.ts';
import { RecordStatus } from './remembered-transfers.ts';

/** Releases what has expired at the command's time, a bounded number; returns how many. */
export function releaseExpiredHolds(kernel: LedgerKernel): number {
  const holds = kernel.holds;
  let released = 0;
  while (released < HOLDS_EXPIRED_PER_TICK_MAX) {
    const slot = holds.firstToExpire();
    if (slot === NO_RECORD) break;
    const words = holds.records.wordsOf(slot);
    const h = holds.records.offsetOf(slot);
    if (compareTime(words, h + HoldWord.expiryNs, kernel.eventTime, 0) > 0) break;
    const debit = words[h + HoldWord.debitAccount]!;
    const credit = words[h + HoldWord.creditAccount]!;
    movePending(kernel, -1, debit, credit, words, h + HoldWord.amount);
    const pending = kernel.remembered.findAny(words, h + HoldWord.id);
    if (pending !== NO_RECORD) {
      kernel.remembered.setHoldStatus(pending, RecordStatus.holdExpired);
    }
    openAccountsOf(kernel, slot);
    kernel.accepted.addExpired(words, h + HoldWord.id);
    holds.remove(slot);
    released += 1;
  }
  return released;
}

/** The earliest expiry among unresolved holds. */
export function nextExpiryNs(kernel: LedgerKernel): bigint | undefined {
  const slot = kernel.holds.firstToExpire();
  if (slot === NO_RECORD) return undefined;
  const words = kernel.holds.records.wordsOf(slot);
  const expiry = kernel.holds.records.offsetOf(slot) + HoldWord.expiryNs;
  return (BigInt(words[expiry + 1]!) << 32n) | BigInt(words[expiry]!);
}
