// How fresh a read is: who asks for nothing waits for nothing, who asks for a position or for
// strong reads waits for exactly that, and what cannot be meant is refused by name.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationalError } from '../base/errors.ts';
import {
  LEDGER,
  accountId,
  call,
  createBookedNode,
  transferBody,
  transferId,
} from './testing/fake-node.ts';

const READS = [
  ['GET', '/v1/ledgers'],
  ['GET', `/v1/ledgers/${LEDGER}`],
  ['GET', '/v1/accounts'],
  ['GET', `/v1/accounts/${accountId(1)}`],
  ['GET', `/v1/accounts/${accountId(1)}/transfers`],
  ['POST', '/v1/accounts/lookup', { ids: [accountId(1)] }],
  ['GET', '/v1/transfers'],
  ['GET', `/v1/transfers/${transferId(1)}`],
  ['POST', '/v1/transfers/lookup', { ids: [transferId(1)] }],
] as const;

async function nodeWithTransfer() {
  const node = await createBookedNode();
  await call(node, 'POST', '/v1/transfers', transferBody(1));
  return node;
}

test('every read can be strong, or wait for a position, and waits for nothing unasked', async () => {
  await using node = await nodeWithTransfer();
  const { wishes } = node.engine;
  for (const [method, url, body] of READS) {
    for (const [query, headers, wish] of [
      ['', {}, undefined],
      ['?consistency=local', {}, undefined],
      ['', { 'holdfast-position': '0' }, undefined],
      ['?consistency=strong', {}, { isStrong: true, position: 0 }],
      ['', { 'holdfast-position': '4711' }, { isStrong: false, position: 4711 }],
      ['?consistency=strong', { 'holdfast-position': '9' }, { isStrong: true, position: 9 }],
    ] as const) {
      wishes.length = 0;
      const { status } = await call(node, method, url + query, body, headers);
      assert.equal(status, 200, url + query);
      assert.deepEqual(wishes, wish === undefined ? [] : [wish], url + query);
    }
  }
});

test('a read is answered when the node has caught up, and not before', async () => {
  await using node = await nodeWithTransfer();
  const caughtUp = Promise.withResolvers<void>();
  node.engine.catchesUp = () => caughtUp.promise;
  const order: string[] = [];
  const reading = call(node, 'GET', `/v1/transfers/${transferId(2)}?consistency=strong`);
  const done = reading.then(() => order.push('read'));
  await call(node, 'POST', '/v1/transfers', transferBody(2));
  order.push('written');
  caughtUp.resolve();
  await done;
  assert.deepEqual(order, ['written', 'read']);
  assert.equal((await reading).status, 200);
});

test('what does not come in time is catch_up_timeout, at the deadline of a request', async () => {
  await using node = await createBookedNode({ outcomeWaitMs: 10 });
  node.engine.catchesUp = (signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new OperationalError('CATCH_UP_TIMEOUT')));
    });
  const headers = { 'holdfast-position': '99' };
  const late = await call(node, 'GET', '/v1/ledgers', undefined, headers);
  assert.deepEqual([late.status, late.body.code], [503, 'catch_up_timeout']);
  assert.equal(late.headers['retry-after'], '1');
});

test('a wish that cannot be meant is refused by name, before anything is waited for', async () => {
  await using node = await nodeWithTransfer();
  for (const [method, url, body] of READS) {
    for (const [query, position, parameter] of [
      ['?consistency=eventual', undefined, 'consistency'],
      ['?consistency=', undefined, 'consistency'],
      ['', '-1', 'Holdfast-Position'],
      ['', '1.5', 'Holdfast-Position'],
      ['', '01', 'Holdfast-Position'],
      ['', '9007199254740992', 'Holdfast-Position'],
      ['', '7, 8', 'Holdfast-Position'],
      ['', '', 'Holdfast-Position'],
    ] as const) {
      const headers = position === undefined ? {} : { 'holdfast-position': position };
      const refused = await call(node, method, url + query, body, headers);
      assert.deepEqual([refused.status, refused.body.code], [400, 'field_out_of_range']);
      assert.equal(refused.body.errors[0].parameter, parameter);
    }
  }
  const twice = await call(node, 'GET', '/v1/ledgers?consistency=local&consistency=strong');
  assert.deepEqual([twice.status, twice.body.code], [400, 'query_parameter_repeated']);
  assert.deepEqual(node.engine.wishes, []);
});

test('a request that writes waits for no position and knows no consistency', async () => {
  await using node = await nodeWithTransfer();
  const headers = { 'holdfast-position': '4711' };
  const done = await call(node, 'POST', '/v1/transfers', transferBody(2), headers);
  assert.equal(done.status, 201);
  assert.deepEqual(node.engine.wishes, []);
  const strong = await call(node, 'POST', '/v1/transfers/batch?consistency=strong', {});
  assert.equal(strong.body.code, 'query_parameter_unknown');
});

test('a page goes on by its cursor with or without a wish for freshness', async () => {
  await using node = await nodeWithTransfer();
  const first = await call(node, 'GET', '/v1/accounts?limit=1&consistency=strong');
  const next = await call(node, 'GET', `/v1/accounts?limit=1&cursor=${first.body.next}`);
  assert.equal(next.status, 200);
  assert.equal(next.body.accounts.length, 1);
});
