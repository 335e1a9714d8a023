// The shapes of the reports as JSON Schema. Reports are written by hand (report-output.ts); the
// OpenAPI document is made from these, and a test holds the two together.

import { type TProperties, Type } from 'typebox';
import { LedgerAnswer, Position } from './answer-schemas.ts';
import { AccountId, Hex128, TransferId, U32 } from './schemas.ts';

const STRICT = { additionalProperties: false } as const;

const Count = Type.Integer({ minimum: 0 });
const Code = Type.Integer({ minimum: 0, maximum: 0xffff });
const Time = Type.String({ format: 'date-time', description: 'RFC 3339, UTC.' });
const TimestampNs = Type.String({
  pattern: '^(0|[1-9][0-9]{0,19})$',
  description: 'The same: nanoseconds since 1970.',
});
/** Of many amounts: no bound but that of the sum. */
const Sum = Type.String({
  pattern: '^(0|[1-9][0-9]*)$',
  description: 'Minor units in decimal digits.',
});
const Balance = Type.String({
  pattern: '^(0|-?[1-9][0-9]*)$',
  description: 'Credits minus debits, minor units in decimal digits.',
});
const Next = Type.Union([Type.String(), Type.Null()], {
  description: 'The `cursor` of the following page; null = there is none.',
});

/** Which books the report is of. */
const AT = { position: Position, time: Time, timestamp_ns: TimestampNs } satisfies TProperties;
const POSTED = { debits_posted: Sum, credits_posted: Sum, balance: Balance } satisfies TProperties;
const SUMS = { ...POSTED, debits_pending: Sum, credits_pending: Sum } satisfies TProperties;
const LEDGER = LedgerAnswer.properties;

export const TrialBalanceAnswer = Type.Object(
  {
    ...AT,
    ledgers: Type.Array(
      Type.Object(
        {
          ...LEDGER,
          accounts: Count,
          ...SUMS,
          codes: Type.Array(Type.Object({ code: Code, accounts: Count, ...SUMS }, STRICT)),
        },
        STRICT,
      ),
    ),
  },
  STRICT,
);

const StatementMovement = Type.Object(
  {
    transfer_id: TransferId,
    kind: Type.Union([Type.Literal('transfer'), Type.Literal('post')]),
    side: Type.Union([Type.Literal('debit'), Type.Literal('credit')]),
    contra_account_id: AccountId,
    amount: Sum,
    code: Code,
    user_data_128: Hex128,
    time: Time,
    timestamp_ns: TimestampNs,
  },
  STRICT,
);

export const StatementAnswer = Type.Object(
  {
    ...AT,
    account_id: AccountId,
    ...LEDGER,
    opening: Type.Object(POSTED, STRICT),
    movements: Type.Array(StatementMovement),
    closing: Type.Object(POSTED, STRICT),
    next: Next,
  },
  STRICT,
);

export const DailyTotalsAnswer = Type.Object(
  {
    ...AT,
    days: Type.Array(
      Type.Object(
        {
          day: Type.String({ format: 'date', description: 'A day in UTC.' }),
          ledger: U32,
          currency: LEDGER.currency,
          exponent: LEDGER.exponent,
          transfers: Count,
          transferred: Sum,
          holds: Count,
          held: Sum,
          posts: Count,
          posted: Sum,
          voids: Count,
        },
        STRICT,
      ),
    ),
    next: Next,
  },
  STRICT,
);
