// The shapes of all bodies as JSON Schema (TypeBox). Fastify validates the small ones with them
// (strictly: nothing is coerced, dropped or filled in); transfers and accounts are read by hand
// (input.ts), and a test holds those readers and these schemas together.

import { type TSchema, Type } from 'typebox';
import { CURRENCY_EXPONENT_MAX, LOOKUP_IDS_MAX } from '../base/limits.ts';
import { ACCOUNT_FLAG_BITS, ACCOUNT_FLAG_BITS_SHOWN, TRANSFER_FLAG_BITS } from './input.ts';

const STRICT = { additionalProperties: false } as const;

/** Longer texts are never a currency; what is one, the books decide. */
export const CURRENCY_LENGTH_MAX = 64;

const AccountId = Type.String({ pattern: '^acc_[0-9a-f]{32}$' });
const TransferId = Type.String({ pattern: '^tr_[0-9a-f]{32}$' });
/** Decimal digits; that the number is below 2^128 or 2^64 is not for a pattern to say. */
const Decimal = Type.String({ pattern: '^(0|[1-9][0-9]{0,38})$' });
const Decimal64 = Type.String({ pattern: '^(0|[1-9][0-9]{0,19})$' });
const Hex128 = Type.String({ pattern: '^[0-9a-f]{32}$' });
const U16 = Type.Integer({ minimum: 0, maximum: 0xffff });
const U32 = Type.Integer({ minimum: 0, maximum: 0xffff_ffff });
const TransferFlags = flagsOf(TRANSFER_FLAG_BITS);
const AccountFlags = flagsOf(ACCOUNT_FLAG_BITS);
const AccountFlagsShown = flagsOf(ACCOUNT_FLAG_BITS_SHOWN);

const UserData = {
  user_data_128: Type.Optional(Hex128),
  user_data_64: Type.Optional(Decimal64),
  user_data_32: Type.Optional(U32),
};

const UserDataOut = { user_data_128: Hex128, user_data_64: Decimal64, user_data_32: U32 };

/** A post or a void may leave out what it takes from the hold; input.ts says which. */
export const TransferRequest = Type.Object(
  {
    id: TransferId,
    debit_account_id: Type.Optional(AccountId),
    credit_account_id: Type.Optional(AccountId),
    amount: Type.Optional(Decimal),
    ledger: Type.Optional(U32),
    code: Type.Optional(U16),
    flags: Type.Optional(TransferFlags),
    pending_id: Type.Optional(TransferId),
    timeout_seconds: Type.Optional(U32),
    timestamp_ns: Type.Optional(Decimal64),
    ...UserData,
  },
  STRICT,
);

export const TransferAnswer = Type.Object(
  {
    id: TransferId,
    debit_account_id: AccountId,
    credit_account_id: AccountId,
    amount: Decimal,
    currency: Type.String(),
    ledger: U32,
    code: U16,
    flags: TransferFlags,
    pending_id: Type.Union([TransferId, Type.Null()]),
    timeout_seconds: U32,
    ...UserDataOut,
    state: Type.Union([Type.Literal('accepted'), Type.Literal('failed')]),
    hold: Type.Union(
      ['none', 'pending', 'posted', 'voided', 'expired'].map((hold) => Type.Literal(hold)),
    ),
    timestamp_ns: Decimal64,
  },
  STRICT,
);

export const AccountRequest = Type.Object(
  {
    id: AccountId,
    ledger: U32,
    code: U16,
    flags: Type.Optional(AccountFlags),
    timestamp_ns: Type.Optional(Decimal64),
    ...UserData,
  },
  STRICT,
);

export const AccountAnswer = Type.Object(
  {
    id: AccountId,
    ledger: U32,
    currency: Type.String(),
    code: U16,
    flags: AccountFlagsShown,
    ...UserDataOut,
    debits_pending: Decimal,
    debits_posted: Decimal,
    credits_pending: Decimal,
    credits_posted: Decimal,
    timestamp_ns: Decimal64,
  },
  STRICT,
);

export const AccountLookupRequest = Type.Object({ ids: listOf(AccountId, LOOKUP_IDS_MAX) }, STRICT);
export const TransferLookupRequest = Type.Object(
  { ids: listOf(TransferId, LOOKUP_IDS_MAX) },
  STRICT,
);

export const LedgerRequest = Type.Object(
  {
    currency: Type.String({ maxLength: CURRENCY_LENGTH_MAX }),
    exponent: Type.Integer({ minimum: 0, maximum: CURRENCY_EXPONENT_MAX }),
  },
  STRICT,
);

/** For routes without query parameters; a misspelt or misplaced one must not be ignored. */
export const NoQuery = Type.Object({}, STRICT);

/** For routes that read and have no other query parameters. */
export const ReadQuery = Type.Object(
  { consistency: Type.Optional(Type.String({ description: 'local or strong; local' })) },
  STRICT,
);

function listOf<Item extends TSchema>(item: Item, max: number) {
  return Type.Array(item, { minItems: 1, maxItems: max });
}

function flagsOf(bits: { readonly [name: string]: number }) {
  const names = Object.keys(bits).map((name) => Type.Literal(name));
  return Type.Array(Type.Union(names), { uniqueItems: true });
}
