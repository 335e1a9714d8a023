// Lists, freezing, postings and reverts over the binary protocol: the answers of the HTTP door in
// another shape, and every wrong request refused with its place while the connection goes on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HOLD_STATES, readFoundAccounts } from '../../base/answers.ts';
import { FrameKind, textFrame } from '../../base/protocol.ts';
import { encodeQuery, readRecordsPage } from '../../base/query-frame.ts';
import { TRANSFER_BYTES, TransferFlag, decodeTransfers } from '../../base/transfer-record.ts';
import { findAccount } from '../../domain/queries.ts';
import { createBinaryNode } from './testing/binary-node.ts';
import { RawPeer, batch, transfer } from './testing/raw-peer.ts';

const { answer: ANSWER } = FrameKind;

type Problem = {
  readonly code: string;
  readonly status: number;
  readonly errors?: readonly { readonly pointer: string }[];
};

function json(payload: Uint8Array): unknown {
  return JSON.parse(Buffer.from(payload).toString('utf8'));
}

function jsonPayload(value: unknown): Uint8Array {
  return textFrame(JSON.stringify(value)).subarray(32);
}

function idPayload(id: bigint): Uint8Array {
  return Buffer.from(id.toString(16).padStart(32, '0'), 'hex');
}

const ALL = { filter: {}, order: 'newest-first', limit: 8189 } as const;

test('a page of transfers is the records as they are kept, and goes on behind next', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  peer.request(FrameKind.createTransfers, 1, batch(1, 20));
  await peer.answerTo(1);
  const hold = transfer(21, { flags: TransferFlag.pending });
  const post = {
    ...transfer(22),
    debitAccountId: 0n,
    creditAccountId: 0n,
    ledger: 0,
    code: 0,
    pendingId: hold.id,
    flags: TransferFlag.postPending,
  };
  const { encodeTransfers } = await import('../../base/transfer-record.ts');
  peer.request(FrameKind.createTransfers, 2, encodeTransfers([hold, post]));
  await peer.answerTo(2);
  const expected: bigint[] = [...Array(22).keys()].map((index) => transfer(22 - index).id);
  for (const limit of [7, 8189]) {
    const ids: bigint[] = [];
    let after: number | undefined;
    let request = 10;
    do {
      request++;
      peer.request(FrameKind.queryTransfers, request, encodeQuery({ ...ALL, limit, after }));
      const { kind, payload } = await peer.answerTo(request);
      assert.equal(kind, FrameKind.queryTransfers + ANSWER);
      const page = readRecordsPage(payload, { withHolds: true })!;
      assert.equal(page.position, 4);
      const transfers = decodeTransfers(page.records.slice());
      for (const [index, one] of transfers.entries()) {
        const wanted = one.id === hold.id ? 'posted' : 'none';
        assert.equal(HOLD_STATES[page.holds[index]!], wanted);
        assert.ok(one.timestampNs > 0n);
        assert.deepEqual([one.debitAccountId, one.amount], [1n, 1250n]);
      }
      ids.push(...transfers.map(({ id }) => id));
      after = page.next;
    } while (after !== undefined);
    assert.deepEqual(ids, expected);
    peer.frames.length = 0;
  }
});

test('a page of transfers leaves as the bytes of the history', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  const records = new Uint8Array(8189 * TRANSFER_BYTES).map((_, index) => index % 251);
  const holds = new Uint8Array(8189);
  node.engine.history.query = () =>
    Promise.resolve({ records, count: 8189, holds, next: 5, position: 99 });
  peer.request(FrameKind.queryTransfers, 1, encodeQuery(ALL));
  const { payload } = await peer.answerTo(1);
  const page = readRecordsPage(payload, { withHolds: true })!;
  assert.deepEqual([page.position, page.count, page.next], [99, 8189, 5]);
  assert.equal(Buffer.compare(page.records, records), 0);
});

