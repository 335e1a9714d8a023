// Immediate and pending transfers: checks 12 to 29 of docs/reference/ledger-rules.md, then the
// deed.

import { AccountFlag } from '../../base/account.ts';
import { TRANSFER_WORDS, TransferFlag, TransferWord } from '../../base/transfer-record.ts';
import {
  add128,
  compare128,
  copy128,
  equal128,
  isMax128,
  isZero128,
  subtract128,
} from '../../base/u128.ts';
import { CREATED, REFUSAL } from '../refusals.ts';
import { BARRED, CLOSING, checkBarred, closeAccounts } from './account-states.ts';
import { AccountWord } from './account-table.ts';
import { Balance, LEDGER_TOTAL_WORDS, TOTAL_WORDS } from './books.ts';
import { compareTime } from './expiry-heap.ts';
import { HoldWord } from './hold-table.ts';
import { NO_RECORD } from './id-index.ts';
import { regresses, stampRecord } from './imported-time.ts';
import type { LedgerKernel } from './kernel.ts';
import { RecordStatus } from './remembered-transfers.ts';
import { Deed, UndoWord } from './undo-log.ts';

const NS_PER_S = 1_000_000_000n;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
const BALANCING = TransferFlag.balancingDebit | TransferFlag.balancingCredit;
const SPECIAL = BALANCING | TransferFlag.imported;

export function moveMoney(
  kernel: LedgerKernel,
  words: Uint32Array,
  index: number,
  second: number,
): number {
  const o = index * TRANSFER_WORDS;
  const flags = words[o + TransferWord.codeAndFlags]! >>> 16;
  const pending = (flags & TransferFlag.pending) !== 0;
  const { ahead, accepted } = kernel;
  const debitAccount = ahead.debitAccountOf(index);
  const creditAccount = ahead.creditAccountOf(index);
  // Two accounts that exist and are not one have ids that nothing can be said against.
  if (debitAccount === NO_RECORD || creditAccount === NO_RECORD || debitAccount === creditAccount) {
    const fault = checkAccountIds(words, o);
    if (fault !== CREATED) return fault;
  }
  const fault = checkFields(words, o, flags);
  if (fault !== CREATED) return fault;
  if (debitAccount === NO_RECORD) return REFUSAL.debit_account_not_found;
  if (creditAccount === NO_RECORD) return REFUSAL.credit_account_not_found;
  const accounts = kernel.accounts;
  const debit = accounts.records.wordsOf(debitAccount);
  const d = accounts.records.offsetOf(debitAccount);
  const credit = accounts.records.wordsOf(creditAccount);
  const c = accounts.records.offsetOf(creditAccount);
  const other = checkLedgers(words, o, debit, d, credit, c);
  if (other !== CREATED) return other;
  const limited =
    (debit[d + AccountWord.codeAndFlags]! | credit[c + AccountWord.codeAndFlags]!) >>> 16;
  // What is asked for, or a draft of it with the amount that is possible.
  let source = words;
  let s = o;
  if (((flags & SPECIAL) | (limited & BARRED)) !== 0) {
    const bar = checkSpecial(kernel, words, o, debit, d, credit, c);
    if (bar !== CREATED) return bar;
    if ((flags & BALANCING) !== 0) {
      source = kernel.draft;
      s = 0;
    }
  }
  const amount = s + TransferWord.amount;
  if (mayOverflow(source, amount, debit, d, credit, c)) {
    const overflow = checkOverflows(kernel, source, amount, debit, d, credit, c, pending);
    if (overflow !== CREATED) return overflow;
  }
  if (pending && words[o + TransferWord.timeoutSeconds] !== 0) {
    if (expiryOf(kernel, words, o) > U64_MAX) return REFUSAL.overflows_timeout;
  }
  if (limited !== 0) {
    const limit = checkLimits(kernel, source, amount, debit, d, credit, c);
    if (limit !== CREATED) return limit;
  }

  accounts.beforeWriteBoth(debitAccount, creditAccount);
  raiseBoth(kernel, source, amount, debit, d, credit, c, pending);
  const hash = kernel.ahead.hashOf(index);
  const remembered = kernel.remembered;
  const status = RecordStatus.accepted | (pending ? RecordStatus.holdPending : 0);
  const slot = remembered.add(hash, second, source, s, status);
  const kept = remembered.records.wordsOf(slot);
  const stamp = remembered.records.offsetOf(slot) + TransferWord.timestampNs;
  stampRecord(kernel, source, s, kept, stamp);
  if (pending) addHold(kernel, source, s, debitAccount, creditAccount, kept, stamp);
  if (kernel.undo.recording) noteDeed(kernel, source, s, debitAccount, creditAccount);
  const record = stamp - TransferWord.timestampNs;
  if (source === words) accepted.add(index, debitAccount, creditAccount);
  else accepted.addResolved(index, debitAccount, creditAccount, kept, record);
  return CREATED;
}

