// The query parameters of the reports: days, moments, pages and the form of the answer.

import type { FastifyRequest } from 'fastify';
import { parseInstant } from '../base/instant.ts';
import { NS_PER_DAY, dayOf, parseDay } from '../views/times.ts';
import { readCursor, writeCursor } from './cursor.ts';
import { U32_MAX, U64_MAX, addError, refuse } from './input-values.ts';
import type { InputError } from './problems.ts';
import type { QueryParameters } from './query-input.ts';

export type ReportForm = 'json' | 'csv';

export const REPORT_LIMIT_MAX = 10_000;
const REPORT_LIMIT_DEFAULT = 1000;
const DECIMAL_PATTERN = /^(0|[1-9][0-9]{0,9})$/;
/** Days of a cursor: some 5,700 years. */
const CURSOR_DAYS = 2 ** 21;
const DAY_LAST = CURSOR_DAYS - 1;

/** `?format=` says it; without, an Accept that names CSV and no JSON before it. */
export function readForm(request: FastifyRequest): ReportForm {
  const { format } = request.query as QueryParameters;
  if (format === 'json' || format === 'csv') return format;
  if (format !== undefined) {
    refuseOne('format', 'It must be json or csv.');
  }
  const accepted = (request.headers.accept ?? '').split(',').map((type) => type.split(';')[0]);
  const names = accepted.map((type) => type?.trim().toLowerCase());
  return names.find((name) => name === 'text/csv' || isJson(name)) === 'text/csv' ? 'csv' : 'json';
}

function isJson(name: string | undefined): boolean {
  return name === 'application/json' || name === 'application/*' || name === '*/*';
}

function refuseOne(parameter: string, detail: string): never {
  const errors: InputError[] = [];
  addError(errors, { parameter, code: 'field_out_of_range', detail });
  refuse(errors);
  throw new RangeError(detail);
}

export type Period = {
  readonly fromNs: bigint;
  readonly throughNs: bigint;
  readonly limit: number;
  readonly after: number | undefined;
  readonly cursorBehind: (number: number | undefined) => string | null;
};

/** A day is all of it, in UTC; without `to` it is everything that there is. */
export function readPeriod(list: string, parameters: QueryParameters): Period {
  const errors: InputError[] = [];
  const fromNs = readMoment(errors, 'from', parameters, 'begin') ?? 0n;
  const throughNs = readMoment(errors, 'to', parameters, 'end') ?? U64_MAX;
  const limit = readLimit(errors, parameters);
  refuse(errors);
  const question = `${list} ${fromNs} ${throughNs}`;
  return { fromNs, throughNs, limit, ...cursorOf(question, parameters) };
}

function cursorOf(question: string, { cursor }: QueryParameters) {
  return {
    after: cursor === undefined ? undefined : readCursor(question, cursor),
    cursorBehind: (number: number | undefined) =>
      number === undefined ? null : writeCursor(question, number),
  };
}

function readMoment(
  errors: InputError[],
  parameter: 'from' | 'to',
  parameters: QueryParameters,
  side: 'begin' | 'end',
): bigint | undefined {
  const text = parameters[parameter];
  if (text === undefined) return undefined;
  const day = parseDay(text);
  if (day !== undefined && day <= DAY_LAST) {
    const begin = BigInt(day) * NS_PER_DAY;
    return side === 'begin' ? begin : begin + NS_PER_DAY - 1n;
  }
  const moment = parseInstant(text);
  if (moment !== undefined) return moment;
  const detail =
    'It must be a day like 2026-01-05, a time like 2026-01-05T08:00:00Z, or nanoseconds since 1970.';
  addError(errors, { parameter, code: 'field_out_of_range', detail });
  return undefined;
}

export type Days = {
  readonly fromDay: number;
  readonly throughDay: number;
  readonly ledger: number | undefined;
  readonly limit: number;
  readonly after: { readonly day: number; readonly ledger: number } | undefined;
  readonly cursorBehind: (
    place: { readonly day: number; readonly ledger: number } | undefined,
  ) => string | null;
};

/** A moment means its day. */
export function readDays(parameters: QueryParameters): Days {
  const errors: InputError[] = [];
  const fromNs = readMoment(errors, 'from', parameters, 'begin') ?? 0n;
  const throughNs = readMoment(errors, 'to', parameters, 'end') ?? U64_MAX;
  const ledger = readLedger(errors, parameters);
  const limit = readLimit(errors, parameters);
  refuse(errors);
  const [fromDay, throughDay] = [dayOf(fromNs), dayOf(throughNs)];
  const question = `daily-totals ${fromDay} ${throughDay} ${ledger ?? ''}`;
  const { after, cursorBehind } = cursorOf(question, parameters);
  return {
    fromDay,
    throughDay,
    ledger,
    limit,
    after:
      after === undefined
        ? undefined
        : { ledger: Math.floor(after / CURSOR_DAYS), day: after % CURSOR_DAYS },
    cursorBehind: (place) =>
      cursorBehind(place === undefined ? undefined : place.ledger * CURSOR_DAYS + place.day),
  };
}

function readLedger(errors: InputError[], { ledger }: QueryParameters): number | undefined {
  if (ledger === undefined) return undefined;
  const number = DECIMAL_PATTERN.test(ledger) ? Number(ledger) : Number.POSITIVE_INFINITY;
  if (number <= U32_MAX) return number;
  const detail = `It must be a whole number from 0 to ${U32_MAX}, in decimal digits.`;
  addError(errors, { parameter: 'ledger', code: 'field_out_of_range', detail });
  return undefined;
}

function readLimit(errors: InputError[], { limit: text }: QueryParameters): number {
  const limit = DECIMAL_PATTERN.test(text ?? '') ? Number(text) : 0;
  if (limit >= 1 && limit <= REPORT_LIMIT_MAX) return limit;
  if (text !== undefined) {
    const detail = `It must be a whole number from 1 to ${REPORT_LIMIT_MAX}.`;
    addError(errors, { parameter: 'limit', code: 'field_out_of_range', detail });
  }
  return REPORT_LIMIT_DEFAULT;
}