test('a page of accounts has the balances of its position', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  peer.request(FrameKind.createTransfers, 1, batch(1, 2));
  await peer.answerTo(1);
  const query = { filter: { code: 1 }, order: 'oldest-first', limit: 2 } as const;
  peer.request(FrameKind.queryAccounts, 2, encodeQuery(query));
  const first = readRecordsPage((await peer.answerTo(2)).payload, { withHolds: false })!;
  assert.deepEqual([first.position, first.count, first.next], [3, 2, 1]);
  peer.request(FrameKind.queryAccounts, 3, encodeQuery({ ...query, after: 1 }));
  const rest = readRecordsPage((await peer.answerTo(3)).payload, { withHolds: false })!;
  assert.deepEqual([rest.count, rest.next], [1, undefined]);
  const creditsPosted = Buffer.from(first.records).readBigUInt64LE(128 + 64);
  assert.equal(creditsPosted, 2500n);
});

test('accounts are frozen and let go, however often it is asked', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  const kinds = [FrameKind.freezeAccount, FrameKind.freezeAccount, FrameKind.unfreezeAccount];
  for (const [index, kind] of kinds.entries()) {
    peer.request(kind, index + 1, idPayload(2n));
    const { found, position } = readFoundAccounts((await peer.answerTo(index + 1)).payload)!;
    assert.deepEqual(found, [findAccount(node.engine.state, 2n)]);
    assert.equal(found[0]!.flags !== 0, kind === FrameKind.freezeAccount);
    assert.equal(position, index + 3);
  }
});

test('a posting is done once, and its revert too', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  const id = `po_${transfer(1).id.toString(16).padStart(32, '0')}`;
  const leg = (number: number, side: string, amount: string) => ({
    account_id: `acc_${number.toString(16).padStart(32, '0')}`,
    side,
    amount,
  });
  const legs = [leg(1, 'debit', '100'), leg(2, 'credit', '60'), leg(3, 'credit', '40')];
  const posting = jsonPayload({ id, ledger: 978, code: 1, legs });
  const statuses: string[] = [];
  for (const request of [1, 2]) {
    peer.request(FrameKind.createPosting, request, posting);
    const body = json((await peer.answerTo(request)).payload) as {
      readonly id: string;
      readonly status: string;
      readonly position: number;
      readonly transfers: readonly object[];
    };
    assert.deepEqual([body.id, body.transfers.length, body.position], [id, 2, request + 2]);
    statuses.push(body.status);
  }
  for (const request of [3, 4]) {
    peer.request(FrameKind.revertPosting, request, idPayload(transfer(1).id));
    statuses.push((json((await peer.answerTo(request)).payload) as { status: string }).status);
  }
  assert.deepEqual(statuses, ['created', 'exists', 'created', 'exists']);
  assert.equal(findAccount(node.engine.state, 2n)!.debitsPosted, 60n);
});

test('a transfer is reverted once, and a hold is not', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  const { encodeTransfers } = await import('../../base/transfer-record.ts');
  const transfers = [transfer(1), transfer(2, { flags: TransferFlag.pending })];
  peer.request(FrameKind.createTransfers, 1, encodeTransfers(transfers));
  await peer.answerTo(1);
  const statuses: string[] = [];
  for (const request of [2, 3]) {
    peer.request(FrameKind.revertTransfer, request, idPayload(transfer(1).id));
    const body = json((await peer.answerTo(request)).payload) as {
      readonly status: string;
      readonly transfer: { readonly amount: string };
    };
    statuses.push(body.status);
    assert.equal(body.transfer.amount, '1250');
  }
  assert.deepEqual(statuses, ['created', 'exists']);
  peer.request(FrameKind.revertTransfer, 4, idPayload(transfer(2).id));
  const problem = json((await peer.answerTo(4)).payload) as Problem;
  assert.deepEqual([problem.status, problem.code], [409, 'transfer_not_reversible']);
});

