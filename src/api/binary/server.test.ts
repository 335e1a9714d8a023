import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCreatedTransfers, readFoundAccounts, readFoundTransfers } from '../../base/answers.ts';
import { OperationalError } from '../../base/errors.ts';
import { writeId } from '../../base/ids.ts';
import { FrameKind } from '../../base/protocol.ts';
import { findAccount } from '../../domain/queries.ts';
import { REFUSAL } from '../../domain/refusals.ts';
import { FAKE_API_KEY } from '../testing/fake-node.ts';
import { createBinaryNode } from './testing/binary-node.ts';
import {
  RawPeer,
  batch,
  codeOf,
  frame,
  jsonPayload,
  textOf,
  transfer,
} from './testing/raw-peer.ts';
import { encodeTransfers } from '../../base/transfer-record.ts';

const { answer: ANSWER, problem: PROBLEM } = FrameKind;

function ids(...numbers: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(16 * numbers.length);
  for (const [index, id] of numbers.entries()) writeId(new DataView(bytes.buffer), 16 * index, id);
  return bytes;
}

test('a hello with the key is welcomed with bounds and the meaning of every refusal', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.connect(node.port);
  peer.hello({ key: FAKE_API_KEY, version_min: 1 });
  const { kind, version, payload } = await peer.answerTo(0);
  assert.deepEqual([kind, version], [FrameKind.hello + ANSWER, 1]);
  const welcome = JSON.parse(textOf(payload)) as Record<string, unknown>;
  assert.equal(welcome['version'], 1);
  assert.equal(welcome['requests_in_flight_max'], 1024);
  const refusals = welcome['refusals'] as { readonly number: number; readonly code: string }[];
  const names = new Map(refusals.map(({ number, code }) => [code, number]));
  assert.deepEqual(Object.fromEntries(names), REFUSAL);
});

test('a client that speaks newer versions too is welcomed in the one that the node speaks', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.connect(node.port);
  peer.hello({ key: FAKE_API_KEY, version_min: 1 }, 7);
  assert.equal((await peer.answerTo(0)).kind, FrameKind.hello + ANSWER);
});

for (const { what, body, version, code } of [
  { what: 'a wrong key', body: { key: 'hk_wrong', version_min: 1 }, version: 1, code: 'key_wrong' },
  { what: 'no key', body: { version_min: 1 }, version: 1, code: 'key_missing' },
  {
    what: 'a key that is a number',
    body: { key: 1, version_min: 1 },
    version: 1,
    code: 'key_missing',
  },
  {
    what: 'only versions that are too new',
    body: { key: FAKE_API_KEY, version_min: 2 },
    version: 9,
    code: 'protocol_version_unsupported',
  },
  {
    what: 'version 0',
    body: { key: FAKE_API_KEY, version_min: 0 },
    version: 0,
    code: 'protocol_version_unsupported',
  },
  {
    what: 'no lowest version',
    body: { key: FAKE_API_KEY },
    version: 1,
    code: 'field_out_of_range',
  },
]) {
  test(`a hello with ${what} hears ${code} and is ended`, async () => {
    await using node = await createBinaryNode();
    await using peer = await RawPeer.connect(node.port);
    peer.hello(body, version);
    assert.equal(codeOf(await peer.frameWhere(({ kind }) => kind === PROBLEM)), code);
    await peer.ended();
  });
}

test('no request is carried out before the hello', async () => {
  await using node = await createBinaryNode();
  const before = node.engine.submitted;
  await using peer = await RawPeer.connect(node.port);
  peer.request(FrameKind.createTransfers, 1, batch(1, 1));
  assert.equal(codeOf(await peer.frameWhere(({ kind }) => kind === PROBLEM)), 'key_missing');
  await peer.ended();
  assert.equal(node.engine.submitted, before);
});

test('a batch is answered with position, timestamp and no codes when all was created', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  peer.request(FrameKind.createTransfers, 7, batch(1, 3));
  const { kind, payload } = await peer.answerTo(7);
  assert.deepEqual([kind, payload.byteLength], [FrameKind.createTransfers + ANSWER, 24]);
  const { position, timestampNs, codes } = readCreatedTransfers(payload)!;
  assert.equal(position, 3);
  assert.deepEqual([...codes], [0, 0, 0]);
  peer.request(FrameKind.lookupTransfers, 8, ids(transfer(2).id, 5n, transfer(1).id));
  const { found } = readFoundTransfers((await peer.answerTo(8)).payload)!;
  assert.deepEqual(
    found.map((view) => [view.transfer.id, view.transfer.timestampNs, view.state, view.hold]),
    [
      [transfer(2).id, timestampNs + 1n, 'accepted', 'none'],
      [transfer(1).id, timestampNs, 'accepted', 'none'],
    ],
  );
});

