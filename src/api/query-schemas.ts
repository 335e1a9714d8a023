// The query parameters of the lists. The schemas know the names, and that each is given once; what
// a value must be is checked by hand (query-input.ts), so that it is refused with its own code. The
// pages that answer them stand here too.

import { type TProperties, type TSchema, Type } from 'typebox';
import { AccountAnswer, TransferAnswer } from './schemas.ts';

const STRICT = { additionalProperties: false } as const;

function text(description: string) {
  return Type.Optional(Type.String({ description }));
}

const FIELDS = {
  code: text('decimal number, 0 to 65535'),
  user_data_128: text('32 lower-case hex digits'),
  user_data_64: text('decimal number below 2^64'),
  user_data_32: text('decimal number below 2^32'),
  from: text('first moment: nanoseconds since 1970, or RFC 3339 in UTC'),
  until: text('last moment, in the same form'),
  order: text('newest or oldest first; newest'),
  limit: text('elements of a page, 1 to 1000; 100'),
  cursor: text('next of the page before'),
  consistency: text('local or strong; local'),
} satisfies TProperties;

const ledger = text('number of a ledger');

export const AccountsQuery = Type.Object({ ledger, ...FIELDS }, STRICT);
export const TransfersQuery = Type.Object({ ledger, ...FIELDS }, STRICT);
export const AccountTransfersQuery = Type.Object(
  { side: text('debit or credit; both'), ledger, ...FIELDS },
  STRICT,
);

const MOMENT = 'a day (2026-01-05), RFC 3339 in UTC, or nanoseconds since 1970';
const REPORT_FIELDS = {
  format: text('json or csv; as Accept says, or json'),
  consistency: FIELDS.consistency,
} satisfies TProperties;
const PERIOD_FIELDS = {
  ...REPORT_FIELDS,
  from: text(`first moment: ${MOMENT}`),
  to: text('last moment, in the same form; a day is all of it'),
  limit: text('elements of a page, 1 to 10000; 1000'),
  cursor: FIELDS.cursor,
} satisfies TProperties;

export const TrialBalanceQuery = Type.Object(REPORT_FIELDS, STRICT);
export const StatementQuery = Type.Object(PERIOD_FIELDS, STRICT);
export const DailyTotalsQuery = Type.Object({ ledger, ...PERIOD_FIELDS }, STRICT);

/** Terms of leadership. */
export const TermsQuery = Type.Object({ limit: text('terms, 1 to 1000; 20') }, STRICT);

function pageOf(name: 'accounts' | 'transfers', item: TSchema) {
  const next = Type.Union([Type.String(), Type.Null()]);
  const items = Type.Array(item);
  return Type.Object({ position: Type.Integer(), [name]: items, next }, STRICT);
}

export const AccountsPage = pageOf('accounts', AccountAnswer);
export const TransfersPage = pageOf('transfers', TransferAnswer);
