import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { type BinaryNode, createBinaryNode } from '../api/binary/testing/binary-node.ts';
import { batch, transfer } from '../api/binary/testing/raw-peer.ts';
import { FAKE_API_KEY } from '../api/testing/fake-node.ts';
import { OperationalError } from '../base/errors.ts';
import { TransferFlag } from '../base/transfer-record.ts';
import {
  type BinaryClient,
  type BinaryClientOptions,
  createBinaryClient,
} from './binary-client.ts';
import { ApiProblem, NodeUnavailable, OutcomeUnknown } from './problems.ts';
import { CutLine } from './testing/cut-line.ts';

const WAIT_MS_MAX = 10_000;

function clientOf(
  { url }: { readonly url: string },
  options: Partial<BinaryClientOptions> = {},
): BinaryClient {
  return createBinaryClient({
    url,
    key: FAKE_API_KEY,
    deadlineMs: 5_000,
    backoffMs: 1,
    ...options,
  });
}

async function until(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + WAIT_MS_MAX;
  while (!holds()) {
    if (performance.now() > endMs) throw new Error('waited in vain');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function hasCode(code: string) {
  return (error: unknown): boolean => error instanceof ApiProblem && error.code === code;
}

async function received({ accounts }: BinaryClient): Promise<bigint | undefined> {
  return (await accounts.lookup([2n])).found[0]?.creditsPosted;
}

test('transfers that are asked for at the same time travel as one request', async () => {
  await using node = await createBinaryNode();
  await using client = clientOf(node);
  const wanted = [transfer(1), transfer(2, { amount: 0n }), transfer(1), transfer(3)];
  const outcomes = await Promise.allSettled(wanted.map((one) => client.transfers.create(one)));
  assert.deepEqual(
    outcomes.map((one) => (one.status === 'fulfilled' ? one.value.status : one.reason.code)),
    ['created', 'amount_must_not_be_zero', 'exists', 'created'],
  );
  assert.equal(client.counters.attempts, 1);
  assert.equal(await received(client), 2500n);
  const times = outcomes.map((one) => one.status === 'fulfilled' && one.value.timestampNs);
  const { found } = await client.transfers.lookup([transfer(1).id, transfer(3).id, 5n]);
  assert.deepEqual(
    [times[0], times[3]],
    found.map((view) => view.transfer.timestampNs),
  );
});

test('each travels alone where that is wanted', async () => {
  await using node = await createBinaryNode();
  await using client = clientOf(node, { gatherTransfersMax: 1 });
  await Promise.all([1, 2, 3].map((number) => client.transfers.create(transfer(number))));
  assert.equal(client.counters.attempts, 3);
});

test('a refusal says what it means for the money, as over HTTP', async () => {
  await using node = await createBinaryNode();
  await using client = clientOf(node);
  await assert.rejects(client.transfers.create(transfer(1, { debitAccountId: 99n })), (error) => {
    assert.ok(error instanceof ApiProblem);
    assert.deepEqual([error.status, error.code], [404, 'debit_account_not_found']);
    assert.match(error.money, /none will ever move under this id/);
    assert.match(error.action, /new id/);
    return true;
  });
});

test('a linked transfer on its own never forms a chain with a stranger', async () => {
  await using node = await createBinaryNode();
  await using client = clientOf(node);
  const linked = client.transfers.create(transfer(1, { flags: TransferFlag.linked }));
  const other = client.transfers.create(transfer(2));
  await assert.rejects(linked, hasCode('linked_event_chain_open'));
  assert.equal((await other).status, 'created');
});

test('a post without an amount posts all that is held', async () => {
  await using node = await createBinaryNode();
  await using client = clientOf(node);
  await client.transfers.create(transfer(1, { flags: TransferFlag.pending }));
  const { id } = transfer(2);
  const post = { id, pendingId: transfer(1).id, flags: TransferFlag.postPending };
  assert.equal((await client.transfers.create(post)).status, 'created');
  assert.equal(await received(client), 1250n);
});

test('records are sent as they are, and refusals come back by place and name', async () => {
  await using node = await createBinaryNode();
  await using client = clientOf(node);
  const first = await client.transfers.createBatch(batch(1, 8189));
  assert.deepEqual([first.codes.length, first.refused.length], [8189, 0]);
  const again = await client.transfers.createBatch([transfer(1), transfer(9000, { code: 0 })]);
  assert.deepEqual(
    again.refused.map(({ index, code }) => [index, code]),
    [[1, 'code_must_not_be_zero']],
  );
  await assert.rejects(client.transfers.createBatch(new Uint8Array(100)), RangeError);
  await assert.rejects(client.transfers.createBatch([]), RangeError);
});

test('a number that does not fit its field is refused before anything is sent', async () => {
  await using node = await createBinaryNode();
  await using client = clientOf(node);
  for (const change of [
    { code: 65_536 },
    { ledger: -1 },
    { amount: 1n << 128n },
    { amount: -1n },
    { id: 1n << 128n },
    { userData64: 1n << 64n },
    { timeoutSeconds: 1.5 },
  ]) {
    await assert.rejects(client.transfers.create(transfer(1, change)), RangeError);
  }
  assert.equal(client.counters.calls, 0);
});

test('accounts, ledgers and status', async () => {
  await using node = await createBinaryNode();
  await using client = clientOf(node);
  const ledger = { ledger: 5, currency: 'XTS', exponent: 3 };
  assert.equal(await client.ledgers.define(ledger), 'created');
  assert.equal(await client.ledgers.define(ledger), 'exists');
  await assert.rejects(
    client.ledgers.define({ ...ledger, exponent: 2 }),
    hasCode('ledger_exists_with_different_exponent'),
  );
  assert.deepEqual((await client.ledgers.list())[0], ledger);
  const created = await client.accounts.create({ id: 50n, ledger: 5, code: 1 });
  assert.deepEqual([created.id, created.status], [50n, 'created']);
  const { found, notFound } = await client.accounts.lookup([49n, 50n]);
  assert.deepEqual([found.map(({ id }) => id), notFound], [[50n], [49n]]);
  assert.equal((await client.status())['role'], 'leading');
});

test('a transfer whose answer was lost is sent again with the same id and done once', async () => {
  await using node = await createBinaryNode();
  await using line = await CutLine.to(node.port);
  await using client = clientOf(line);
  node.engine.isHolding = true;
  const created = client.transfers.create(transfer(1));
  const batched = client.transfers.createBatch(batch(10, 500));
  await until(() => node.engine.held.length === 2);
  node.engine.isHolding = false;
  line.cut();
  assert.equal((await created).status, 'exists');
  assert.equal((await batched).refused.length, 0);
  assert.equal(client.counters.unknowns, 2);
  assert.equal(line.connections, 2);
  assert.equal(await received(client), 501n * 1250n);
});

test('a node that is gone silent is left, and the calls go on over a new connection', async () => {
  await using node = await createBinaryNode();
  await using line = await CutLine.to(node.port);
  await using client = clientOf(line, { silentMsMax: 300, connectMsMax: 300 });
  await client.status();
  line.isDeaf = true;
  const created = client.transfers.create(transfer(1));
  await until(() => line.connections > 1);
  line.isDeaf = false;
  assert.equal((await created).status, 'exists');
});

test('an outcome that does not come before the deadline is unknown', async () => {
  await using node = await createBinaryNode();
  await using client = clientOf(node);
  await client.status();
  node.engine.isHolding = true;
  const late = client.transfers.create(transfer(1), { deadlineMs: 100 });
  await assert.rejects(late, OutcomeUnknown);
  node.engine.isHolding = false;
  assert.equal((await client.transfers.create(transfer(1))).status, 'exists');
});

test('where nobody listens the call ends with certainty: nothing was sent', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { readonly port: number };
  await new Promise((resolve) => server.close(resolve));
  await using client = clientOf({ url: `holdfast://127.0.0.1:${port}` }, { deadlineMs: 100 });
  await assert.rejects(client.transfers.create(transfer(1)), NodeUnavailable);
  await assert.rejects(client.status(), NodeUnavailable);
});

test('an address that is none is refused when the client is made', () => {
  for (const url of ['http://127.0.0.1:7400', 'holdfast://127.0.0.1', '127.0.0.1:7401', '']) {
    assert.throws(() => clientOf({ url }), RangeError, url);
  }
  assert.throws(() => clientOf({ url: '' }, { url: [] }), RangeError);
});

test('a key that TLS cannot read is said to the calls', async () => {
  const options = { deadlineMs: 100, tls: { key: 'no key', cert: 'no certificate' } };
  await using client = clientOf({ url: 'holdfasts://127.0.0.1:1' }, options);
  await assert.rejects(client.status(), (error) => {
    assert.ok(error instanceof NodeUnavailable);
    assert.notEqual((error.cause as { readonly code: string }).code, 'ECONNREFUSED');
    return true;
  });
});

test('of several addresses the one that answers is found', async () => {
  await using node = await createBinaryNode();
  await using line = await CutLine.to(1);
  await using client = clientOf({ url: '' }, { url: [line.url, node.url] });
  assert.equal((await client.transfers.create(transfer(1))).status, 'created');
  assert.equal(client.url, node.url);
});

test('a wrong key ends all calls at once', async () => {
  await using node = await createBinaryNode();
  await using client = clientOf(node, { key: 'hk_wrong' });
  const calls = [client.status(), client.transfers.create(transfer(1))];
  for (const call of calls) await assert.rejects(call, hasCode('key_wrong'));
});

test('a full queue is waited out', async () => {
  await using node = await createBinaryNode();
  await using client = clientOf(node);
  node.engine.failure = new OperationalError('OVERLOADED');
  const created = client.transfers.create(transfer(1));
  await until(() => client.counters.attempts >= 2);
  node.engine.failure = undefined;
  assert.equal((await created).status, 'created');
  assert.equal(client.counters.unknowns, 0);
});

test('a queue that stays full is said to be so, and nothing happened', async () => {
  await using node = await createBinaryNode();
  await using client = clientOf(node);
  await client.status();
  node.engine.failure = new OperationalError('OVERLOADED');
  const refused = client.transfers.create(transfer(1), { deadlineMs: 200 });
  await assert.rejects(refused, hasCode('overloaded'));
});

test('an abort before sending is just that, after sending the outcome is unknown', async () => {
  await using node = await createBinaryNode();
  await using client = clientOf(node);
  await client.status();
  const early = new AbortController();
  const neverSent = client.transfers.create(transfer(1), { signal: early.signal });
  early.abort(new Error('changed my mind'));
  await assert.rejects(neverSent, /changed my mind/);
  const late = new AbortController();
  node.engine.isHolding = true;
  const sent = client.transfers.create(transfer(2), { signal: late.signal });
  const read = client.accounts.lookup([1n], { signal: late.signal });
  assert.equal((await read).found.length, 1);
  const sentBatch = client.transfers.createBatch(batch(5, 2), { signal: late.signal });
  const beside = client.transfers.create(transfer(3));
  await until(() => node.engine.held.length >= 2);
  late.abort();
  await assert.rejects(sent, OutcomeUnknown);
  await assert.rejects(sentBatch, OutcomeUnknown);
  for (const letGo of node.engine.held) letGo();
  assert.equal((await beside).status, 'created');
  assert.equal(await received(client), 4n * 1250n);
});

test('no more requests are under way than are allowed, and all are answered', async () => {
  await using node = await createBinaryNode({ bounds: { requestsInFlightMax: 3 } });
  await using client = clientOf(node, { gatherTransfersMax: 1 });
  await client.status();
  node.engine.isHolding = true;
  const calls = Array.from({ length: 10 }, (_, number) =>
    client.transfers.create(transfer(number + 1)),
  );
  await until(() => node.engine.held.length === 3);
  assert.equal(client.inFlight, 3);
  node.engine.isHolding = false;
  for (const letGo of node.engine.held) letGo();
  await Promise.all(calls);
  assert.equal(client.counters.unknowns, 0);
});

test('beyond what may wait a call is refused at once', async () => {
  await using node: BinaryNode = await createBinaryNode();
  await using client = clientOf(node, { waitingMax: 2 });
  const calls = [client.status(), client.status()];
  await assert.rejects(client.status(), RangeError);
  await Promise.all(calls);
});

test('closing ends what is under way honestly', async () => {
  await using node = await createBinaryNode();
  const client = clientOf(node);
  await client.status();
  node.engine.isHolding = true;
  const created = client.transfers.create(transfer(1));
  await until(() => node.engine.held.length === 1);
  const read = client.status();
  await client.close();
  await assert.rejects(created, OutcomeUnknown);
  await assert.rejects(read, NodeUnavailable);
  await assert.rejects(client.status(), /closed/);
  for (const letGo of node.engine.held) letGo();
});
