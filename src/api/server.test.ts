// The door itself: keys, request ids, addresses, waiting, overload, and what happens on the socket.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { test } from 'node:test';
import { request } from 'undici';
import { AssertionFailed } from '../base/assert.ts';
import { OPERATIONAL_ERRORS, type OperationalCode, OperationalError } from '../base/errors.ts';
import {
  FAKE_API_KEY,
  type FakeNode,
  LEDGER,
  accountId,
  call,
  createBookedNode,
  createFakeNode,
  transferBody,
} from './testing/fake-node.ts';
import { OPERATIONAL_STATUS } from './status-map.ts';

const ANY_PORT = { host: '127.0.0.1', port: 0 };
const ONE = '/v1/transfers';

test('every address of /v1 and /metrics wants the key', async () => {
  await using node = await createBookedNode();
  const before = node.engine.imageHex();
  for (const authorization of ['', 'Bearer', FAKE_API_KEY, `Basic ${FAKE_API_KEY}`]) {
    const { status, headers, body } = await call(node, 'POST', ONE, transferBody(1), {
      authorization,
    });
    assert.equal(status, 401);
    assert.equal(body.code, 'key_missing');
    assert.equal(headers['www-authenticate'], 'Bearer realm="holdfast"');
  }
  for (const url of [
    '/v1/status',
    '/v1/ledgers',
    '/metrics',
    '/v1/nothing',
    '/v1/transfers/lookup',
  ]) {
    const { status, body } = await call(node, 'GET', url, undefined, {
      authorization: `Bearer ${FAKE_API_KEY}x`,
    });
    assert.equal(status, 401, url);
    assert.equal(body.code, 'key_wrong');
  }
  assert.equal(node.engine.imageHex(), before);
});

test('the scheme of the key is written in any case', async () => {
  await using node = createFakeNode();
  const headers = { authorization: `bearer ${FAKE_API_KEY}` };
  assert.equal((await call(node, 'GET', '/v1/status', undefined, headers)).status, 200);
});

test('every answer carries a request id of its own', async () => {
  await using node = createFakeNode();
  const urls = ['/livez', '/v1/status', '/nothing', '/v1/accounts/x', '/metrics', '/%zz'];
  const ids = new Set<unknown>();
  for (const url of urls) {
    const { headers } = await call(node, 'GET', url);
    assert.match(String(headers['request-id']), /^req_[0-9a-f]{32}$/, url);
    ids.add(headers['request-id']);
  }
  assert.equal(ids.size, urls.length);
});

test("the client's own request id comes back when its shape is sane", async () => {
  await using node = createFakeNode();
  const sane = await call(node, 'GET', '/nothing', undefined, { 'request-id': 'order-7:1.a_B' });
  assert.equal(sane.headers['request-id'], 'order-7:1.a_B');
  assert.equal(sane.body.request_id, 'order-7:1.a_B');
  for (const given of ['a b', 'x'.repeat(129), '"', '']) {
    const { headers } = await call(node, 'GET', '/livez', undefined, { 'request-id': given });
    assert.match(String(headers['request-id']), /^req_/);
  }
});

test('an unknown address is 404, a known one under another method is 405 with Allow', async () => {
  await using node = createFakeNode();
  for (const url of ['/', '/v2/transfers', '/v1', '/v1/transfers/a/b']) {
    const { status, body } = await call(node, 'GET', url);
    assert.equal(status, 404, url);
    assert.equal(body.code, 'route_not_found');
  }
  const allow: readonly (readonly ['GET' | 'DELETE' | 'PUT', string, string])[] = [
    ['DELETE', ONE, 'GET, HEAD, POST'],
    ['PUT', `/v1/accounts/${accountId(1)}`, 'GET, HEAD'],
    ['DELETE', `/v1/ledgers/${LEDGER}`, 'GET, HEAD, PUT'],
    // Lookups and batches stand where an id could stand.
    ['DELETE', '/v1/transfers/batch', 'GET, HEAD, POST'],
    ['DELETE', '/livez', 'GET, HEAD, OPTIONS'],
  ];
  for (const [method, url, methods] of allow) {
    const { status, headers, body } = await call(node, method, url);
    assert.equal(status, 405, url);
    assert.equal(body.code, 'method_not_allowed');
    assert.equal(headers['allow'], methods);
  }
});

