// From a TypeBox schema to the JSON Schema of the document. Named schemas become references, unions
// of words become enumerations. Requests stay closed (unknown members are refused); answers become
// open, because members may be added to them and a client must not break on one.

import type { TSchema } from 'typebox';

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json };
export type JsonObject = { readonly [name: string]: Json };

/** `closed`: what is not named is refused. */
export type Named = { readonly schema: TSchema; readonly closed: boolean };

export type SchemaWriter = {
  /** The schema, or a reference to it where it has a name. */
  readonly write: (schema: TSchema, closed: boolean) => JsonObject;
  /** All schemas that have a name, by it. */
  readonly components: () => JsonObject;
};

/** Two schemas with the same text are the same schema: TypeBox copies what it marks as optional. */
export function createSchemaWriter(named: { readonly [name: string]: Named }): SchemaWriter {
  const namesByText = new Map<string, string>();
  for (const [name, { schema }] of Object.entries(named)) {
    const text = JSON.stringify(schema);
    if (namesByText.has(text)) throw new RangeError(`${name} has the schema of another name`);
    namesByText.set(text, name);
  }
  return {
    write: (schema, closed) => written(plain(schema), closed, true),
    components: () =>
      Object.fromEntries(
        Object.entries(named).map(([name, { schema, closed }]) => [
          name,
          written(plain(schema), closed, false),
        ]),
      ),
  };

  function written(value: Json, closed: boolean, mayRefer: boolean): JsonObject {
    const schema = value as JsonObject;
    const name = mayRefer ? namesByText.get(JSON.stringify(schema)) : undefined;
    if (name !== undefined) return { $ref: `#/components/schemas/${name}` };
    if (Array.isArray(schema['anyOf'])) return union(schema['anyOf'], schema, closed);
    const result: { [name: string]: Json } = {};
    for (const [keyword, item] of Object.entries(schema)) {
      if (keyword === 'properties') result[keyword] = properties(item as JsonObject, closed);
      else if (keyword === 'items') result[keyword] = written(item, closed, true);
      else if (closed || keyword !== 'additionalProperties' || item === true)
        result[keyword] = item;
    }
    return result;
  }

  function properties(members: JsonObject, closed: boolean): JsonObject {
    return Object.fromEntries(
      Object.entries(members).map(([name, item]) => [name, written(item, closed, true)]),
    );
  }

  function union(options: readonly Json[], schema: JsonObject, closed: boolean): JsonObject {
    const words = options.map((option) => (option as JsonObject)['const']);
    const { anyOf: _anyOf, ...rest } = schema;
    if (words.every((word) => typeof word === 'string')) {
      return { type: 'string', ...rest, enum: words };
    }
    const inner = options.map((option) => written(option, closed, true));
    const [first, second] = inner;
    const isNullable = inner.length === 2 && second?.['type'] === 'null';
    if (!isNullable || typeof first?.['type'] !== 'string') return { anyOf: inner, ...rest };
    const withNull = { ...first, ...rest, type: [first['type'], 'null'] };
    const enumeration = first['enum'] as readonly Json[] | undefined;
    return enumeration === undefined ? withNull : { ...withNull, enum: [...enumeration, null] };
  }
}

function plain(schema: TSchema): Json {
  return JSON.parse(JSON.stringify(schema)) as Json;
}
