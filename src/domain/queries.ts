// What can be asked of the applied state. Read-only; values are copies.

import type { Account } from '../base/account.ts';
import type { HoldState } from '../base/answers.ts';
import { readIdWords, writeIdWords } from '../base/ids.ts';
import { type Transfer, TRANSFER_BYTES, decodeTransfer } from '../base/transfer-record.ts';
import { read128 } from '../base/u128.ts';
import { AccountWord } from './ledger/account-table.ts';
import { Balance } from './ledger/books.ts';
import { NO_RECORD } from './ledger/id-index.ts';
import type { LedgerDefinition } from './ledger/ledger-table.ts';
import { RecordStatus } from './ledger/remembered-transfers.ts';
import type { DomainState } from './state.ts';

export type { LedgerDefinition } from './ledger/ledger-table.ts';

export type TransferView = {
  /** As kept: accounts, ledger, code and amount resolved; `timestampNs` is when it was decided. */
  readonly transfer: Transfer;
  readonly state: 'accepted' | 'failed';
  readonly hold: HoldState;
};

export type LedgerTotals = {
  readonly ledger: number;
  readonly debitsPosted: bigint;
  readonly creditsPosted: bigint;
  readonly debitsPending: bigint;
  readonly creditsPending: bigint;
};

export type Counts = {
  readonly accounts: number;
  readonly holds: number;
  readonly remembered: number;
  readonly rememberedCapacity: number;
  /** The first second whose ids are remembered. */
  readonly edgeSeconds: number;
};

const ID_BITS = 128n;

export function findAccount(state: DomainState, id: bigint): Account | undefined {
  if (id >> ID_BITS !== 0n) return undefined;
  const key = new Uint32Array(4);
  writeIdWords(key, 0, id);
  const accounts = state.ledger.accounts;
  const account = accounts.find(key, 0);
  return account === NO_RECORD ? undefined : accountAt(state, account);
}

/** The account with this number, which there must be. */
export function accountAt(state: DomainState, account: number): Account {
  const accounts = state.ledger.accounts;
  const words = accounts.records.wordsOf(account);
  const first = accounts.records.offsetOf(account);
  const codeAndFlags = words[first + AccountWord.codeAndFlags]!;
  return {
    id: readIdWords(words, first + AccountWord.id),
    ledger: words[first + AccountWord.ledger]!,
    code: codeAndFlags & 0xffff,
    flags: codeAndFlags >>> 16,
    userData128: readIdWords(words, first + AccountWord.userData128),
    userData64: read64(words, first + AccountWord.userData64),
    userData32: words[first + AccountWord.userData32]!,
    timestampNs: read64(words, first + AccountWord.timestampNs),
    debitsPending: read128(words, first + AccountWord.debitsPending),
    debitsPosted: read128(words, first + AccountWord.debitsPosted),
    creditsPending: read128(words, first + AccountWord.creditsPending),
    creditsPosted: read128(words, first + AccountWord.creditsPosted),
  };
}

/** A remembered transfer; one that has been forgotten is in the history, not here. */
export function findTransfer(state: DomainState, id: bigint): TransferView | undefined {
  if (id >> ID_BITS !== 0n) return undefined;
  const key = new Uint32Array(4);
  writeIdWords(key, 0, id);
  const remembered = state.ledger.remembered;
  const slot = remembered.findAny(key, 0);
  if (slot === NO_RECORD) return undefined;
  const words = remembered.records.wordsOf(slot);
  const view = new DataView(
    words.buffer,
    words.byteOffset + 4 * remembered.records.offsetOf(slot),
    TRANSFER_BYTES,
  );
  const status = remembered.statusOf(slot);
  return {
    transfer: decodeTransfer(view, 0),
    state: (status & RecordStatus.accepted) === 0 ? 'failed' : 'accepted',
    hold: holdState(status),
  };
}

function holdState(status: number): HoldState {
  switch (status & RecordStatus.holdMask) {
    case RecordStatus.holdPending:
      return 'pending';
    case RecordStatus.holdPosted:
      return 'posted';
    case RecordStatus.holdVoided:
      return 'voided';
    case RecordStatus.holdExpired:
      return 'expired';
    default:
      return 'none';
  }
}

export function findLedger(state: DomainState, ledger: number): LedgerDefinition | undefined {
  return state.ledgers.find(ledger);
}

/** By number. */
export function listLedgers(state: DomainState): LedgerDefinition[] {
  return [...state.ledgers.definitions].sort((a, b) => a.ledger - b.ledger);
}

/** By number of the ledger. */
export function ledgerTotals(state: DomainState): LedgerTotals[] {
  const books = state.ledger.books;
  return state.ledgers.definitions
    .map(({ ledger }, ordinal) => ({
      ledger,
      debitsPosted: books.total(ordinal, Balance.debitsPosted),
      creditsPosted: books.total(ordinal, Balance.creditsPosted),
      debitsPending: books.total(ordinal, Balance.debitsPending),
      creditsPending: books.total(ordinal, Balance.creditsPending),
    }))
    .sort((a, b) => a.ledger - b.ledger);
}

export function counts(state: DomainState): Counts {
  return {
    accounts: state.ledger.accounts.count,
    holds: state.ledger.holds.count,
    remembered: state.ledger.remembered.count,
    rememberedCapacity: state.ledger.remembered.capacity,
    edgeSeconds: state.ledger.remembered.edge,
  };
}

function read64(words: Uint32Array, i: number): bigint {
  return (BigInt(words[i + 1]!) << 32n) | BigInt(words[i]!);
}