function checkLedgers(
  words: Uint32Array,
  o: number,
  debit: Uint32Array,
  d: number,
  credit: Uint32Array,
  c: number,
): number {
  const ledger = debit[d + AccountWord.ledger];
  if (ledger !== credit[c + AccountWord.ledger]) return REFUSAL.accounts_must_have_the_same_ledger;
  return ledger === words[o + TransferWord.ledger]
    ? CREATED
    : REFUSAL.transfer_must_have_the_same_ledger_as_accounts;
}

/** Three numbers below 2^126 cannot pass 2^128: then no sum needs to be made. */
function mayOverflow(
  source: Uint32Array,
  amount: number,
  debit: Uint32Array,
  d: number,
  credit: Uint32Array,
  c: number,
): boolean {
  const highest =
    source[amount + 3]! |
    debit[d + AccountWord.debitsPending + 3]! |
    debit[d + AccountWord.debitsPosted + 3]! |
    credit[c + AccountWord.creditsPending + 3]! |
    credit[c + AccountWord.creditsPosted + 3]!;
  return highest >>> 30 !== 0;
}

function raiseBoth(
  kernel: LedgerKernel,
  source: Uint32Array,
  amount: number,
  debit: Uint32Array,
  d: number,
  credit: Uint32Array,
  c: number,
  pending: boolean,
): void {
  const books = kernel.books;
  const total = debit[d + AccountWord.ledgerOrdinal]! * LEDGER_TOTAL_WORDS;
  const debitSide = pending ? Balance.debitsPending : Balance.debitsPosted;
  const creditSide = pending ? Balance.creditsPending : Balance.creditsPosted;
  books.raise(debit, d + 4 * debitSide, source, amount, total + debitSide * TOTAL_WORDS);
  books.raise(credit, c + 4 * creditSide, source, amount, total + creditSide * TOTAL_WORDS);
}

/** Checks 21 to 25: what few transfers need. A balancing one is then in `kernel.draft`. */
function checkSpecial(
  kernel: LedgerKernel,
  words: Uint32Array,
  o: number,
  debit: Uint32Array,
  d: number,
  credit: Uint32Array,
  c: number,
): number {
  if (kernel.importing) {
    if (regresses(kernel, words, o)) return REFUSAL.imported_event_timestamp_must_not_regress;
    const time = o + TransferWord.timestampNs;
    if (compareTime(words, time, debit, d + AccountWord.timestampNs) <= 0) {
      return REFUSAL.imported_event_timestamp_must_postdate_debit_account;
    }
    if (compareTime(words, time, credit, c + AccountWord.timestampNs) <= 0) {
      return REFUSAL.imported_event_timestamp_must_postdate_credit_account;
    }
    if (words[o + TransferWord.timeoutSeconds] !== 0) {
      return REFUSAL.imported_event_timeout_must_be_zero;
    }
  }
  const debitFlags = debit[d + AccountWord.codeAndFlags]! >>> 16;
  const creditFlags = credit[c + AccountWord.codeAndFlags]! >>> 16;
  const barred = checkBarred(debitFlags, creditFlags);
  if (barred !== CREATED) return barred;
  const flags = words[o + TransferWord.codeAndFlags]! >>> 16;
  if ((flags & BALANCING) === 0) return CREATED;
  const draft = kernel.draft;
  for (let word = 0; word < TRANSFER_WORDS; word++) draft[word] = words[o + word]!;
  const closing = (flags & CLOSING) !== 0;
  if ((flags & TransferFlag.balancingDebit) !== 0) {
    const { creditsPosted, debitsPosted, debitsPending } = AccountWord;
    lowerToRoom(kernel, debit, d + creditsPosted, d + debitsPosted, d + debitsPending);
    if (!closing && isZero128(draft, TransferWord.amount)) return REFUSAL.exceeds_credits;
  }
  if ((flags & TransferFlag.balancingCredit) !== 0) {
    const { debitsPosted, creditsPosted, creditsPending } = AccountWord;
    lowerToRoom(kernel, credit, c + debitsPosted, c + creditsPosted, c + creditsPending);
    if (!closing && isZero128(draft, TransferWord.amount)) return REFUSAL.exceeds_debits;
  }
  return CREATED;
}

