// Fresh reads over the binary door, and what it says of who answers and who leads.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFoundAccounts, readFoundTransfers } from '../../base/answers.ts';
import { OperationalError } from '../../base/errors.ts';
import { encodeFreshRead } from '../../base/fresh-read.ts';
import { writeId } from '../../base/ids.ts';
import { FrameKind } from '../../base/protocol.ts';
import { encodeQuery, readRecordsPage } from '../../base/query-frame.ts';
import { FakeCluster } from '../testing/fake-cluster.ts';
import { FAKE_API_KEY } from '../testing/fake-node.ts';
import { createBinaryNode } from './testing/binary-node.ts';
import { RawPeer, batch, codeOf, textOf, transfer } from './testing/raw-peer.ts';

const { answer: ANSWER, freshRead: FRESH_READ } = FrameKind;
const NOTHING = new Uint8Array(0);
const QUERY = encodeQuery({ filter: {}, order: 'oldest-first', limit: 5 });

function ids(...numbers: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(16 * numbers.length);
  for (const [index, id] of numbers.entries()) writeId(new DataView(bytes.buffer), 16 * index, id);
  return bytes;
}

function strong(kind: number, payload: Uint8Array, position = 0): Uint8Array {
  return encodeFreshRead({ position, isStrong: true, kind, payload });
}

type Member = Readonly<Record<string, unknown>>;

function membersOf(payload: Uint8Array): Member {
  return JSON.parse(textOf(payload)) as Member;
}

test('every read can be wrapped, and is answered as by itself when the node has caught up', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  peer.request(FrameKind.createTransfers, 1, batch(1, 2));
  await peer.answerTo(1);
  const { wishes } = node.engine;
  const answers: Uint8Array[] = [];
  for (const [index, [kind, payload]] of [
    [FrameKind.lookupTransfers, ids(transfer(2).id)],
    [FrameKind.lookupAccounts, ids(1n, 2n)],
    [FrameKind.listLedgers, NOTHING],
    [FrameKind.queryTransfers, QUERY],
    [FrameKind.queryAccounts, QUERY],
  ].entries() as ArrayIterator<[number, [number, Uint8Array]]>) {
    peer.request(FRESH_READ, 10 + index, strong(kind, payload, index));
    const answer = await peer.answerTo(10 + index);
    assert.equal(answer.kind, FRESH_READ + ANSWER);
    answers.push(answer.payload);
  }
  assert.deepEqual(
    wishes,
    answers.map((_, index) => ({ isStrong: true, position: index })),
  );
  const [found, accounts, ledgers, transfers, listed] = answers;
  assert.equal(readFoundTransfers(found!)?.found.length, 1);
  assert.equal(readFoundAccounts(accounts!)?.found.length, 2);
  assert.equal((membersOf(ledgers!)['ledgers'] as object[]).length, 1);
  assert.equal(readRecordsPage(transfers!, { withHolds: true })?.count, 2);
  assert.equal(readRecordsPage(listed!, { withHolds: false })?.count, 3);
});

test('a lookup that goes to the history does so behind the wait as well', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  peer.request(FRESH_READ, 1, strong(FrameKind.lookupTransfers, ids(77n)));
  const { payload } = await peer.answerTo(1);
  assert.equal(readFoundTransfers(payload)?.found.length, 0);
});

test('what is read is what is there after the wait, and others are answered meanwhile', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  const caughtUp = Promise.withResolvers<void>();
  node.engine.catchesUp = () => caughtUp.promise;
  peer.request(FRESH_READ, 1, strong(FrameKind.lookupTransfers, ids(transfer(1).id)));
  peer.request(FrameKind.createTransfers, 2, batch(1, 1));
  await peer.answerTo(2);
  caughtUp.resolve();
  const { payload } = await peer.answerTo(1);
  assert.equal(readFoundTransfers(payload)?.found.length, 1);
});

test('what does not come in time is catch_up_timeout, and the connection goes on', async () => {
  await using node = await createBinaryNode({ bounds: { outcomeWaitMs: 20 } });
  await using peer = await RawPeer.open(node.port);
  node.engine.catchesUp = (signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new OperationalError('CATCH_UP_TIMEOUT')));
    });
  peer.request(FRESH_READ, 1, strong(FrameKind.listLedgers, NOTHING));
  assert.equal(codeOf(await peer.answerTo(1)), 'catch_up_timeout');
  peer.request(FrameKind.listLedgers, 2);
  assert.equal((await peer.answerTo(2)).kind, FrameKind.listLedgers + ANSWER);
});

