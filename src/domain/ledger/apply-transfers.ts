// A batch of transfers, in order. Linked transfers are one chain: all or none.

import { assert } from '../../base/assert.ts';
import { TRANSFER_WORDS, TransferFlag, TransferWord } from '../../base/transfer-record.ts';
import { CREATED, REFUSAL, TRANSIENT_BY_NUMBER } from '../refusals.ts';
import { evaluateTransfer, rememberFailed } from './evaluate-transfer.ts';
import type { LedgerKernel } from './kernel.ts';
import { applyPlain } from './plain-transfers.ts';
import { undoAll } from './undo-deeds.ts';

/** Fills `codes`, one for each of the records in `words`. */
export function applyTransfers(kernel: LedgerKernel, words: Uint32Array, codes: Uint16Array): void {
  assert(words.length === codes.length * TRANSFER_WORDS, 'one code for each record');
  kernel.ahead.restart(words);
  // The first transfer says whether this is an import.
  kernel.importing = ((words[TransferWord.codeAndFlags]! >>> 16) & TransferFlag.imported) !== 0;
  let index = 0;
  while (index < codes.length) {
    if (!kernel.importing) {
      index = applyPlain(kernel, words, codes, index);
      if (index === codes.length) break;
    }
    if (isLinked(words, index)) {
      index = applyChain(kernel, words, codes, index);
      continue;
    }
    kernel.beginEvent(index);
    kernel.ahead.reach(words, index);
    const code = evaluateTransfer(kernel, words, index);
    if (TRANSIENT_BY_NUMBER[code] === 1) rememberFailed(kernel, words, index);
    codes[index] = code;
    index += 1;
  }
  if (!kernel.importing) noteLastTransfer(kernel, codes);
}

/** Imported transfers note their own time one by one, others once for the batch. */
function noteLastTransfer(kernel: LedgerKernel, codes: Uint16Array): void {
  const last = codes.lastIndexOf(CREATED);
  if (last === -1) return;
  kernel.beginEvent(last);
  kernel.lastTransferTime.set(kernel.eventTime);
}

function isLinked(words: Uint32Array, index: number): boolean {
  const flags = words[index * TRANSFER_WORDS + TransferWord.codeAndFlags]! >>> 16;
  return (flags & TransferFlag.linked) !== 0;
}

/** The chain that begins at `first`; returns the index after its last event. */
function applyChain(
  kernel: LedgerKernel,
  words: Uint32Array,
  codes: Uint16Array,
  first: number,
): number {
  const lastOfBatch = codes.length - 1;
  let last = first;
  while (last < lastOfBatch && isLinked(words, last)) last += 1;
  const open = last === lastOfBatch && isLinked(words, last);

  // What the first event answers is what all must answer: done now, or done before.
  let wanted = CREATED;
  kernel.undo.start(kernel.lastTransferTime, kernel.accepted.count);
  for (let index = first; index <= last; index++) {
    kernel.beginEvent(index);
    kernel.ahead.reach(words, index);
    const code =
      open && index === last
        ? REFUSAL.linked_event_chain_open
        : evaluateTransfer(kernel, words, index);
    if (index === first && code === REFUSAL.exists) wanted = code;
    if (code === wanted) {
      codes[index] = code;
      continue;
    }
    undoAll(kernel);
    if (TRANSIENT_BY_NUMBER[code] === 1) rememberFailed(kernel, words, index);
    if (wanted === CREATED) codes.fill(REFUSAL.linked_event_failed, first, index);
    codes[index] = code === CREATED ? REFUSAL.linked_event_failed : code;
    codes.fill(REFUSAL.linked_event_failed, index + 1, last + 1);
    if (open && index < last) codes[last] = REFUSAL.linked_event_chain_open;
    break;
  }
  kernel.undo.stop();
  return last + 1;
}
