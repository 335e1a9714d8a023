// Values from the schemas of the document: such as fit, biased towards accounts, transfers and
// ledgers that exist, and such as do not fit, each by one change of a value that fits.

import * as fc from 'fast-check';
import type { Json, JsonObject } from '../../../src/api/openapi/json-schema.ts';
import { validatorOf } from './document.ts';

/** What exists in the books under test, by the pattern of its schema; and ledgers by name. */
export type Known = {
  readonly byPattern: { readonly [pattern: string]: fc.Arbitrary<string> };
  readonly byName: { readonly [name: string]: fc.Arbitrary<Json> };
};

/** Lists of thousands say nothing more, but take their time. */
const ITEMS_MAX = 3;

/** `name` is the member or parameter whose value it is. */
export function fitting(schema: JsonObject, known: Known, name = ''): fc.Arbitrary<Json> {
  const made = unbiased(schema, known);
  const pattern = schema['pattern'];
  const existing =
    known.byName[name] ?? (typeof pattern === 'string' ? known.byPattern[pattern] : undefined);
  if (existing === undefined) return made;
  return fc.oneof({ weight: 4, arbitrary: existing }, { weight: 1, arbitrary: made });
}

function unbiased(schema: JsonObject, known: Known): fc.Arbitrary<Json> {
  const options = schema['anyOf'] as readonly JsonObject[] | undefined;
  if (options !== undefined) return fc.oneof(...options.map((option) => fitting(option, known)));
  const words = schema['enum'] as readonly Json[] | undefined;
  if (words !== undefined) return fc.constantFrom(...words);
  const type = schema['type'] as string;
  switch (type) {
    case 'object':
      return objectOf(schema, known);
    case 'array':
      return arrayOf(schema, known);
    case 'integer':
      return integerOf(schema);
    case 'boolean':
      return fc.boolean();
    case 'string':
      return stringOf(schema);
    default:
      throw new RangeError(`no values for ${JSON.stringify(schema)}`);
  }
}

function objectOf(schema: JsonObject, known: Known): fc.Arbitrary<Json> {
  const members = Object.entries((schema['properties'] ?? {}) as JsonObject);
  const required = (schema['required'] ?? []) as string[];
  const model = Object.fromEntries(
    members.map(([name, member]) => [name, fitting(member as JsonObject, known, name)]),
  );
  const ways = [schema['then'], schema['else']].map((way) => {
    const more = ((way as JsonObject | undefined)?.['required'] ?? []) as string[];
    return fc.record(model, { requiredKeys: [...required, ...more], noNullPrototype: true });
  });
  const made = fc.oneof(...ways) as fc.Arbitrary<Json>;
  return schema['if'] === undefined
    ? made
    : made.filter((value) => validatorOf(schema).Check(value));
}

function arrayOf(schema: JsonObject, known: Known): fc.Arbitrary<Json> {
  const items = fitting(schema['items'] as JsonObject, known);
  const minLength = Number(schema['minItems'] ?? 0);
  const maxLength = Math.min(
    Number(schema['maxItems'] ?? ITEMS_MAX),
    Math.max(ITEMS_MAX, minLength),
  );
  if (schema['uniqueItems'] === true)
    return fc.uniqueArray(items, { minLength, maxLength }) as fc.Arbitrary<Json>;
  return fc.array(items, { minLength, maxLength }) as fc.Arbitrary<Json>;
}

function integerOf(schema: JsonObject): fc.Arbitrary<Json> {
  const min = Number(schema['minimum'] ?? 0);
  const max = Number(schema['maximum'] ?? Number.MAX_SAFE_INTEGER);
  const small = fc.integer({ min, max: Math.min(max, min + 3) });
  return fc.oneof(
    small,
    fc.constantFrom(min, max),
    fc.maxSafeInteger().map((n) => min + (Math.abs(n) % (max - min + 1))),
  );
}

function stringOf(schema: JsonObject): fc.Arbitrary<Json> {
  const { minLength = 0, maxLength = 20 } = schema as { minLength?: number; maxLength?: number };
  const pattern = schema['pattern'];
  if (typeof pattern === 'string') return fc.stringMatching(new RegExp(pattern));
  return fc.string({ minLength, maxLength: Math.min(maxLength, 40), unit: 'grapheme' });
}

/** An example with ids of its own and now and then another value for a member. */
export function varied(example: JsonObject, schema: JsonObject, known: Known): fc.Arbitrary<Json> {
  const members = schema['properties'] as JsonObject;
  const model = Object.entries(example).map(([name, value]) => {
    const other = fitting(members[name] as JsonObject, known, name);
    if (name === 'id' || name.endsWith('_id')) return [name, other];
    const same = { weight: 9, arbitrary: fc.constant(value) };
    return [name, fc.oneof(same, { weight: 1, arbitrary: other })];
  });
  return fc.record(Object.fromEntries(model), { noNullPrototype: true }) as fc.Arbitrary<Json>;
}

const ODD: readonly Json[] = [
  null,
  true,
  '',
  '1.5',
  '-1',
  -1,
  0.5,
  1e300,
  2 ** 53,
  [],
  {},
  [[]],
  'x'.repeat(300),
  '\u0000',
  'acc_',
];

/** A value that does not fit: an odd one in one place, a member more, or a member less. */
export function unfitting(schema: JsonObject, known: Known): fc.Arbitrary<Json> {
  return fc
    .tuple(
      fitting(schema, known),
      fc.nat(),
      fc.constantFrom('odd', 'more', 'less'),
      fc.constantFrom(...ODD),
    )
    .map(([value, seed, how, odd]) => changed(value, { seed, how, odd }))
    .filter((value) => !validatorOf(schema).Check(value));
}

type Change = { readonly seed: number; readonly how: string; readonly odd: Json };

function changed(value: Json, change: Change): Json {
  const { seed, how, odd } = change;
  if (typeof value !== 'object' || value === null) return odd;
  const names = Object.keys(value);
  const name = names[seed % Math.max(names.length, 1)];
  const isDeep = seed % 3 === 0;
  if (name !== undefined && isDeep) {
    const inner = (value as JsonObject)[name]!;
    return withMember(value, name, changed(inner, { ...change, seed: Math.floor(seed / 3) }));
  }
  if (how === 'more' && !Array.isArray(value))
    return { ...(value as JsonObject), no_such_member: 1 };
  if (name === undefined) return odd;
  if (how === 'less' && !Array.isArray(value)) {
    const { [name]: _gone, ...rest } = value as JsonObject;
    return rest;
  }
  return withMember(value, name, odd);
}

function withMember(value: Json, name: string, item: Json): Json {
  if (Array.isArray(value))
    return value.map((old: Json, index) => (String(index) === name ? item : old));
  return { ...(value as JsonObject), [name]: item };
}
