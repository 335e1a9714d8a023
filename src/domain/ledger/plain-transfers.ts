// The plain transfer's own road: no flags, nothing but two accounts that are not closed or frozen
// and stay within their limits, an amount of 32 bits that carries nothing over, a new id, and room
// for it. Whatever is not plain is left, untouched, to evaluate-transfer.ts, which gives the same
// answer to a plain one.
//
// What transfers have in common is done once for a stretch of them: records that follow each other
// are copied in one piece into slots that follow each other, and the totals are raised by the sum.
// Nothing outside can tell: before anything else looks, the stretch is closed.

import { AccountFlag } from '../../base/account.ts';
import { TRANSFER_WORDS, TransferWord } from '../../base/transfer-record.ts';
import { CREATED } from '../refusals.ts';
import { AccountWord, ACCOUNT_WORDS } from './account-table.ts';
import { Balance, LEDGER_TOTAL_WORDS, TOTAL_WORDS, mixEven, mixOdd } from './books.ts';
import { NO_RECORD } from './id-index.ts';
import type { LedgerKernel } from './kernel.ts';
import { AHEAD_MASK } from './look-ahead.ts';
import { CHUNK_BITS, CHUNK_MASK } from './record-chunks.ts';

const STRETCH_MAX = 2048;
const MS_PER_SECOND = 1000;
const WORD_MAX = 0xffff_ffff;
const WORD = 0x1_0000_0000;
const DEBITS_LIMITED = AccountFlag.debitsMustNotExceedCredits << 16;
const CREDITS_LIMITED = AccountFlag.creditsMustNotExceedDebits << 16;
const LIMITED = DEBITS_LIMITED | CREDITS_LIMITED;
/** An imported account moves money like any other. */
const HINDERING = (0xffff << 16) & ~((AccountFlag.imported << 16) | LIMITED);

/** Applies events from `from` on, as long as they are plain; returns the first that is not. */
export function applyPlain(
  kernel: LedgerKernel,
  words: Uint32Array,
  codes: Uint16Array,
  from: number,
): number {
  let event = from;
  while (event < codes.length) {
    const count = applyStretch(kernel, words, event, codes.length);
    if (count === 0) return event;
    codes.fill(CREATED, event, event + count);
    event += count;
  }
  return event;
}

/** Applies what goes into one stretch of slots; returns how many events that are. */
function applyStretch(kernel: LedgerKernel, words: Uint32Array, from: number, end: number): number {
  const { ahead, remembered, books } = kernel;
  if (!isPlain(words, from * TRANSFER_WORDS)) return 0;
  ahead.reach(words, from);
  const debitAccount = ahead.debitAccountOf(from);
  const second = Math.floor(ahead.unixMsOf(from) / MS_PER_SECOND);
  if (debitAccount === NO_RECORD || second < remembered.edge || second === 0) return 0;
  if (remembered.count >= remembered.capacity) return 0;
  const accounts = kernel.accounts.records;
  const ordinal =
    accounts.wordsOf(debitAccount)[accounts.offsetOf(debitAccount) + AccountWord.ledgerOrdinal]!;
  const slot = remembered.nextSlot();
  const room = remembered.stretchAt(slot, Math.min(end - from, STRETCH_MAX));
  const count = move(kernel, words, from, from + room, second, ordinal, slot);
  if (count === 0) return 0;
  remembered.addStretch(second, slot, count, words, from * TRANSFER_WORDS);
  stamp(kernel, from, slot, count);
  const total = ordinal * LEDGER_TOTAL_WORDS;
  books.raiseTotal(total + Balance.debitsPosted * TOTAL_WORDS, kernel.raised[0]!);
  books.raiseTotal(total + Balance.creditsPosted * TOTAL_WORDS, kernel.raised[1]!);
  return count;
}

/** The money of events that are plain, of one second and of one ledger, and their places. */
function move(
  kernel: LedgerKernel,
  words: Uint32Array,
  from: number,
  end: number,
  second: number,
  ordinal: number,
  slot: number,
): number {
  const { hashes, unixMs: times, debitAccounts, creditAccounts } = kernel.ahead;
  const accepted = kernel.accepted;
  const records = kernel.accounts.records;
  const chunks = records.chunks;
  const index = kernel.remembered.index;
  const mix = kernel.books.mix;
  const timeMin = second * MS_PER_SECOND;
  const timeMax = Math.min(timeMin + MS_PER_SECOND - 1, kernel.idUnixMsMax);
  const place = accepted.count - from;
  let [mix0, mix1] = [mix[0]! | 0, mix[1]! | 0];
  let [debited, credited] = [0, 0];
  let event = from;
  for (; event < end; event++) {
    const o = event * TRANSFER_WORDS;
    if (!isPlain(words, o)) break;
    kernel.ahead.reach(words, event);
    const near = event & AHEAD_MASK;
    const time = times[near]!;
    if (time < timeMin || time > timeMax) break;
    const debitAccount = debitAccounts[near]!;
    const creditAccount = creditAccounts[near]!;
    if ((debitAccount | creditAccount) < 0 || debitAccount === creditAccount) break;
    const debit = chunks[debitAccount >>> CHUNK_BITS]!;
    const d = (debitAccount & CHUNK_MASK) * ACCOUNT_WORDS;
    const credit = chunks[creditAccount >>> CHUNK_BITS]!;
    const c = (creditAccount & CHUNK_MASK) * ACCOUNT_WORDS;
    if (debit[d + AccountWord.ledgerOrdinal] !== ordinal) break;
    if (words[o + TransferWord.ledger] !== debit[d + AccountWord.ledger]) break;
    const amount = words[o + TransferWord.amount]!;
    if (!mayMove(debit, d, credit, c, amount)) break;
    const i = d + AccountWord.debitsPosted;
    const j = c + AccountWord.creditsPosted;
    const debitBefore = debit[i]!;
    const creditBefore = credit[j]!;
    if (debitBefore + amount > WORD_MAX || creditBefore + amount > WORD_MAX) break;
    if (!index.isNew(time, hashes[near]!, words, o)) break;
    if (!index.insertNew(slot + event - from)) break;

    records.beforeWrite(debitAccount);
    records.beforeWrite(creditAccount);
    debit[i] = debitBefore + amount;
    credit[j] = creditBefore + amount;
    debited += debit[i] - debitBefore;
    credited += credit[j] - creditBefore;
    let even = mixEven(mix0, debit, i);
    mix1 = mixOdd(mix1, even, debit, i);
    even = mixEven((even << 13) | (even >>> 19), credit, j);
    mix1 = mixOdd(mix1, even, credit, j);
    mix0 = (even << 13) | (even >>> 19);
    accepted.put(place + event, event, debitAccount, creditAccount);
  }
  mix[0] = mix0;
  mix[1] = mix1;
  kernel.raised[0] = debited;
  kernel.raised[1] = credited;
  accepted.advanceTo(place + event);
  return event - from;
}

