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
  const { app } = node.server;
  const routes = ['GET /leader', 'GET /livez', 'GET /readyz', 'GET /replica'];
  for (const route of routes) {
    assert.ok(app.hasRoute({ method: 'GET', url: route.slice('GET '.length) }));
  }
  app.addHook('onRoute', ({ method, url }) => {
    for (const name of [method].flat()) {
      if (name !== 'HEAD') routes.push(`${name} ${url.replaceAll(/:([a-z]+)/g, '{$1}')}`);
    }
  });
  await app.ready();
  assert.deepEqual(documentedRoutes(), routes.sort());
});
