import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatId } from '../base/ids.ts';
import { TransferFlag } from '../base/transfer-record.ts';
import { type Client, createClient } from './http-client.ts';
import { ApiProblem, NodeUnavailable, OutcomeUnknown } from './problems.ts';
import { FAKE_KEY, FakeNode, type Fault, problemBody } from './testing/fake-node.ts';
import { retryAfterMs } from './transport.ts';
import type { NewTransfer } from './wire.ts';

const TRANSFER: NewTransfer = {
  id: 0x0190_0000_0000_7000_8000_0000_0000_0001n,
  debitAccountId: 1n,
  creditAccountId: 2n,
  amount: 1250n,
  ledger: 978,
  code: 1,
};

function clientOf(node: FakeNode, deadlineMs = 5_000): Client {
  return createClient({ url: node.url, key: FAKE_KEY, deadlineMs, backoffMs: 1 });
}

function failFirst(count: number, fault: Fault): FakeNode['fault'] {
  return (_request, index) => (index < count ? fault : undefined);
}

function answer(status: number, code: string, headers: Record<string, string> = {}): Fault {
  return { kind: 'answer', status, body: problemBody(status, code), headers };
}

test('a transfer whose answer was lost is sent again with the same bytes and done once', async () => {
  await using node = await FakeNode.start();
  await using client = clientOf(node);
  node.fault = failFirst(2, { kind: 'drop-after' });
  const { status, value } = await client.transfers.create(TRANSFER);
  assert.equal(status, 'exists');
  assert.equal(value.amount, 1250n);
  assert.equal(node.transfers.size, 1);
  assert.equal(new Set(node.seen.map((request) => request.body)).size, 1);
  const { calls, attempts, unknowns, inFlight } = client.counters;
  assert.deepEqual([calls, attempts, unknowns, inFlight], [1, 3, 2, 0]);
});

test('429 and 503 are waited out', async () => {
  await using node = await FakeNode.start();
  await using client = clientOf(node);
  const faults = [answer(429, 'overloaded'), answer(503, 'not_ready', { 'retry-after': '0' })];
  node.fault = (_request, index) => faults[index];
  const { status } = await client.transfers.create(TRANSFER);
  assert.equal(status, 'created');
  assert.equal(client.counters.attempts, 3);
  assert.equal(client.counters.unknowns, 0);
});

test('a Retry-After beyond the deadline ends the call at once', async () => {
  await using node = await FakeNode.start();
  await using client = clientOf(node, 1_000);
  node.fault = () => answer(503, 'journal_full', { 'retry-after': '60' });
  await assert.rejects(client.transfers.create(TRANSFER), (error) => {
    assert.ok(error instanceof ApiProblem);
    assert.equal(error.code, 'journal_full');
    return true;
  });
  assert.equal(client.counters.attempts, 1);
});

test('a write without an answer until the deadline is an unknown outcome, never a failure', async () => {
  await using node = await FakeNode.start();
  await using client = clientOf(node, 100);
  node.fault = () => ({ kind: 'drop-after' });
  await assert.rejects(client.transfers.create(TRANSFER), OutcomeUnknown);
  assert.equal(node.transfers.size, 1);
});

test('an unknown outcome stays unknown when later attempts are refused for load', async () => {
  await using node = await FakeNode.start();
  await using client = clientOf(node, 200);
  node.fault = (_request, index) =>
    index === 0 ? { kind: 'drop-after' } : answer(429, 'overloaded');
  await assert.rejects(client.transfers.create(TRANSFER), OutcomeUnknown);
});

test('a 503 that says outcome_unknown until the deadline is an unknown outcome', async () => {
  await using node = await FakeNode.start();
  await using client = clientOf(node, 100);
  node.fault = () => answer(503, 'outcome_unknown');
  await assert.rejects(client.transfers.create(TRANSFER), OutcomeUnknown);
});

test('a 500 of a write is an unknown outcome, of a read a problem', async () => {
  await using node = await FakeNode.start();
  await using client = clientOf(node);
  node.fault = () => answer(500, 'internal_error');
  await assert.rejects(client.transfers.create(TRANSFER), OutcomeUnknown);
  await assert.rejects(client.accounts.get(1n), ApiProblem);
  assert.equal(client.counters.attempts, 2);
});

test('a wrong key after a lost answer leaves the outcome unknown', async () => {
  await using node = await FakeNode.start();
  await using client = clientOf(node);
  node.fault = (_request, index) =>
    index === 0 ? { kind: 'drop-after' } : answer(401, 'key_wrong');
  await assert.rejects(client.transfers.create(TRANSFER), OutcomeUnknown);
});

test('where nobody listens nothing was sent: unavailable, not unknown', async () => {
  const node = await FakeNode.start();
  const { url } = node;
  await node[Symbol.asyncDispose]();
  await using client = createClient({ url, key: FAKE_KEY, deadlineMs: 50, backoffMs: 1 });
  await assert.rejects(client.transfers.create(TRANSFER), NodeUnavailable);
  assert.equal(client.counters.unknowns, 0);
});

