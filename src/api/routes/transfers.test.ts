// Transfers over HTTP: done once however often they are sent, one by one and in batches.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Compile } from 'typebox/compile';
import { configureCommand } from '../../domain/commands.ts';
import { findTransfer } from '../../domain/queries.ts';
import {
  accountId,
  call,
  createBookedNode,
  transferBody,
  transferId,
} from '../testing/fake-node.ts';
import { TransferAnswer } from '../schemas.ts';

const ONE = '/v1/transfers';
const BATCH = '/v1/transfers/batch';
const isTransferAnswer = Compile(TransferAnswer);

test('a transfer is 201 the first time and 200 with the same body every time after', async () => {
  await using node = await createBookedNode();
  const first = await call(node, 'POST', ONE, transferBody(1));
  assert.equal(first.status, 201);
  assert.equal(first.headers['content-type'], 'application/json; charset=utf-8');
  assert.equal(first.headers['holdfast-position'], '3');
  const { timestamp_ns, ...rest } = first.body;
  assert.match(timestamp_ns, /^\d{19}$/);
  assert.deepEqual(rest, {
    ...transferBody(1),
    currency: 'EUR',
    flags: [],
    pending_id: null,
    timeout_seconds: 0,
    user_data_128: '0'.repeat(32),
    user_data_64: '0',
    user_data_32: 0,
    state: 'accepted',
    hold: 'none',
  });
  const second = await call(node, 'POST', ONE, transferBody(1));
  assert.equal(second.status, 200);
  assert.deepEqual(second.body, first.body);
  const { body } = await call(node, 'GET', `/v1/accounts/${accountId(2)}`);
  assert.equal(body.credits_posted, '1250');
});

test('every member of a transfer comes back as it was sent', async () => {
  await using node = await createBookedNode();
  const sent = transferBody(1, {
    amount: '1',
    flags: ['pending'],
    timeout_seconds: 4_294_967_295,
    user_data_128: 'ff0000000000000000000000000000aa',
    user_data_64: '18446744073709551615',
    user_data_32: 4_294_967_295,
    code: 65_535,
  });
  const { status, body } = await call(node, 'POST', ONE, sent);
  assert.equal(status, 201);
  assert.deepEqual({ ...body, ...sent }, body);
  assert.equal(body.hold, 'pending');
  assert.ok(isTransferAnswer.Check(body));
});

test('a post takes accounts, ledger, code and amount from the hold, and the hold knows', async () => {
  await using node = await createBookedNode();
  await call(node, 'POST', ONE, transferBody(1, { flags: ['pending'] }));
  const post = { id: transferId(2), flags: ['post_pending'], pending_id: transferId(1) };
  const { status, body } = await call(node, 'POST', ONE, post);
  assert.equal(status, 201);
  assert.equal(body.amount, '1250');
  assert.equal(body.debit_account_id, accountId(1));
  assert.equal(body.pending_id, transferId(1));
  assert.ok(isTransferAnswer.Check(body));
  const hold = await call(node, 'GET', `${ONE}/${transferId(1)}`);
  assert.equal(hold.body.hold, 'posted');
  const again = await call(node, 'POST', ONE, post);
  assert.equal(again.status, 200);
  const late = await call(node, 'POST', ONE, { ...post, id: transferId(3) });
  assert.equal(late.body.code, 'pending_transfer_already_posted');
  assert.equal(late.status, 409);
});

test('a void without amount releases the hold', async () => {
  await using node = await createBookedNode();
  await call(node, 'POST', ONE, transferBody(1, { flags: ['pending'] }));
  const release = { id: transferId(2), flags: ['void_pending'], pending_id: transferId(1) };
  assert.equal((await call(node, 'POST', ONE, release)).status, 201);
  const { body } = await call(node, 'GET', `/v1/accounts/${accountId(1)}`);
  assert.deepEqual([body.debits_pending, body.debits_posted], ['0', '0']);
});

test('a batch answers each element in order: created, exists, refused with its code', async () => {
  await using node = await createBookedNode();
  await call(node, 'POST', ONE, transferBody(1));
  const transfers = [
    transferBody(2),
    transferBody(1),
    transferBody(3, { debit_account_id: accountId(3) }),
    transferBody(4, { flags: ['linked'] }),
    transferBody(5, { amount: '0' }),
  ];
  const { status, headers, body } = await call(node, 'POST', BATCH, { transfers });
  assert.equal(status, 200);
  assert.equal(headers['holdfast-position'], String(body.position));
  const results = body.results.map((result: Record<string, string>) => {
    assert.equal('detail' in result, result['status'] === 'refused');
    return [result['id'], result['status'], result['code']];
  });
  assert.deepEqual(results, [
    [transferId(2), 'created', undefined],
    [transferId(1), 'exists', undefined],
    [transferId(3), 'refused', 'exceeds_credits'],
    [transferId(4), 'refused', 'linked_event_failed'],
    [transferId(5), 'refused', 'amount_must_not_be_zero'],
  ]);
});

