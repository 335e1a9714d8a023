// Every operation of the document, asked of a real node with requests made from its schemas. What
// fits is answered as the document says, whatever the books say to it. What does not fit is refused
// with a problem and changes nothing. HOLDFAST_PROPERTY_RUNS = requests of each kind an operation.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as fc from 'fast-check';
import { readExamples } from '../../../src/api/openapi/examples.ts';
import type { Json, JsonObject } from '../../../src/api/openapi/json-schema.ts';
import type { HttpServer } from '../../../src/api/server.ts';
import { image } from '../../../src/domain/domain.ts';
import { type Known, fitting, unfitting, varied } from './arbitraries.ts';
import { START_MS } from '../../support/engine-rig.ts';
import { BANK, CUSTOMER, FEES, MERCHANT } from './books-scenario.ts';
import {
  DOCUMENTED,
  type DocumentedOperation,
  type DocumentedParameter,
  assertDocumented,
} from './document.ts';
import { type Heard, RealNode, type Sent, ask } from './real-node.ts';

const EXAMPLES = readExamples();
const RUNS = Number(process.env['HOLDFAST_PROPERTY_RUNS'] ?? '25');
const NUMBERS = 6;

/** A few ids that are used again and again, made now: neither old nor ahead. */
function freshIds(prefix: string): string[] {
  const time = START_MS.toString(16).padStart(12, '0');
  return Array.from(
    { length: NUMBERS },
    (_, index) => `${prefix}${time}${`${index + 1}`.padStart(20, '0')}`,
  );
}

const TRANSFERS = freshIds('tr_');
const POSTINGS = freshIds('po_');
/** Those of the requests that are made up, which may close them. The examples have their own. */
const ACCOUNTS = [1, 2, 3, 4].map((number) => `acc_${`a${number}`.padStart(32, '0')}`);
/** The only one that is frozen: what is asked of the others would be refused at random. */
const FROZEN = 'acc_000000000000000000000000000000fe';
/** With these every operation is done, whatever else is made up. */
const FIRST: { readonly [pattern: string]: string | undefined } = {
  '^acc_[0-9a-f]{32}$': BANK,
  '^tr_[0-9a-f]{32}$': TRANSFERS[0],
  '^po_[0-9a-f]{32}$': POSTINGS[0],
};
const fresh = (prefix: string) =>
  fc
    .stringMatching(/^[0-9a-f]{20}$/)
    .map((rest) => prefix + START_MS.toString(16).padStart(12, '0') + rest);

const KNOWN: Known = {
  byPattern: {
    '^acc_[0-9a-f]{32}$': fc.constantFrom(...ACCOUNTS),
    '^tr_[0-9a-f]{32}$': fc.oneof(fc.constantFrom(...TRANSFERS), fresh('tr_')),
    '^po_[0-9a-f]{32}$': fc.oneof(fc.constantFrom(...POSTINGS), fresh('po_')),
    '^(0|[1-9][0-9]{0,38})$': fc.constantFrom('1', '12', '300'),
    '^[1-9][0-9]{0,38}$': fc.constantFrom('1', '2'),
  },
  byName: {
    ledger: fc.constantFrom<Json>(978, 840),
    currency: fc.constantFrom<Json>('EUR', 'USD'),
    exponent: fc.constant<Json>(2),
    from: fc.constantFrom<Json>('2026-01-05T08:00:00Z', '1767225600000000000'),
    to: fc.constantFrom<Json>('2027-01-15', '2027-01-15T08:00:00Z', '1900000000000000000'),
    until: fc.constantFrom<Json>('2027-01-05T08:00:00.5Z', '1900000000000000000'),
    // A cursor is opaque: one that fits is one that the server gave.
    cursor: fc.constantFrom<Json>('x'),
  },
};

const KNOWN_TO_FREEZE: Known = {
  ...KNOWN,
  byPattern: { '^acc_[0-9a-f]{32}$': fc.constant(FROZEN) },
};

let node: RealNode;
let server: HttpServer;
const statuses = new Map<string, Set<number>>();

before(async () => {
  node = await RealNode.start({ keepsViews: true });
  server = node.serve();
  const euro = { currency: 'EUR', exponent: 2 };
  await ask(server, { method: 'put', url: '/v1/ledgers/978', body: euro });
  const accounts = [BANK, CUSTOMER, MERCHANT, FEES, FROZEN, ...ACCOUNTS].map((id) => ({
    id,
    ledger: 978,
    code: 1,
  }));
  const { status } = await ask(server, {
    method: 'post',
    url: '/v1/accounts/batch',
    body: { accounts },
  });
  assert.equal(status, 200);
  await node.viewsAreLevel();
});

