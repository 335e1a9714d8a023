// Takes down what was asked and answered, as the examples of the document: answers by operation,
// problems by code, the first of each.

import assert from 'node:assert/strict';
import { JSON_TYPE, OPERATIONS } from '../../../src/api/openapi/document.ts';
import type { Example, Examples } from '../../../src/api/openapi/examples.ts';
import type { Json, JsonObject } from '../../../src/api/openapi/json-schema.ts';
import type { Operation } from '../../../src/api/openapi/operation.ts';
import type { HttpServer } from '../../../src/api/server.ts';
import { type Heard, ask } from './real-node.ts';

export type Said = Example['request'] & { readonly raw?: string };

/** What of an answer is worth repeating; `undefined` leaves it out. */
type Shorten = (body: unknown) => unknown;

const SHORTENED: { readonly [id: string]: Shorten } = {
  getMetrics: (body) => `${String(body).split('\n').slice(0, 9).join('\n')}\n`,
  getDocsPage: () => undefined,
  getOpenApi: (body) => {
    const { openapi, info } = body as { openapi: string; info: { title: string; version: string } };
    return { openapi, info: { title: info.title, version: info.version }, paths: {} };
  },
};

export function operationOf(id: string): Operation {
  const operation = OPERATIONS.find((one) => one.id === id);
  assert.ok(operation !== undefined, `there is an operation ${id}`);
  return operation;
}

/** The address of a request, with its query. */
export function urlOf({ path }: Operation, { path: names = {}, query = {} }: Said): string {
  const filled = path.replaceAll(
    /\{(\w+)\}/g,
    (_whole, name: string) => names[name] ?? `{${name}}`,
  );
  const text = new URLSearchParams(query).toString();
  return text === '' ? filled : `${filled}?${text}`;
}

export class Teller {
  readonly operations: { [id: string]: Example[] } = {};
  readonly problems: { [code: string]: JsonObject } = {};

  /** Asks, checks the status, and takes it down under `name`. */
  async tell(
    server: HttpServer,
    id: string,
    name: string,
    said: Said,
    status: number,
  ): Promise<Heard> {
    const operation = operationOf(id);
    const { headers, body, raw } = said;
    const heard = await ask(server, {
      method: operation.method,
      url: urlOf(operation, said),
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined && raw === undefined ? {} : { body: raw ?? body }),
    });
    assert.equal(heard.status, status, `${id}, ${name}: ${JSON.stringify(heard.body)}`);
    this.note(operation, name, said, heard);
    return heard;
  }

  note(operation: Operation, name: string, request: Said, heard: Heard): void {
    const { id, answers } = operation;
    const { status, mediaType, body } = heard;
    if (mediaType === 'application/problem+json') {
      const problem = body as JsonObject & { readonly code: string };
      this.problems[problem.code] ??= problem;
      return;
    }
    const shorten = SHORTENED[id];
    const answer = (shorten === undefined || body === undefined ? body : shorten(body)) as
      | Json
      | undefined;
    const examples = (this.operations[id] ??= []);
    assert.ok(!examples.some((other) => other.name === name), `${id} has ${name} once`);
    const isFirst = body === undefined || mediaType === (answers[status]?.mediaType ?? JSON_TYPE);
    const type = isFirst ? {} : { mediaType };
    examples.push({ name, request, status, ...type, ...(answer === undefined ? {} : { answer }) });
  }

  /** In the order of the document. */
  examples(): Examples {
    const operations = Object.fromEntries(
      OPERATIONS.flatMap(({ id }) =>
        this.operations[id] === undefined ? [] : [[id, this.operations[id]]],
      ),
    );
    const problems = Object.fromEntries(
      Object.entries(this.problems).sort(([one], [other]) => (one < other ? -1 : 1)),
    );
    return { operations, problems };
  }
}
