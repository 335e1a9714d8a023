// Answers that a well node in a quiet hour does not give: no books, no room, no time, no key, and
// what is not even a request. Each from a real door.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect } from 'node:net';
import type { HttpServer } from '../../../src/api/server.ts';
import { createJournal } from '../../../src/drivers/memory/driver.ts';
import { MemoryLog } from '../../../src/drivers/memory/memory-log.ts';
import { changedJournal } from '../../support/engine-rig.ts';
import { type RealNode, REQUEST_ID, RealNode as Nodes } from './real-node.ts';
import { type Teller, operationOf } from './teller.ts';

const PATH = { ledger: '978' };
const BODY = { currency: 'EUR', exponent: 2 };

export async function tellFaults(teller: Teller, node: RealNode): Promise<void> {
  const server = node.serve();
  const wrong = { headers: { authorization: 'Bearer hk_another' } };
  await teller.tell(server, 'listLedgers', 'no key', { headers: { authorization: '' } }, 401);
  await teller.tell(server, 'listLedgers', 'wrong key', wrong, 401);
  await teller.tell(server, 'listLedgers', 'odd query', { query: { size: '1' } }, 400);
  const text = { headers: { 'content-type': 'text/plain' }, raw: 'EUR' };
  await teller.tell(server, 'putLedger', 'text', { path: PATH, ...text }, 415);
  await teller.tell(server, 'createTransfer', 'no body', {}, 400);
  await teller.tell(server, 'createTransfer', 'broken', { raw: '{"id":' }, 400);
  await teller.tell(server, 'getAccount', 'long', { path: { id: 'a'.repeat(200) } }, 414);
  await teller.tell(server, 'getAccount', 'odd', { path: { id: '%zz' } }, 400);
  const narrow = node.serve({ bodyBytesMax: 16 });
  await teller.tell(narrow, 'putLedger', 'large', { path: PATH, body: BODY }, 413);
  const full = node.serve({ bodyBytesInFlightMax: 1 });
  await teller.tell(full, 'putLedger', 'many', { path: PATH, raw: ' '.repeat(70_000) }, 429);
  const hasty = node.serve({ outcomeWaitMs: 5 });
  const ahead = { headers: { 'Holdfast-Position': '999999' } };
  await teller.tell(hasty, 'listLedgers', 'ahead', ahead, 503);
  const unwell = node.serve({ metricsText: () => Promise.reject(new TypeError('no metrics')) });
  await teller.tell(unwell, 'getMetrics', 'unwell', {}, 500);
  assert.equal(node.failures.length, 1);
  node.failures.length = 0;
  await tellBeforeStart(teller);
  await tellUnknownOutcome(teller);
  await tellBrokenRequests(teller, server);
}

async function tellBeforeStart(teller: Teller): Promise<void> {
  await using node = await Nodes.make({ keepsViews: true });
  const server = node.serve();
  await teller.tell(server, 'listLedgers', 'no books', {}, 503);
  await teller.tell(server, 'getTrialBalance', 'not yet', {}, 503);
  for (const how of ['probe', 'options']) {
    await teller.tell(server, `${how}Readyz`, 'before the start', {}, 503);
    await teller.tell(server, `${how}Leader`, 'before the start', {}, 503);
  }
}

async function tellUnknownOutcome(teller: Teller): Promise<void> {
  const inner = createJournal({ log: new MemoryLog() });
  const gate = Promise.withResolvers<void>();
  let isSlow = false;
  const slow = changedJournal(inner, {
    append: async (entry) => {
      if (isSlow) await gate.promise;
      return inner.append(entry);
    },
  });
  await using node = await Nodes.start({ journal: slow });
  isSlow = true;
  const hasty = node.serve({ outcomeWaitMs: 50 });
  await teller.tell(hasty, 'getTrialBalance', 'no views', {}, 404);
  await teller.tell(hasty, 'putLedger', 'slow disk', { path: PATH, body: BODY }, 503);
  gate.resolve();
}

/** Headers without end, and a request that does not come to its own. */
async function tellBrokenRequests(teller: Teller, server: HttpServer): Promise<void> {
  await server.listen({ host: '127.0.0.1', port: 0 });
  const { port } = server.app.server.address() as AddressInfo;
  const head = `GET /livez HTTP/1.1\r\nHost: a\r\n`;
  const large = connect(port, '127.0.0.1');
  large.write(`${head}X: ${'x'.repeat(20_000)}\r\n\r\n`);
  noteRaw(teller, await allOf(large), 431);
  const accepted = once(server.app.server, 'connection') as Promise<[Socket]>;
  const slow = connect(port, '127.0.0.1');
  slow.write(head);
  const [socket] = await accepted;
  // As Node does when the time is over; waiting for it would take many seconds.
  const late = Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });
  server.app.server.emit('clientError', late, socket);
  noteRaw(teller, await allOf(slow), 408);
}

async function allOf(socket: Socket): Promise<string> {
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

/** Such an answer has a request id of its own. */
function noteRaw(teller: Teller, answer: string, status: number): void {
  assert.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `));
  const body: unknown = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')));
  const named = { ...(body as object), request_id: REQUEST_ID };
  const mediaType = 'application/problem+json';
  teller.note(operationOf('probeLivez'), '', {}, { status, mediaType, headers: {}, body: named });
}
