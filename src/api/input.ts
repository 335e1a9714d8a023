// From the value of a JSON body to what the journal stores: transfers straight into their 128-byte
// records, accounts into canonical members. Everything is checked before anything is admitted, so
// one bad element refuses the whole request and changes nothing. Written by hand, field by field
// in one pass, because a schema would read each of 8,189 transfers twice; schemas.ts describes the
// same bodies, and a test holds the two together.
//
// What is well-formed but makes no sense (amount 0, ledger 0, an account paying itself) is left to
// the books, whose refusals are one closed list for all doors.

import { AccountFlag } from '../base/account.ts';
import { ID_PREFIX, type IdKind } from '../base/ids.ts';
import { ACCOUNTS_PER_REQUEST_MAX, TRANSFERS_PER_REQUEST_MAX } from '../base/limits.ts';
import { parseMinor } from '../base/money.ts';
import { TRANSFER_BYTES, TransferFlag, TransferOffset } from '../base/transfer-record.ts';
import type { AccountInput } from '../domain/commands.ts';
import {
  type FieldFault,
  HEX_128_PATTERN,
  HEX_DIGITS,
  INPUT_ERRORS_MAX,
  U16_MAX,
  U32_MAX,
  U64_MAX,
  addError,
  amountFault,
  amountTypeFault,
  faultError,
  integerFault,
  isObject,
  malformedId,
  malformedUserData128,
  notAnObject,
  readFlags,
  refuse,
  requiredField,
  timestampFault,
  unknownField,
  userData64Fault,
  writeHex,
  wrongType,
} from './input-values.ts';
import { type InputError, inputProblem } from './problems.ts';
import { childPointer } from './strict-json.ts';

