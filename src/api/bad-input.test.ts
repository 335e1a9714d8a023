// Bad input gets a problem document with code and JSON pointer and changes nothing: for what is
// refused at the door the state is the same byte for byte and nothing was even submitted; for what
// the books refuse no balance moves.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { TRANSFERS_PER_REQUEST_MAX } from '../base/limits.ts';
import {
  type Answer,
  type FakeNode,
  LEDGER,
  accountId,
  call,
  createBookedNode,
  transferBody,
  transferId,
} from './testing/fake-node.ts';

type Case = {
  readonly what: string;
  readonly method?: 'GET' | 'POST' | 'PUT';
  readonly url: string;
  readonly body?: unknown;
  readonly headers?: { readonly [name: string]: string };
  readonly status?: number;
  readonly code: string;
  /** The pointer of the first error; absent where the fault is not at a place of the body. */
  readonly pointer?: string;
};

const BODY_BYTES_MAX = 65_536;
const ONE = '/v1/transfers';
const BATCH = '/v1/transfers/batch';
const TWICE = JSON.stringify(transferBody(1)).replace('{', '{"amount":"999",');

const AT_THE_DOOR: readonly Case[] = [
  {
    what: 'an amount as a JSON number',
    url: ONE,
    body: transferBody(1, { amount: 1250 }),
    code: 'amount_must_be_string',
    pointer: '/amount',
  },
  {
    what: 'an amount as a number too large for a double',
    url: ONE,
    body: JSON.stringify(transferBody(1)).replace('"1250"', '90071992547409931'),
    code: 'amount_must_be_string',
    pointer: '/amount',
  },
  {
    what: 'a negative amount',
    url: ONE,
    body: transferBody(1, { amount: '-1250' }),
    code: 'amount_negative',
    pointer: '/amount',
  },
  {
    what: 'an amount with decimals',
    url: ONE,
    body: transferBody(1, { amount: '12.50' }),
    code: 'amount_wrong_scale',
    pointer: '/amount',
  },
  {
    what: 'an amount of 2^128',
    url: ONE,
    body: transferBody(1, { amount: (1n << 128n).toString() }),
    code: 'amount_too_large',
    pointer: '/amount',
  },
  {
    what: 'an amount that is no number',
    url: ONE,
    body: transferBody(1, { amount: '12,50' }),
    code: 'amount_malformed',
    pointer: '/amount',
  },
  {
    what: 'a misspelt member',
    url: ONE,
    body: transferBody(1, { ammount: '1' }),
    code: 'unknown_field',
    pointer: '/ammount',
  },
  {
    what: 'a missing member',
    url: ONE,
    body: transferBody(1, { code: undefined }),
    code: 'field_required',
    pointer: '/code',
  },
  {
    what: 'a member that stands twice',
    url: ONE,
    body: TWICE,
    code: 'duplicate_key',
    pointer: '/amount',
  },
  {
    what: 'a member that stands twice in an element of a batch',
    url: BATCH,
    body: `{"transfers":[${JSON.stringify(transferBody(1))},${TWICE}]}`,
    code: 'duplicate_key',
    pointer: '/transfers/1/amount',
  },
  {
    what: 'a prototype',
    url: ONE,
    body: '{"__proto__":{"amount":"1"}}',
    code: 'forbidden_key',
    pointer: '/__proto__',
  },
  {
    what: 'one wrong element among good ones',
    url: BATCH,
    body: { transfers: [transferBody(1), transferBody(2, { amount: 5 }), transferBody(3)] },
    code: 'amount_must_be_string',
    pointer: '/transfers/1/amount',
  },
  {
    what: 'an empty batch',
    url: BATCH,
    body: { transfers: [] },
    code: 'batch_empty',
    pointer: '/transfers',
  },
  {
    what: 'a batch of one too many',
    url: BATCH,
    body: { transfers: Array.from({ length: TRANSFERS_PER_REQUEST_MAX + 1 }, () => 0) },
    code: 'batch_too_large',
    pointer: '/transfers',
  },
  {
    what: 'an account id that is no id',
    url: '/v1/accounts',
    body: { id: 'acc_1', ledger: LEDGER, code: 1 },
    code: 'id_malformed',
    pointer: '/id',
  },
  {
    what: 'an unknown flag',
    url: '/v1/accounts/batch',
    body: { accounts: [{ id: accountId(9), ledger: LEDGER, code: 1, flags: ['rich'] }] },
    code: 'flag_unknown',
    pointer: '/accounts/0/flags/0',
  },
  {
    what: 'balances in a new account',
    url: '/v1/accounts',
    body: { id: accountId(9), ledger: LEDGER, code: 1, credits_posted: '100' },
    code: 'unknown_field',
    pointer: '/credits_posted',
  },
  {
    what: 'an exponent as a string, which other servers would coerce',
    method: 'PUT',
    url: '/v1/ledgers/840',
    body: { currency: 'USD', exponent: '2' },
    code: 'field_wrong_type',
    pointer: '/exponent',
  },
  {
    what: 'an unknown member of a ledger, which other servers would drop',
    method: 'PUT',
    url: '/v1/ledgers/840',
    body: { currency: 'USD', exponent: 2, decimals: 2 },
    code: 'unknown_field',
    pointer: '/decimals',
  },
  {
    what: 'a ledger without currency',
    method: 'PUT',
    url: '/v1/ledgers/840',
    body: { exponent: 2 },
    code: 'field_required',
    pointer: '/currency',
  },
  {
    what: 'an exponent that no currency has',
    method: 'PUT',
    url: '/v1/ledgers/840',
    body: { currency: 'USD', exponent: 19 },
    code: 'field_out_of_range',
    pointer: '/exponent',
  },
  {
    what: 'a ledger body that is a list',
    method: 'PUT',
    url: '/v1/ledgers/840',
    body: [],
    code: 'field_wrong_type',
    pointer: '',
  },
  {
    what: 'a ledger number that is none',
    method: 'PUT',
    url: '/v1/ledgers/4294967296',
    body: { currency: 'USD', exponent: 2 },
    code: 'ledger_number_malformed',
  },
  {
    what: 'a lookup of something that is no id',
    url: '/v1/transfers/lookup',
    body: { ids: [transferId(1), 'tr_x'] },
    code: 'id_malformed',
    pointer: '/ids/1',
  },
  {
    what: 'an empty lookup',
    url: '/v1/accounts/lookup',
    body: { ids: [] },
    code: 'batch_empty',
    pointer: '/ids',
  },
  {
    what: 'a lookup of numbers',
    url: '/v1/accounts/lookup',
    body: { ids: [1] },
    code: 'field_wrong_type',
    pointer: '/ids/0',
  },
  {
    what: 'an account asked for by no id',
    method: 'GET',
    url: '/v1/accounts/7',
    code: 'id_malformed',
  },
  {
    what: 'a transfer asked for by an account id',
    method: 'GET',
    url: `/v1/transfers/${accountId(1)}`,
    code: 'id_malformed',
  },
  {
    what: 'a query parameter that means nothing',
    url: `${ONE}?dry_run=true`,
    body: transferBody(1),
    code: 'query_parameter_unknown',
  },
  {
    what: 'a body that is not JSON',
    url: ONE,
    body: '{"id":',
    code: 'json_malformed',
    pointer: '',
  },
  {
    what: 'a body that is not UTF-8',
    url: ONE,
    body: Buffer.from([0x7b, 0xff, 0x7d]),
    code: 'json_not_utf8',
    pointer: '',
  },
  {
    what: 'a body of brackets only',
    url: ONE,
    body: '['.repeat(50_000),
    code: 'json_too_deep',
    pointer: '',
  },
  {
    what: 'half a character',
    url: ONE,
    body: '{"id":"\\ud800"}',
    code: 'json_lone_surrogate',
    pointer: '/id',
  },
  { what: 'an empty body', url: ONE, body: '', code: 'body_required', pointer: '' },
  { what: 'no body', url: ONE, code: 'body_required', pointer: '' },
  {
    what: 'a body that is a list',
    url: ONE,
    body: [transferBody(1)],
    code: 'field_wrong_type',
    pointer: '',
  },
  {
    what: 'another content type',
    url: ONE,
    body: JSON.stringify(transferBody(1)),
    headers: { 'content-type': 'text/plain' },
    status: 415,
    code: 'media_type_unsupported',
  },
  {
    what: 'a body that says it is compressed',
    url: ONE,
    body: transferBody(1),
    headers: { 'content-encoding': 'gzip' },
    status: 415,
    code: 'media_type_unsupported',
  },
  {
    what: 'a body beyond the limit',
    url: ONE,
    body: `{"id":"${'x'.repeat(BODY_BYTES_MAX)}"}`,
    status: 413,
    code: 'body_too_large',
  },
  {
    what: 'a wrong key',
    url: ONE,
    body: transferBody(1),
    headers: { authorization: 'Bearer hf_other' },
    status: 401,
    code: 'key_wrong',
  },
];

