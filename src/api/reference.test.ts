// The reference of the HTTP API names every route, and no route that does not exist.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createFakeNode } from './testing/fake-node.ts';

const REFERENCE = new URL('../../docs/reference/http-api.md', import.meta.url);

/** `GET /v1/ledgers/{ledger}` as the first column of the table has it, sorted. */
function documentedRoutes(): string[] {
  const routes: string[] = [];
  for (const line of readFileSync(REFERENCE, 'utf8').split('\n')) {
    const cell = /^\| (`(?:GET|PUT|POST) [^|]*) \|/.exec(line)?.[1] ?? '';
    for (const match of cell.matchAll(/`([A-Z]+ [^`]+)`/g)) routes.push(match[1]!);
  }
  return routes.sort();
}

test('the table of the reference is the list of routes', async () => {
  await using node = createFakeNode();
  await node.server.app.ready();
  const routes = node.server.routes
    .filter(({ method }) => method !== 'HEAD' && method !== 'OPTIONS')
    .map(({ method, url }) => `${method} ${url.replaceAll(/:([a-z]+)/g, '{$1}')}`);
  assert.deepEqual(documentedRoutes(), routes.sort());
});
