// What a record says that the history sorts by: its time, its user data, what it made of a hold.

import { TransferFlag, TransferWord } from '../base/transfer-record.ts';

/** What became of a hold, as a section says it: indexes of HOLD_STATES. */
export const Resolution = { posted: 2, voided: 3, expired: 4 } as const;

/** The fields of user data: first word and count. */
export const TERM_FIELDS = [
  [TransferWord.userData128, 4],
  [TransferWord.userData64, 2],
  [TransferWord.userData32, 1],
] as const;

/** What the record at `records[o]` makes of another, its hold; 0 = it is no post and no void. */
export function resolutionOf(records: Uint32Array, o: number): number {
  const flags = records[o + TransferWord.codeAndFlags]! >>> 16;
  if ((flags & TransferFlag.postPending) !== 0) return Resolution.posted;
  return (flags & TransferFlag.voidPending) !== 0 ? Resolution.voided : 0;
}

export function timeAt(records: Uint32Array, o: number): bigint {
  const time = o + TransferWord.timestampNs;
  return (BigInt(records[time + 1]!) << 32n) | BigInt(records[time]!);
}