test('a full batch of 8,189 transfers is one command', async () => {
  await using node = await createBookedNode();
  const before = node.engine.submitted;
  const transfers = Array.from({ length: 8189 }, (_, index) => transferBody(index + 1));
  const { status, body } = await call(node, 'POST', BATCH, { transfers });
  assert.equal(status, 200);
  assert.equal(node.engine.submitted, before + 1);
  assert.ok(body.results.every((result: { status: string }) => result.status === 'created'));
  const account = await call(node, 'GET', `/v1/accounts/${accountId(1)}`);
  assert.equal(account.body.debits_posted, String(8189 * 1250));
  const ids = transfers.map((transfer) => transfer['id']);
  const found = await call(node, 'POST', '/v1/transfers/lookup', { ids });
  assert.equal(found.body.transfers.length, 8189);
  assert.deepEqual(found.body.not_found, []);
});

test('a lookup answers what is there in the order asked, and names what is not', async () => {
  await using node = await createBookedNode();
  for (const number of [1, 2]) await call(node, 'POST', ONE, transferBody(number));
  const ids = [transferId(2), transferId(7), transferId(1)];
  const { status, headers, body } = await call(node, 'POST', '/v1/transfers/lookup', { ids });
  assert.equal(status, 200);
  assert.equal(headers['holdfast-position'], String(body.position));
  assert.deepEqual(
    body.transfers.map((transfer: { id: string }) => transfer.id),
    [transferId(2), transferId(1)],
  );
  assert.deepEqual(body.not_found, [transferId(7)]);
  for (const transfer of body.transfers) assert.ok(isTransferAnswer.Check(transfer));
});

test('a transfer that was refused for a transient reason is shown as failed and stays so', async () => {
  await using node = await createBookedNode();
  const refused = transferBody(1, { debit_account_id: accountId(9), ledger: 4 });
  assert.equal((await call(node, 'POST', ONE, refused)).status, 404);
  const { body } = await call(node, 'GET', `${ONE}/${transferId(1)}`);
  assert.deepEqual([body.state, body.hold, body.currency], ['failed', 'none', '']);
  const again = await call(node, 'POST', ONE, refused);
  assert.equal(again.body.code, 'id_already_failed');
  assert.equal(again.status, 409);
});

test('a transfer that is not remembered is 404', async () => {
  await using node = await createBookedNode();
  const { status, body, headers } = await call(node, 'GET', `${ONE}/${transferId(1)}`);
  assert.equal(status, 404);
  assert.equal(body.code, 'transfer_not_found');
  assert.equal(headers['holdfast-position'], '2');
});

test('a record that is forgotten before the answer is written is answered as it was sent', async () => {
  await using node = await createBookedNode();
  const { signal } = new AbortController();
  const small = { expected_version: 0, dedupe_bytes_max: 16 * 160, dedupe_window_seconds: 60 };
  await node.engine.submit(configureCommand(small), signal);
  const submit = node.engine.submit.bind(node.engine);
  node.engine.submit = async (command, signal) => {
    const result = await submit(command, signal);
    node.engine.submit = submit;
    const transfers = Array.from({ length: 16 }, (_, index) =>
      transferBody(index + 100, { id: laterId(index) }),
    );
    await call(node, 'POST', BATCH, { transfers });
    return result;
  };
  const { status, body } = await call(node, 'POST', ONE, transferBody(1, { flags: ['pending'] }));
  assert.equal(status, 201);
  assert.equal(findTransfer(node.engine.state, BigInt(`0x${transferId(1).slice(3)}`)), undefined);
  // The history still has it.
  assert.deepEqual((await call(node, 'GET', `${ONE}/${transferId(1)}`)).body, body);
  assert.deepEqual([body.amount, body.hold, body.state], ['1250', 'pending', 'accepted']);
  assert.ok(isTransferAnswer.Check(body));
});

/** An id two seconds after those of `transferId`. */
function laterId(number: number): string {
  const id = BigInt(`0x${transferId(number).slice(3)}`) + (2000n << 80n);
  return `tr_${id.toString(16).padStart(32, '0')}`;
}
