// Posts and voids: checks 12 to 23 of docs/reference/ledger-rules.md, then the deed. A hold that
// has been resolved is compared by its remembered record, so that a repeated post with other terms
// hears first what differs and then that it is too late.

import { AccountFlag } from '../../base/account.ts';
import { assert } from '../../base/assert.ts';
import { TRANSFER_WORDS, TransferFlag, TransferWord } from '../../base/transfer-record.ts';
import { compare128, copy128, equal128, isMax128, isZero128 } from '../../base/u128.ts';
import { CREATED, REFUSAL } from '../refusals.ts';
import { BARRED, checkBarred, openAccountsOf } from './account-states.ts';
import { AccountWord } from './account-table.ts';
import { compareTime } from './expiry-heap.ts';
import { HOLD_WORDS, HoldWord } from './hold-table.ts';
import { NO_RECORD } from './id-index.ts';
import { regresses, stampRecord } from './imported-time.ts';
import type { LedgerKernel } from './kernel.ts';
import { movePending, movePosted } from './move-balances.ts';
import { RecordStatus } from './remembered-transfers.ts';
import { Deed, UndoWord } from './undo-log.ts';

export function resolveHold(
  kernel: LedgerKernel,
  words: Uint32Array,
  index: number,
  second: number,
): number {
  const o = index * TRANSFER_WORDS;
  const fault = checkFields(words, o);
  if (fault !== CREATED) return fault;

  const pendingId = o + TransferWord.pendingId;
  const hold = kernel.holds.find(words, pendingId);
  const slot = kernel.remembered.findAny(words, pendingId);
  const status = slot === NO_RECORD ? 0 : kernel.remembered.statusOf(slot);
  // The terms of the hold, as a transfer record: also what is kept of the post or void.
  const terms = kernel.draft;
  if (hold !== NO_RECORD) {
    termsOfHold(kernel, hold, terms);
  } else {
    if ((status & RecordStatus.accepted) === 0) return REFUSAL.pending_transfer_not_found;
    const record = kernel.remembered.records.wordsOf(slot);
    const r = kernel.remembered.records.offsetOf(slot);
    const flags = record[r + TransferWord.codeAndFlags]! >>> 16;
    if ((flags & TransferFlag.pending) === 0) return REFUSAL.pending_transfer_not_pending;
    for (let word = 0; word < terms.length; word++) terms[word] = record[r + word]!;
  }
  const difference = compareTerms(words, o, terms);
  if (difference !== CREATED) return difference;
  if (hold === NO_RECORD) return resolvedAs(status);
  const holdWords = kernel.holds.records.wordsOf(hold);
  const h = kernel.holds.records.offsetOf(hold);
  if (hasExpired(kernel, holdWords, h)) return REFUSAL.pending_transfer_expired;
  if (kernel.importing && regresses(kernel, words, o)) {
    return REFUSAL.imported_event_timestamp_must_not_regress;
  }
  if (isPost(words, o)) {
    const barred = checkPostable(kernel, holdWords, h);
    if (barred !== CREATED) return barred;
  }

  carryOut(kernel, words, index, hold, second);
  if (slot !== NO_RECORD) {
    const outcome = isPost(words, o) ? RecordStatus.holdPosted : RecordStatus.holdVoided;
    kernel.remembered.setHoldStatus(slot, outcome);
  }
  return CREATED;
}

/** A closed account is no bar to the hold that closed it. */
function checkPostable(kernel: LedgerKernel, hold: Uint32Array, h: number): number {
  const accounts = kernel.accounts;
  let debit = accounts.flagsOf(hold[h + HoldWord.debitAccount]!) & BARRED;
  let credit = accounts.flagsOf(hold[h + HoldWord.creditAccount]!) & BARRED;
  if ((debit | credit) === 0) return CREATED;
  const flags = hold[h + HoldWord.codeAndFlags]! >>> 16;
  if ((flags & TransferFlag.closingDebit) !== 0) debit &= ~AccountFlag.closed;
  if ((flags & TransferFlag.closingCredit) !== 0) credit &= ~AccountFlag.closed;
  return checkBarred(debit, credit);
}

/** True at and after the expiry, whether or not a tick has released the hold. */
function hasExpired(kernel: LedgerKernel, hold: Uint32Array, h: number): boolean {
  const expiry = h + HoldWord.expiryNs;
  if (hold[expiry] === 0 && hold[expiry + 1] === 0) return false;
  return compareTime(hold, expiry, kernel.eventTime, 0) <= 0;
}

function isPost(words: Uint32Array, o: number): boolean {
  const flags = words[o + TransferWord.codeAndFlags]! >>> 16;
  return (flags & TransferFlag.postPending) !== 0;
}

function checkFields(words: Uint32Array, o: number): number {
  const pendingId = o + TransferWord.pendingId;
  if (isZero128(words, pendingId)) return REFUSAL.pending_id_must_not_be_zero;
  if (isMax128(words, pendingId)) return REFUSAL.pending_id_must_not_be_max;
  if (equal128(words, pendingId, words, o)) return REFUSAL.pending_id_must_be_different;
  if (words[o + TransferWord.timeoutSeconds] !== 0) {
    return REFUSAL.timeout_reserved_for_pending_transfer;
  }
  if (isPost(words, o) && isZero128(words, o + TransferWord.amount)) {
    return REFUSAL.amount_must_not_be_zero;
  }
  return CREATED;
}

