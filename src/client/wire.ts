// JSON as docs/reference/http-api.md has it, from and to values of `base`: ids and amounts are
// bigint here and strings there, flags are bits here and names there.

import { type Account, AccountFlag } from '../base/account.ts';
import { type IdKind, formatId, parseId } from '../base/ids.ts';
import { parseMinor } from '../base/money.ts';
import { type Transfer, TransferFlag } from '../base/transfer-record.ts';
import { AnswerUnreadable } from './problems.ts';

export type NewAccount = Pick<Account, 'id' | 'ledger' | 'code'> &
  Partial<Pick<Account, 'flags' | 'userData128' | 'userData64' | 'userData32' | 'timestampNs'>>;

/** `timestampNs` only for imported ones. */
export type NewTransfer = Pick<Transfer, 'id'> & Partial<Omit<Transfer, 'id'>>;

export type Leg = {
  readonly accountId: bigint;
  readonly side: 'debit' | 'credit';
  readonly amount: bigint;
};

/** The debits of its legs are their credits; done all or not at all. */
export type NewPosting = Pick<Transfer, 'id' | 'ledger' | 'code'> &
  Partial<Pick<Transfer, 'userData128' | 'userData64' | 'userData32'>> & {
    readonly legs: readonly Leg[];
  };

export type PostingView = { readonly id: bigint; readonly transfers: readonly TransferView[] };

export type AccountView = Account & { readonly currency: string };

export type HoldState = 'none' | 'pending' | 'posted' | 'voided' | 'expired';

export type TransferView = Transfer & {
  readonly currency: string;
  readonly state: 'accepted' | 'failed';
  readonly hold: HoldState;
};

export type Ledger = {
  readonly ledger: number;
  readonly currency: string;
  readonly exponent: number;
};

export type CreateStatus = 'created' | 'exists';

/** What became of one event of a batch. */
export type BatchResult = {
  readonly id: bigint;
  readonly status: CreateStatus | 'refused';
  /** The refusal's name; empty unless refused. */
  readonly code: string;
  readonly detail: string;
};

export const ACCOUNT_FLAG_NAMES: Readonly<Record<string, number>> = {
  debits_must_not_exceed_credits: AccountFlag.debitsMustNotExceedCredits,
  credits_must_not_exceed_debits: AccountFlag.creditsMustNotExceedDebits,
  imported: AccountFlag.imported,
  closed: AccountFlag.closed,
  frozen: AccountFlag.frozen,
};

export const TRANSFER_FLAG_NAMES: Readonly<Record<string, number>> = {
  linked: TransferFlag.linked,
  pending: TransferFlag.pending,
  post_pending: TransferFlag.postPending,
  void_pending: TransferFlag.voidPending,
  balancing_debit: TransferFlag.balancingDebit,
  balancing_credit: TransferFlag.balancingCredit,
  closing_debit: TransferFlag.closingDebit,
  closing_credit: TransferFlag.closingCredit,
  imported: TransferFlag.imported,
};

export type JsonObject = Readonly<Record<string, unknown>>;

export function newAccountJson(account: NewAccount): JsonObject {
  return {
    id: formatId('account', account.id),
    ledger: account.ledger,
    code: account.code,
    ...optional('flags', account.flags, (flags) => flagNames(flags, ACCOUNT_FLAG_NAMES)),
    ...optional('timestamp_ns', account.timestampNs, String),
    ...userDataJson(account),
  };
}

export function newTransferJson(transfer: NewTransfer): JsonObject {
  return {
    id: formatId('transfer', transfer.id),
    ...optional('debit_account_id', transfer.debitAccountId, (id) => formatId('account', id)),
    ...optional('credit_account_id', transfer.creditAccountId, (id) => formatId('account', id)),
    ...optional('amount', transfer.amount, String),
    ...optional('ledger', transfer.ledger, (ledger) => ledger),
    ...optional('code', transfer.code, (code) => code),
    ...optional('flags', transfer.flags, (flags) => flagNames(flags, TRANSFER_FLAG_NAMES)),
    ...optional('pending_id', transfer.pendingId, (id) => formatId('transfer', id)),
    ...optional('timeout_seconds', transfer.timeoutSeconds, (seconds) => seconds),
    ...optional('timestamp_ns', transfer.timestampNs, String),
    ...userDataJson(transfer),
  };
}

