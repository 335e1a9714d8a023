// The shapes of all bodies as JSON Schema (TypeBox). Fastify validates the small ones with them
// (strictly: nothing is coerced, dropped or filled in); transfers and accounts are read by hand
// (input.ts), and a test holds those readers and these schemas together.

import { type Static, type TSchema, Type } from 'typebox';
import {
  ACCOUNTS_PER_REQUEST_MAX,
  CURRENCY_EXPONENT_MAX,
  LOOKUP_IDS_MAX,
  POSTING_LEGS_MAX,
  TRANSFERS_PER_REQUEST_MAX,
} from '../base/limits.ts';
import { ACCOUNT_FLAG_BITS, ACCOUNT_FLAG_BITS_SHOWN, TRANSFER_FLAG_BITS } from './input.ts';

const STRICT = { additionalProperties: false } as const;

/** Longer texts are never a currency; what is one, the books decide. */
export const CURRENCY_LENGTH_MAX = 64;

export const AccountId = Type.String({
  pattern: '^acc_[0-9a-f]{32}$',
  description: 'An account: acc_ and 32 lower-case hex digits, any number but 0 and 2^128 - 1.',
});
export const TransferId = Type.String({
  pattern: '^tr_[0-9a-f]{32}$',
  description:
    'A transfer: tr_ and 32 lower-case hex digits. The first 12 are the time at which the id was made, in milliseconds since 1970 (a UUIDv7 without dashes, a ULID as hex).',
});
export const PostingId = Type.String({
  pattern: '^po_[0-9a-f]{32}$',
  description: 'A posting: po_ and 32 lower-case hex digits, made as a transfer id is.',
});
/** Decimal digits; that the number is below 2^128 or 2^64 is not for a pattern to say. */
export const MinorUnits = Type.String({
  pattern: '^(0|[1-9][0-9]{0,38})$',
  description: 'Minor units in decimal digits, at most 2^128 - 1: "1250" is 12.50 EUR.',
});
export const Decimal64 = Type.String({
  pattern: '^(0|[1-9][0-9]{0,19})$',
  description: 'A whole number below 2^64 in decimal digits.',
});
export const Hex128 = Type.String({
  pattern: '^[0-9a-f]{32}$',
  description: '128 bits as 32 lower-case hex digits.',
});
const Code = Type.Integer({
  minimum: 0,
  maximum: 0xffff,
  description: 'What it is for: a number of your own, from 1.',
});
const TimeoutSeconds = Type.Integer({
  minimum: 0,
  maximum: 0xffff_ffff,
  description: 'After so many seconds a hold expires; 0 = never. With `pending` only.',
});
const TimestampGiven = Type.String({
  pattern: '^(0|[1-9][0-9]{0,19})$',
  description: 'Nanoseconds since 1970; with the flag `imported` only.',
});
const Timestamp = Type.String({
  pattern: '^(0|[1-9][0-9]{0,19})$',
  description: 'When it was accepted: nanoseconds since 1970.',
});
export const U32 = Type.Integer({ minimum: 0, maximum: 0xffff_ffff });
export const TransferFlags = flagsOf(TRANSFER_FLAG_BITS);
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
    amount: Type.Optional(MinorUnits),
    ledger: Type.Optional(U32),
    code: Type.Optional(Code),
    flags: Type.Optional(TransferFlags),
    pending_id: Type.Optional(TransferId),
    timeout_seconds: Type.Optional(TimeoutSeconds),
    timestamp_ns: Type.Optional(TimestampGiven),
    ...UserData,
  },
  STRICT,
);

export const TransferAnswer = Type.Object(
  {
    id: TransferId,
    debit_account_id: AccountId,
    credit_account_id: AccountId,
    amount: MinorUnits,
    currency: Type.String(),
    ledger: U32,
    code: Code,
    flags: TransferFlags,
    pending_id: Type.Union([TransferId, Type.Null()]),
    timeout_seconds: TimeoutSeconds,
    ...UserDataOut,
    state: Type.Union([Type.Literal('accepted'), Type.Literal('failed')]),
    hold: Type.Union(
      ['none', 'pending', 'posted', 'voided', 'expired'].map((hold) => Type.Literal(hold)),
    ),
    timestamp_ns: Timestamp,
  },
  STRICT,
);

export const AccountRequest = Type.Object(
  {
    id: AccountId,
    ledger: U32,
    code: Code,
    flags: Type.Optional(AccountFlags),
    timestamp_ns: Type.Optional(TimestampGiven),
    ...UserData,
  },
  STRICT,
);

export const AccountAnswer = Type.Object(
  {
    id: AccountId,
    ledger: U32,
    currency: Type.String(),
    code: Code,
    flags: AccountFlagsShown,
    ...UserDataOut,
    debits_pending: MinorUnits,
    debits_posted: MinorUnits,
    credits_pending: MinorUnits,
    credits_posted: MinorUnits,
    timestamp_ns: Timestamp,
  },
  STRICT,
);

/** Read by hand too (posting.ts); that debits equal credits is not for a schema to say. */
export const PostingRequest = Type.Object(
  {
    id: PostingId,
    ledger: U32,
    code: Code,
    legs: Type.Array(
      Type.Object(
        {
          account_id: AccountId,
          side: Type.Union([Type.Literal('debit'), Type.Literal('credit')]),
          amount: Type.String({
            pattern: '^[1-9][0-9]{0,38}$',
            description: 'Minor units, at least 1.',
          }),
        },
        STRICT,
      ),
      { minItems: 2, maxItems: POSTING_LEGS_MAX },
    ),
    ...UserData,
  },
  STRICT,
);

/**
 * The same with what each kind of transfer needs, as it is documented. Nothing is validated with it
 * here: the readers know it.
 */
export const TransferRequestInFull = Type.Unsafe<Static<typeof TransferRequest>>({
  ...TransferRequest,
  if: {
    required: ['flags'],
    properties: { flags: { contains: { enum: ['post_pending', 'void_pending'] } } },
  },
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema, and no function
  then: { required: ['pending_id'] },
  else: { required: ['debit_account_id', 'credit_account_id', 'amount', 'ledger', 'code'] },
});

export const TransferBatchRequest = Type.Object(
  { transfers: listOf(TransferRequestInFull, TRANSFERS_PER_REQUEST_MAX) },
  STRICT,
);
export const AccountBatchRequest = Type.Object(
  { accounts: listOf(AccountRequest, ACCOUNTS_PER_REQUEST_MAX) },
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

/** For requests whose address says everything: no body, or an empty object. */
export const NothingRequest = Type.Object({}, STRICT);

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
