// The OpenAPI document of the HTTP API, made from the operations, their schemas, the problem tables
// and the examples. Committed as docs/reference/openapi.json, which a test compares with this, and
// served by every node. Why no generator of routes does it: docs/adr/0016-openapi.md.

import { STATUS_CODES } from 'node:http';
import { type ProblemCode, problemKind } from '../problems.ts';
import { ProblemAnswer } from '../answer-schemas.ts';
import type { Example, Examples } from './examples.ts';
import {
  type Json,
  type JsonObject,
  type SchemaWriter,
  createSchemaWriter,
} from './json-schema.ts';
import { ACCOUNT_OPERATIONS, LEDGER_OPERATIONS } from './ledger-operations.ts';
import { NAMED } from './names.ts';
import {
  CHECKPOINT_OPERATIONS,
  CLUSTER_OPERATIONS,
  NODE_OPERATIONS,
  PROBE_OPERATIONS,
} from './node-operations.ts';
import type { Operation, OperationAnswer } from './operation.ts';
import {
  ANSWER_HEADERS,
  type Parameter,
  QUERY_PARAMETERS,
  REQUEST_ID_HEADER,
} from './parameters.ts';
import { ADDRESSED, ANY_REQUEST, KEYED, QUERIED } from './problem-codes.ts';
import { REPORT_OPERATIONS } from './report-operations.ts';
import { POSTING_OPERATIONS, TRANSFER_OPERATIONS } from './transfer-operations.ts';
import { INFO, TAGS } from './words.ts';

export const OPERATIONS: readonly Operation[] = [
  ...LEDGER_OPERATIONS,
  ...ACCOUNT_OPERATIONS,
  ...TRANSFER_OPERATIONS,
  ...POSTING_OPERATIONS,
  ...REPORT_OPERATIONS,
  ...CHECKPOINT_OPERATIONS,
  ...CLUSTER_OPERATIONS,
  ...NODE_OPERATIONS,
  ...PROBE_OPERATIONS,
];

export const JSON_TYPE = 'application/json';
export const PROBLEM_TYPE = 'application/problem+json';
/** Problems of one status that are shown as examples. */
const PROBLEM_EXAMPLES_MAX = 3;

type Parts = {
  readonly schemas: SchemaWriter;
  readonly examples: Examples;
  /** Problem answers that several operations have, by name. */
  readonly responses: ReadonlyMap<string, JsonObject>;
  /** The name of such an answer, by its text. */
  readonly responseNames: ReadonlyMap<string, string>;
};

/** `release` is the version that the document says. */
export function openApiDocument(examples: Examples, release: string): JsonObject {
  const schemas = createSchemaWriter(NAMED);
  const shared = sharedResponses(schemas, examples);
  const parts = { schemas, examples, ...shared };
  const paths: { [path: string]: { [method: string]: Json } } = {};
  for (const operation of OPERATIONS) {
    const item = (paths[operation.path] ??= {});
    item[operation.method] = operationObject(operation, parts);
  }
  return {
    openapi: '3.1.0',
    info: { ...INFO, version: release },
    servers: [{ url: '/', description: 'The node that served this document.' }],
    security: [{ key: [] }],
    tags: TAGS.map((tag) => ({ ...tag })),
    paths,
    components: {
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'The API key.' },
        browserKey: {
          type: 'http',
          scheme: 'basic',
          description: 'The API key as the password, under any user name. For `/docs` alone.',
        },
      },
      schemas: schemas.components(),
      headers: headerComponents(),
      parameters: { RequestId: parameterObject('Request-Id', 'header', REQUEST_ID_HEADER) },
      responses: Object.fromEntries(shared.responses),
    },
  };
}

export function openApiText(examples: Examples, release: string): string {
  return `${JSON.stringify(openApiDocument(examples, release), null, 2)}\n`;
}