test('refusals stand as codes beside what was created', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  const transfers = [transfer(1), transfer(1), transfer(2, { amount: 0n }), transfer(3)];
  peer.request(FrameKind.createTransfers, 1, encodeTransfers(transfers));
  const { codes } = readCreatedTransfers((await peer.answerTo(1)).payload)!;
  assert.deepEqual([...codes], [0, REFUSAL.exists, REFUSAL.amount_must_not_be_zero, 0]);
});

test('accounts, ledgers and status are asked for and answered as JSON', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  const id = `acc_${'0'.repeat(31)}9`;
  peer.request(
    FrameKind.createAccounts,
    1,
    jsonPayload({ accounts: [{ id, ledger: 978, code: 1 }] }),
  );
  const created = JSON.parse(textOf((await peer.answerTo(1)).payload)) as object;
  assert.deepEqual(created, { position: 3, results: [{ id, status: 'created' }] });
  peer.request(FrameKind.lookupAccounts, 2, ids(9n, 10n));
  const { found } = readFoundAccounts((await peer.answerTo(2)).payload)!;
  assert.deepEqual(found, [findAccount(node.engine.state, 9n)]);
  peer.request(FrameKind.defineLedger, 3, jsonPayload({ ledger: 5, currency: 'XTS', exponent: 0 }));
  const ledger = { ledger: 5, currency: 'XTS', exponent: 0 };
  const defined = JSON.parse(textOf((await peer.answerTo(3)).payload)) as object;
  assert.deepEqual(defined, { position: 4, status: 'created', ledger });
  peer.request(FrameKind.listLedgers, 4);
  const list = JSON.parse(textOf((await peer.answerTo(4)).payload)) as { ledgers: object[] };
  assert.deepEqual(list.ledgers[0], ledger);
  peer.request(FrameKind.status, 5);
  const status = JSON.parse(textOf((await peer.answerTo(5)).payload)) as { role: string };
  assert.equal(status.role, 'leading');
  peer.request(FrameKind.ping, 6);
  assert.equal((await peer.answerTo(6)).kind, FrameKind.ping + ANSWER);
});

for (const { what, kind, payload, code } of [
  { what: 'an unknown kind', kind: 99, payload: new Uint8Array(0), code: 'frame_kind_unknown' },
  {
    what: 'a second hello',
    kind: FrameKind.hello,
    payload: jsonPayload({}),
    code: 'frame_kind_unknown',
  },
  {
    what: 'no transfers',
    kind: FrameKind.createTransfers,
    payload: new Uint8Array(0),
    code: 'batch_empty',
  },
  {
    what: '8,190 transfers',
    kind: FrameKind.createTransfers,
    payload: batch(1, 8190),
    code: 'batch_too_large',
  },
  {
    what: 'half a transfer',
    kind: FrameKind.createTransfers,
    payload: new Uint8Array(64),
    code: 'frame_malformed',
  },
  {
    what: 'half an id',
    kind: FrameKind.lookupAccounts,
    payload: new Uint8Array(8),
    code: 'frame_malformed',
  },
  {
    what: 'no ids',
    kind: FrameKind.lookupTransfers,
    payload: new Uint8Array(0),
    code: 'batch_empty',
  },
  {
    what: 'accounts that are no JSON',
    kind: FrameKind.createAccounts,
    payload: new Uint8Array(8),
    code: 'json_malformed',
  },
  {
    what: 'no accounts',
    kind: FrameKind.createAccounts,
    payload: jsonPayload({ accounts: [] }),
    code: 'batch_empty',
  },
  {
    what: 'a ledger without a number',
    kind: FrameKind.defineLedger,
    payload: jsonPayload({ currency: 'EUR', exponent: 2 }),
    code: 'field_required',
  },
  {
    what: 'a ledger number that is too large',
    kind: FrameKind.defineLedger,
    payload: jsonPayload({ ledger: 2 ** 32, currency: 'EUR', exponent: 2 }),
    code: 'ledger_number_malformed',
  },
  {
    what: 'an exponent that is text',
    kind: FrameKind.defineLedger,
    payload: jsonPayload({ ledger: 1, currency: 'EUR', exponent: '2' }),
    code: 'field_wrong_type',
  },
  {
    what: 'an unknown member',
    kind: FrameKind.defineLedger,
    payload: jsonPayload({ ledger: 1, currency: 'EUR', exponent: 2, x: 1 }),
    code: 'unknown_field',
  },
  {
    what: 'a currency that books refuse',
    kind: FrameKind.defineLedger,
    payload: jsonPayload({ ledger: 1, currency: 'e', exponent: 2 }),
    code: 'ledger_currency_invalid',
  },
]) {
  test(`a request with ${what} hears ${code}, and the connection goes on`, async () => {
    await using node = await createBinaryNode();
    await using peer = await RawPeer.open(node.port);
    peer.request(kind, 1, payload);
    const refused = await peer.answerTo(1);
    assert.deepEqual([refused.kind, codeOf(refused)], [PROBLEM, code]);
    peer.request(FrameKind.createTransfers, 2, batch(1, 1));
    assert.equal((await peer.answerTo(2)).kind, FrameKind.createTransfers + ANSWER);
  });
}

