// Postings and reverts: all or none, and never twice.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configureCommand } from '../../domain/commands.ts';
import {
  type FakeNode,
  LEDGER,
  accountId,
  call,
  createBookedNode,
  transferBody,
  transferId,
} from '../testing/fake-node.ts';

const POSTINGS = '/v1/postings';
const HEX = '0123456789abcdef0123456789abcdef';

function postingId(number: number): string {
  return transferId(number).replace('tr_', 'po_');
}

type Leg = readonly [account: number, side: string, amount: string];

function posting(number: number, legs: readonly Leg[], change: object = {}): object {
  return {
    id: postingId(number),
    ledger: LEDGER,
    code: 7,
    legs: legs.map(([account, side, amount]) => ({
      account_id: accountId(account),
      side,
      amount,
    })),
    ...change,
  };
}

async function balances(node: FakeNode, account: number): Promise<string[]> {
  const { body } = await call(node, 'GET', `/v1/accounts/${accountId(account)}`);
  return [body.debits_posted, body.credits_posted];
}

const SALE: readonly Leg[] = [
  [1, 'debit', '1190'],
  [2, 'credit', '1000'],
  [3, 'credit', '190'],
];

test('the legs of a posting become transfers in one chain, and again they are the same', async () => {
  await using node = await createBookedNode();
  const first = await call(node, 'POST', POSTINGS, posting(1, SALE));
  assert.equal(first.status, 201);
  assert.deepEqual([first.body.id, first.body.status], [postingId(1), 'created']);
  assert.deepEqual(
    first.body.transfers.map((transfer: Record<string, unknown>) => [
      transfer['debit_account_id'],
      transfer['credit_account_id'],
      transfer['amount'],
      transfer['flags'],
      transfer['user_data_128'],
    ]),
    [
      [accountId(1), accountId(2), '1000', ['linked'], postingId(1).slice(3)],
      [accountId(1), accountId(3), '190', [], postingId(1).slice(3)],
    ],
  );
  const [one, two] = first.body.transfers;
  // SHA-256 of the 16 bytes of the id and the number as 8 bytes.
  assert.equal(one.id, 'tr_019b76daa800824fcb611c8531b9bd07');
  assert.equal(two.id.slice(0, 15), transferId(1).slice(0, 15));
  const again = await call(node, 'POST', POSTINGS, posting(1, SALE));
  assert.equal(again.status, 200);
  assert.deepEqual(again.body, { ...first.body, status: 'exists' });
  assert.deepEqual(await balances(node, 1), ['1190', '0']);
});

test('what is left of a leg goes on with the next one', async () => {
  await using node = await createBookedNode();
  const legs: Leg[] = [
    [1, 'debit', '5'],
    [2, 'credit', '2'],
    [3, 'debit', '1'],
    [2, 'credit', '4'],
  ];
  const limited = await call(node, 'POST', POSTINGS, posting(1, legs));
  assert.equal(limited.body.code, 'exceeds_credits');
  assert.deepEqual(await balances(node, 1), ['0', '0']);
  await call(node, 'POST', '/v1/transfers', transferBody(9, { credit_account_id: accountId(3) }));
  const { body } = await call(node, 'POST', POSTINGS, posting(2, legs, { user_data_128: HEX }));
  assert.deepEqual(
    body.transfers.map((transfer: { amount: string }) => transfer.amount),
    ['2', '3', '1'],
  );
  assert.ok(body.transfers.every((item: { user_data_128: string }) => item.user_data_128 === HEX));
});

test('another posting under the same id is refused, whatever differs', async () => {
  await using node = await createBookedNode();
  await call(node, 'POST', POSTINGS, posting(1, SALE));
  const other = async (legs: readonly Leg[], change: object = {}): Promise<string> => {
    const { status, body } = await call(node, 'POST', POSTINGS, posting(1, legs, change));
    assert.equal(status, 409);
    return body.code;
  };
  const [debit, first, second] = SALE;
  assert.equal(await other(SALE, { code: 8 }), 'exists_with_different_code');
  assert.equal(await other([debit!, second!, first!]), 'exists_with_different_credit_account_id');
  const fewer: Leg[] = [
    [1, 'debit', '1000'],
    [2, 'credit', '1000'],
  ];
  assert.equal(await other(fewer), 'exists_with_different_flags');
  const more: Leg[] = [...SALE, [1, 'debit', '5'], [2, 'credit', '5']];
  assert.equal(await other(more), 'exists_with_different_flags');
  assert.deepEqual(await balances(node, 1), ['1190', '0']);
});

