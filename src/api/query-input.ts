// The query parameters of a list, as the values that the books and the history are asked with.
// Nothing is coerced: each is text of one form or it is refused with its name.

import { parseInstant } from '../base/instant.ts';
import type { AccountFilter } from '../base/list-query.ts';
import { readCursor, writeCursor } from './cursor.ts';
import {
  type FieldFault,
  HEX_128_PATTERN,
  U16_MAX,
  U32_MAX,
  addError,
  malformedUserData128,
  refuse,
  userData64Fault,
} from './input-values.ts';
import type { InputError } from './problems.ts';

export type QueryParameters = { readonly [name: string]: string };

export type Order = 'newest-first' | 'oldest-first';

export type ListQuery = {
  /** Accounts and transfers are filtered by the same fields. */
  readonly filter: AccountFilter;
  readonly side: 'debit' | 'credit' | undefined;
  readonly order: Order;
  readonly limit: number;
  readonly after: number | undefined;
  /** `next` of the page that ends with this number. */
  readonly cursorBehind: (number: number | undefined) => string | null;
};

export const LIST_LIMIT_MAX = 1000;
const LIST_LIMIT_DEFAULT = 100;
const DECIMAL_PATTERN = /^(0|[1-9][0-9]{0,9})$/;

/** A parameter: the member that it sets, and what its text must be. */
type Reader = (text: string) => { readonly value: bigint | number } | FieldFault;

const FILTER_READERS: readonly (readonly [string, keyof AccountFilter, Reader])[] = [
  ['ledger', 'ledger', numberUpTo(U32_MAX)],
  ['code', 'code', numberUpTo(U16_MAX)],
  ['user_data_128', 'userData128', readHex128],
  ['user_data_64', 'userData64', readU64],
  ['user_data_32', 'userData32', numberUpTo(U32_MAX)],
  ['from', 'fromNs', readInstant],
  ['until', 'untilNs', readInstant],
];

/**
 * `list` names what is listed (`accounts`, `transfers of acc_...`): part of what a cursor belongs
 * to. Throws an input problem that names every parameter at fault.
 */
export function readListQuery(list: string, parameters: QueryParameters): ListQuery {
  const errors: InputError[] = [];
  const filter: { [name: string]: bigint | number } = {};
  for (const [parameter, member, read] of FILTER_READERS) {
    const text = parameters[parameter];
    if (text === undefined) continue;
    const reading = read(text);
    if ('value' in reading) filter[member] = reading.value;
    else addError(errors, { parameter, code: reading.code, detail: reading.detail });
  }
  const side = oneOf(errors, 'side', parameters, ['debit', 'credit']);
  const order = oneOf(errors, 'order', parameters, ['newest', 'oldest']) ?? 'newest';
  const limit = readLimit(errors, parameters['limit']);
  refuse(errors);
  const question = `${list} ${order} ${side ?? ''} ${filterText(filter)}`;
  const cursor = parameters['cursor'];
  return {
    filter,
    side,
    order: `${order}-first`,
    limit,
    after: cursor === undefined ? undefined : readCursor(question, cursor),
    cursorBehind: (number) => (number === undefined ? null : writeCursor(question, number)),
  };
}

function filterText(filter: { readonly [name: string]: bigint | number }): string {
  return FILTER_READERS.map(([, member]) => `${member}=${filter[member] ?? ''}`).join(' ');
}

function oneOf<const Word extends string>(
  errors: InputError[],
  parameter: string,
  parameters: QueryParameters,
  words: readonly Word[],
): Word | undefined {
  const text = parameters[parameter];
  const word = words.find((one) => one === text);
  if (text !== undefined && word === undefined) {
    const detail = `It must be ${words.join(' or ')}.`;
    addError(errors, { parameter, code: 'field_out_of_range', detail });
  }
  return word;
}

function readLimit(errors: InputError[], text: string | undefined): number {
  const limit = DECIMAL_PATTERN.test(text ?? '') ? Number(text) : 0;
  if (limit >= 1 && limit <= LIST_LIMIT_MAX) return limit;
  if (text !== undefined) {
    const detail = `It must be a whole number from 1 to ${LIST_LIMIT_MAX}.`;
    addError(errors, { parameter: 'limit', code: 'field_out_of_range', detail });
  }
  return LIST_LIMIT_DEFAULT;
}

function numberUpTo(max: number): Reader {
  return (text) => {
    const value = DECIMAL_PATTERN.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
    if (value <= max) return { value };
    const detail = `It must be a whole number from 0 to ${max}, in decimal digits.`;
    return { code: 'field_out_of_range', detail };
  };
}

function readHex128(text: string): ReturnType<Reader> {
  return HEX_128_PATTERN.test(text) ? { value: BigInt(`0x${text}`) } : malformedUserData128();
}

function readU64(text: string): ReturnType<Reader> {
  return userData64Fault(text) ?? { value: BigInt(text) };
}

function readInstant(text: string): ReturnType<Reader> {
  const value = parseInstant(text);
  if (value !== undefined) return { value };
  const detail =
    'It must be nanoseconds since 1970 in decimal digits, or a time like 2026-01-05T08:00:00Z.';
  return { code: 'field_out_of_range', detail };
}
