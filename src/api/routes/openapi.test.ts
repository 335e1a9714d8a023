// The document and its page as they are served: with the key, and with nothing from elsewhere.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FAKE_API_KEY, type FakeNode, call, createFakeNode } from '../testing/fake-node.ts';

const DOCUMENT = '/v1/openapi.json';
const COMMITTED = readFileSync(
  new URL('../../../docs/reference/openapi.json', import.meta.url),
  'utf8',
);

function basic(password: string, user = 'me'): { readonly authorization: string } {
  const pair = Buffer.from(`${user}:${password}`).toString('base64');
  return { authorization: `Basic ${pair}` };
}

async function textOf(node: FakeNode, url: string): Promise<string> {
  const headers = { authorization: `Bearer ${FAKE_API_KEY}` };
  return (await node.server.app.inject({ method: 'GET', url, headers })).body;
}

test('the served document is the committed one, byte for byte', async () => {
  await using node = createFakeNode();
  assert.ok((await textOf(node, DOCUMENT)) === COMMITTED);
  assert.equal((await call(node, 'GET', DOCUMENT)).headers['cache-control'], 'private, no-cache');
});

test('who has the document already is told so, in whichever form he says it', async () => {
  await using node = createFakeNode();
  for (const url of [DOCUMENT, '/docs']) {
    const { etag } = (await call(node, 'GET', url)).headers;
    assert.match(String(etag), /^"[0-9a-f]{32}"$/);
    const asked = [etag, `W/${String(etag)}`, `"x", ${String(etag)}`, '*'].map(String);
    for (const tag of asked) {
      const answer = await call(node, 'GET', url, undefined, { 'if-none-match': tag });
      assert.deepEqual([answer.status, answer.body], [304, ''], tag);
      assert.equal(answer.headers['etag'], etag);
    }
    const other = await call(node, 'GET', url, undefined, { 'if-none-match': '"x"' });
    assert.equal(other.status, 200);
  }
});

test('the page takes the key as a password, and the document does not', async () => {
  await using node = createFakeNode();
  for (const user of ['me', '']) {
    const { status, headers } = await call(
      node,
      'GET',
      '/docs',
      undefined,
      basic(FAKE_API_KEY, user),
    );
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'text/html; charset=utf-8');
  }
  assert.equal((await call(node, 'GET', '/docs')).status, 200);
  for (const url of [DOCUMENT, '/v1/status', '/metrics', '/leader', '/docs/']) {
    const { status, body, headers } = await call(node, 'GET', url, undefined, basic(FAKE_API_KEY));
    assert.deepEqual([status, body.code], [401, 'key_missing'], url);
    assert.equal(headers['www-authenticate'], 'Bearer realm="holdfast"');
  }
});

test('without the key a browser is asked for it, and shown nothing', async () => {
  await using node = createFakeNode();
  const wrong = [
    basic(`${FAKE_API_KEY}x`),
    basic(''),
    { authorization: 'Basic ===' },
    { authorization: '' },
  ];
  for (const headers of [...wrong, { authorization: 'Bearer x' }]) {
    const answer = await call(node, 'GET', '/docs', undefined, headers);
    assert.equal(answer.status, 401);
    assert.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8');
    assert.deepEqual(answer.headers['www-authenticate'], [
      'Basic realm="holdfast", charset="UTF-8"',
      'Bearer realm="holdfast"',
    ]);
  }
});

test('the page allows its own script and style and nothing else', async () => {
  await using node = createFakeNode();
  const { headers } = await call(node, 'GET', '/docs');
  const html = await textOf(node, '/docs');
  const digestOf = (tag: string): string => {
    const found = [...html.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, 'g'))];
    assert.equal(found.length, 1, `one ${tag}`);
    return `'sha256-${createHash('sha256').update(found[0]![1]!).digest('base64')}'`;
  };
  assert.equal(
    headers['content-security-policy'],
    `default-src 'none'; style-src ${digestOf('style')}; script-src ${digestOf('script')}; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  );
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['x-frame-options'], 'DENY');
  assert.equal(headers['referrer-policy'], 'no-referrer');
  assert.doesNotMatch(html, /\s(?:style|on[a-z]+)=/i);
  const loaded = [...html.matchAll(/\s(?:src|href)="([^"#][^"]*)"/g)].map(([, url]) => url);
  assert.deepEqual(loaded, ['data:,']);
});

test('the page shows every operation and every schema, and its links lead somewhere', async () => {
  await using node = createFakeNode();
  const html = await textOf(node, '/docs');
  const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id!);
  assert.equal(new Set(ids).size, ids.length, 'ids are unique');
  const { paths, components } = JSON.parse(COMMITTED) as {
    readonly paths: {
      readonly [path: string]: { readonly [method: string]: { operationId: string } };
    };
    readonly components: { readonly schemas: object };
  };
  const operations = Object.values(paths).flatMap((item) => Object.values(item));
  for (const { operationId } of operations) assert.ok(ids.includes(operationId), operationId);
  for (const name of Object.keys(components.schemas))
    assert.ok(ids.includes(`schema-${name}`), name);
  for (const [, target] of html.matchAll(/\shref="#([^"]+)"/g))
    assert.ok(ids.includes(target!), target);
});