for (const { what, payload, code, pointer } of [
  { what: 'no head', payload: new Uint8Array(8), code: 'frame_malformed', pointer: undefined },
  {
    what: 'a consistency that there is not',
    payload: changed(10, 7),
    code: 'field_out_of_range',
    pointer: '/consistency',
  },
  { what: 'more after it', payload: changed(13, 1), code: 'field_out_of_range', pointer: '/zero' },
  {
    what: 'a position beyond all',
    payload: changed(7, 255),
    code: 'field_out_of_range',
    pointer: '/position',
  },
  ...[FrameKind.createTransfers, FrameKind.status, FrameKind.ping, FRESH_READ, 99].map((kind) => ({
    what: `a request of kind ${kind} inside`,
    payload: strong(kind, batch(1, 1)),
    code: 'field_out_of_range',
    pointer: '/kind',
  })),
  {
    what: 'half an id',
    payload: strong(FrameKind.lookupAccounts, new Uint8Array(8)),
    code: 'frame_malformed',
    pointer: undefined,
  },
  {
    what: 'no ids',
    payload: strong(FrameKind.lookupTransfers, NOTHING),
    code: 'batch_empty',
    pointer: '',
  },
  {
    what: 'a question that is cut',
    payload: strong(FrameKind.queryTransfers, QUERY.subarray(0, 80)),
    code: 'frame_malformed',
    pointer: undefined,
  },
]) {
  test(`a fresh read with ${what} is refused before anything is waited for`, async () => {
    await using node = await createBinaryNode();
    await using peer = await RawPeer.open(node.port);
    peer.request(FRESH_READ, 1, payload);
    const problem = await peer.answerTo(1);
    assert.equal(codeOf(problem), code);
    const [error] = (membersOf(problem.payload)['errors'] ?? []) as readonly Member[];
    assert.equal(error?.['pointer'], pointer);
    assert.deepEqual(node.engine.wishes, []);
    assert.equal(node.engine.submitted, 2);
  });
}

function changed(offset: number, value: number): Uint8Array {
  const bytes = strong(FrameKind.listLedgers, NOTHING);
  bytes[offset] = value;
  return bytes;
}

test('welcome and status name the node, its role and the leader with its binary address', async () => {
  await using node = await createBinaryNode();
  await using alone = await RawPeer.connect(node.port);
  alone.hello({ key: FAKE_API_KEY, version_min: 1 });
  const nobody = membersOf((await alone.answerTo(0)).payload);
  assert.deepEqual([nobody['node'], nobody['role'], nobody['leader']], [null, 'leading', null]);

  node.engine.cluster = new FakeCluster('node-2');
  node.engine.role = 'following';
  await using peer = await RawPeer.connect(node.port);
  peer.hello({ key: FAKE_API_KEY, version_min: 1 });
  const welcome = membersOf((await peer.answerTo(0)).payload);
  peer.request(FrameKind.status, 5);
  for (const members of [welcome, membersOf((await peer.answerTo(5)).payload)]) {
    assert.deepEqual([members['node'], members['role']], ['node-2', 'following']);
    assert.equal((members['leader'] as Member)['binary_url'], 'holdfast://127.0.0.1:7401');
  }
});

test('a problem says where the node stands, but not to strangers and not without books', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  peer.request(99, 1);
  const known = membersOf((await peer.answerTo(1)).payload);
  assert.deepEqual([known['position'], known['role']], [2, 'leading']);
  node.engine.role = 'recovering';
  peer.request(FrameKind.listLedgers, 2);
  const early = membersOf((await peer.answerTo(2)).payload);
  assert.deepEqual([early['code'], early['position']], ['not_ready', undefined]);
  await using stranger = await RawPeer.connect(node.port);
  stranger.hello({ key: 'wrong', version_min: 1 });
  const refused = membersOf((await stranger.answerTo(0)).payload);
  assert.deepEqual(
    [refused['code'], refused['position'], refused['role']],
    ['key_wrong', undefined, undefined],
  );
});