test('what is not remembered any more is looked up in the history', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  peer.request(FrameKind.createTransfers, 1, batch(1, 1));
  await peer.answerTo(1);
  const find = node.engine.history.find.bind(node.engine.history);
  const asked: bigint[] = [];
  node.engine.history.find = (id) => {
    asked.push(id);
    return find(id === 77n ? transfer(1).id : id);
  };
  const ids = Buffer.concat([transfer(1).id, 77n, 78n].map(idPayload));
  peer.request(FrameKind.lookupTransfers, 2, ids);
  const { payload } = await peer.answerTo(2);
  assert.deepEqual(asked, [77n, 78n]);
  assert.equal(new DataView(payload.buffer, payload.byteOffset).getUint32(8, true), 2);
});

const QUERY = encodeQuery(ALL);

function changed(offset: number, value: number): Uint8Array {
  const bytes = QUERY.slice();
  bytes[offset] = value;
  return bytes;
}

const POSTING = { id: `po_${'0'.repeat(32)}`, ledger: 978, code: 1, legs: [] };

for (const { what, kind, payload, code, pointer } of [
  {
    what: 'a question that is cut',
    kind: FrameKind.queryTransfers,
    payload: QUERY.subarray(0, 80),
    code: 'frame_malformed',
  },
  {
    what: 'a question that is too long',
    kind: FrameKind.queryAccounts,
    payload: new Uint8Array(96),
    code: 'frame_malformed',
  },
  {
    what: 'a question without limit',
    kind: FrameKind.queryTransfers,
    payload: new Uint8Array(88),
    code: 'field_out_of_range',
    pointer: '/limit',
  },
  {
    what: 'a question with a reserved byte',
    kind: FrameKind.queryAccounts,
    payload: changed(87, 1),
    code: 'field_out_of_range',
    pointer: '/zero',
  },
  {
    what: 'a third order',
    kind: FrameKind.queryTransfers,
    payload: changed(81, 2),
    code: 'field_out_of_range',
    pointer: '/order',
  },
  {
    what: 'accounts of an account',
    kind: FrameKind.queryAccounts,
    payload: encodeQuery({ ...ALL, filter: { account: 1n } }),
    code: 'field_out_of_range',
    pointer: '/account',
  },
  {
    what: 'accounts of a side',
    kind: FrameKind.queryAccounts,
    payload: encodeQuery({ ...ALL, filter: { side: 'debit' } }),
    code: 'field_out_of_range',
    pointer: '/side',
  },
  {
    what: 'freezing of nobody',
    kind: FrameKind.freezeAccount,
    payload: new Uint8Array(0),
    code: 'batch_empty',
    pointer: '',
  },
  {
    what: 'freezing of two',
    kind: FrameKind.freezeAccount,
    payload: new Uint8Array(32),
    code: 'batch_too_large',
    pointer: '',
  },
  {
    what: 'unfreezing of half an id',
    kind: FrameKind.unfreezeAccount,
    payload: new Uint8Array(8),
    code: 'frame_malformed',
  },
  {
    what: 'freezing of an account that there is not',
    kind: FrameKind.freezeAccount,
    payload: idPayload(99n),
    code: 'account_not_found',
  },
  {
    what: 'a posting without legs',
    kind: FrameKind.createPosting,
    payload: jsonPayload(POSTING),
    code: 'batch_empty',
    pointer: '/legs',
  },
  {
    what: 'a posting with a misspelt member',
    kind: FrameKind.createPosting,
    payload: jsonPayload({ ...POSTING, leg: [] }),
    code: 'batch_empty',
    pointer: '/legs',
  },
  {
    what: 'a posting that is no JSON',
    kind: FrameKind.createPosting,
    payload: Buffer.from('{"id": '.padEnd(8)),
    code: 'json_malformed',
  },
  {
    what: 'the revert of two',
    kind: FrameKind.revertTransfer,
    payload: new Uint8Array(32),
    code: 'batch_too_large',
    pointer: '',
  },
  {
    what: 'the revert of a transfer that there is not',
    kind: FrameKind.revertTransfer,
    payload: idPayload(5n),
    code: 'transfer_not_found',
  },
  {
    what: 'the revert of a posting that there is not',
    kind: FrameKind.revertPosting,
    payload: idPayload(5n),
    code: 'transfer_not_found',
  },
]) {
  test(`${what} hears ${code}, and the connection goes on`, async () => {
    await using node = await createBinaryNode();
    await using peer = await RawPeer.open(node.port);
    const before = findAccount(node.engine.state, 1n);
    peer.request(kind, 1, payload);
    const answer = await peer.answerTo(1);
    assert.equal(answer.kind, FrameKind.problem);
    const problem = json(answer.payload) as Problem;
    assert.equal(problem.code, code);
    if (pointer !== undefined) assert.equal(problem.errors?.[0]?.pointer, pointer);
    assert.deepEqual(findAccount(node.engine.state, 1n), before);
    peer.request(FrameKind.ping, 2);
    assert.equal((await peer.answerTo(2)).kind, FrameKind.ping + ANSWER);
  });
}