/** The draft's amount becomes at most `of - taken - held` of the account, which is at least 0. */
function lowerToRoom(
  kernel: LedgerKernel,
  account: Uint32Array,
  of: number,
  taken: number,
  held: number,
): void {
  const draft = kernel.draft;
  const room = kernel.sum;
  copy128(room, 0, account, of);
  // Both together are below 2^128, so two subtractions wrap at most once.
  const negative = subtract128(room, 0, account, taken) || subtract128(room, 0, account, held);
  if (negative) room.fill(0);
  if (compare128(room, 0, draft, TransferWord.amount) < 0) {
    copy128(draft, TransferWord.amount, room, 0);
  }
}

function checkAccountIds(words: Uint32Array, o: number): number {
  const debit = o + TransferWord.debitAccountId;
  const credit = o + TransferWord.creditAccountId;
  if (isZero128(words, debit)) return REFUSAL.debit_account_id_must_not_be_zero;
  if (isMax128(words, debit)) return REFUSAL.debit_account_id_must_not_be_max;
  if (isZero128(words, credit)) return REFUSAL.credit_account_id_must_not_be_zero;
  if (isMax128(words, credit)) return REFUSAL.credit_account_id_must_not_be_max;
  if (equal128(words, debit, words, credit)) return REFUSAL.accounts_must_be_different;
  return CREATED;
}

function checkFields(words: Uint32Array, o: number, flags: number): number {
  const pending = (flags & TransferFlag.pending) !== 0;
  if (!isZero128(words, o + TransferWord.pendingId)) return REFUSAL.pending_id_must_be_zero;
  if (!pending && words[o + TransferWord.timeoutSeconds] !== 0) {
    return REFUSAL.timeout_reserved_for_pending_transfer;
  }
  const closing = (flags & CLOSING) !== 0;
  if (closing && !pending) return REFUSAL.closing_transfer_must_be_pending;
  if (!closing && isZero128(words, o + TransferWord.amount)) return REFUSAL.amount_must_not_be_zero;
  if (words[o + TransferWord.ledger] === 0) return REFUSAL.ledger_must_not_be_zero;
  if ((words[o + TransferWord.codeAndFlags]! & 0xffff) === 0) return REFUSAL.code_must_not_be_zero;
  return CREATED;
}

function checkOverflows(
  kernel: LedgerKernel,
  words: Uint32Array,
  amount: number,
  debit: Uint32Array,
  d: number,
  credit: Uint32Array,
  c: number,
  pending: boolean,
): number {
  const sum = kernel.sum;
  const passes = (account: Uint32Array, first: number, second?: number): boolean => {
    copy128(sum, 0, words, amount);
    const overflow = add128(sum, 0, account, first);
    return second === undefined ? overflow : overflow || add128(sum, 0, account, second);
  };
  const debitsPending = d + AccountWord.debitsPending;
  const debitsPosted = d + AccountWord.debitsPosted;
  const creditsPending = c + AccountWord.creditsPending;
  const creditsPosted = c + AccountWord.creditsPosted;
  if (pending && passes(debit, debitsPending)) return REFUSAL.overflows_debits_pending;
  if (pending && passes(credit, creditsPending)) return REFUSAL.overflows_credits_pending;
  if (passes(debit, debitsPosted)) return REFUSAL.overflows_debits_posted;
  if (passes(credit, creditsPosted)) return REFUSAL.overflows_credits_posted;
  if (passes(debit, debitsPending, debitsPosted)) return REFUSAL.overflows_debits;
  if (passes(credit, creditsPending, creditsPosted)) return REFUSAL.overflows_credits;
  return CREATED;
}

