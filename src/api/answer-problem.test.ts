// What never became a request is answered on the bare socket.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { test } from 'node:test';
import { answerBrokenHttp, problemOf } from './answer-problem.ts';

/** What a client reads when its connection breaks with this error code. */
async function answerTo(code: string): Promise<string> {
  const server = createServer((socket: Socket) => {
    answerBrokenHttp(Object.assign(new Error('broken'), { code }), socket, {
      requestId: 'req_1',
      node: '',
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  await once(server.close(), 'close');
  return answer;
}

test('a request that arrives too slowly is 408, headers that are too large are 431', async () => {
  const slow = await answerTo('ERR_HTTP_REQUEST_TIMEOUT');
  assert.match(slow, /^HTTP\/1\.1 408 Request Timeout\r\n/);
  assert.match(slow, /"code":"request_too_slow"/);
  assert.match(await answerTo('HPE_HEADER_OVERFLOW'), /^HTTP\/1\.1 431 /);
  assert.match(await answerTo('HPE_INVALID_METHOD'), /^HTTP\/1\.1 400 /);
});

test('a connection that is gone is not written to', async () => {
  assert.equal(await answerTo('ECONNRESET'), '');
});

test('an error of the framework that blames the client is 400, any other one is ours', () => {
  assert.equal(
    problemOf(Object.assign(new Error('x'), { statusCode: 400 })).code,
    'request_malformed',
  );
  assert.equal(
    problemOf(Object.assign(new Error('x'), { statusCode: 503 })).code,
    'internal_error',
  );
  assert.equal(problemOf(new Error('x')).code, 'internal_error');
});
