// Ledgers over HTTP: defined once, never changed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, createFakeNode } from '../testing/fake-node.ts';

const URL = '/v1/ledgers/978';
const EURO = { currency: 'EUR', exponent: 2 };

test('a ledger is 201 when it is defined, 200 when it is there just so, 409 when it differs', async () => {
  await using node = createFakeNode();
  assert.equal((await call(node, 'GET', URL)).body.code, 'ledger_not_found');
  const first = await call(node, 'PUT', URL, EURO);
  assert.equal(first.status, 201);
  assert.deepEqual(first.body, { ledger: 978, ...EURO });
  const second = await call(node, 'PUT', URL, EURO);
  assert.equal(second.status, 200);
  assert.deepEqual(second.body, first.body);
  const other = await call(node, 'PUT', URL, { ...EURO, exponent: 3 });
  assert.equal(other.status, 409);
  assert.equal(other.body.code, 'ledger_exists_with_different_exponent');
  assert.deepEqual((await call(node, 'GET', URL)).body, first.body);
});

test('all ledgers are listed by number', async () => {
  await using node = createFakeNode();
  await call(node, 'PUT', URL, EURO);
  await call(node, 'PUT', '/v1/ledgers/392', { currency: 'JPY', exponent: 0 });
  const { body, headers } = await call(node, 'GET', '/v1/ledgers');
  assert.deepEqual(body, {
    ledgers: [
      { ledger: 392, currency: 'JPY', exponent: 0 },
      { ledger: 978, ...EURO },
    ],
  });
  assert.equal(headers['holdfast-position'], '2');
});