test('what the history cannot answer is a problem of that request', async () => {
  await using node = await createBinaryNode();
  await using peer = await RawPeer.open(node.port);
  node.engine.history.complete = false;
  peer.request(FrameKind.queryTransfers, 1, QUERY);
  peer.request(FrameKind.lookupTransfers, 2, idPayload(5n));
  peer.request(FrameKind.queryAccounts, 3, QUERY);
  for (const request of [1, 2]) {
    const { code, status } = json((await peer.answerTo(request)).payload) as Problem;
    assert.deepEqual([code, status], ['history_incomplete', 503]);
  }
  assert.equal((await peer.answerTo(3)).kind, FrameKind.queryAccounts + ANSWER);
});

test('a history that does not answer in time is told, and its signal aborted', async () => {
  await using node = await createBinaryNode({ bounds: { outcomeWaitMs: 20 } });
  await using peer = await RawPeer.open(node.port);
  node.engine.history.query = (_query, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error));
    });
  peer.request(FrameKind.queryTransfers, 1, QUERY);
  const { code } = json((await peer.answerTo(1)).payload) as Problem;
  assert.equal(code, 'overloaded');
});

test('a lookup or a revert that the history does not answer ends, and holds nothing', async () => {
  await using node = await createBinaryNode({ bounds: { outcomeWaitMs: 20 } });
  await using peer = await RawPeer.open(node.port);
  node.engine.history.find = () => new Promise(() => undefined);
  const kinds = [FrameKind.lookupTransfers, FrameKind.revertTransfer, FrameKind.revertPosting];
  for (const [index, kind] of kinds.entries()) {
    peer.request(kind, index + 1, idPayload(5n));
    const { code } = json((await peer.answerTo(index + 1)).payload) as Problem;
    assert.equal(code, 'overloaded');
  }
  await peer.until(() => node.server.heldBytes === 0);
});

test('pages that are not there yet count as held, so that only so many are asked for', async () => {
  const limit = 8189;
  const pageBytes = 24 + limit * 129;
  await using node = await createBinaryNode({ bounds: { heldBytesMax: 3 * pageBytes } });
  await using peer = await RawPeer.open(node.port);
  const find = node.engine.history.query.bind(node.engine.history);
  const held: (() => void)[] = [];
  node.engine.history.query = async (query, signal) => {
    await new Promise<void>((resolve) => held.push(resolve));
    return find(query, signal);
  };
  for (let request = 1; request <= 10; request++) {
    peer.request(FrameKind.queryTransfers, request, QUERY);
  }
  await peer.until(() => held.length === 3);
  // A turn later nothing more has been read.
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(held.length, 3);
  assert.equal(node.server.heldBytes, 3 * (pageBytes + QUERY.byteLength));
  let answered = 0;
  while (answered < 10) {
    await peer.until(() => held.length > answered);
    held[answered]!();
    answered++;
    await peer.answerTo(answered);
  }
  await peer.until(() => node.server.heldBytes === 0);
});
