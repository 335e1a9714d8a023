// The committed document as the tests use it: references followed, and answers closed. In the
// document answers are open, because members may be added to them; here one that it does not name
// is a failure, or it would never be documented.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Compile } from 'typebox/schema';
import type { Json, JsonObject } from '../../../src/api/openapi/json-schema.ts';
import { DOCUMENT_FILE } from '../../../src/api/openapi/document-file.ts';
import type { Heard } from './real-node.ts';

export const DOCUMENT = JSON.parse(readFileSync(DOCUMENT_FILE, 'utf8')) as JsonObject;

export type DocumentedParameter = {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly schema: JsonObject;
};

type DocumentedAnswer = {
  /** Schemas by media type; none = no body. */
  readonly content: ReadonlyMap<string, JsonObject>;
  readonly headers: readonly string[];
};

export type DocumentedOperation = {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly isOpen: boolean;
  readonly parameters: readonly DocumentedParameter[];
  readonly body: { readonly schema: JsonObject; readonly required: boolean } | undefined;
  readonly answers: ReadonlyMap<number, DocumentedAnswer>;
};

export const DOCUMENTED: readonly DocumentedOperation[] = Object.entries(
  DOCUMENT['paths'] as JsonObject,
).flatMap(([path, item]) =>
  Object.entries(item as JsonObject).map(([method, operation]) =>
    documented(method, path, resolved(operation) as JsonObject),
  ),
);

/** Everything behind `$ref` in its place. There are no circles. */
function resolved(value: Json): Json {
  if (Array.isArray(value)) return value.map(resolved);
  if (typeof value !== 'object' || value === null) return value;
  const object = value as JsonObject;
  const ref = object['$ref'];
  if (typeof ref === 'string') {
    let found: Json = DOCUMENT;
    for (const name of ref.split('/').slice(1)) found = (found as JsonObject)[name]!;
    return resolved(found);
  }
  return Object.fromEntries(Object.entries(object).map(([name, item]) => [name, resolved(item)]));
}

function documented(method: string, path: string, operation: JsonObject): DocumentedOperation {
  const body = operation['requestBody'] as JsonObject | undefined;
  const answers = Object.entries(operation['responses'] as JsonObject).map(([status, response]) => {
    const { content, headers } = response as { content?: JsonObject; headers?: JsonObject };
    return [
      Number(status),
      { content: contentOf(content), headers: Object.keys(headers ?? {}) },
    ] as const;
  });
  return {
    id: operation['operationId'] as string,
    method,
    path,
    isOpen: (operation['security'] as readonly Json[] | undefined)?.length === 0,
    parameters: operation['parameters'] as readonly DocumentedParameter[] & Json,
    body:
      body === undefined
        ? undefined
        : {
            schema: onlyOneOf(contentOf(body['content'] as JsonObject)),
            required: body['required'] === true,
          },
    answers: new Map(answers),
  };
}

function contentOf(content: JsonObject = {}): DocumentedAnswer['content'] {
  const types = Object.entries(content as { readonly [type: string]: JsonObject });
  return new Map(types.map(([type, { schema }]) => [type, schema as JsonObject]));
}

function onlyOneOf(content: DocumentedAnswer['content']): JsonObject {
  assert.deepEqual([...content.keys()], ['application/json'], 'one media type for each body');
  return content.get('application/json')!;
}

/** What the schema does not name is not allowed, unless it says that it is. */
function closed(value: Json): Json {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const merged = mergedAll(value as JsonObject);
  const object: { [name: string]: Json } = Object.fromEntries(
    Object.entries(merged).map(([name, item]) => [name, closed(item)]),
  );
  const isObject = object['type'] === 'object' && object['properties'] !== undefined;
  return isObject ? { additionalProperties: false, ...object } : object;
}

/** `allOf` of objects as one object, which can be closed. */
function mergedAll(object: JsonObject): JsonObject {
  const parts = object['allOf'] as readonly JsonObject[] | undefined;
  if (parts === undefined) return object;
  const properties: { [name: string]: Json } = {};
  for (const part of parts) {
    for (const [name, schema] of Object.entries(part['properties'] as JsonObject)) {
      // What the second one says of a member narrows what the first one says.
      properties[name] = {
        ...(properties[name] as JsonObject | undefined),
        ...(schema as JsonObject),
      };
    }
  }
  const required = parts.flatMap((part) => (part['required'] ?? []) as readonly string[]);
  return { type: 'object', properties, required };
}

type Validator = ReturnType<typeof Compile>;
const VALIDATORS = new Map<JsonObject, Validator>();

export function validatorOf(schema: JsonObject): Validator {
  const known = VALIDATORS.get(schema);
  if (known !== undefined) return known;
  const made = Compile(schema);
  VALIDATORS.set(schema, made);
  return made;
}

const CLOSED = new Map<JsonObject, JsonObject>();

function closedOf(schema: JsonObject): JsonObject {
  const made = CLOSED.get(schema) ?? (closed(schema) as JsonObject);
  CLOSED.set(schema, made);
  return made;
}

/** Sent with every answer of a node that runs alone, or only where there is a reason. */
const SOMETIMES = new Set(['holdfast-node', 'holdfast-role', 'holdfast-next']);

/** Status, media type, headers and body are as the document says. */
export function assertDocumented(operation: DocumentedOperation, heard: Heard): void {
  const { status, body, headers, mediaType } = heard;
  const place = `${operation.id}, ${status}`;
  const answer = operation.answers.get(status);
  assert.ok(answer !== undefined, `${place} is not documented: ${JSON.stringify(body)}`);
  for (const name of answer.headers.map((header) => header.toLowerCase())) {
    const isProblem = mediaType === 'application/problem+json';
    if (SOMETIMES.has(name) || (isProblem && name === 'holdfast-position')) continue;
    if (isProblem && name === 'retry-after' && headers[name] === undefined) continue;
    assert.ok(headers[name] !== undefined, `${place}: the header ${name} is missing`);
  }
  const named = new Set(answer.headers.map((header) => header.toLowerCase()));
  for (const name of Object.keys(headers)) {
    if (!/^(holdfast-|retry-after|www-authenticate|etag)/.test(name)) continue;
    assert.ok(named.has(name), `${place}: the header ${name} is not documented`);
  }
  if (answer.content.size === 0) {
    assert.equal(body, undefined, `${place} has no body`);
    return;
  }
  const schema = answer.content.get(mediaType);
  assert.ok(schema !== undefined, `${place}: ${mediaType} is not documented`);
  const [isValid, errors] = validatorOf(closedOf(schema)).Errors(body);
  assert.ok(isValid, `${place}: ${JSON.stringify(errors.slice(0, 3))}\n${JSON.stringify(body)}`);
}