test('HEAD answers as GET does, without a body', async () => {
  await using node = await createBookedNode();
  const { status, headers, body } = await call(node, 'HEAD', `/v1/accounts/${accountId(1)}`);
  assert.equal(status, 200);
  assert.equal(headers['holdfast-position'], '2');
  assert.equal(body, '');
});

test('an address that is no address, or too long, is a problem document', async () => {
  await using node = createFakeNode();
  assert.equal((await call(node, 'GET', '/v1/accounts/%zz')).body.code, 'request_malformed');
  const long = await call(node, 'GET', `/v1/accounts/${'a'.repeat(500)}`);
  assert.equal(long.status, 414);
  assert.equal(long.body.code, 'address_too_long');
});

for (const code of Object.keys(OPERATIONAL_ERRORS) as OperationalCode[]) {
  const { status, retryAfterSeconds } = OPERATIONAL_STATUS[code];
  test(`${code} is answered with ${status} and Retry-After`, async () => {
    await using node = await createBookedNode();
    node.engine.failure = new OperationalError(code);
    const before = node.engine.imageHex();
    const account = { id: accountId(8), ledger: LEDGER, code: 1 };
    const currency = { currency: 'EUR', exponent: 2 };
    const answers = [
      await call(node, 'POST', ONE, transferBody(1)),
      await call(node, 'POST', `${ONE}/batch`, { transfers: [transferBody(1)] }),
      await call(node, 'POST', '/v1/accounts', account),
      await call(node, 'POST', '/v1/accounts/batch', { accounts: [account] }),
      await call(node, 'PUT', '/v1/ledgers/1', currency),
    ];
    for (const answer of answers) {
      assert.equal(answer.status, status);
      assert.equal(answer.headers['retry-after'], String(retryAfterSeconds));
      assert.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8');
      assert.equal(answer.body.code, code.toLowerCase());
      assert.equal(answer.body.retryable, OPERATIONAL_ERRORS[code].retryable);
    }
    assert.equal(node.engine.imageHex(), before);
  });
}

test('after the deadline the outcome is unknown, and the same request again tells it', async () => {
  await using node = await createBookedNode({ outcomeWaitMs: 5 });
  node.engine.silent = true;
  const { status, body, headers } = await call(node, 'POST', ONE, transferBody(1));
  assert.equal(status, 503);
  assert.equal(body.code, 'outcome_unknown');
  assert.equal(body.retryable, true);
  assert.match(body.money, /not known/);
  assert.match(body.action, /same ids/);
  assert.equal(headers['retry-after'], '1');
  node.engine.silent = false;
  assert.equal((await call(node, 'POST', ONE, transferBody(1))).status, 200);
});