/** The sums have been found not to overflow. */
function checkLimits(
  kernel: LedgerKernel,
  words: Uint32Array,
  amount: number,
  debit: Uint32Array,
  d: number,
  credit: Uint32Array,
  c: number,
): number {
  const sum = kernel.sum;
  const debitFlags = debit[d + AccountWord.codeAndFlags]! >>> 16;
  if ((debitFlags & AccountFlag.debitsMustNotExceedCredits) !== 0) {
    copy128(sum, 0, words, amount);
    add128(sum, 0, debit, d + AccountWord.debitsPending);
    add128(sum, 0, debit, d + AccountWord.debitsPosted);
    if (compare128(sum, 0, debit, d + AccountWord.creditsPosted) > 0) {
      return REFUSAL.exceeds_credits;
    }
  }
  const creditFlags = credit[c + AccountWord.codeAndFlags]! >>> 16;
  if ((creditFlags & AccountFlag.creditsMustNotExceedDebits) !== 0) {
    copy128(sum, 0, words, amount);
    add128(sum, 0, credit, c + AccountWord.creditsPending);
    add128(sum, 0, credit, c + AccountWord.creditsPosted);
    if (compare128(sum, 0, credit, c + AccountWord.debitsPosted) > 0) {
      return REFUSAL.exceeds_debits;
    }
  }
  return CREATED;
}

function expiryOf(kernel: LedgerKernel, words: Uint32Array, o: number): bigint {
  return kernel.eventTimeNs() + BigInt(words[o + TransferWord.timeoutSeconds]!) * NS_PER_S;
}

function addHold(
  kernel: LedgerKernel,
  words: Uint32Array,
  o: number,
  debitAccount: number,
  creditAccount: number,
  kept: Uint32Array,
  stamp: number,
): void {
  const hold = kernel.holdDraft;
  copy128(hold, HoldWord.id, words, o + TransferWord.id);
  hold[HoldWord.debitAccount] = debitAccount;
  hold[HoldWord.creditAccount] = creditAccount;
  hold[HoldWord.ledger] = words[o + TransferWord.ledger]!;
  const codeAndFlags = words[o + TransferWord.codeAndFlags]!;
  hold[HoldWord.codeAndFlags] = codeAndFlags;
  copy128(hold, HoldWord.amount, words, o + TransferWord.amount);
  const expires = words[o + TransferWord.timeoutSeconds] !== 0;
  const expiry = expires ? expiryOf(kernel, words, o) : 0n;
  hold[HoldWord.expiryNs] = Number(expiry & 0xffff_ffffn);
  hold[HoldWord.expiryNs + 1] = Number(expiry >> 32n);
  hold[HoldWord.timestampNs] = kept[stamp]!;
  hold[HoldWord.timestampNs + 1] = kept[stamp + 1]!;
  kernel.holds.add(hold, 0);
  closeAccounts(kernel, codeAndFlags >>> 16, debitAccount, creditAccount);
}

function noteDeed(
  kernel: LedgerKernel,
  words: Uint32Array,
  o: number,
  debitAccount: number,
  creditAccount: number,
): void {
  const pending = ((words[o + TransferWord.codeAndFlags]! >>> 16) & TransferFlag.pending) !== 0;
  const undo = kernel.undo;
  const u = undo.add(pending ? Deed.pending : Deed.immediate);
  undo.words[u + UndoWord.tailBefore] = kernel.remembered.tailBefore;
  undo.words[u + UndoWord.debitAccount] = debitAccount;
  undo.words[u + UndoWord.creditAccount] = creditAccount;
  copy128(undo.words, u + UndoWord.amount, words, o + TransferWord.amount);
  copy128(undo.words, u + UndoWord.id, words, o + TransferWord.id);
}
