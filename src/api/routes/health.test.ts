// Status and metrics: what a person and Prometheus see in each state of the node.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  LEDGER,
  accountId,
  call,
  createBookedNode,
  createFakeNode,
  transferBody,
} from '../testing/fake-node.ts';

const NO_KEY = { authorization: '' };

test('a node whose disk is full is still readable', async () => {
  await using node = await createBookedNode();
  node.engine.impediment = 'JOURNAL_FULL';
  assert.equal((await call(node, 'GET', `/v1/accounts/${accountId(1)}`)).status, 200);
  assert.equal(
    (await call(node, 'POST', '/v1/accounts/lookup', { ids: [accountId(1)] })).status,
    200,
  );
  assert.equal((await call(node, 'GET', '/v1/ledgers')).status, 200);
});

test('before the books are restored every question about them is not ready', async () => {
  await using node = await createBookedNode();
  node.engine.role = 'recovering';
  for (const url of ['/v1/ledgers', `/v1/accounts/${accountId(1)}`]) {
    const { status, body, headers } = await call(node, 'GET', url);
    assert.equal(status, 503);
    assert.equal(body.code, 'not_ready');
    assert.equal(headers['retry-after'], '1');
  }
  const status = await call(node, 'GET', '/v1/status');
  assert.equal(status.status, 200);
  assert.equal(status.body.books, null);
});

test('status shows role, positions, and books that balance', async () => {
  await using node = await createBookedNode();
  await call(node, 'POST', '/v1/transfers', transferBody(1));
  await call(node, 'POST', '/v1/transfers', transferBody(2, { amount: '7', flags: ['pending'] }));
  const { body, headers } = await call(node, 'GET', '/v1/status');
  assert.equal(body.role, 'leading');
  assert.equal(body.position, 4);
  assert.equal(headers['holdfast-position'], '4');
  assert.equal(body.role_since, '2026-01-01T00:00:00.000Z');
  assert.equal(body.impediment, null);
  assert.equal(body.books.accounts, 3);
  assert.equal(body.books.holds, 1);
  assert.equal(body.books.dedupe.remembered, 2);
  assert.deepEqual(body.books.ledgers, [
    {
      ledger: LEDGER,
      currency: 'EUR',
      exponent: 2,
      debits_posted: '1250',
      credits_posted: '1250',
      debits_pending: '7',
      credits_pending: '7',
    },
  ]);
});

test('metrics want the key and are Prometheus text', async () => {
  await using node = createFakeNode();
  const open = await call(node, 'GET', '/metrics', undefined, NO_KEY);
  assert.equal(open.status, 401);
  const { status, headers, body } = await call(node, 'GET', '/metrics');
  assert.equal(status, 200);
  assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(body, /^# HELP holdfast_test/);
});

test('metrics know no query parameters', async () => {
  await using node = createFakeNode();
  const { status, body } = await call(node, 'GET', '/metrics?foo=1');
  assert.equal(status, 400);
  assert.equal(body.code, 'query_parameter_unknown');
});
