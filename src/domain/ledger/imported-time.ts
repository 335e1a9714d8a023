// The timestamps of imported transfers: they rise, and they are what the record shows. Others get
// the ledger's own time.

import { TransferWord } from '../../base/transfer-record.ts';
import { compareTime } from './expiry-heap.ts';
import type { LedgerKernel } from './kernel.ts';

/** Whether the transfer accepted last has the same or a later timestamp. */
export function regresses(kernel: LedgerKernel, words: Uint32Array, o: number): boolean {
  return compareTime(words, o + TransferWord.timestampNs, kernel.lastTransferTime, 0) <= 0;
}

/** Writes the timestamp of the accepted request at `words[o]` into the record that is kept. */
export function stampRecord(
  kernel: LedgerKernel,
  words: Uint32Array,
  o: number,
  kept: Uint32Array,
  stamp: number,
): void {
  if (kernel.importing) {
    const time = o + TransferWord.timestampNs;
    kernel.lastTransferTime[0] = words[time]!;
    kernel.lastTransferTime[1] = words[time + 1]!;
    kept[stamp] = words[time]!;
    kept[stamp + 1] = words[time + 1]!;
  } else {
    kept[stamp] = kernel.eventTime[0]!;
    kept[stamp + 1] = kernel.eventTime[1]!;
  }
}
