// Commands as the naive model reads them: plain values, checked field by field. What cannot be
// read is 'malformed'. Nothing here is shared with the kernel, so that a slip in one is seen by
// the other.

import { decodeTransfers, TRANSFER_BYTES, type Transfer } from '../../src/base/transfer-record.ts';
import {
  type AccountFlagsInput,
  type AccountInput,
  type Command,
  CommandKind,
  type ConfigureInput,
  type LedgerInput,
} from '../../src/domain/commands.ts';

export type NaiveCommand =
  | { readonly kind: 'transfers'; readonly transfers: readonly Transfer[] }
  | { readonly kind: 'accounts'; readonly accounts: readonly AccountInput[] }
  | { readonly kind: 'ledgers'; readonly ledgers: readonly LedgerInput[] }
  | { readonly kind: 'configure'; readonly change: ConfigureInput }
  | { readonly kind: 'tick' }
  | { readonly kind: 'account_flags'; readonly change: AccountFlagsInput }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'unknown' };

const MALFORMED = { kind: 'malformed' } as const;

export function decodeCommand(command: Command): NaiveCommand {
  // The frame says it: one timestamp for each transfer or account, 1 for everything else.
  const single: readonly number[] = [
    CommandKind.ledgers,
    CommandKind.configure,
    CommandKind.tick,
    CommandKind.accountFlags,
  ];
  if (single.includes(command.kind) && command.eventCount !== 1) return MALFORMED;
  switch (command.kind) {
    case CommandKind.transfers:
      return decodeTransferBatch(command);
    case CommandKind.accounts:
      return decodeAccounts(command);
    case CommandKind.ledgers:
      return decodeLedgers(command);
    case CommandKind.configure:
      return decodeConfigure(command);
    case CommandKind.tick:
      return onlyMembers(parse(command), []) ? { kind: 'tick' } : MALFORMED;
    case CommandKind.accountFlags:
      return decodeAccountFlags(parse(command));
    default:
      return { kind: 'unknown' };
  }
}

function decodeTransferBatch(command: Command): NaiveCommand {
  if (command.eventCount < 1) return MALFORMED;
  if (command.payload.byteLength !== command.eventCount * TRANSFER_BYTES) return MALFORMED;
  return { kind: 'transfers', transfers: decodeTransfers(command.payload) };
}

function decodeAccounts(command: Command): NaiveCommand {
  const payload = parse(command);
  if (!onlyMembers(payload, ['accounts']) || !Array.isArray(payload['accounts'])) return MALFORMED;
  const accounts: readonly unknown[] = payload['accounts'];
  if (accounts.length < 1 || accounts.length !== command.eventCount) return MALFORMED;
  return accounts.every(isAccountInput) ? { kind: 'accounts', accounts } : MALFORMED;
}

function isAccountInput(value: unknown): value is AccountInput {
  const names = [
    'id',
    'ledger',
    'code',
    'flags',
    'user_data_128',
    'user_data_64',
    'user_data_32',
  ] as const;
  if (!onlyMembers(value, names)) {
    if (!onlyMembers(value, [...names, 'timestamp_ns'])) return false;
    if (!isDecimal64(value['timestamp_ns'])) return false;
  }
  return (
    isHex128(value['id']) &&
    isWhole(value['ledger'], 0xffff_ffff) &&
    isWhole(value['code'], 0xffff) &&
    isWhole(value['flags'], 0xffff) &&
    isHex128(value['user_data_128']) &&
    isDecimal64(value['user_data_64']) &&
    isWhole(value['user_data_32'], 0xffff_ffff)
  );
}

function decodeLedgers(command: Command): NaiveCommand {
  const payload = parse(command);
  if (!onlyMembers(payload, ['ledgers']) || !Array.isArray(payload['ledgers'])) return MALFORMED;
  const ledgers: readonly unknown[] = payload['ledgers'];
  if (ledgers.length < 1) return MALFORMED;
  return ledgers.every(isLedgerInput) ? { kind: 'ledgers', ledgers } : MALFORMED;
}

function isLedgerInput(value: unknown): value is LedgerInput {
  if (!onlyMembers(value, ['ledger', 'currency', 'exponent'])) return false;
  // Numbers out of range are refused by name, so they are no fault of the reading.
  return (
    Number.isSafeInteger(value['ledger']) &&
    typeof value['currency'] === 'string' &&
    Number.isSafeInteger(value['exponent'])
  );
}

function decodeConfigure(command: Command): NaiveCommand {
  const payload = parse(command);
  if (!isObject(payload)) return MALFORMED;
  const names = ['expected_version', 'dedupe_window_seconds', 'dedupe_bytes_max', 'rules_version'];
  const given = Object.keys(payload);
  if (!given.every((name) => names.includes(name))) return MALFORMED;
  if (!given.includes('expected_version')) return MALFORMED;
  if (!given.every((name) => Number.isSafeInteger(payload[name]))) return MALFORMED;
  return { kind: 'configure', change: payload as ConfigureInput };
}

function decodeAccountFlags(payload: unknown): NaiveCommand {
  if (!onlyMembers(payload, ['account', 'frozen', 'expected_frozen'])) return MALFORMED;
  const { account, frozen, expected_frozen: expected } = payload;
  if (!isHex128(account)) return MALFORMED;
  if (typeof frozen !== 'boolean' || typeof expected !== 'boolean') return MALFORMED;
  const change = { account: account as string, frozen, expected_frozen: expected };
  return { kind: 'account_flags', change };
}

function parse(command: Command): unknown {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(command.payload);
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** True for an object with exactly these members. */
function onlyMembers(
  value: unknown,
  names: readonly string[],
): value is { readonly [name: string]: unknown } {
  if (!isObject(value)) return false;
  const given = Object.keys(value);
  return given.length === names.length && names.every((name) => given.includes(name));
}

function isWhole(value: unknown, max: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max;
}

function isHex128(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
}

function isDecimal64(value: unknown): boolean {
  if (typeof value !== 'string' || !/^(0|[1-9][0-9]{0,19})$/.test(value)) return false;
  return BigInt(value) < 1n << 64n;
}
