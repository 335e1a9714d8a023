// The parameters of the query and of the headers, as the document tells them. The server takes each
// of them as text and checks it by hand (query-input.ts), so that it is refused with its own code;
// a test compares the names here with those of the routes' schemas.

import { TERMS_LIMIT_MAX } from '../cluster-input.ts';
import { LIST_LIMIT_MAX } from '../query-input.ts';
import { REPORT_LIMIT_MAX } from '../report-input.ts';
import type { Json, JsonObject } from './json-schema.ts';

export type Parameter = {
  readonly description: string;
  readonly schema: JsonObject;
  readonly example?: Json;
};

const INSTANTS: readonly JsonObject[] = [
  { type: 'string', pattern: '^(0|[1-9][0-9]{0,19})$' },
  {
    type: 'string',
    pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?Z$',
  },
];
const INSTANT: JsonObject = { anyOf: INSTANTS };
const DAY: JsonObject = { type: 'string', pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' };
const DAY_OR_INSTANT: JsonObject = { anyOf: [DAY, ...INSTANTS] };

const U32_MAX = 0xffff_ffff;

export const QUERY_PARAMETERS: { readonly [name: string]: Parameter } = {
  ledger: {
    description: 'Only those of this ledger.',
    schema: { type: 'integer', minimum: 0, maximum: U32_MAX },
  },
  code: {
    description: 'Only those with this code.',
    schema: { type: 'integer', minimum: 0, maximum: 0xffff },
  },
  user_data_128: {
    description: 'Only those with this user data, as it is shown.',
    schema: { type: 'string', pattern: '^[0-9a-f]{32}$' },
  },
  user_data_64: {
    description: 'Only those with this user data.',
    schema: { type: 'string', pattern: '^(0|[1-9][0-9]{0,19})$' },
  },
  user_data_32: {
    description: 'Only those with this user data.',
    schema: { type: 'integer', minimum: 0, maximum: U32_MAX },
  },
  from: {
    description:
      'The first moment, inclusive: nanoseconds since 1970, or RFC 3339 in UTC (2026-01-05T08:00:00Z, up to 9 decimals).',
    schema: INSTANT,
  },
  until: { description: 'The last moment, inclusive, in the same form.', schema: INSTANT },
  to: {
    description: 'The last day or moment, inclusive, in the same form.',
    schema: DAY_OR_INSTANT,
  },
  format: {
    description: 'What the answer is; left out: as `Accept` says, or JSON.',
    schema: { type: 'string', enum: ['json', 'csv'] },
  },
  side: {
    description: 'Only transfers with the account on this side.',
    schema: { type: 'string', enum: ['debit', 'credit'] },
  },
  order: {
    description: 'Which come first.',
    schema: { type: 'string', enum: ['newest', 'oldest'], default: 'newest' },
  },
  limit: {
    description: 'Elements of a page at most.',
    schema: { type: 'integer', minimum: 1, maximum: LIST_LIMIT_MAX, default: 100 },
  },
  cursor: {
    description:
      '`next` of the page before, with the same other parameters; only `limit` may differ.',
    schema: { type: 'string', minLength: 1 },
  },
  consistency: {
    description:
      'How fresh the books must be: `local` = as this node has them now, `strong` = with everything that was acknowledged anywhere before the question.',
    schema: { type: 'string', enum: ['local', 'strong'], default: 'local' },
  },
};

/** The same name with another range. */
export const TERMS_LIMIT: Parameter = {
  description: 'Terms at most.',
  schema: { type: 'integer', minimum: 1, maximum: TERMS_LIMIT_MAX, default: 20 },
};

export const REPORT_FROM: Parameter = {
  description:
    'The first day (2026-01-05, all of it, in UTC) or moment, inclusive: nanoseconds since 1970, or RFC 3339 in UTC. Left out: from the first transfer on.',
  schema: DAY_OR_INSTANT,
};

export const REPORT_LIMIT: Parameter = {
  description: 'Movements or days of a page at most.',
  schema: { type: 'integer', minimum: 1, maximum: REPORT_LIMIT_MAX, default: 1000 },
};

export const LAG: Parameter = {
  description: 'Positions behind at most.',
  schema: { type: 'integer', minimum: 0, maximum: 999_999_999_999_999, default: 1000 },
};

export const POSITION_HEADER: Parameter = {
  description:
    'A position that the asker has been told of: the read waits until this node has applied it.',
  schema: { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER },
};

export const REQUEST_ID_HEADER: Parameter = {
  description:
    'An id of your own for this request; it comes back. One of another form is replaced by a new one.',
  schema: { type: 'string', pattern: '^[A-Za-z0-9._:-]{1,128}$' },
};

export const IF_NONE_MATCH_HEADER: Parameter = {
  description: 'The `ETag` that you have: 304 where the document is still the same.',
  schema: { type: 'string' },
};

type Header = { readonly description: string; readonly schema: JsonObject };

/** Headers of answers, by name. */
export const ANSWER_HEADERS: { readonly [name: string]: Header } = {
  'Request-Id': {
    description: "The request's own id, or a new one.",
    schema: { type: 'string' },
  },
  'Holdfast-Position': {
    description:
      'The position of the journal that the answer reflects; in a problem the one where the node stands, where it has books.',
    schema: { type: 'integer', minimum: 0 },
  },
  'Holdfast-Next': {
    description: 'In CSV, where there is more: the `cursor` of the following page.',
    schema: { type: 'string' },
  },
  'Holdfast-Node': {
    description: 'The name of the node, where it is one of a cluster.',
    schema: { type: 'string' },
  },
  'Holdfast-Role': {
    description: 'Its role at that moment, where it is one of a cluster.',
    schema: { type: 'string' },
  },
  'Retry-After': {
    description: 'Seconds; after them the same request can be sent again.',
    schema: { type: 'integer', minimum: 1 },
  },
  'WWW-Authenticate': {
    description: 'How the key is sent.',
    schema: { type: 'string' },
  },
  ETag: {
    description: 'Of this document, for `If-None-Match`.',
    schema: { type: 'string' },
  },
};
