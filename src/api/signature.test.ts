// What every answer says of who answered and where he stands: on the short road and the ordinary
// one, when it went well and when it did not.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { OperationalError } from '../base/errors.ts';
import {
  FAKE_API_KEY,
  accountId,
  call,
  createBookedNode,
  transferBody,
} from './testing/fake-node.ts';

test('a node of a cluster names itself and its role with every answer, a node alone does not', async () => {
  for (const name of ['node-2', '']) {
    await using node = await createBookedNode({ node: name });
    const role = name === '' ? undefined : 'leading';
    const expected = [name === '' ? undefined : name, role];
    const short = { 'content-type': 'application/json' };
    const seen = [
      await call(node, 'POST', '/v1/transfers', JSON.stringify(transferBody(1)), short),
      await call(node, 'POST', '/v1/transfers', transferBody(2, { amount: '0' })),
      await call(node, 'POST', '/v1/transfers/batch', { transfers: [transferBody(3)] }),
      await call(node, 'GET', `/v1/accounts/${accountId(1)}`),
      await call(node, 'GET', `/v1/accounts/${accountId(99)}`),
      await call(node, 'GET', '/v1/accounts/x'),
      await call(node, 'GET', '/v1/cluster'),
      await call(node, 'GET', '/metrics'),
    ];
    for (const { headers } of seen) {
      assert.deepEqual([headers['holdfast-node'], headers['holdfast-role']], expected);
    }
    const { headers } = await call(node, 'GET', '/nowhere');
    assert.equal(headers['holdfast-node'], expected[0]);
  }
});

test('the short road says the role at the time of the answer', async () => {
  await using node = await createBookedNode({ node: 'node-2' });
  const url = await node.server.listen({ host: '127.0.0.1', port: 0 });
  const send = async (number: number) => {
    const response = await fetch(`${url}/v1/transfers`, {
      method: 'POST',
      headers: { authorization: `Bearer ${FAKE_API_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify(transferBody(number)),
    });
    await response.text();
    const { headers } = response;
    return ['node', 'role', 'position'].map((name) => headers.get(`holdfast-${name}`));
  };
  assert.deepEqual(await send(1), ['node-2', 'leading', '3']);
  node.engine.role = 'following';
  assert.deepEqual(await send(2), ['node-2', 'following', '4']);
});

test('what is not HTTP is answered by name too', async () => {
  await using node = await createBookedNode({ node: 'node-2' });
  const { port } = new URL(await node.server.listen({ host: '127.0.0.1', port: 0 }));
  const socket = connect(Number(port), '127.0.0.1');
  socket.end('nonsense\r\n\r\n');
  assert.match(await text(socket), /^Holdfast-Node: node-2\r$/m);
});

test('a problem says where this node stands, but not to strangers and not without books', async () => {
  await using node = await createBookedNode();
  const wrong = await call(node, 'GET', '/v1/accounts/x');
  assert.equal(wrong.headers['holdfast-position'], '2');
  node.engine.failure = new OperationalError('OVERLOADED');
  const refused = await call(node, 'POST', '/v1/transfers', transferBody(1));
  assert.deepEqual([refused.status, refused.headers['holdfast-position']], [429, '2']);
  const noKey = { authorization: 'Bearer wrong' };
  const stranger = await call(node, 'GET', '/v1/ledgers', undefined, noKey);
  assert.deepEqual([stranger.status, stranger.headers['holdfast-position']], [401, undefined]);
  node.engine.role = 'recovering';
  const early = await call(node, 'GET', '/v1/ledgers');
  assert.deepEqual([early.status, early.headers['holdfast-position']], [503, undefined]);
});
