// Whether a history that was found on disk is of the journal beside it. It can have been put back
// from a backup of something else, or know what a disk has lost: answers from it would be wrong.

import { TRANSFER_WORDS, TransferWord } from '../base/transfer-record.ts';
import type { LedgerKernel } from '../domain/ledger/kernel.ts';
import { NO_RECORD } from '../domain/ledger/id-index.ts';
import { idWordsUnixMs } from '../base/ids.ts';

export type FoundOnDisk = {
  /** The number of the next transfer, and the last position that was seen. */
  readonly next: number;
  readonly position: number;
  /** The newest record of the tail, when there is a tail. */
  readonly newest: Uint32Array | undefined;
};

/** Why it is not of this ledger, which is at `position`; undefined = nothing speaks against it. */
export function foreignTo(
  { next, position: seen, newest }: FoundOnDisk,
  { transfersAccepted, remembered }: LedgerKernel,
  position: number,
): string | undefined {
  if (next > transfersAccepted) {
    return `it has ${next} transfers, the journal ${transfersAccepted}`;
  }
  // It would pass over what comes at these positions now.
  if (seen > position) return `it has seen position ${seen}, the journal ends at ${position}`;
  if (newest === undefined) return undefined;
  // What lies before the edge is forgotten: the ledger cannot say.
  if (Math.floor(idWordsUnixMs(newest, 0) / 1000) < remembered.edge) return undefined;
  const slot = remembered.findAny(newest, 0);
  if (slot === NO_RECORD) return 'the ledger does not know its newest transfer';
  const words = remembered.records.wordsOf(slot);
  const o = remembered.records.offsetOf(slot);
  for (const word of [TransferWord.timestampNs, TransferWord.timestampNs + 1]) {
    if (words[o + word] !== newest[word]) return 'its newest transfer has another time';
  }
  return undefined;
}

/** A copy of the record at this place of a chunk. */
export function recordAt(records: Uint32Array, index: number): Uint32Array {
  return records.slice(index * TRANSFER_WORDS, (index + 1) * TRANSFER_WORDS);
}
