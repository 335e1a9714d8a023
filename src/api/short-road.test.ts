// The short road of a transfer answers as the ordinary road does, to good and to broken bodies, and
// it leaves the books in the same state.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  type Answer,
  FAKE_API_KEY,
  call,
  createBookedNode,
  transferBody,
  transferId,
} from './testing/fake-node.ts';

const ONE = '/v1/transfers';
const RUNS = Number(process.env['HOLDFAST_TEST_RUNS'] ?? 200);
/** Another way to say the same, which the short road does not know. */
const ORDINARY = { 'content-type': 'application/json; charset=utf-8' };

/** What must be the same: all but the request's id. */
function shown({ status, headers, body }: Answer): object {
  const { 'request-id': _id, date: _date, ...rest } = headers;
  const { request_id: _request, ...document } = body;
  return { status, headers: { ...rest, 'content-length': '' }, document };
}

const value = fc.constantFrom<unknown>(
  undefined,
  null,
  '',
  '0',
  '1250',
  '01',
  1250,
  -1,
  978,
  979,
  65_536,
  'é',
  [],
  ['pending'],
  ['post_pending'],
  ['pending', 'pending'],
  transferId(1),
  transferId(2),
);
const change = fc.dictionary(
  fc.constantFrom('id', 'amount', 'ledger', 'code', 'flags', 'pending_id', 'user_data_32', 'more'),
  value,
  { maxKeys: 2, noNullPrototype: true },
);
const text = fc
  .tuple(fc.integer({ min: 1, max: 9 }), change, fc.boolean(), fc.nat({ max: 400 }))
  .map(([number, changed, isCut, length]) => {
    const whole = JSON.stringify(transferBody(number, changed));
    return isCut ? whole.slice(0, length) : whole;
  });

test('both roads give the same answers and lead to the same books', async () => {
  await using short = await createBookedNode();
  await using ordinary = await createBookedNode();
  const statuses = new Set<number>();
  await fc.assert(
    fc.asyncProperty(text, async (body) => {
      const one = await call(short, 'POST', ONE, body);
      const other = await call(ordinary, 'POST', ONE, body, ORDINARY);
      assert.deepEqual(shown(one), shown(other));
      statuses.add(one.status);
    }),
    { numRuns: RUNS },
  );
  assert.equal(short.engine.imageHex(), ordinary.engine.imageHex());
  assert.ok(statuses.has(201) && statuses.has(200) && statuses.has(400), [...statuses].join());
});

test('a body that arrives in pieces is read whole, and requests may follow each other', async () => {
  await using node = await createBookedNode();
  const url = new URL(await node.server.listen({ host: '127.0.0.1', port: 0 }));
  const socket = connect(Number(url.port), url.hostname);
  await once(socket, 'connect');
  socket.setNoDelay(true);
  let answers = '';
  socket.on('data', (bytes: Buffer) => {
    answers += bytes.toString();
  });
  const [first, second, third] = [1, 2, 3].map((number) => requestText(transferBody(number)));
  for (const piece of [first!.slice(0, 100), first!.slice(100, -150), first!.slice(-150, -1)]) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  socket.write(first!.slice(-1) + second! + third!);
  await until(() => answers.split('HTTP/1.1 201 ').length === 4);
  assert.equal(answers.split('"state":"accepted"').length, 4);
  socket.destroy();
});

test('each of several requests waits for its own time, and later ones again', async () => {
  await using node = await createBookedNode({ outcomeWaitMs: 20 });
  for (const numbers of [
    [1, 2, 3],
    [4, 5],
  ]) {
    node.engine.silent = true;
    const { submitted } = node.engine;
    const waiting = numbers.map(async (number) => {
      const answer = await call(node, 'POST', ONE, transferBody(number));
      return [answer.status, answer.body.code];
    });
    await until(() => node.engine.submitted >= submitted + numbers.length);
    node.engine.silent = false;
    const answered = await call(node, 'POST', ONE, transferBody(10 * numbers[0]!));
    assert.equal(answered.status, 201);
    for (const outcome of await Promise.all(waiting)) {
      assert.deepEqual(outcome, [503, 'outcome_unknown']);
    }
  }
});

test('a client that goes away in the middle of a body changes nothing', async () => {
  await using node = await createBookedNode();
  const before = node.engine.imageHex();
  const { submitted } = node.engine;
  await node.server.listen({ host: '127.0.0.1', port: 0 });
  const { port } = node.server.app.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  const connection = once(node.server.app.server, 'request');
  socket.write(requestText(transferBody(1)).slice(0, -1));
  const [request] = (await connection) as [NodeJS.EventEmitter];
  const closed = new Promise((resolve) => request.once('close', resolve));
  socket.destroy();
  await closed;
  assert.equal(node.engine.submitted, submitted);
  assert.equal(node.engine.imageHex(), before);
  assert.equal((await call(node, 'POST', ONE, transferBody(1))).status, 201);
});

test('a body limit below the short road is the limit of both', async () => {
  await using node = await createBookedNode({ bodyBytesMax: 1000 });
  const padded = JSON.stringify(transferBody(1)).padEnd(1001);
  assert.equal((await call(node, 'POST', ONE, padded)).body.code, 'body_too_large');
  assert.equal((await call(node, 'POST', ONE, padded.trimEnd())).status, 201);
});

function requestText(body: object): string {
  const text = JSON.stringify(body);
  return (
    `POST ${ONE} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${FAKE_API_KEY}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`
  );
}

/** Waits for a condition that events bring about, at most five seconds. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'the condition came true in time');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