test('a client that goes away ends the waiting and not the command', async () => {
  await using node = await createBookedNode();
  const url = await node.server.listen(ANY_PORT);
  node.engine.silent = true;
  const controller = new AbortController();
  const { submitted } = node.engine;
  const answer = request(`${url}${ONE}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${FAKE_API_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(transferBody(1)),
    signal: controller.signal,
  });
  await until(() => node.engine.submitted > submitted);
  controller.abort();
  await assert.rejects(answer);
  await until(() => node.engine.aborted === 1);
  node.engine.silent = false;
  assert.equal((await call(node, 'POST', ONE, transferBody(1))).status, 200);
});

test('an outcome in time leaves nothing behind that could abort later', async () => {
  await using node = await createBookedNode({ outcomeWaitMs: 5 });
  const submit = node.engine.submit.bind(node.engine);
  const signals: AbortSignal[] = [];
  node.engine.submit = (command, signal) => {
    signals.push(signal);
    return submit(command, signal);
  };
  await call(node, 'POST', ONE, transferBody(1));
  node.engine.silent = true;
  await call(node, 'POST', ONE, transferBody(2));
  assert.deepEqual(
    signals.map((signal) => signal.aborted),
    [false, true],
  );
});

test('an unforeseen failure is 500, logged, and never claims that nothing happened', async () => {
  await using node = await createBookedNode();
  node.engine.failure = new TypeError('secret words');
  const { status, body } = await call(node, 'POST', ONE, transferBody(1));
  assert.equal(status, 500);
  assert.equal(body.code, 'internal_error');
  assert.equal(body.retryable, true);
  assert.match(body.money, /not known/);
  assert.ok(!JSON.stringify(body).includes('secret'));
  assert.equal(node.logged.length, 1);
});

for (const [what, url, body] of [
  ['transfer', ONE, transferBody(1)],
  ['account', '/v1/accounts', { id: accountId(9), ledger: LEDGER, code: 1 }],
] as const) {
  test(`a node that halts right behind a ${what} does not say that nothing was done`, async () => {
    await using node = await createBookedNode();
    const before = node.engine.imageHex();
    node.engine.haltsNext = true;
    const answer = await call(node, 'POST', url, body);
    assert.notEqual(node.engine.imageHex(), before);
    assert.equal(answer.status, 503);
    assert.equal(answer.body.code, 'outcome_unknown');
    assert.equal(answer.body.retryable, true);
    assert.doesNotMatch(answer.body.money, /[Nn]o money moved|[Nn]othing/);
  });
}

test('a broken invariant is answered and handed to whoever stops the node', async () => {
  const broken: AssertionFailed[] = [];
  await using node = createFakeNode({ onBrokenInvariant: (error) => broken.push(error) });
  node.engine.failure = new AssertionFailed('debits equal credits');
  const { status } = await call(node, 'PUT', '/v1/ledgers/1', { currency: 'EUR', exponent: 2 });
  assert.equal(status, 500);
  assert.deepEqual(broken, [node.engine.failure]);
});

test('what is not HTTP gets a problem document and the connection ends', async () => {
  await using node = createFakeNode();
  const text = await rawAnswer(node, 'PAY 100 EUR\r\n\r\n');
  assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.match(text, /\r\nRequest-Id: req_[0-9a-f]{32}\r\n/);
  assert.match(text, /\r\nConnection: close\r\n/);
  assert.equal(JSON.parse(text.slice(text.indexOf('\r\n\r\n'))).code, 'request_malformed');
  const large = await rawAnswer(
    node,
    `GET /livez HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
  );
  assert.match(large, /^HTTP\/1\.1 431 /);
  assert.match(large, /"code":"headers_too_large"/);
});

test('a body that is announced as too large is refused before it is read', async () => {
  await using node = await createBookedNode();
  const head =
    `POST ${ONE} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${FAKE_API_KEY}\r\n` +
    'Content-Type: application/json\r\nConnection: close\r\n';
  const announced = await rawAnswer(node, `${head}Content-Length: 8388609\r\n\r\n{`);
  assert.match(announced, /^HTTP\/1\.1 413 /);
  assert.match(announced, /"code":"body_too_large"/);
});

test('large bodies that arrive at once are bounded together, and answered 429 beyond it', async () => {
  await using node = await createBookedNode({ bodyBytesInFlightMax: 10_000_000 });
  await node.server.listen(ANY_PORT);
  const { port } = node.server.app.server.address() as AddressInfo;
  const head =
    `POST ${ONE} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${FAKE_API_KEY}\r\n` +
    'Content-Type: application/json\r\nConnection: close\r\n';
  const padded = JSON.stringify(transferBody(1)).padEnd(100_000);
  const slow = connect(port, '127.0.0.1');
  slow.write(`${head}Content-Length: 8388608\r\n\r\n{`);
  const chunk = `${padded.length.toString(16)}\r\n${padded}\r\n0\r\n\r\n`;
  const large = `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}`;
  const refused = await rawAnswerOf(node, large, /^HTTP\/1\.1 429 /);
  assert.match(refused, /\r\nretry-after: 1\r\n/i);
  assert.match(refused, /"code":"overloaded"/);
  assert.equal((await call(node, 'POST', ONE, transferBody(2))).status, 201);
  slow.destroy();
  await rawAnswerOf(node, large, /^HTTP\/1\.1 20[01] /);
});