function assertProblem(answer: Answer, wanted: Omit<Case, 'what' | 'url'>): void {
  const { body, headers } = answer;
  assert.equal(headers['content-type'], 'application/problem+json; charset=utf-8');
  assert.equal(body.code, wanted.code, JSON.stringify(body));
  assert.equal(answer.status, wanted.status ?? 400);
  assert.equal(body.status, answer.status);
  assert.equal(body.type, `urn:holdfast:problem:${wanted.code}`);
  assert.equal(body.request_id, headers['request-id']);
  for (const name of ['title', 'detail', 'money', 'action']) assert.ok(body[name].length > 0, name);
  if (wanted.pointer !== undefined) {
    assert.equal(body.errors[0].pointer, wanted.pointer);
    assert.equal(body.errors[0].code, wanted.code);
  }
}

for (const wanted of AT_THE_DOOR) {
  test(`${wanted.what} is refused at the door and changes nothing`, async () => {
    await using node = await createBookedNode({ bodyBytesMax: BODY_BYTES_MAX });
    await assertUnchanged(node, wanted);
  });
}

async function assertUnchanged(node: FakeNode, wanted: Case): Promise<void> {
  const before = node.engine.imageHex();
  const submitted = node.engine.submitted;
  const { method = 'POST', url, body, headers = {} } = wanted;
  assertProblem(await call(node, method, url, body, headers), wanted);
  assert.equal(node.engine.submitted, submitted);
  assert.equal(node.engine.imageHex(), before);
  assert.deepEqual(node.logged, []);
}