test('a posting that cannot be meant is refused at the door with its pointer', async () => {
  await using node = await createBookedNode();
  const before = node.engine.submitted;
  const faults = async (body: object): Promise<string> => {
    const answer = await call(node, 'POST', POSTINGS, body);
    assert.equal(answer.status, 400);
    return answer.body.errors.map((e: Record<string, string>) => `${e['code']} ${e['pointer']}`)[0];
  };
  const wrong: readonly (readonly [string, object])[] = [
    ['posting_not_balanced /legs', posting(1, [SALE[0]!, SALE[1]!])],
    ['batch_empty /legs', posting(1, [SALE[0]!])],
    [
      'batch_too_large /legs',
      posting(
        1,
        Array.from({ length: 1001 }, () => SALE[0]!),
      ),
    ],
    ['field_wrong_type /legs', posting(1, [], { legs: {} })],
    ['field_out_of_range /legs/0/amount', posting(1, [[1, 'debit', '0'], SALE[1]!])],
    ['amount_wrong_scale /legs/1/amount', posting(1, [SALE[0]!, [2, 'credit', '1.5']])],
    ['field_out_of_range /legs/0/side', posting(1, [[1, 'left', '1'], SALE[1]!])],
    ['id_malformed /id', posting(1, SALE, { id: transferId(1) })],
    ['unknown_field /flags', posting(1, SALE, { flags: [] })],
    ['field_required /legs', { id: postingId(1), ledger: 1, code: 1 }],
    [
      'field_required /legs/0/side',
      posting(1, [], { legs: [{ account_id: accountId(1), amount: '1' }, {}] }),
    ],
  ];
  for (const [fault, body] of wrong) assert.equal(await faults(body), fault);
  const huge = (2n ** 128n - 1n).toString();
  const sides: Leg[] = [
    [1, 'debit', huge],
    [1, 'debit', huge],
    [2, 'credit', huge],
    [2, 'credit', huge],
  ];
  assert.equal(await faults(posting(1, sides)), 'amount_too_large /legs');
  assert.equal(node.engine.submitted, before);
});

test('a posting of 1,000 legs is one command', async () => {
  await using node = await createBookedNode();
  const before = node.engine.submitted;
  const legs = Array.from({ length: 1000 }, (_, index): Leg => {
    return index % 2 === 0 ? [1, 'debit', String(index + 2)] : [2, 'credit', String(index + 1)];
  });
  const { status, body } = await call(node, 'POST', POSTINGS, posting(1, legs));
  assert.equal(status, 201);
  assert.equal(body.transfers.length, 500);
  assert.equal(node.engine.submitted, before + 1);
});

test('a transfer is reverted once, however often it is asked', async () => {
  await using node = await createBookedNode();
  await call(node, 'POST', '/v1/transfers', transferBody(1, { code: 9 }));
  const url = `/v1/transfers/${transferId(1)}/revert`;
  const none = await call(node, 'POST', `${POSTINGS}/${postingId(9)}/revert`);
  assert.deepEqual([none.status, none.body.code], [404, 'transfer_not_found']);
  assert.equal(none.body.detail, 'No posting with this id was accepted.');
  assert.equal(none.body.money, 'No money moved, and nothing was changed.');
  const first = await call(node, 'POST', url);
  assert.equal(first.status, 201);
  assert.deepEqual(
    [first.body.debit_account_id, first.body.credit_account_id, first.body.amount, first.body.code],
    [accountId(2), accountId(1), '1250', 9],
  );
  assert.equal(first.body.user_data_128, transferId(1).slice(3));
  assert.equal(first.body.id.slice(0, 15), transferId(1).slice(0, 15));
  const again = await call(node, 'POST', url, {});
  assert.equal(again.status, 200);
  assert.deepEqual(again.body, first.body);
  assert.deepEqual(await balances(node, 1), ['1250', '1250']);
});