export function newPostingJson(posting: NewPosting): JsonObject {
  return {
    id: formatId('posting', posting.id),
    ledger: posting.ledger,
    code: posting.code,
    legs: posting.legs.map(({ accountId, side, amount }) => ({
      account_id: formatId('account', accountId),
      side,
      amount: String(amount),
    })),
    ...userDataJson(posting),
  };
}

export function readPosting(value: unknown): PostingView {
  const from = new Members(value, 'posting');
  return { id: from.id('id', 'posting'), transfers: from.list('transfers').map(readTransfer) };
}

export function postingJson({ id, transfers }: PostingView): JsonObject {
  return { id: formatId('posting', id), transfers: transfers.map(transferJson) };
}

function userDataJson(data: {
  readonly userData128?: bigint;
  readonly userData64?: bigint;
  readonly userData32?: number;
}): JsonObject {
  return {
    ...optional('user_data_128', data.userData128, hex128),
    ...optional('user_data_64', data.userData64, String),
    ...optional('user_data_32', data.userData32, (value) => value),
  };
}

/**
 * What the caller did not say is left out. A 0 that he did say is sent: without its amount a post
 * takes all that is held.
 */
function optional<T>(
  name: string,
  value: T | undefined,
  toJson: (value: T) => unknown,
): JsonObject {
  return value === undefined ? {} : { [name]: toJson(value) };
}

export function accountJson(account: AccountView): JsonObject {
  return {
    id: formatId('account', account.id),
    ledger: account.ledger,
    currency: account.currency,
    code: account.code,
    flags: flagNames(account.flags, ACCOUNT_FLAG_NAMES),
    user_data_128: hex128(account.userData128),
    user_data_64: String(account.userData64),
    user_data_32: account.userData32,
    debits_pending: String(account.debitsPending),
    debits_posted: String(account.debitsPosted),
    credits_pending: String(account.creditsPending),
    credits_posted: String(account.creditsPosted),
    timestamp_ns: String(account.timestampNs),
  };
}

export function transferJson(transfer: TransferView): JsonObject {
  return {
    id: formatId('transfer', transfer.id),
    debit_account_id: formatId('account', transfer.debitAccountId),
    credit_account_id: formatId('account', transfer.creditAccountId),
    amount: String(transfer.amount),
    ledger: transfer.ledger,
    currency: transfer.currency,
    code: transfer.code,
    flags: flagNames(transfer.flags, TRANSFER_FLAG_NAMES),
    pending_id: transfer.pendingId === 0n ? null : formatId('transfer', transfer.pendingId),
    timeout_seconds: transfer.timeoutSeconds,
    user_data_128: hex128(transfer.userData128),
    user_data_64: String(transfer.userData64),
    user_data_32: transfer.userData32,
    state: transfer.state,
    hold: transfer.hold,
    timestamp_ns: String(transfer.timestampNs),
  };
}

export function readAccount(value: unknown): AccountView {
  const from = new Members(value, 'account');
  return {
    id: from.id('id', 'account'),
    ledger: from.count('ledger'),
    currency: from.text('currency'),
    code: from.count('code'),
    flags: from.flags('flags', ACCOUNT_FLAG_NAMES),
    userData128: from.hex('user_data_128'),
    userData64: from.integer('user_data_64'),
    userData32: from.count('user_data_32'),
    debitsPending: from.integer('debits_pending'),
    debitsPosted: from.integer('debits_posted'),
    creditsPending: from.integer('credits_pending'),
    creditsPosted: from.integer('credits_posted'),
    timestampNs: from.integer('timestamp_ns'),
  };
}

export function readTransfer(value: unknown): TransferView {
  const from = new Members(value, 'transfer');
  return {
    id: from.id('id', 'transfer'),
    debitAccountId: from.id('debit_account_id', 'account'),
    creditAccountId: from.id('credit_account_id', 'account'),
    amount: from.integer('amount'),
    ledger: from.count('ledger'),
    // A refused post or void that found no hold has no ledger.
    currency: from.isNull('currency') ? '' : from.text('currency'),
    code: from.count('code'),
    flags: from.flags('flags', TRANSFER_FLAG_NAMES),
    pendingId: from.isNull('pending_id') ? 0n : from.id('pending_id', 'transfer'),
    timeoutSeconds: from.count('timeout_seconds'),
    userData128: from.hex('user_data_128'),
    userData64: from.integer('user_data_64'),
    userData32: from.count('user_data_32'),
    state: from.oneOf('state', ['accepted', 'failed'] as const),
    hold: from.oneOf('hold', ['none', 'pending', 'posted', 'voided', 'expired'] as const),
    timestampNs: from.integer('timestamp_ns'),
  };
}