test('a call goes on at the new address when the node has moved', async () => {
  const first = await FakeNode.start();
  await using client = clientOf(first);
  await using second = await FakeNode.start();
  let moved: Promise<void> | undefined;
  first.fault = () => {
    moved ??= client.connectTo(second.url);
    return { kind: 'drop-before' };
  };
  const { status } = await client.transfers.create(TRANSFER);
  await moved;
  await first[Symbol.asyncDispose]();
  assert.equal(status, 'created');
  assert.equal(second.transfers.size, 1);
});

test('a refusal arrives with code, money, action and the faulty members', async () => {
  await using node = await FakeNode.start();
  await using client = clientOf(node);
  const errors = [
    { pointer: '/amount', code: 'amount_wrong_scale', detail: 'decimals' },
    { pointer: '', parameter: 'cursor', code: 'cursor_malformed', detail: 'cut' },
  ];
  node.fault = () => ({
    kind: 'answer',
    status: 400,
    body: { ...problemBody(400, 'amount_wrong_scale'), errors },
  });
  await assert.rejects(client.transfers.create(TRANSFER), (error) => {
    assert.ok(error instanceof ApiProblem);
    assert.equal(error.status, 400);
    assert.equal(error.money, 'Nothing was moved.');
    assert.equal(error.action, 'Look at the test.');
    assert.deepEqual(error.errors, errors);
    return true;
  });
  assert.equal(client.counters.attempts, 1);
});

test('aborting a write that is on the wire leaves its outcome unknown; a read just ends', async () => {
  await using node = await FakeNode.start();
  await using client = clientOf(node);
  const controller = new AbortController();
  node.fault = () => {
    controller.abort(new Error('the caller left'));
    return { kind: 'hang' };
  };
  const { signal } = controller;
  await assert.rejects(client.transfers.create(TRANSFER, { signal }), OutcomeUnknown);
  await assert.rejects(client.accounts.get(1n, { signal }), /the caller left/);
});

test('an attempt without an answer in time is given up and sent again', async () => {
  await using node = await FakeNode.start();
  const options = { url: node.url, key: FAKE_KEY, deadlineMs: 5_000, backoffMs: 1 };
  await using client = createClient({ ...options, attemptMsMax: 50 });
  node.fault = failFirst(1, { kind: 'hang' });
  const { status } = await client.transfers.create(TRANSFER);
  assert.equal(status, 'exists');
  assert.equal(client.counters.unknowns, 1);
});

test('a post without an amount leaves it out, and a post of 0 says 0', async () => {
  await using node = await FakeNode.start();
  await using client = clientOf(node);
  const post = { flags: TransferFlag.postPending, pendingId: TRANSFER.id };
  await client.transfers.create({ id: TRANSFER.id + 1n, ...post });
  await client.transfers.create({ id: TRANSFER.id + 2n, ...post, amount: 0n });
  type Sent = { readonly amount?: string };
  const amounts = node.seen.map((request) => (JSON.parse(request.body) as Sent).amount);
  assert.deepEqual(amounts, [undefined, '0']);
});

test('batches and lookups keep the order and name what is missing', async () => {
  await using node = await FakeNode.start();
  await using client = clientOf(node);
  const second = { ...TRANSFER, id: TRANSFER.id + 1n };
  node.refusals.set(formatId('transfer', second.id), 'exceeds_credits');
  const { results } = await client.transfers.createBatch([TRANSFER, second]);
  assert.deepEqual(
    results.map(({ id, status, code }) => [id, status, code]),
    [
      [TRANSFER.id, 'created', ''],
      [second.id, 'refused', 'exceeds_credits'],
    ],
  );
  const { found, notFound } = await client.transfers.lookup([TRANSFER.id, second.id]);
  assert.deepEqual(
    found.map((item) => item.id),
    [TRANSFER.id],
  );
  assert.deepEqual(notFound, [second.id]);
});

test('more than a request may carry is refused before it is sent', async () => {
  await using node = await FakeNode.start();
  await using client = clientOf(node);
  await assert.rejects(client.transfers.createBatch([]), RangeError);
  await assert.rejects(client.accounts.lookup(Array<bigint>(8190).fill(1n)), RangeError);
  assert.equal(node.seen.length, 0);
});

test('an answer that carries an amount as a JSON number is not believed', async () => {
  await using node = await FakeNode.start();
  await using client = clientOf(node);
  await client.accounts.create({ id: 7n, ledger: 978, code: 1 });
  Object.assign(node.accounts.get(formatId('account', 7n)) ?? {}, { credits_posted: 1250 });
  await assert.rejects(client.accounts.get(7n), /credits_posted is not text/);
});

test('Retry-After is read as seconds or as a date; anything else counts as absent', () => {
  assert.equal(retryAfterMs('7'), 7000);
  assert.equal(retryAfterMs('soon'), 0);
  assert.equal(retryAfterMs(undefined), 0);
  const inAMinute = new Date(Date.now() + 60_000).toUTCString();
  const ms = retryAfterMs(inAMinute);
  assert.ok(ms > 50_000 && ms <= 60_000);
});
