// A broken chain is undone, newest deed first: balances, holds and remembered ids are then as they
// were, but for ids that were forgotten to make room (the edge never goes back).

import { closeAccounts, openAccountsOf } from './account-states.ts';
import { HoldWord } from './hold-table.ts';
import { NO_RECORD } from './id-index.ts';
import type { LedgerKernel } from './kernel.ts';
import { movePending, movePosted } from './move-balances.ts';
import { RecordStatus } from './remembered-transfers.ts';
import { Deed, UndoWord } from './undo-log.ts';
import { assert } from '../../base/assert.ts';

export function undoAll(kernel: LedgerKernel): void {
  while (kernel.undo.count > 0) undoDeed(kernel, kernel.undo.pop());
  kernel.lastTransferTime.set(kernel.undo.lastTransferTime);
  kernel.accepted.truncate(kernel.undo.acceptedBefore);
}

function undoDeed(kernel: LedgerKernel, u: number): void {
  const words = kernel.undo.words;
  const deed = words[u + UndoWord.deed]!;
  const debit = words[u + UndoWord.debitAccount]!;
  const credit = words[u + UndoWord.creditAccount]!;
  const amount = u + UndoWord.amount;
  if (deed === Deed.immediate) {
    movePosted(kernel, -1, debit, credit, words, amount);
  } else if (deed === Deed.pending) {
    const slot = kernel.holds.find(words, u + UndoWord.id);
    assert(slot !== NO_RECORD, 'the hold of a pending transfer that is undone is unresolved');
    openAccountsOf(kernel, slot);
    kernel.holds.remove(slot);
    movePending(kernel, -1, debit, credit, words, amount);
  } else {
    if (deed === Deed.post) movePosted(kernel, -1, debit, credit, words, amount);
    movePending(kernel, 1, debit, credit, words, u + UndoWord.hold + HoldWord.amount);
    const hold = u + UndoWord.hold;
    kernel.holds.add(words, hold);
    const flags = words[hold + HoldWord.codeAndFlags]! >>> 16;
    if (deed === Deed.void) closeAccounts(kernel, flags, debit, credit);
    const pending = kernel.remembered.findAny(words, u + UndoWord.hold + HoldWord.id);
    if (pending !== NO_RECORD) {
      kernel.remembered.setHoldStatus(pending, RecordStatus.holdPending);
    }
  }
  kernel.remembered.undoAdd(words, u + UndoWord.id, words[u + UndoWord.tailBefore]!);
}