for (const [what, amount, code] of [
  ['digits', '9'.repeat(7_000_000), 'amount_too_large'],
  ['digits and a letter', `${'9'.repeat(7_000_000)}x`, 'amount_malformed'],
] as const) {
  for (const url of [ONE, '/v1/transfers/batch']) {
    test(`seven million ${what} as the amount of ${url} are refused as an amount`, async () => {
      await using node = await createBookedNode();
      const transfer = transferBody(1, { amount });
      const body = url === ONE ? transfer : { transfers: [transfer] };
      const answer = await call(node, 'POST', url, body);
      assert.equal(answer.status, 400);
      assert.equal(answer.body.code, code);
      assert.deepEqual(node.logged, []);
    });
  }
}

test('a member with a name of seven million characters is refused and named in short', async () => {
  await using node = await createBookedNode();
  const answer = await call(node, 'POST', ONE, { ['~/'.repeat(3_500_000)]: 1 });
  assert.equal(answer.status, 400);
  assert.equal(answer.body.code, 'unknown_field');
  assert.ok(answer.body.errors[0].pointer.length <= 2048);
});

async function balances(node: FakeNode): Promise<string> {
  const ids = [1, 2, 3].map(accountId);
  const { body } = await call(node, 'POST', '/v1/accounts/lookup', { ids });
  return JSON.stringify(body.accounts);
}

type Refusal = {
  readonly what: string;
  readonly body: object;
  readonly status: number;
  readonly code: string;
};