test('several requests are under way at once, and each is answered when its outcome is there', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  node.engine.isHolding = true;
  for (const number of [1, 2, 3]) {
    peer.request(FrameKind.createTransfers, number, batch(10 * number, 2));
  }
  await peer.until(() => node.engine.held.length === 3);
  for (const index of [2, 0, 1]) node.engine.held[index]!();
  await peer.until(() => peer.frames.length === 3);
  assert.deepEqual(
    peer.frames.map(({ request }) => request),
    [3, 1, 2],
  );
});

test('beyond the requests that one connection may have under way it is not read', async () => {
  await using node = await createBinaryNode({ bounds: { requestsInFlightMax: 2 } });
  await using peer = await RawPeer.open(node.port);
  await using other = await RawPeer.open(node.port);
  const before = node.engine.submitted;
  node.engine.isHolding = true;
  for (let number = 1; number <= 5; number++) {
    peer.request(FrameKind.createTransfers, number, batch(number, 1));
  }
  await peer.until(() => node.engine.held.length === 2);
  other.request(FrameKind.status, 1);
  await other.answerTo(1);
  assert.equal(node.engine.submitted - before, 2);
  node.engine.isHolding = false;
  for (const letGo of node.engine.held) letGo();
  await peer.until(() => peer.frames.length === 5);
});

test('payloads of all connections together are bounded, and all are served in the end', async () => {
  const bounds = { totalBytesMax: 300_000 };
  await using node = await createBinaryNode({ bounds });
  node.engine.isHolding = true;
  const peers = await Promise.all([1, 2, 3, 4].map(() => RawPeer.open(node.port)));
  for (const [index, peer] of peers.entries()) {
    peer.request(FrameKind.createTransfers, 1, batch(10_000 * index, 2000));
  }
  await peers[0]!.until(() => node.engine.held.length === 2);
  assert.ok(node.server.heldBytes < bounds.totalBytesMax + 256_000);
  let letGo = 0;
  await peers[0]!.until(() => {
    while (letGo < node.engine.held.length) node.engine.held[letGo++]!();
    return peers.every(({ frames }) => frames.length === 1);
  });
  await peers[0]!.until(() => node.server.heldBytes === 0);
  for (const peer of peers) await peer[Symbol.asyncDispose]();
});

test('a full queue is a problem of the request, not of the connection', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  node.engine.failure = new OperationalError('OVERLOADED');
  peer.request(FrameKind.createTransfers, 1, batch(1, 1));
  const problem = JSON.parse(textOf((await peer.answerTo(1)).payload)) as Record<string, unknown>;
  assert.deepEqual(
    [problem['code'], problem['status'], problem['retryable']],
    ['overloaded', 429, true],
  );
  node.engine.failure = undefined;
  peer.request(FrameKind.createTransfers, 2, batch(1, 1));
  assert.equal((await peer.answerTo(2)).kind, FrameKind.createTransfers + ANSWER);
});

test('an outcome that does not come in time is unknown', async () => {
  await using node = await createBinaryNode({ bounds: { outcomeWaitMs: 20 } });
  await using peer = await RawPeer.open(node.port);
  node.engine.silent = true;
  peer.request(FrameKind.createTransfers, 1, batch(1, 1));
  assert.equal(codeOf(await peer.answerTo(1)), 'outcome_unknown');
});

test('a client that goes away ends the waiting, not the command', async () => {
  await using node = await createBinaryNode();
  const peer = await RawPeer.open(node.port);
  await using other = await RawPeer.open(node.port);
  node.engine.silent = true;
  const before = node.engine.submitted;
  peer.request(FrameKind.createTransfers, 1, batch(1, 1));
  await peer.until(() => node.engine.submitted > before);
  await peer[Symbol.asyncDispose]();
  await other.until(() => node.engine.aborted === 1 && node.server.heldBytes === 0);
  assert.equal(node.server.connectionCount, 1);
});