/** Every event of a command has a timestamp of its own. */
function stamp(kernel: LedgerKernel, from: number, slot: number, count: number): void {
  const { commandTime, remembered } = kernel;
  const words = remembered.records.wordsOf(slot);
  const first = remembered.records.offsetOf(slot) + TransferWord.timestampNs;
  const low = commandTime[0]! + from;
  const high = commandTime[1]!;
  for (let i = 0; i < count; i++) {
    const time = low + i;
    words[first + i * TRANSFER_WORDS] = time;
    words[first + i * TRANSFER_WORDS + 1] = time > WORD_MAX ? high + 1 : high;
  }
}
/** What the record itself says: no flags, a code, an amount of 32 bits, and nothing else. */
function isPlain(words: Uint32Array, o: number): boolean {
  const codeAndFlags = words[o + TransferWord.codeAndFlags]!;
  const others =
    words[o + TransferWord.amount + 1]! |
    words[o + TransferWord.amount + 2]! |
    words[o + TransferWord.amount + 3]! |
    words[o + TransferWord.pendingId]! |
    words[o + TransferWord.pendingId + 1]! |
    words[o + TransferWord.pendingId + 2]! |
    words[o + TransferWord.pendingId + 3]! |
    words[o + TransferWord.timeoutSeconds]! |
    words[o + TransferWord.timestampNs]! |
    words[o + TransferWord.timestampNs + 1]!;
  return (
    codeAndFlags - 1 < 0xffff &&
    codeAndFlags !== 0 &&
    others === 0 &&
    words[o + TransferWord.amount] !== 0
  );
}

/** Accounts of one ledger, without states, within their limits, whose sums are far from 2^128. */
function mayMove(
  debit: Uint32Array,
  d: number,
  credit: Uint32Array,
  c: number,
  amount: number,
): boolean {
  const flags = debit[d + AccountWord.codeAndFlags]! | credit[c + AccountWord.codeAndFlags]!;
  const highest =
    debit[d + AccountWord.debitsPending + 3]! |
    debit[d + AccountWord.debitsPosted + 3]! |
    credit[c + AccountWord.creditsPending + 3]! |
    credit[c + AccountWord.creditsPosted + 3]!;
  return (
    debit[d + AccountWord.ledger] === credit[c + AccountWord.ledger] &&
    (flags & HINDERING) === 0 &&
    highest >>> 30 === 0 &&
    ((flags & LIMITED) === 0 || isWithinLimits(debit, d, credit, c, amount))
  );
}

/** True where limits certainly hold; where they may not, the general road finds out. */
function isWithinLimits(
  debit: Uint32Array,
  d: number,
  credit: Uint32Array,
  c: number,
  amount: number,
): boolean {
  if ((debit[d + AccountWord.codeAndFlags]! & DEBITS_LIMITED) !== 0) {
    const { debitsPending, debitsPosted, creditsPosted } = AccountWord;
    const debits = small(debit, d + debitsPending) + small(debit, d + debitsPosted);
    if (!(debits + amount <= small(debit, d + creditsPosted))) return false;
  }
  if ((credit[c + AccountWord.codeAndFlags]! & CREDITS_LIMITED) !== 0) {
    const { creditsPending, creditsPosted, debitsPosted } = AccountWord;
    const credits = small(credit, c + creditsPending) + small(credit, c + creditsPosted);
    if (!(credits + amount <= small(credit, c + debitsPosted))) return false;
  }
  return true;
}

/** The balance at `words[i]` if it is below 2^51, so that sums are exact; or else NaN. */
function small(words: Uint32Array, i: number): number {
  const high = words[i + 1]!;
  const isSmall = (words[i + 2]! | words[i + 3]! | (high >>> 19)) === 0;
  return isSmall ? high * WORD + words[i]! : Number.NaN;
}