const BY_THE_BOOKS: readonly Refusal[] = [
  {
    what: 'a transfer from an unknown account',
    body: transferBody(2, { debit_account_id: accountId(77) }),
    status: 404,
    code: 'debit_account_not_found',
  },
  {
    what: 'a transfer to an unknown account',
    body: transferBody(2, { credit_account_id: accountId(77) }),
    status: 404,
    code: 'credit_account_not_found',
  },
  {
    what: 'a used id with another amount',
    body: transferBody(1, { amount: '1251' }),
    status: 409,
    code: 'exists_with_different_amount',
  },
  {
    what: 'a used id with another account',
    body: transferBody(1, { credit_account_id: accountId(3) }),
    status: 409,
    code: 'exists_with_different_credit_account_id',
  },
  {
    what: 'a used id with other user data',
    body: transferBody(1, { user_data_64: '5' }),
    status: 409,
    code: 'exists_with_different_user_data_64',
  },
  {
    what: 'a transfer of nothing',
    body: transferBody(2, { amount: '0' }),
    status: 422,
    code: 'amount_must_not_be_zero',
  },
  {
    what: 'more than there is',
    body: transferBody(2, { debit_account_id: accountId(3) }),
    status: 422,
    code: 'exceeds_credits',
  },
  {
    what: 'an amount that makes a balance overflow',
    body: transferBody(2, { amount: ((1n << 128n) - 1n).toString() }),
    status: 422,
    code: 'overflows_debits_posted',
  },
  {
    what: 'a payment to itself',
    body: transferBody(2, { credit_account_id: accountId(1) }),
    status: 422,
    code: 'accounts_must_be_different',
  },
  {
    what: 'a post of a hold that does not exist',
    body: { id: transferId(2), flags: ['post_pending'], pending_id: transferId(9) },
    status: 404,
    code: 'pending_transfer_not_found',
  },
  {
    what: 'a transfer that is linked to nothing',
    body: transferBody(2, { flags: ['linked'] }),
    status: 400,
    code: 'linked_event_chain_open',
  },
  {
    what: 'an id older than what is remembered',
    body: transferBody(2, { id: `tr_${'0'.repeat(31)}1` }),
    status: 422,
    code: 'id_expired',
  },
];

for (const { what, body, status, code } of BY_THE_BOOKS) {
  test(`${what} is refused by the books and moves no money`, async () => {
    await using node = await createBookedNode();
    assert.equal((await call(node, 'POST', ONE, transferBody(1))).status, 201);
    const before = await balances(node);
    const answer = await call(node, 'POST', ONE, body);
    assertProblem(answer, { code, status });
    assert.equal(answer.headers['holdfast-position'], String(node.engine.status().position));
    assert.equal(await balances(node), before);
  });
}

test('no JSON body whatever brings the door down or changes anything', async () => {
  await using node = await createBookedNode();
  const before = node.engine.imageHex();
  const names = fc.constantFrom('id', 'ids', 'amount', 'flags', 'transfers', 'accounts', 'ledger');
  const { any } = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      fc.jsonValue({ maxDepth: 2 }),
      fc.array(tie('any'), { maxLength: 3 }),
      fc.dictionary(names, tie('any'), { maxKeys: 3, noNullPrototype: true }),
    ),
  }));
  const posts = ['', '/batch', '/lookup'].flatMap((end) => [ONE + end, `/v1/accounts${end}`]);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...posts), any, async (url, value) => {
      const answer = await call(node, 'POST', url, JSON.stringify(value));
      assert.equal(answer.status, 400);
      assert.ok(answer.body.errors.length >= 1);
      assert.equal(answer.body.errors[0].code, answer.body.code);
    }),
    { numRuns: 200 },
  );
  assert.equal(node.engine.imageHex(), before);
  assert.deepEqual(node.logged, []);
});

test('a long name is not echoed', async () => {
  await using node = await createBookedNode();
  const name = 'n'.repeat(100_000);
  for (const body of [{ [name]: 1 }, `{"a":{"${name}":1,"${name}":2}}`]) {
    const answer = await call(node, 'POST', ONE, body);
    assert.equal(answer.status, 400);
    assert.ok(JSON.stringify(answer.body).length < 8_000);
  }
});

