// One transfer against the books, in the order of docs/reference/ledger-rules.md: what every kind
// has in common, then the check of its own kind, which carries it out when nothing holds against
// it. Answers CREATED or the number of the first refusal that holds.

import {
  TRANSFER_FLAGS_KNOWN,
  TRANSFER_WORDS,
  TransferFlag,
  TransferWord,
} from '../../base/transfer-record.ts';
import { isMax128, isZero128 } from '../../base/u128.ts';
import { CREATED, REFUSAL } from '../refusals.ts';
import { compareTime } from './expiry-heap.ts';
import { NO_RECORD } from './id-index.ts';
import type { LedgerKernel } from './kernel.ts';
import { moveMoney } from './move-money.ts';
import { idSecond } from './remembered-transfers.ts';
import { resolveHold } from './resolve-hold.ts';
import { compareWithRecord } from './same-again.ts';

const RESOLVING = TransferFlag.postPending | TransferFlag.voidPending;
const KINDS = TransferFlag.pending | RESOLVING;
/** What only a transfer that moves money of its own may do. */
const MOVING =
  TransferFlag.balancingDebit |
  TransferFlag.balancingCredit |
  TransferFlag.closingDebit |
  TransferFlag.closingCredit;

/** Event `index` of the batch in `words`; it has been begun, and looked ahead at. */
export function evaluateTransfer(kernel: LedgerKernel, words: Uint32Array, index: number): number {
  const o = index * TRANSFER_WORDS;
  const time = o + TransferWord.timestampNs;
  const flags = words[o + TransferWord.codeAndFlags]! >>> 16;
  const imported = flags & TransferFlag.imported;
  if ((words[time]! | words[time + 1]! | imported) !== 0 || kernel.importing) {
    const fault = checkTimestamp(kernel, words, time, imported !== 0);
    if (fault !== CREATED) return fault;
  }
  if ((flags & ~TRANSFER_FLAGS_KNOWN) !== 0) return REFUSAL.reserved_flag;
  if (isZero128(words, o)) return REFUSAL.id_must_not_be_zero;
  if (isMax128(words, o)) return REFUSAL.id_must_not_be_max;

  const remembered = kernel.remembered;
  const unixMs = kernel.ahead.unixMsOf(index);
  const second = Math.floor(unixMs / 1000);
  if (second < remembered.edge) return REFUSAL.id_expired;
  if (unixMs > kernel.idUnixMsMax) return REFUSAL.id_from_the_future;
  const hash = kernel.ahead.hashOf(index);
  const slot = remembered.find(unixMs, hash, words, o);
  if (slot !== NO_RECORD) return compareWithRecord(remembered, slot, words, o);
  remembered.makeRoom();
  if (second < remembered.edge) return REFUSAL.id_expired;

  if ((flags & RESOLVING) === 0) return moveMoney(kernel, words, index, second);
  const kind = flags & KINDS;
  if ((kind & (kind - 1)) !== 0 || (flags & MOVING) !== 0) {
    return REFUSAL.flags_are_mutually_exclusive;
  }
  return resolveHold(kernel, words, index, second);
}

/** Checks 2 and 3. */
function checkTimestamp(
  kernel: LedgerKernel,
  words: Uint32Array,
  time: number,
  imported: boolean,
): number {
  if (kernel.importing && !imported) return REFUSAL.imported_event_expected;
  if (!kernel.importing && imported) return REFUSAL.imported_event_not_expected;
  if (!imported) return REFUSAL.timestamp_must_be_zero;
  const zero = (words[time]! | words[time + 1]!) === 0;
  if (zero || words[time + 1]! >>> 31 !== 0) return REFUSAL.imported_event_timestamp_out_of_range;
  return compareTime(words, time, kernel.commandTime, 0) > 0
    ? REFUSAL.imported_event_timestamp_must_not_advance
    : CREATED;
}

/** After a transient refusal: whatever arrives late under this id is `id_already_failed`. */
export function rememberFailed(kernel: LedgerKernel, words: Uint32Array, index: number): void {
  const o = index * TRANSFER_WORDS;
  const draft = kernel.draft;
  for (let word = 0; word < TransferWord.timestampNs; word++) draft[word] = words[o + word]!;
  draft[TransferWord.timestampNs] = kernel.eventTime[0]!;
  draft[TransferWord.timestampNs + 1] = kernel.eventTime[1]!;
  kernel.remembered.add(kernel.ahead.hashOf(index), idSecond(words, o), draft, 0, 0);
}