/** All codes that the operation can answer with, each once. */
export function problemCodes({ access, path, query, problems }: Operation): ProblemCode[] {
  return [
    ...new Set([
      ...ANY_REQUEST,
      ...(path.includes('{') ? ADDRESSED : []),
      ...(access === 'open' ? [] : KEYED),
      ...(query === undefined ? [] : QUERIED),
      ...problems,
    ]),
  ];
}

function operationObject(operation: Operation, parts: Parts): JsonObject {
  const { id, tag, summary, description, access, body } = operation;
  const examples = parts.examples.operations[id] ?? [];
  const security = access === 'open' ? [] : [{ key: [] }, { browserKey: [] }];
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(access === 'key' ? {} : { security }),
    parameters: parametersOf(operation, examples, parts.schemas),
    ...(body === undefined ? {} : { requestBody: requestBody(body, examples, parts.schemas) }),
    responses: responsesOf(operation, examples, parts),
  };
}

function parametersOf(
  operation: Operation,
  examples: readonly Example[],
  schemas: SchemaWriter,
): Json[] {
  const { pathParameters = {}, query, queryParameters = {}, headers = {} } = operation;
  const names = new Set([...Object.keys(query?.properties ?? {}), ...Object.keys(queryParameters)]);
  return [
    ...Object.entries(pathParameters).map(([name, { description, schema }]) => ({
      name,
      in: 'path',
      required: true,
      description,
      schema: schemas.write(schema, true),
      ...exampleOf(name, examples),
    })),
    ...[...names].map((name) => {
      const parameter = queryParameters[name] ?? QUERY_PARAMETERS[name];
      if (parameter === undefined) throw new RangeError(`no words for the parameter ${name}`);
      return parameterObject(name, 'query', parameter);
    }),
    ...Object.entries(headers).map(([name, header]) => parameterObject(name, 'header', header)),
    { $ref: '#/components/parameters/RequestId' },
  ];
}

/** What the first example has for a name of the path. */
function exampleOf(name: string, examples: readonly Example[]): JsonObject {
  const value = examples.find(({ request }) => request.path?.[name] !== undefined)?.request.path?.[
    name
  ];
  if (value === undefined) return {};
  return { example: /^[0-9]+$/.test(value) ? Number(value) : value };
}

function parameterObject(name: string, place: string, parameter: Parameter): JsonObject {
  const { description, schema } = parameter;
  return { name, in: place, required: false, description, schema };
}

function requestBody(
  { schema, optional = false }: NonNullable<Operation['body']>,
  examples: readonly Example[],
  schemas: SchemaWriter,
): JsonObject {
  const sent = examples.filter(
    ({ request, status }, index) =>
      request.body !== undefined &&
      status < 300 &&
      examples.findIndex((other) => isSameBody(other, request.body)) === index,
  );
  const content = contentOf(
    schemas.write(schema, true),
    sent.map(({ name, request }) => [name, request.body!]),
  );
  return { required: !optional, content: { [JSON_TYPE]: content } };
}

/** A request that is sent again need not be shown again. */
function isSameBody({ request }: Example, body: Json | undefined): boolean {
  return JSON.stringify(request.body) === JSON.stringify(body);
}

function contentOf(schema: JsonObject, examples: readonly (readonly [string, Json])[]): JsonObject {
  if (examples.length === 0) return { schema };
  return {
    schema,
    examples: Object.fromEntries(
      examples.map(([name, value]) => [
        name.replaceAll(/[^A-Za-z0-9._-]+/g, '-'),
        { summary: name, value },
      ]),
    ),
  };
}

function responsesOf(operation: Operation, examples: readonly Example[], parts: Parts): JsonObject {
  const responses: { [status: string]: Json } = {};
  for (const [status, answer] of Object.entries(operation.answers)) {
    const heard = examples.filter((example) => String(example.status) === status);
    responses[status] = answerObject(answer, heard, parts.schemas);
  }
  for (const [status, codes] of codesByStatus(operation)) {
    if (responses[status] !== undefined) {
      throw new RangeError(`${operation.id}: ${status} is an answer and a problem`);
    }
    const response = problemResponse(Number(status), codes, parts);
    const name = parts.responseNames.get(JSON.stringify(response));
    responses[status] = name === undefined ? response : { $ref: `#/components/responses/${name}` };
  }
  return responses;
}