test('the ledger refuses a currency that is none, and the ledger number 0', async () => {
  await using node = await createBookedNode();
  const before = (await call(node, 'GET', '/v1/ledgers')).body;
  const currency = await call(node, 'PUT', '/v1/ledgers/840', { currency: 'usd', exponent: 2 });
  assertProblem(currency, { code: 'ledger_currency_invalid' });
  const zero = await call(node, 'PUT', '/v1/ledgers/0', { currency: 'USD', exponent: 2 });
  assertProblem(zero, { code: 'ledger_number_must_not_be_zero' });
  assert.deepEqual((await call(node, 'GET', '/v1/ledgers')).body, before);
});

const ALL = ((1n << 128n) - 1n).toString();
const imported = (ns: string, change: object = {}): object =>
  transferBody(2, { flags: ['imported'], timestamp_ns: ns, ...change });

/** Account 3 has no money and may not be overdrawn; 4 is closed, 5 is frozen. */
const BY_ACCOUNT_AND_TIME: readonly (readonly [body: object, status: number, code: string])[] = [
  [transferBody(2, { debit_account_id: accountId(4) }), 409, 'debit_account_already_closed'],
  [transferBody(2, { credit_account_id: accountId(4) }), 409, 'credit_account_already_closed'],
  [transferBody(2, { debit_account_id: accountId(5) }), 409, 'debit_account_frozen'],
  [transferBody(2, { credit_account_id: accountId(5) }), 409, 'credit_account_frozen'],
  [transferBody(2, { flags: ['closing_debit'] }), 400, 'closing_transfer_must_be_pending'],
  [
    transferBody(2, { debit_account_id: accountId(3), amount: ALL, flags: ['balancing_debit'] }),
    422,
    'exceeds_credits',
  ],
  [
    transferBody(2, { credit_account_id: accountId(3), flags: ['balancing_credit'] }),
    422,
    'exceeds_debits',
  ],
  [transferBody(2, { timestamp_ns: '5' }), 400, 'timestamp_must_be_zero'],
  [imported('0'), 400, 'imported_event_timestamp_out_of_range'],
  [imported('9223372036854775807'), 422, 'imported_event_timestamp_must_not_advance'],
  [imported('1'), 422, 'imported_event_timestamp_must_not_regress'],
  [{ ...imported('1'), id: transferId(1) }, 409, 'exists_with_different_flags'],
];

test('closed, frozen, balancing and imported: each refusal leaves with its code and status', async () => {
  for (const [body, status, code] of BY_ACCOUNT_AND_TIME) {
    await using node = await createBookedNode();
    const accounts = [4, 5].map((number) => ({ id: accountId(number), ledger: LEDGER, code: 1 }));
    await call(node, 'POST', '/v1/accounts/batch', { accounts });
    const closing = { amount: '0', flags: ['pending', 'closing_credit'] };
    const setUp = transferBody(1, { credit_account_id: accountId(4), ...closing });
    assert.equal((await call(node, 'POST', ONE, setUp)).status, 201);
    assert.equal((await call(node, 'POST', `/v1/accounts/${accountId(5)}/freeze`)).status, 200);
    assertProblem(await call(node, 'POST', ONE, body), { code, status });
  }
});

test('the first transfer of a batch says whether the batch is an import', async () => {
  await using node = await createBookedNode();
  const codes = async (transfers: readonly object[]): Promise<string[]> => {
    const { body } = await call(node, 'POST', '/v1/transfers/batch', { transfers });
    return body.results.map((result: { code?: string }) => result.code ?? 'done');
  };
  assert.deepEqual(await codes([transferBody(1), imported('5')]), [
    'done',
    'imported_event_not_expected',
  ]);
  assert.deepEqual(await codes([imported('5'), transferBody(3)]), [
    'imported_event_timestamp_must_not_regress',
    'imported_event_expected',
  ]);
});