export function readLedger(value: unknown): Ledger {
  const from = new Members(value, 'ledger');
  return {
    ledger: from.count('ledger'),
    currency: from.text('currency'),
    exponent: from.count('exponent'),
  };
}

export function readBatchResult(value: unknown, kind: IdKind): BatchResult {
  const from = new Members(value, 'result');
  return {
    id: from.id('id', kind),
    status: from.oneOf('status', ['created', 'exists', 'refused'] as const),
    code: from.textOr('code', ''),
    detail: from.textOr('detail', ''),
  };
}

export function readList<T>(value: unknown, name: string, read: (item: unknown) => T): T[] {
  return new Members(value, 'answer').list(name).map(read);
}

export function readIds(value: unknown, name: string, kind: IdKind): bigint[] {
  return readList(value, name, (item) => readIdText(item, kind, name));
}

function readIdText(value: unknown, kind: IdKind, name: string): bigint {
  const id = typeof value === 'string' ? parseId(kind, value) : undefined;
  if (id === undefined) throw new AnswerUnreadable(`The answer's ${name} is not an id.`);
  return id;
}

export function flagNames(flags: number, names: Readonly<Record<string, number>>): string[] {
  return Object.entries(names)
    .filter(([, bit]) => (flags & bit) !== 0)
    .map(([name]) => name);
}

export function hex128(value: bigint): string {
  return value.toString(16).padStart(32, '0');
}

/** The members of one JSON object, read strictly: money must never come from a guess. */
class Members {
  readonly #members: JsonObject;
  readonly #what: string;

  constructor(value: unknown, what: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new AnswerUnreadable(`The answer's ${what} is not an object.`);
    }
    this.#members = value as JsonObject;
    this.#what = what;
  }

  text(name: string): string {
    const value = this.#members[name];
    if (typeof value !== 'string') throw this.#fault(name, 'is not text');
    return value;
  }

  textOr(name: string, otherwise: string): string {
    return this.#members[name] === undefined ? otherwise : this.text(name);
  }

  isNull(name: string): boolean {
    return this.#members[name] === null;
  }

  count(name: string): number {
    const value = this.#members[name];
    if (!Number.isSafeInteger(value)) throw this.#fault(name, 'is not an integer');
    return value as number;
  }

  integer(name: string): bigint {
    const value = parseMinor(this.text(name));
    if (typeof value === 'string') throw this.#fault(name, 'is not a decimal string');
    return value;
  }

  hex(name: string): bigint {
    const text = this.text(name);
    if (!/^[0-9a-f]{32}$/.test(text)) throw this.#fault(name, 'is not 32 hex digits');
    return BigInt(`0x${text}`);
  }

  id(name: string, kind: IdKind): bigint {
    return readIdText(this.#members[name], kind, `${this.#what}.${name}`);
  }

  list(name: string): readonly unknown[] {
    const value = this.#members[name];
    if (!Array.isArray(value)) throw this.#fault(name, 'is not a list');
    return value;
  }

  flags(name: string, names: Readonly<Record<string, number>>): number {
    let bits = 0;
    for (const item of this.list(name)) {
      const bit = typeof item === 'string' ? names[item] : undefined;
      if (bit === undefined) throw this.#fault(name, `has an unknown flag ${String(item)}`);
      bits |= bit;
    }
    return bits;
  }

  oneOf<const T extends string>(name: string, values: readonly T[]): T {
    const text = this.text(name);
    const found = values.find((value) => value === text);
    if (found === undefined) throw this.#fault(name, `is unknown: ${text}`);
    return found;
  }

  #fault(name: string, what: string): AnswerUnreadable {
    return new AnswerUnreadable(`The answer's ${this.#what}.${name} ${what}.`);
  }
}