function termsOfHold(kernel: LedgerKernel, slot: number, terms: Uint32Array): void {
  const hold = kernel.holds.records.wordsOf(slot);
  const h = kernel.holds.records.offsetOf(slot);
  const accounts = kernel.accounts.records;
  const debit = hold[h + HoldWord.debitAccount]!;
  const credit = hold[h + HoldWord.creditAccount]!;
  const debitId = accounts.offsetOf(debit) + AccountWord.id;
  const creditId = accounts.offsetOf(credit) + AccountWord.id;
  copy128(terms, TransferWord.debitAccountId, accounts.wordsOf(debit), debitId);
  copy128(terms, TransferWord.creditAccountId, accounts.wordsOf(credit), creditId);
  copy128(terms, TransferWord.amount, hold, h + HoldWord.amount);
  terms[TransferWord.ledger] = hold[h + HoldWord.ledger]!;
  terms[TransferWord.codeAndFlags] = hold[h + HoldWord.codeAndFlags]! & 0xffff;
}

/** Checks 17 to 19. */
function compareTerms(words: Uint32Array, o: number, terms: Uint32Array): number {
  const debit = TransferWord.debitAccountId;
  if (!isZero128(words, o + debit) && !equal128(words, o + debit, terms, debit)) {
    return REFUSAL.pending_transfer_has_different_debit_account_id;
  }
  const credit = TransferWord.creditAccountId;
  if (!isZero128(words, o + credit) && !equal128(words, o + credit, terms, credit)) {
    return REFUSAL.pending_transfer_has_different_credit_account_id;
  }
  const ledger = words[o + TransferWord.ledger];
  if (ledger !== 0 && ledger !== terms[TransferWord.ledger]) {
    return REFUSAL.pending_transfer_has_different_ledger;
  }
  const code = words[o + TransferWord.codeAndFlags]! & 0xffff;
  if (code !== 0 && code !== (terms[TransferWord.codeAndFlags]! & 0xffff)) {
    return REFUSAL.pending_transfer_has_different_code;
  }
  const amount = o + TransferWord.amount;
  const order = compare128(words, amount, terms, TransferWord.amount);
  if (isPost(words, o)) {
    if (order > 0 && !isMax128(words, amount)) return REFUSAL.exceeds_pending_transfer_amount;
  } else if (order !== 0 && !isZero128(words, amount)) {
    return REFUSAL.pending_transfer_has_different_amount;
  }
  return CREATED;
}

function resolvedAs(status: number): number {
  const hold = status & RecordStatus.holdMask;
  if (hold === RecordStatus.holdPosted) return REFUSAL.pending_transfer_already_posted;
  if (hold === RecordStatus.holdVoided) return REFUSAL.pending_transfer_already_voided;
  assert(hold === RecordStatus.holdExpired, 'a hold that is not in the table has been resolved');
  return REFUSAL.pending_transfer_expired;
}

function carryOut(
  kernel: LedgerKernel,
  words: Uint32Array,
  index: number,
  slot: number,
  second: number,
): void {
  const o = index * TRANSFER_WORDS;
  const post = isPost(words, o);
  // What is kept: the request, with the hold's accounts, ledger, code, and the amount resolved.
  const kept = kernel.draft;
  const held = kernel.sum;
  copy128(held, 0, kept, TransferWord.amount);
  const all = !post || isMax128(words, o + TransferWord.amount);
  if (!all) copy128(kept, TransferWord.amount, words, o + TransferWord.amount);
  copy128(kept, TransferWord.id, words, o + TransferWord.id);
  for (let word = TransferWord.pendingId; word < TransferWord.ledger; word++) {
    kept[word] = words[o + word]!;
  }
  const code = kept[TransferWord.codeAndFlags]! & 0xffff;
  kept[TransferWord.codeAndFlags] = code | (words[o + TransferWord.codeAndFlags]! & 0xffff_0000);
  stampRecord(kernel, words, o, kept, TransferWord.timestampNs);

  const hold = kernel.holds.records.wordsOf(slot);
  const h = kernel.holds.records.offsetOf(slot);
  const debitAccount = hold[h + HoldWord.debitAccount]!;
  const creditAccount = hold[h + HoldWord.creditAccount]!;
  movePending(kernel, -1, debitAccount, creditAccount, held, 0);
  if (post) movePosted(kernel, 1, debitAccount, creditAccount, kept, TransferWord.amount);
  const whole = all || equal128(held, 0, kept, TransferWord.amount);
  const status = RecordStatus.accepted | (whole ? RecordStatus.whole : 0);
  kernel.remembered.add(kernel.ahead.hashOf(index), second, kept, 0, status);
  if (kernel.undo.recording) {
    const undo = kernel.undo;
    const u = undo.add(post ? Deed.post : Deed.void);
    undo.words[u + UndoWord.tailBefore] = kernel.remembered.tailBefore;
    undo.words[u + UndoWord.debitAccount] = debitAccount;
    undo.words[u + UndoWord.creditAccount] = creditAccount;
    copy128(undo.words, u + UndoWord.amount, kept, TransferWord.amount);
    copy128(undo.words, u + UndoWord.id, kept, TransferWord.id);
    for (let word = 0; word < HOLD_WORDS; word++) {
      undo.words[u + UndoWord.hold + word] = hold[h + word]!;
    }
  }
  if (!post) openAccountsOf(kernel, slot);
  kernel.holds.remove(slot);
  kernel.accepted.addResolved(index, debitAccount, creditAccount, kept, 0);
}