after(async () => {
  assert.deepEqual(node.failures, []);
  await node[Symbol.asyncDispose]();
});

/** Parameters by place; a missing one is undefined. */
type Values = { readonly [name: string]: Json | undefined };

function requestFor(operation: DocumentedOperation, values: Values, body: Json | undefined): Sent {
  let url = operation.path;
  const query: [string, string][] = [];
  const headers: { [name: string]: string } = {};
  for (const { name, in: place } of operation.parameters) {
    const value = values[`${place} ${name}`];
    if (value === undefined) continue;
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    if (place === 'path') url = url.replace(`{${name}}`, encodeURIComponent(text));
    else if (place === 'query') query.push([name, text]);
    else headers[name] = text;
  }
  const search = new URLSearchParams(query).toString();
  const { method } = operation;
  return {
    method,
    url: search === '' ? url : `${url}?${search}`,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
}

function keyOf({ in: place, name }: DocumentedParameter): string {
  return `${place} ${name}`;
}

/** A wish for a position that has not come would wait until the deadline. */
const NOT_GENERATED = new Set(['header Holdfast-Position', 'header If-None-Match']);

function fittingValues({ parameters, path }: DocumentedOperation): fc.Arbitrary<Values> {
  const known = path.endsWith('freeze') ? KNOWN_TO_FREEZE : KNOWN;
  const asked = parameters.filter((parameter) => !NOT_GENERATED.has(keyOf(parameter)));
  const model = asked.map((parameter) => {
    const value = fitting(parameter.schema, known, parameter.name);
    const missing = { weight: 3, arbitrary: fc.constant(undefined) };
    return [
      keyOf(parameter),
      parameter.required ? value : fc.oneof(missing, { weight: 1, arbitrary: value }),
    ];
  });
  return fc.record(Object.fromEntries(model)) as fc.Arbitrary<Values>;
}

/** The first example with the first ids, and no parameter that can be left out. */
function plainest({ id, path, parameters, body }: DocumentedOperation): [Values, Json | undefined] {
  const required = parameters.map((parameter) => {
    const pattern = parameter.schema['pattern'] as string | undefined;
    const first = path.endsWith('freeze') ? FROZEN : (FIRST[pattern ?? ''] ?? '978');
    return [keyOf(parameter), parameter.required ? first : undefined];
  });
  const example = EXAMPLES.operations[id]?.find(({ status }) => status < 300)?.request.body;
  const known = ((body?.schema['properties'] ?? {}) as JsonObject)['id'] as JsonObject | undefined;
  const first = FIRST[(known?.['pattern'] ?? '') as string];
  const sent = first === undefined ? example : { ...(example as JsonObject), id: first };
  return [Object.fromEntries(required) as Values, sent];
}

/** From the schema alone, or an example with some of its members changed. */
function fittingBody({ id, body }: DocumentedOperation): fc.Arbitrary<Json | undefined> {
  if (body === undefined) return fc.constant(undefined);
  const { schema } = body;
  const examples = (EXAMPLES.operations[id] ?? [])
    .filter(({ request, status }) => request.body !== undefined && status < 300)
    .map(({ request }) => varied(request.body as JsonObject, schema, KNOWN));
  const made = fc.oneof(fitting(schema, KNOWN), ...examples);
  return body.required ? made : fc.option(made, { nil: undefined });
}

async function heardFor(operation: DocumentedOperation, sent: Sent): Promise<Heard> {
  const heard = await ask(server, sent);
  assertDocumented(operation, heard);
  const seen = statuses.get(operation.id) ?? new Set();
  statuses.set(operation.id, seen.add(heard.status));
  return heard;
}

function imageOf(): string {
  return image(node.node.state)
    .map(({ name, bytes }) => `${name}=${Buffer.from(bytes).toString('base64')}`)
    .join('\n');
}

for (const operation of DOCUMENTED) {
  test(`${operation.id}: what fits is answered as the document says`, async () => {
    await fc.assert(
      fc.asyncProperty(fittingValues(operation), fittingBody(operation), async (values, body) => {
        await heardFor(operation, requestFor(operation, values, body));
      }),
      { numRuns: RUNS, examples: [plainest(operation)] },
    );
  });
}

/** Refused at the door: with a problem that the document knows, and nothing was even submitted. */
async function assertRefused(
  operation: DocumentedOperation,
  sent: Sent,
  allowed: readonly number[],
) {
  const { position } = node.node.status();
  const { status, body } = await heardFor(operation, sent);
  assert.ok(
    allowed.includes(status),
    `${operation.id} ${JSON.stringify(sent)}: ${status} ${JSON.stringify(body)}`,
  );
  assert.equal(node.node.status().position, position);
}

for (const operation of DOCUMENTED.filter(({ body }) => body !== undefined)) {
  test(`${operation.id}: a body that does not fit is refused and changes nothing`, async () => {
    const imageBefore = imageOf();
    const { schema } = operation.body!;
    await fc.assert(
      fc.asyncProperty(fittingValues(operation), unfitting(schema, KNOWN), async (values, body) => {
        // JSON null is no body, which is allowed where the body is.
        fc.pre(operation.body!.required || body !== null);
        await assertRefused(operation, requestFor(operation, values, body), [400]);
      }),
      { numRuns: RUNS },
    );
    assert.equal(imageOf(), imageBefore);
  });

  test(`${operation.id}: what is no JSON, or not said to be, changes nothing`, async () => {
    const imageBefore = imageOf();
    const [values, body] = fc.sample(
      fc.tuple(fittingValues(operation), fitting(operation.body!.schema, KNOWN)),
      1,
    )[0]!;
    const { url, method } = requestFor(operation, values, body);
    const text = JSON.stringify(body);
    const refuse = (sent: Omit<Sent, 'method' | 'url'>, status: number) =>
      assertRefused(operation, { method, url, ...sent }, [status]);
    for (const type of ['text/plain', 'application/xml', 'application/x-www-form-urlencoded']) {
      await refuse({ body: text, headers: { 'content-type': type } }, 415);
    }
    await refuse({ body: text, headers: { 'content-encoding': 'gzip' } }, 415);
    for (const raw of ['{', '[]', '"text"', `${text},`, '{"a":1,"a":2}', '{"__proto__":{}}']) {
      await refuse({ body: raw }, 400);
    }
    await refuse({ body: Buffer.from([0x7b, 0xff, 0x7d]) }, 400);
    assert.equal(imageOf(), imageBefore);
  });
}

for (const operation of DOCUMENTED.filter(({ isOpen }) => !isOpen)) {
  test(`${operation.id}: no key, a wrong key, an odd address change nothing`, async () => {
    const imageBefore = imageOf();
    const sampled = fc.sample(fc.tuple(fittingValues(operation), fittingBody(operation)), 5);
    for (const [values, body] of sampled) {
      const sent = requestFor(operation, values, body);
      for (const authorization of ['', 'Bearer hk_another', 'Basic eDp5']) {
        await assertRefused(operation, { ...sent, headers: { authorization } }, [401]);
      }
      if (operation.path.startsWith('/v1')) {
        const url = `${sent.url}${sent.url.includes('?') ? '&' : '?'}no_such_parameter=1`;
        await assertRefused(operation, { ...sent, url }, [400]);
      }
    }
    for (const parameter of operation.parameters) {
      await assertParameterRefused(operation, parameter, sampled[0]!);
    }
    assert.equal(imageOf(), imageBefore);
  });
}

/** Texts that no parameter takes which says what it takes. */
const ODD_TEXTS = ['-1', '1.5', '0x10', ' 1', '99999999999999999999', 'maybe', '%'];

async function assertParameterRefused(
  operation: DocumentedOperation,
  parameter: DocumentedParameter,
  [values, body]: readonly [Values, Json | undefined],
): Promise<void> {
  // One that fits nothing is replaced by a new one, or taken for another version.
  if (parameter.in === 'header' && parameter.name !== 'Holdfast-Position') return;
  for (const odd of ODD_TEXTS) {
    if (fits(parameter.schema, odd)) continue;
    const changed = { ...values, [keyOf(parameter)]: odd };
    // Of a list the account is looked at first.
    await assertRefused(operation, requestFor(operation, changed, body), [400, 404]);
  }
}

function fits(schema: JsonObject, text: string): boolean {
  const options = schema['anyOf'] as readonly JsonObject[] | undefined;
  if (options !== undefined) return options.some((option) => fits(option, text));
  const pattern = schema['pattern'];
  return typeof pattern === 'string' && new RegExp(pattern).test(text);
}

test('the requests got as far as the books: most operations were done, and refused', () => {
  const isDone = ({ id }: DocumentedOperation) =>
    [...(statuses.get(id) ?? [])].some((status) => status < 300);
  const notDone = DOCUMENTED.filter((operation) => !isDone(operation)).map(({ id }) => id);
  // A node that runs alone has no cluster to steer, and is nobody's replica.
  assert.deepEqual(notDone.sort(), [
    'listTerms',
    'optionsReplica',
    'pauseFailover',
    'probeReplica',
    'resumeFailover',
    'switchOver',
  ]);
  for (const id of ['createTransfer', 'revertTransfer', 'createPosting', 'createAccount']) {
    assert.ok(
      [...statuses.get(id)!].some((status) => status > 401),
      `${id} was refused by the books`,
    );
  }
});