export const TRANSFER_FLAG_BITS: { readonly [name: string]: number } = {
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

/** What may be asked for when an account is opened. */
export const ACCOUNT_FLAG_BITS: { readonly [name: string]: number } = {
  debits_must_not_exceed_credits: AccountFlag.debitsMustNotExceedCredits,
  credits_must_not_exceed_debits: AccountFlag.creditsMustNotExceedDebits,
  imported: AccountFlag.imported,
};

/** What an account shows: also the states that it gets and loses later. */
export const ACCOUNT_FLAG_BITS_SHOWN: { readonly [name: string]: number } = {
  ...ACCOUNT_FLAG_BITS,
  closed: AccountFlag.closed,
  frozen: AccountFlag.frozen,
};

/** One member of a transfer: writes it into the record, or says what is wrong with it. */
type TransferField = {
  readonly bit: number;
  readonly write: (record: DataView, offset: number, value: unknown) => FieldFault | undefined;
};

export const TRANSFER_FIELDS: ReadonlyMap<string, TransferField> = new Map([
  ['id', idField(1 << 0, 'transfer', TransferOffset.id)],
  ['debit_account_id', idField(1 << 1, 'account', TransferOffset.debitAccountId)],
  ['credit_account_id', idField(1 << 2, 'account', TransferOffset.creditAccountId)],
  ['amount', { bit: 1 << 3, write: writeAmount }],
  ['ledger', u32Field(1 << 4, TransferOffset.ledger)],
  ['code', { bit: 1 << 5, write: writeCode }],
  ['flags', { bit: 1 << 6, write: writeFlags }],
  ['pending_id', idField(1 << 7, 'transfer', TransferOffset.pendingId)],
  ['timeout_seconds', u32Field(1 << 8, TransferOffset.timeoutSeconds)],
  ['user_data_128', { bit: 1 << 9, write: writeUserData128 }],
  ['user_data_64', { bit: 1 << 10, write: writeUserData64 }],
  ['user_data_32', u32Field(1 << 11, TransferOffset.userData32)],
  ['timestamp_ns', { bit: 1 << 12, write: writeTimestamp }],
]);

/** One member of a transfer, as it is read everywhere: what is wrong with it, or nothing. */
export function writeMember(
  name: 'debit_account_id' | 'amount' | 'ledger' | 'code' | `user_data_${128 | 64 | 32}`,
  record: DataView,
  value: unknown,
): FieldFault | undefined {
  return TRANSFER_FIELDS.get(name)!.write(record, 0, value);
}
const ZERO = 0x30;
const TWO_32 = 2 ** 32;
/** 10^15 - 1 is below 2^53. */
const SHORT_DIGITS_MAX = 15;
const AMOUNT_BIT = 1 << 3;
const ORDINARY_REQUIRED = [
  'id',
  'debit_account_id',
  'credit_account_id',
  'amount',
  'ledger',
  'code',
];
const RESOLVING_REQUIRED = ['id', 'pending_id'];
const ORDINARY_BITS = bitsOf(ORDINARY_REQUIRED);
const RESOLVING_BITS = bitsOf(RESOLVING_REQUIRED);
const NONE: readonly string[] = [];

/** The record of the one transfer that is the body. */
export function readTransfer(body: unknown): Uint8Array<ArrayBuffer> {
  const errors: InputError[] = [];
  const bytes = new Uint8Array(TRANSFER_BYTES);
  writeTransfer(new DataView(bytes.buffer), 0, body, '', errors);
  refuse(errors);
  return bytes;
}

export type TransferBatch = {
  /** The ids as they were sent, in the order of the request. */
  readonly ids: readonly string[];
  readonly records: Uint8Array<ArrayBuffer>;
};

/** The records of `{"transfers":[...]}`. */
export function readTransfers(body: unknown): TransferBatch {
  const items = readList(body, 'transfers', TRANSFERS_PER_REQUEST_MAX);
  const errors: InputError[] = [];
  const records = new Uint8Array(items.length * TRANSFER_BYTES);
  const view = new DataView(records.buffer);
  for (let index = 0; index < items.length; index++) {
    writeTransfer(view, index * TRANSFER_BYTES, items[index], `/transfers/${index}`, errors);
    if (errors.length >= INPUT_ERRORS_MAX) break;
  }
  refuse(errors);
  return { ids: items.map((item) => (item as { readonly id: string }).id), records };
}

function writeTransfer(
  record: DataView,
  offset: number,
  value: unknown,
  pointer: string,
  errors: InputError[],
): void {
  if (!isObject(value)) {
    errors.push(notAnObject(pointer));
    return;
  }
  let seen = 0;
  for (const name of Object.keys(value)) {
    const field = TRANSFER_FIELDS.get(name);
    if (field === undefined) {
      addError(errors, unknownField(childPointer(pointer, name)));
      continue;
    }
    seen |= field.bit;
    const fault = field.write(record, offset, value[name]);
    if (fault !== undefined) addError(errors, faultError(childPointer(pointer, name), fault));
  }
  for (const name of missingMembers(record, offset, seen)) {
    addError(errors, requiredField(childPointer(pointer, name)));
  }
  fillAmount(record, offset, seen);
}

/**
 * What a transfer lacks whose members were written into the record; `seen` has their bits. Whether
 * it is a post or a void is in the record.
 */
export function missingMembers(record: DataView, offset: number, seen: number): readonly string[] {
  const flags = record.getUint16(offset + TransferOffset.flags, true);
  const resolves = (flags & (TransferFlag.postPending | TransferFlag.voidPending)) !== 0;
  if ((~seen & (resolves ? RESOLVING_BITS : ORDINARY_BITS)) === 0) return NONE;
  const required = resolves ? RESOLVING_REQUIRED : ORDINARY_REQUIRED;
  return required.filter((name) => (seen & TRANSFER_FIELDS.get(name)!.bit) === 0);
}

/** Without an amount a post posts all that is held: the books read 2^128 - 1 so. */
export function fillAmount(record: DataView, offset: number, seen: number): void {
  if ((seen & AMOUNT_BIT) !== 0) return;
  const flags = record.getUint16(offset + TransferOffset.flags, true);
  if ((flags & TransferFlag.postPending) === 0) return;
  record.setBigUint64(offset + TransferOffset.amount, U64_MAX, true);
  record.setBigUint64(offset + TransferOffset.amount + 8, U64_MAX, true);
}

function bitsOf(names: readonly string[]): number {
  return names.reduce((bits, name) => bits | TRANSFER_FIELDS.get(name)!.bit, 0);
}

function idField(bit: number, kind: IdKind, position: number): TransferField {
  const prefix = ID_PREFIX[kind];
  return {
    bit,
    write: (record, offset, value) => {
      if (typeof value !== 'string')
        return wrongType(value, `a string: an id such as ${prefix}...`);
      const ok =
        value.length === prefix.length + HEX_DIGITS &&
        value.startsWith(prefix) &&
        writeHex(record, offset + position, value, prefix.length);
      return ok ? undefined : malformedId(kind);
    },
  };
}

function u32Field(bit: number, position: number): TransferField {
  return {
    bit,
    write: (record, offset, value) => {
      const fault = integerFault(value, U32_MAX);
      if (fault === undefined) record.setUint32(offset + position, value as number, true);
      return fault;
    },
  };
}

function writeAmount(record: DataView, offset: number, value: unknown): FieldFault | undefined {
  if (typeof value !== 'string') return amountTypeFault(value);
  if (value.length <= SHORT_DIGITS_MAX) {
    const short = shortNumber(value);
    if (short >= 0) {
      record.setUint32(offset + TransferOffset.amount, short % TWO_32, true);
      record.setUint32(offset + TransferOffset.amount + 4, Math.floor(short / TWO_32), true);
      record.setBigUint64(offset + TransferOffset.amount + 8, 0n, true);
      return undefined;
    }
  }
  const amount = parseMinor(value);
  if (typeof amount !== 'bigint') return amountFault(value, amount);
  record.setBigUint64(offset + TransferOffset.amount, amount & U64_MAX, true);
  record.setBigUint64(offset + TransferOffset.amount + 8, amount >> 64n, true);
  return undefined;
}

/** A decimal number without sign and leading zeros that a double holds exactly; otherwise -1. */
function shortNumber(text: string): number {
  if (text.length === 0 || (text.length > 1 && text.charCodeAt(0) === ZERO)) return -1;
  let value = 0;
  for (let index = 0; index < text.length; index++) {
    const digit = text.charCodeAt(index) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

function writeCode(record: DataView, offset: number, value: unknown): FieldFault | undefined {
  const fault = integerFault(value, U16_MAX);
  if (fault === undefined) record.setUint16(offset + TransferOffset.code, value as number, true);
  return fault;
}

function writeFlags(record: DataView, offset: number, value: unknown): FieldFault | undefined {
  const flags = readFlags(value, TRANSFER_FLAG_BITS);
  if (typeof flags !== 'number') return flags;
  record.setUint16(offset + TransferOffset.flags, flags, true);
  return undefined;
}

function writeUserData128(record: DataView, offset: number, value: unknown) {
  if (typeof value !== 'string') return wrongType(value, 'a string of 32 hex digits');
  const ok =
    value.length === HEX_DIGITS && writeHex(record, offset + TransferOffset.userData128, value, 0);
  return ok ? undefined : malformedUserData128();
}

function writeUserData64(record: DataView, offset: number, value: unknown) {
  const fault = userData64Fault(value);
  if (fault !== undefined) return fault;
  record.setBigUint64(offset + TransferOffset.userData64, BigInt(value as string), true);
  return undefined;
}

function writeTimestamp(record: DataView, offset: number, value: unknown) {
  const fault = timestampFault(value);
  if (fault !== undefined) return fault;
  record.setBigUint64(offset + TransferOffset.timestampNs, BigInt(value as string), true);
  return undefined;
}

/** The one account that is the body. */
export function readAccount(body: unknown): AccountInput {
  const errors: InputError[] = [];
  const account = toAccount(body, '', errors);
  refuse(errors);
  return account;
}

/** The accounts of `{"accounts":[...]}`. */
export function readAccounts(body: unknown): readonly AccountInput[] {
  const items = readList(body, 'accounts', ACCOUNTS_PER_REQUEST_MAX);
  const errors: InputError[] = [];
  const accounts: AccountInput[] = [];
  for (let index = 0; index < items.length; index++) {
    accounts.push(toAccount(items[index], `/accounts/${index}`, errors));
    if (errors.length >= INPUT_ERRORS_MAX) break;
  }
  refuse(errors);
  return accounts;
}

type AccountDraft = { -readonly [Name in keyof AccountInput]: AccountInput[Name] };
type AccountField = (draft: AccountDraft, value: unknown) => FieldFault | undefined;

const ACCOUNT_REQUIRED = ['id', 'ledger', 'code'];

const ACCOUNT_FIELDS: ReadonlyMap<string, AccountField> = new Map<string, AccountField>([
  [
    'id',
    (draft, value) => {
      if (typeof value !== 'string') return wrongType(value, 'a string: an id such as acc_...');
      const hex = value.startsWith(ID_PREFIX.account) ? value.slice(ID_PREFIX.account.length) : '';
      if (!HEX_128_PATTERN.test(hex)) return malformedId('account');
      draft.id = hex;
      return undefined;
    },
  ],
  ['ledger', accountInteger('ledger', U32_MAX)],
  ['code', accountInteger('code', U16_MAX)],
  [
    'flags',
    (draft, value) => {
      const flags = readFlags(value, ACCOUNT_FLAG_BITS);
      if (typeof flags !== 'number') return flags;
      draft.flags = flags;
      return undefined;
    },
  ],
  [
    'user_data_128',
    (draft, value) => {
      if (typeof value !== 'string') return wrongType(value, 'a string of 32 hex digits');
      if (!HEX_128_PATTERN.test(value)) return malformedUserData128();
      draft.user_data_128 = value;
      return undefined;
    },
  ],
  [
    'user_data_64',
    (draft, value) => {
      const fault = userData64Fault(value);
      if (fault === undefined) draft.user_data_64 = value as string;
      return fault;
    },
  ],
  ['user_data_32', accountInteger('user_data_32', U32_MAX)],
  [
    'timestamp_ns',
    (draft, value) => {
      const fault = timestampFault(value);
      if (fault === undefined) draft.timestamp_ns = value as string;
      return fault;
    },
  ],
]);

function accountInteger(name: 'ledger' | 'code' | 'user_data_32', max: number): AccountField {
  return (draft, value) => {
    const fault = integerFault(value, max);
    if (fault === undefined) draft[name] = value as number;
    return fault;
  };
}

function toAccount(value: unknown, pointer: string, errors: InputError[]): AccountInput {
  const draft: AccountDraft = {
    id: '',
    ledger: 0,
    code: 0,
    flags: 0,
    user_data_128: '0'.repeat(HEX_DIGITS),
    user_data_64: '0',
    user_data_32: 0,
  };
  if (!isObject(value)) {
    errors.push(notAnObject(pointer));
    return draft;
  }
  for (const name of Object.keys(value)) {
    const field = ACCOUNT_FIELDS.get(name);
    const fault = field?.(draft, value[name]);
    if (field === undefined) addError(errors, unknownField(childPointer(pointer, name)));
    else if (fault !== undefined) addError(errors, faultError(childPointer(pointer, name), fault));
  }
  for (const name of ACCOUNT_REQUIRED) {
    if (!Object.hasOwn(value, name)) addError(errors, requiredField(childPointer(pointer, name)));
  }
  return draft;
}

/** A request whose address says everything: no body, or an empty object. */
export function readNothing(body: unknown): void {
  if (body === undefined || body === null) return;
  if (!isObject(body)) throw inputProblem([notAnObject('')]);
  refuse(Object.keys(body).map((name) => unknownField(childPointer('', name))));
}

/** The array under the only member of a batch body, with 1 to `max` elements. */
function readList(body: unknown, name: string, max: number): readonly unknown[] {
  const errors: InputError[] = [];
  if (!isObject(body)) throw inputProblem([notAnObject('')]);
  for (const other of Object.keys(body)) {
    if (other !== name) addError(errors, unknownField(childPointer('', other)));
  }
  const list = body[name];
  if (list === undefined) addError(errors, requiredField(`/${name}`));
  else if (!Array.isArray(list))
    addError(errors, faultError(`/${name}`, wrongType(list, 'a list')));
  else if (list.length === 0) {
    addError(errors, { pointer: `/${name}`, code: 'batch_empty', detail: 'The list is empty.' });
  } else if (list.length > max) {
    const detail = `The list has ${list.length} elements; a request may have ${max}.`;
    addError(errors, { pointer: `/${name}`, code: 'batch_too_large', detail });
  }
  refuse(errors);
  return list as readonly unknown[];
}