test('holds, voids, refused and unknown transfers cannot be reverted, the post of a hold can', async () => {
  await using node = await createBookedNode();
  const revert = (number: number, body?: object) =>
    call(node, 'POST', `/v1/transfers/${transferId(number)}/revert`, body);
  const send = (number: number, change: object) =>
    call(node, 'POST', '/v1/transfers', transferBody(number, change));
  await send(1, { flags: ['pending'] });
  await send(2, { debit_account_id: accountId(3) });
  await send(4, { flags: ['pending'] });
  for (const [number, flag, hold] of [
    [5, 'post_pending', 1],
    [6, 'void_pending', 4],
  ] as const) {
    if (number === 5) assert.equal((await revert(1)).body.code, 'transfer_not_reversible');
    const body = { id: transferId(number), flags: [flag], pending_id: transferId(hold) };
    await call(node, 'POST', '/v1/transfers', body);
  }
  for (const number of [1, 2, 4, 6]) {
    const { status, body } = await revert(number);
    assert.deepEqual([status, body.code], [409, 'transfer_not_reversible'], String(number));
  }
  assert.equal((await revert(7)).body.code, 'transfer_not_found');
  assert.equal((await revert(5, { id: transferId(8) })).body.code, 'unknown_field');
  const malformed = await call(node, 'POST', '/v1/transfers/tr_1/revert');
  assert.equal(malformed.body.code, 'id_malformed');
  assert.equal((await revert(5)).status, 201);
  assert.deepEqual(await balances(node, 1), ['1250', '1250']);
});

test('a posting is reverted whole and once; what the books refuse leaves it as it was', async () => {
  await using node = await createBookedNode();
  await call(node, 'POST', POSTINGS, posting(1, SALE));
  const url = `${POSTINGS}/${postingId(1)}/revert`;
  const none = await call(node, 'POST', `${POSTINGS}/${postingId(9)}/revert`);
  assert.deepEqual([none.status, none.body.code], [404, 'transfer_not_found']);
  assert.equal(none.body.detail, 'No posting with this id was accepted.');
  assert.equal(none.body.money, 'No money moved, and nothing was changed.');
  const first = await call(node, 'POST', url);
  assert.equal(first.status, 201);
  assert.equal(first.body.transfers.length, 2);
  const again = await call(node, 'POST', url);
  assert.deepEqual([again.status, again.body.status], [200, 'exists']);
  assert.deepEqual(await balances(node, 1), ['1190', '1190']);
  assert.equal((await call(node, 'POST', `${POSTINGS}/${postingId(2)}/revert`)).status, 404);

  const second = await call(node, 'POST', POSTINGS, posting(3, SALE));
  // One of its transfers has gone back on its own: the whole cannot any more.
  for (const { id } of second.body.transfers) {
    const alone = await call(node, 'POST', `/v1/transfers/${id}/revert`);
    assert.equal(alone.status, 201);
    const whole = await call(node, 'POST', `${POSTINGS}/${postingId(3)}/revert`);
    assert.ok(whole.status === 409 || whole.status === 422);
  }
  assert.deepEqual(await balances(node, 1), ['2380', '2380']);
});

test('what is not remembered any more is found, and its revert has expired with it', async () => {
  await using node = await createBookedNode();
  const small = { expected_version: 0, dedupe_bytes_max: 16 * 160, dedupe_window_seconds: 60 };
  await node.engine.submit(configureCommand(small), new AbortController().signal);
  await call(node, 'POST', '/v1/transfers', transferBody(1));
  await call(node, 'POST', POSTINGS, posting(2, SALE));
  const later = (number: number): string => {
    const id = BigInt(`0x${transferId(number).slice(3)}`) + (2000n << 80n);
    return `tr_${id.toString(16).padStart(32, '0')}`;
  };
  for (let number = 100; number < 120; number++) {
    await call(node, 'POST', '/v1/transfers', transferBody(number, { id: later(number) }));
  }
  const before = [await balances(node, 1), await balances(node, 2), await balances(node, 3)];
  for (const url of [
    `/v1/transfers/${transferId(1)}/revert`,
    `${POSTINGS}/${postingId(2)}/revert`,
  ]) {
    const { status, body } = await call(node, 'POST', url);
    assert.deepEqual([status, body.code], [422, 'id_expired'], url);
  }
  const after = [await balances(node, 1), await balances(node, 2), await balances(node, 3)];
  assert.deepEqual(after, before);
  // While nobody can say whether there is such a transfer, it is not "not found".
  node.engine.history.complete = false;
  const { status, body } = await call(node, 'POST', `/v1/transfers/${transferId(1)}/revert`);
  assert.deepEqual([status, body.code], [503, 'history_incomplete']);
});