function answerObject(
  { description, schema, mediaType = JSON_TYPE, otherTypes = {}, headers = [] }: OperationAnswer,
  examples: readonly Example[],
  schemas: SchemaWriter,
): JsonObject {
  const shown = examples.filter(({ answer }) => answer !== undefined);
  const all = ['Request-Id', ...headers, 'Holdfast-Node', 'Holdfast-Role'];
  const types = schema === undefined ? [] : Object.entries({ [mediaType]: schema, ...otherTypes });
  const content = types.map(([type, own]) => {
    const ofType = shown.filter((example) => (example.mediaType ?? mediaType) === type);
    const told = ofType.map(({ name, answer }) => [name, answer!] as const);
    return [type, contentOf(schemas.write(own, false), told)] as const;
  });
  return {
    description,
    headers: headerRefs(all),
    ...(content.length === 0 ? {} : { content: Object.fromEntries(content) }),
  };
}

function codesByStatus(operation: Operation): [string, ProblemCode[]][] {
  const found = new Map<string, ProblemCode[]>();
  for (const code of problemCodes(operation)) {
    const status = String(problemKind(code).status);
    found.set(status, [...(found.get(status) ?? []), code]);
  }
  return [...found].sort(([one], [other]) => Number(one) - Number(other));
}

function problemResponse(
  status: number,
  codes: readonly ProblemCode[],
  { schemas, examples }: Pick<Parts, 'schemas' | 'examples'>,
): JsonObject {
  const retried = codes.some((code) => problemKind(code).retryAfterSeconds !== undefined);
  const headers = ['Request-Id', 'Holdfast-Position', 'Holdfast-Node', 'Holdfast-Role'];
  if (status === 401) headers.push('WWW-Authenticate');
  if (retried) headers.push('Retry-After');
  const shown = codes.filter((code) => examples.problems[code] !== undefined);
  const problem = schemas.write(ProblemAnswer, false);
  const narrowed = {
    type: 'object',
    properties: {
      status: { type: 'integer', const: status },
      code: { type: 'string', enum: codes },
    },
  };
  return {
    description: `${STATUS_CODES[status] ?? 'Problem'}: ${codes.map((code) => `\`${code}\``).join(', ')}.`,
    headers: headerRefs(headers),
    content: {
      [PROBLEM_TYPE]: contentOf(
        { allOf: [problem, narrowed] },
        shown.slice(0, PROBLEM_EXAMPLES_MAX).map((code) => [code, examples.problems[code]!]),
      ),
    },
  };
}

/** Problem answers of more than one operation: told once, under a name. */
function sharedResponses(schemas: SchemaWriter, examples: Examples) {
  const uses = new Map<string, { status: string; response: JsonObject; ids: string[] }>();
  for (const operation of OPERATIONS) {
    for (const [status, codes] of codesByStatus(operation)) {
      const response = problemResponse(Number(status), codes, { schemas, examples });
      const text = JSON.stringify(response);
      const use = uses.get(text) ?? { status, response, ids: [] };
      use.ids.push(operation.id);
      uses.set(text, use);
    }
  }
  const responses = new Map<string, JsonObject>();
  const responseNames = new Map<string, string>();
  for (const [text, { status, response, ids }] of uses) {
    if (ids.length < 2) continue;
    const word = (STATUS_CODES[Number(status)] ?? status).replaceAll(/[^A-Za-z]/g, '');
    const first = ids[0]!;
    const name = responses.has(word) ? `${word}_${first}` : word;
    responses.set(name, response);
    responseNames.set(text, name);
  }
  return { responses, responseNames };
}

function headerComponents(): JsonObject {
  return Object.fromEntries(
    Object.entries(ANSWER_HEADERS).map(([name, header]) => [name, { ...header }]),
  );
}

function headerRefs(names: readonly string[]): JsonObject {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}
