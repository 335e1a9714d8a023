// The committed document is the one that the code makes, it knows every route of the server, and
// nothing but two probes answers without key.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { OPERATIONS } from '../../../src/api/openapi/document.ts';
import type { Json, JsonObject } from '../../../src/api/openapi/json-schema.ts';
import { DOCUMENT_FILE, currentDocumentText } from '../../../src/api/openapi/document-file.ts';
import { createFakeNode } from '../../../src/api/testing/fake-node.ts';
import { DOCUMENT, DOCUMENTED } from './document.ts';

const RENEW = 'docs/reference/openapi.json is not what the code makes. Renew it: npm run openapi';
const WITHOUT_KEY = ['get /livez', 'get /readyz', 'options /livez', 'options /readyz'];
const ANY_ID = '0193f5f2a4b07c3e8d1f000000000001';

type Route = {
  readonly name: string;
  readonly schema: { readonly querystring?: unknown; readonly body?: unknown };
};

/** All routes of the server, HEAD aside: whatever answers GET answers it. */
async function routesOfServer(): Promise<Route[]> {
  await using node = createFakeNode();
  await node.server.app.ready();
  return node.server.routes
    .filter(({ method }) => method !== 'HEAD')
    .map(({ method, url, schema }) => ({
      name: `${method.toLowerCase()} ${url.replaceAll(/:([a-z]+)/g, '{$1}')}`,
      schema,
    }));
}

test('the committed document is the one that the code makes', () => {
  assert.ok(readFileSync(DOCUMENT_FILE, 'utf8') === currentDocumentText(), RENEW);
});

test('every route of the server is in the document, and the other way round', async () => {
  const routes = (await routesOfServer()).map(({ name }) => name).sort();
  const documented = DOCUMENTED.map(({ method, path }) => `${method} ${path}`).sort();
  assert.deepEqual(documented, routes);
  assert.equal(new Set(DOCUMENTED.map(({ id }) => id)).size, DOCUMENTED.length);
});

test('what a route validates with is what the document is made from', async () => {
  for (const { name, schema } of await routesOfServer()) {
    const operation = OPERATIONS.find(({ method, path }) => `${method} ${path}` === name);
    assert.equal(schema.querystring, operation?.query, `${name}: the query`);
    if (schema.body !== undefined) assert.equal(schema.body, operation?.body?.schema, name);
  }
});

test('no route but two probes answers without a key', async () => {
  await using node = createFakeNode();
  const { app } = node.server;
  const open: string[] = [];
  for (const { name } of await routesOfServer()) {
    const [method, path] = name.split(' ') as [string, string];
    const url = path.replaceAll(/\{\w+\}/g, ANY_ID);
    for (const authorization of [
      undefined,
      '',
      'Bearer',
      'Bearer x',
      'Basic',
      'Basic Og==',
      'Basic eDp5',
    ]) {
      const headers = authorization === undefined ? {} : { authorization };
      const { statusCode } = await app.inject({
        method: method.toUpperCase() as 'GET',
        url,
        headers,
      });
      if (statusCode !== 401 && !open.includes(name)) open.push(name);
    }
  }
  assert.deepEqual(open.sort(), WITHOUT_KEY);
  const told = DOCUMENTED.filter(({ isOpen }) => isOpen).map(
    ({ method, path }) => `${method} ${path}`,
  );
  assert.deepEqual(told.sort(), WITHOUT_KEY);
});

/** Every object in the document, however deep. */
function* objectsIn(value: Json): Generator<JsonObject> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield value as JsonObject;
  for (const item of Object.values(value)) yield* objectsIn(item as Json);
}

test('what a schema requires it names as a member', () => {
  let count = 0;
  for (const schema of objectsIn(DOCUMENT['components']!)) {
    const members = Object.keys((schema['properties'] ?? {}) as JsonObject);
    const ways = [schema, schema['then'], schema['else']].map((way) => (way ?? {}) as JsonObject);
    if (schema['type'] !== 'object') continue;
    for (const name of ways.flatMap(({ required = [] }) => required as readonly string[])) {
      assert.ok(members.includes(name), `${name} of ${members.join(', ')}`);
      count += 1;
    }
  }
  assert.ok(count > 100);
});
