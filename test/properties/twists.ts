// What scripts bend: one field of a transfer, an account or a ledger, so that each rule has
// something to refuse.

import { assertNever } from '../../src/base/assert.ts';
import type { Transfer } from '../../src/base/transfer-record.ts';
import type { AccountInput } from '../../src/domain/commands.ts';

const MAX = (1n << 128n) - 1n;

/** Account ids of all shapes; the last one is never opened by the start. */
export const ACCOUNT_IDS: readonly bigint[] = [
  1n,
  2n,
  3n,
  1n << 64n,
  MAX - 1n,
  6n,
  7n,
  0x123n << 100n,
];

export type Twist =
  | 'none'
  | 'timestamp'
  | 'reserved flag'
  | 'user data 128'
  | 'user data 64'
  | 'user data 32'
  | 'timeout'
  | 'other ledger'
  | 'no ledger'
  | 'no code'
  | 'other code'
  | 'hold named'
  | 'other debit'
  | 'other credit'
  | 'zero debit'
  | 'zero credit'
  | 'max debit'
  | 'max credit'
  | 'amount'
  | 'all'
  | 'nothing'
  | 'pending id'
  | 'imported'
  | 'later'
  | 'balancing'
  | 'closing';

export const TWISTS: readonly Twist[] = [
  'timestamp',
  'reserved flag',
  'user data 128',
  'user data 64',
  'user data 32',
  'timeout',
  'other ledger',
  'no ledger',
  'no code',
  'other code',
  'hold named',
  'other debit',
  'other credit',
  'zero debit',
  'zero credit',
  'max debit',
  'max credit',
  'amount',
  'all',
  'nothing',
  'pending id',
  'imported',
  'later',
  'balancing',
  'closing',
];

export function twisted(transfer: Transfer, twist: Twist, hold: Transfer = transfer): Transfer {
  switch (twist) {
    case 'timestamp':
      return { ...transfer, timestampNs: 1n };
    case 'reserved flag':
      return { ...transfer, flags: transfer.flags | 0x8000 };
    case 'user data 128':
      return { ...transfer, userData128: 1n << 90n };
    case 'user data 64':
      return { ...transfer, userData64: 1n << 63n };
    case 'user data 32':
      return { ...transfer, userData32: 0xffff_ffff };
    case 'timeout':
      return { ...transfer, timeoutSeconds: 0xffff_ffff };
    case 'other ledger':
      return { ...transfer, ledger: 392 };
    case 'no ledger':
      return { ...transfer, ledger: 0 };
    case 'no code':
      return { ...transfer, code: 0 };
    case 'other code':
      return { ...transfer, code: 0xffff };
    case 'hold named': {
      const { debitAccountId, creditAccountId, ledger, code } = hold;
      return { ...transfer, debitAccountId, creditAccountId, ledger, code };
    }
    case 'other debit':
      return { ...transfer, debitAccountId: 6n };
    case 'other credit':
      return { ...transfer, creditAccountId: 6n };
    case 'zero debit':
      return { ...transfer, debitAccountId: 0n };
    case 'zero credit':
      return { ...transfer, creditAccountId: 0n };
    case 'max debit':
      return { ...transfer, debitAccountId: MAX };
    case 'max credit':
      return { ...transfer, creditAccountId: MAX };
    case 'amount':
      return { ...transfer, amount: 2n };
    case 'all':
      return { ...transfer, amount: MAX };
    case 'nothing':
      return { ...transfer, amount: 0n };
    case 'pending id':
      return { ...transfer, pendingId: transfer.id };
    case 'imported':
      return { ...transfer, flags: transfer.flags ^ 256 };
    case 'later':
      return { ...transfer, timestampNs: transfer.timestampNs && transfer.timestampNs + 1n };
    case 'balancing':
      return { ...transfer, flags: transfer.flags ^ 16 };
    case 'closing':
      return { ...transfer, flags: transfer.flags ^ 64 };
    case 'none':
      return transfer;
    default:
      return assertNever(twist, 'a twist is a known one');
  }
}

/** Accounts of both ledgers, with every limit; `odd` bends one of them. */
export function accountInput(index: number, odd = 0): AccountInput {
  const plain: AccountInput = {
    id: ACCOUNT_IDS[index]!.toString(16).padStart(32, '0'),
    ledger: index === 5 ? 392 : 978,
    code: 1,
    flags: index === 3 ? 2 : index === 4 ? 4 : 0,
    user_data_128: '0'.repeat(32),
    user_data_64: '0',
    user_data_32: 0,
  };
  const bent: readonly Partial<AccountInput>[] = [
    {},
    { flags: 8 },
    { flags: 6 },
    { id: '0'.repeat(32) },
    { id: 'f'.repeat(32) },
    { user_data_128: `${'0'.repeat(31)}1` },
    { user_data_64: '18446744073709551615' },
    { user_data_32: 4_294_967_295 },
    { ledger: 0 },
    { ledger: 111 },
    { code: 0 },
    { code: 65_535 },
    { ledger: 392 },
    { flags: 32 },
    { flags: 64 + 16, timestamp_ns: '5' },
    { timestamp_ns: '5' },
    { flags: 16, timestamp_ns: '0' },
    { flags: 16, timestamp_ns: '9223372036854775807' },
  ];
  return { ...plain, ...bent[odd] };
}

export function oddLedgers(odd: number): { ledger: number; currency: string; exponent: number }[] {
  const euro = { ledger: 978, currency: 'EUR', exponent: 2 };
  const other = { ledger: 111, currency: 'TOKEN', exponent: 18 };
  return [
    [euro],
    [euro, other],
    [other, { ...euro, currency: 'USD' }],
    [{ ...other, exponent: 17 }],
    [{ ...other, ledger: 0 }, euro],
    [{ ...other, currency: 'token' }],
    [other, { ...other, exponent: 19 }],
    [
      { ...other, ledger: 112 },
      { ...other, ledger: 112 },
    ],
  ][odd]!;
}
