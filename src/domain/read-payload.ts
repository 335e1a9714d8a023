// Payloads of the commands that are canonical JSON, read strictly: known members only, of the right
// type and range. `undefined` means malformed; nothing here throws, whatever the bytes are.

import type { DomainConfiguration } from './state.ts';
import type { AccountFlagsChange, NewAccount } from './ledger/create-account.ts';
import type { LedgerDefinition } from './ledger/ledger-table.ts';

type Members = { readonly [name: string]: unknown };

const ID_PATTERN = /^[0-9a-f]{32}$/;
const DECIMAL_PATTERN = /^(0|[1-9][0-9]{0,19})$/;
const U16_MAX = 0xffff;
const U32_MAX = 0xffff_ffff;
const U64_MAX = 0xffff_ffff_ffff_ffffn;

const ACCOUNT_MEMBERS = [
  'id',
  'ledger',
  'code',
  'flags',
  'user_data_128',
  'user_data_64',
  'user_data_32',
] as const;
const IMPORTED_MEMBERS = [...ACCOUNT_MEMBERS, 'timestamp_ns'] as const;
const LEDGER_MEMBERS = ['ledger', 'currency', 'exponent'] as const;
const CONFIGURATION_MEMBERS = ['dedupe_window_seconds', 'dedupe_bytes_max', 'rules_version'];

/** {"accounts":[...]}, `count` of them. */
export function readAccounts(payload: Uint8Array, count: number): NewAccount[] | undefined {
  const list = readList(payload, 'accounts');
  if (list === undefined || list.length !== count) return undefined;
  return readEach(list, readAccount);
}

/** {"ledgers":[...]}, at least one. Ranges are the ledger's business. */
export function readLedgers(payload: Uint8Array): LedgerDefinition[] | undefined {
  const list = readList(payload, 'ledgers');
  if (list === undefined || list.length === 0) return undefined;
  return readEach(list, readLedger);
}

export type ConfigureRequest = {
  readonly expectedVersion: number;
  readonly wanted: Omit<DomainConfiguration, 'version'>;
};

/** {"expected_version":0, ...}: what is not named stays as it is now. */
export function readConfigure(
  payload: Uint8Array,
  now: DomainConfiguration,
): ConfigureRequest | undefined {
  const members = readObject(parse(payload));
  if (members === undefined) return undefined;
  for (const name of Object.keys(members)) {
    if (name !== 'expected_version' && !CONFIGURATION_MEMBERS.includes(name)) return undefined;
    if (!isInteger(members[name])) return undefined;
  }
  const expectedVersion = members['expected_version'];
  if (!isInteger(expectedVersion)) return undefined;
  return {
    expectedVersion,
    wanted: {
      dedupeWindowSeconds: integerOr(members['dedupe_window_seconds'], now.dedupeWindowSeconds),
      dedupeBytesMax: integerOr(members['dedupe_bytes_max'], now.dedupeBytesMax),
      rulesVersion: integerOr(members['rules_version'], now.rulesVersion),
    },
  };
}

/** {"account":"...","frozen":true,"expected_frozen":false} */
export function readAccountFlags(payload: Uint8Array): AccountFlagsChange | undefined {
  const members = readExactly(parse(payload), ['account', 'frozen', 'expected_frozen']);
  if (members === undefined) return undefined;
  const { account, frozen, expected_frozen: expectedFrozen } = members;
  if (!isIdText(account)) return undefined;
  if (typeof frozen !== 'boolean' || typeof expectedFrozen !== 'boolean') return undefined;
  return { account: BigInt(`0x${account}`), frozen, expectedFrozen };
}

/** {}: a tick says everything by its stamp. */
export function isEmptyObject(payload: Uint8Array): boolean {
  const members = readObject(parse(payload));
  return members !== undefined && Object.keys(members).length === 0;
}

function readAccount(value: unknown): NewAccount | undefined {
  const members = readExactly(value, ACCOUNT_MEMBERS) ?? readExactly(value, IMPORTED_MEMBERS);
  if (members === undefined) return undefined;
  const timestampNs = 'timestamp_ns' in members ? readU64(members.timestamp_ns) : 0n;
  if (timestampNs === undefined) return undefined;
  const { id, ledger, code, flags } = members;
  const { user_data_128: wide, user_data_64: middle, user_data_32: narrow } = members;
  if (!isIdText(id) || !isIdText(wide)) return undefined;
  if (!isUpTo(ledger, U32_MAX) || !isUpTo(narrow, U32_MAX)) return undefined;
  if (!isUpTo(code, U16_MAX) || !isUpTo(flags, U16_MAX)) return undefined;
  const userData64 = readU64(middle);
  if (userData64 === undefined) return undefined;
  return {
    id: BigInt(`0x${id}`),
    ledger,
    code,
    flags,
    userData128: BigInt(`0x${wide}`),
    userData64,
    userData32: narrow,
    timestampNs,
  };
}

function readU64(value: unknown): bigint | undefined {
  if (typeof value !== 'string' || !DECIMAL_PATTERN.test(value)) return undefined;
  const number = BigInt(value);
  return number <= U64_MAX ? number : undefined;
}

function readLedger(value: unknown): LedgerDefinition | undefined {
  const members = readExactly(value, LEDGER_MEMBERS);
  if (members === undefined) return undefined;
  const { ledger, currency, exponent } = members;
  if (!isInteger(ledger) || !isInteger(exponent) || typeof currency !== 'string') return undefined;
  return { ledger, currency, exponent };
}

function readList(payload: Uint8Array, name: string): unknown[] | undefined {
  const members = readExactly(parse(payload), [name]);
  const list = members?.[name];
  return Array.isArray(list) ? list : undefined;
}

function readEach<T>(list: unknown[], read: (value: unknown) => T | undefined): T[] | undefined {
  const items: T[] = [];
  for (const value of list) {
    const item = read(value);
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items;
}

/** An object that has exactly the named members. */
function readExactly<const Name extends string>(
  value: unknown,
  names: readonly Name[],
): { readonly [name in Name]: unknown } | undefined {
  const members = readObject(value);
  if (members === undefined || Object.keys(members).length !== names.length) return undefined;
  for (const name of names) if (!Object.hasOwn(members, name)) return undefined;
  return members as { readonly [name in Name]: unknown };
}

function readObject(value: unknown): Members | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return value as Members;
}

function parse(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload));
  } catch {
    // Not UTF-8 or not JSON: malformed, which the shape checks answer for `undefined`.
    return undefined;
  }
}

function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isUpTo(value: unknown, max: number): value is number {
  return isInteger(value) && value >= 0 && value <= max;
}

function isIdText(value: unknown): value is string {
  return typeof value === 'string' && ID_PATTERN.test(value);
}

function integerOr(value: unknown, otherwise: number): number {
  return isInteger(value) ? value : otherwise;
}