test('without a hello a connection does not stay', async () => {
  await using node = await createBinaryNode({ bounds: { helloMs: 20, outcomeWaitMs: 40 } });
  await using silent = await RawPeer.connect(node.port);
  const late = await silent.frameWhere(({ kind }) => kind === PROBLEM);
  assert.equal(codeOf(late), 'request_too_slow');
  await silent.ended();
});

test('in half a frame a connection does not stay', async () => {
  await using node = await createBinaryNode({ bounds: { frameMs: 20, outcomeWaitMs: 40 } });
  await using slow = await RawPeer.open(node.port);
  slow.write(frame(FrameKind.createTransfers, 1, batch(1, 2)).subarray(0, 100));
  const stopped = await slow.frameWhere(({ kind }) => kind === PROBLEM);
  assert.equal(codeOf(stopped), 'request_too_slow');
  await slow.ended();
});

test('a connection on which nothing is heard is said goodbye to', async () => {
  await using node = await createBinaryNode({ bounds: { idleMs: 20, outcomeWaitMs: 40 } });
  await using peer = await RawPeer.open(node.port);
  const goodbye = await peer.frameWhere(({ kind }) => kind === FrameKind.goodbye);
  assert.equal(textOf(goodbye.payload), '{"reason":"idle"}');
  await peer.ended();
});

test('one connection too many hears that there is no room', async () => {
  await using node = await createBinaryNode({ bounds: { connectionsMax: 1 } });
  await using first = await RawPeer.open(node.port);
  await using second = await RawPeer.connect(node.port);
  assert.equal(codeOf(await second.frameWhere(({ kind }) => kind === PROBLEM)), 'overloaded');
  await second.ended();
  first.request(FrameKind.status, 1);
  await first.answerTo(1);
});

test('closing says goodbye, answers what is under way, and ends', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  node.engine.isHolding = true;
  peer.request(FrameKind.createTransfers, 1, batch(1, 1));
  await peer.until(() => node.engine.held.length === 1);
  const closed = node.server.close();
  await peer.frameWhere(({ kind }) => kind === FrameKind.goodbye);
  node.engine.held[0]!();
  assert.equal((await peer.answerTo(1)).kind, FrameKind.createTransfers + ANSWER);
  await peer.ended();
  await closed;
  assert.equal(node.server.connectionCount, 0);
});

test('what a client sent before it heard the goodbye is still answered', async () => {
  await using node = await createBinaryNode({ bounds: { lingerMs: 2_000 } });
  await using peer = await RawPeer.open(node.port);
  node.engine.failure = new OperationalError('SHUTTING_DOWN');
  const closed = node.server.close();
  peer.request(FrameKind.createTransfers, 1, batch(1, 1));
  assert.equal(codeOf(await peer.answerTo(1)), 'shutting_down');
  peer.socket.end();
  await closed;
});

test('a broken invariant stops the process, and the request hears that it is not known', async () => {
  const broken: Error[] = [];
  const onBrokenInvariant = (error: Error): void => void broken.push(error);
  await using node = await createBinaryNode({ onBrokenInvariant });
  await using peer = await RawPeer.open(node.port);
  const { AssertionFailed } = await import('../../base/assert.ts');
  node.engine.failure = new AssertionFailed('I1: debits = credits');
  peer.request(FrameKind.createTransfers, 1, batch(1, 1));
  assert.equal(codeOf(await peer.answerTo(1)), 'internal_error');
  assert.deepEqual([broken.length, node.logged.length], [1, 1]);
});

test('a client that does not fetch its answers is not read on, and the node stays bounded', async () => {
  const bounds = { unsentBytesMax: 100_000 };
  await using node = await createBinaryNode({ bounds });
  await using setup = await RawPeer.open(node.port);
  setup.request(FrameKind.createTransfers, 1, batch(1, 1000));
  await setup.answerTo(1);
  await using peer = await RawPeer.open(node.port);
  peer.socket.pause();
  const wanted = ids(...Array.from({ length: 1000 }, (_, index) => transfer(1 + index).id));
  for (let number = 1; number <= 400; number++) {
    peer.request(FrameKind.lookupTransfers, number, wanted);
  }
  let most = 0;
  await setup.until(() => {
    most = Math.max(most, node.server.heldBytes);
    return most >= bounds.unsentBytesMax;
  });
  peer.socket.resume();
  await peer.until(() => {
    most = Math.max(most, node.server.heldBytes);
    return peer.frames.length === 400;
  });
  assert.ok(most < 1_000_000, `${most} bytes were held`);
});