test('a request without Host, also one that is not known, gets an answer of this server', async () => {
  await using node = createFakeNode();
  const known = await rawAnswer(node, 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n');
  assert.match(known, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(known, /\r\nrequest-id: req_[0-9a-f]{32}\r\n/i);
  const unknown = await rawAnswer(node, 'GET /x HTTP/1.1\r\nConnection: close\r\n\r\n');
  assert.match(unknown, /"code":"route_not_found"/);
});

test('a body that is not JSON leaves the connection to the requests behind it', async () => {
  await using node = await createBookedNode();
  const body = JSON.stringify(transferBody(1));
  const head = `POST ${ONE} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${FAKE_API_KEY}\r\n`;
  const ordinary = `${head}Content-Type: application/json; charset=utf-8\r\n`;
  const broken = `${ordinary}Content-Length: 2\r\n\r\n{]`;
  const good = `${ordinary}Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const answers = await rawAnswer(node, broken + good);
  assert.deepEqual(answers.match(/HTTP\/1\.1 [0-9]+/g), ['HTTP/1.1 400', 'HTTP/1.1 201']);
});

test('closing ends connections that are silent or never end their request', async () => {
  const node = createFakeNode();
  const { port } = new URL(await node.server.listen(ANY_PORT));
  const head = `POST ${ONE} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${FAKE_API_KEY}\r\n`;
  const body = `${head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{`;
  const closed = ['', 'POST /v1/tr', head, body].map(async (sent) => {
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    socket.write(sent);
    socket.resume().on('error', () => undefined);
    return { ended: new Promise<void>((resolve) => socket.once('close', () => resolve())) };
  });
  const sockets = await Promise.all(closed);
  await node.server.close();
  await Promise.all(sockets.map(({ ended }) => ended));
});

test('once it says goodbye each answer says that its connection ends, on the short road too', async () => {
  await using node = await createBookedNode();
  const url = new URL(await node.server.listen(ANY_PORT));
  const headers = {
    authorization: `Bearer ${FAKE_API_KEY}`,
    'content-type': 'application/json',
    connection: 'keep-alive',
  };
  const connections = async (start: number): Promise<unknown[]> => {
    const body = JSON.stringify(transferBody(start));
    const probe = await request(new URL('/livez', url), { headers });
    await probe.body.dump();
    const paid = await request(new URL(ONE, url), { method: 'POST', headers, body });
    await paid.body.dump();
    assert.equal(paid.statusCode, 201);
    return [probe.headers.connection, paid.headers.connection];
  };
  assert.deepEqual(await connections(1), ['keep-alive', 'keep-alive']);
  node.server.sayGoodbye();
  node.server.sayGoodbye();
  assert.deepEqual(await connections(2), ['close', 'close']);
});

test('closing ends idle connections and can be asked for twice', async () => {
  const node = createFakeNode();
  const url = await node.server.listen(ANY_PORT);
  const { port } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.write('GET /livez HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 200 OK/);
  const ended = once(socket, 'close');
  socket.resume();
  await Promise.all([node.server.close(), node.server.close()]);
  await ended;
  await assert.rejects(request(`${url}/livez`));
});

async function rawAnswer(node: FakeNode, text: string): Promise<string> {
  if (!node.server.app.server.listening) await node.server.listen(ANY_PORT);
  const { port } = node.server.app.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  socket.write(text);
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

/** Asks until the answer is the one that is waited for, at most five seconds. */
async function rawAnswerOf(node: FakeNode, text: string, wanted: RegExp): Promise<string> {
  const deadline = performance.now() + 5_000;
  let answer = await rawAnswer(node, text);
  while (!wanted.test(answer) && performance.now() < deadline) {
    answer = await rawAnswer(node, text);
  }
  assert.match(answer, wanted);
  return answer;
}

/** Waits for a condition that events bring about, at most five seconds. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'the condition came true in time');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
