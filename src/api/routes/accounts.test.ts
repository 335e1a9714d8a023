// Accounts over HTTP.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Compile } from 'typebox/compile';
import {
  LEDGER,
  accountId,
  call,
  createBookedNode,
  createFakeNode,
  transferBody,
} from '../testing/fake-node.ts';
import { AccountAnswer } from '../schemas.ts';

const isAccountAnswer = Compile(AccountAnswer);
const NEW = { id: accountId(9), ledger: LEDGER, code: 20 };

test('an account is 201 when it is opened and 200 when it is there just so', async () => {
  await using node = await createBookedNode();
  const first = await call(node, 'POST', '/v1/accounts', NEW);
  assert.equal(first.status, 201);
  const { timestamp_ns, ...rest } = first.body;
  assert.match(timestamp_ns, /^\d{19}$/);
  assert.deepEqual(rest, {
    ...NEW,
    currency: 'EUR',
    flags: [],
    user_data_128: '0'.repeat(32),
    user_data_64: '0',
    user_data_32: 0,
    debits_pending: '0',
    debits_posted: '0',
    credits_pending: '0',
    credits_posted: '0',
  });
  const second = await call(node, 'POST', '/v1/accounts', NEW);
  assert.equal(second.status, 200);
  assert.deepEqual(second.body, first.body);
  assert.deepEqual((await call(node, 'GET', `/v1/accounts/${NEW.id}`)).body, first.body);
});

test('every member of an account comes back as it was sent', async () => {
  await using node = await createBookedNode();
  const sent = {
    ...NEW,
    flags: ['credits_must_not_exceed_debits'],
    user_data_128: 'ff0000000000000000000000000000aa',
    user_data_64: '18446744073709551615',
    user_data_32: 4_294_967_295,
  };
  const { body } = await call(node, 'POST', '/v1/accounts', sent);
  assert.deepEqual({ ...body, ...sent }, body);
  assert.ok(isAccountAnswer.Check(body));
});

test('the same id with another meaning is a conflict, an undefined ledger is not found', async () => {
  await using node = await createBookedNode();
  await call(node, 'POST', '/v1/accounts', NEW);
  const other = await call(node, 'POST', '/v1/accounts', { ...NEW, code: 21 });
  assert.equal(other.status, 409);
  assert.equal(other.body.code, 'account_exists_with_different_code');
  const nowhere = await call(node, 'POST', '/v1/accounts', {
    ...NEW,
    id: accountId(10),
    ledger: 5,
  });
  assert.equal(nowhere.status, 404);
  assert.equal(nowhere.body.code, 'account_ledger_not_found');
  assert.equal(nowhere.body.retryable, true);
});

test('a batch of accounts answers each in order', async () => {
  await using node = await createBookedNode();
  const accounts = [NEW, { ...NEW, id: accountId(1) }, { ...NEW, id: accountId(2), code: 1 }];
  const { status, body } = await call(node, 'POST', '/v1/accounts/batch', { accounts });
  assert.equal(status, 200);
  assert.deepEqual(
    body.results.map((result: Record<string, string>) => [
      result['id'],
      result['status'],
      result['code'],
    ]),
    [
      [NEW.id, 'created', undefined],
      [accountId(1), 'refused', 'account_exists_with_different_code'],
      [accountId(2), 'exists', undefined],
    ],
  );
});

test('a lookup answers balances at the position that it names', async () => {
  await using node = await createBookedNode();
  await call(node, 'POST', '/v1/transfers', transferBody(1));
  const ids = [accountId(2), accountId(77), accountId(1)];
  const { status, headers, body } = await call(node, 'POST', '/v1/accounts/lookup', { ids });
  assert.equal(status, 200);
  assert.equal(body.position, 3);
  assert.equal(headers['holdfast-position'], '3');
  assert.deepEqual(
    body.accounts.map((account: Record<string, string>) => [
      account['id'],
      account['credits_posted'],
      account['debits_posted'],
    ]),
    [
      [accountId(2), '1250', '0'],
      [accountId(1), '0', '1250'],
    ],
  );
  assert.deepEqual(body.not_found, [accountId(77)]);
  for (const account of body.accounts) assert.ok(isAccountAnswer.Check(account));
});

test('an account that does not exist is 404', async () => {
  await using node = await createBookedNode();
  const { status, body } = await call(node, 'GET', `/v1/accounts/${accountId(77)}`);
  assert.equal(status, 404);
  assert.equal(body.code, 'account_not_found');
});

test('an account is frozen and unfrozen, and asking again changes nothing', async () => {
  await using node = await createBookedNode();
  const url = `/v1/accounts/${accountId(1)}`;
  const change = async (verb: string, body?: object) => {
    const answer = await call(node, 'POST', `${url}/${verb}`, body);
    assert.equal(answer.status, 200);
    assert.ok(isAccountAnswer.Check(answer.body));
    return answer.body.flags;
  };
  assert.deepEqual(await change('freeze'), ['frozen']);
  assert.deepEqual(await change('freeze', {}), ['frozen']);
  const announced = await call(node, 'POST', `${url}/freeze`, '', { 'content-length': '0' });
  assert.equal(announced.status, 200, 'JSON is announced, and none comes: no body');
  const refused = await call(node, 'POST', '/v1/transfers', transferBody(1));
  assert.deepEqual([refused.status, refused.body.code], [409, 'debit_account_frozen']);
  assert.deepEqual(await change('unfreeze'), []);
  assert.deepEqual(await change('unfreeze'), []);
  assert.equal((await call(node, 'POST', '/v1/transfers', transferBody(2))).status, 201);

  const missing = await call(node, 'POST', `/v1/accounts/${accountId(9)}/freeze`);
  assert.deepEqual([missing.status, missing.body.code], [404, 'account_not_found']);
  const odd = await call(node, 'POST', `${url}/freeze`, { reason: 'x' });
  assert.deepEqual([odd.status, odd.body.code], [400, 'unknown_field']);
  assert.equal((await call(node, 'POST', '/v1/accounts/acc_1/freeze')).body.code, 'id_malformed');
});

test('closing, balancing and importing show in flags, amounts and timestamps', async () => {
  await using node = await createBookedNode();
  await call(node, 'POST', '/v1/transfers', transferBody(1));
  const all = '340282366920938463463374607431768211455';
  const closing = transferBody(2, {
    debit_account_id: accountId(2),
    credit_account_id: accountId(1),
    amount: all,
    flags: ['pending', 'balancing_debit', 'closing_debit'],
  });
  const { status, body } = await call(node, 'POST', '/v1/transfers', closing);
  assert.deepEqual([status, body.amount, body.flags], [201, '1250', closing['flags']]);
  const closed = await call(node, 'GET', `/v1/accounts/${accountId(2)}`);
  assert.deepEqual(closed.body.flags, ['closed']);
  assert.ok(isAccountAnswer.Check(closed.body));

  const old = { id: accountId(7), ledger: LEDGER, code: 1, flags: ['imported'], timestamp_ns: '5' };
  const refused = await call(node, 'POST', '/v1/accounts', old);
  assert.equal(refused.body.code, 'account_imported_event_timestamp_must_not_regress');
  assert.equal(
    (await call(node, 'POST', '/v1/accounts', { ...old, flags: ['closed'] })).body.code,
    'flag_unknown',
  );

  await using fresh = createFakeNode();
  await call(fresh, 'PUT', `/v1/ledgers/${LEDGER}`, { currency: 'EUR', exponent: 2 });
  const accounts = [1, 2].map((number) => ({
    ...old,
    id: accountId(number),
    timestamp_ns: String(number),
  }));
  await call(fresh, 'POST', '/v1/accounts/batch', { accounts });
  const transfer = transferBody(1, { flags: ['imported'], timestamp_ns: '3' });
  const imported = await call(fresh, 'POST', '/v1/transfers', transfer);
  assert.deepEqual([imported.status, imported.body.timestamp_ns], [201, '3']);
  assert.equal((await call(fresh, 'POST', '/v1/transfers', transfer)).status, 200);
});
