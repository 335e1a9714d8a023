// Lists of accounts and transfers over HTTP: whatever the filter, the order and the size of the
// pages, each element that fits comes once and in order; what is asked wrongly is refused with its
// name and changes nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Compile } from 'typebox/compile';
import { AccountsPage, TransfersPage } from '../query-schemas.ts';
import { type Answer, type FakeNode, accountId, call, transferId } from '../testing/fake-node.ts';
import { ACCOUNTS, MARK, TRANSFERS, createMarkedNode } from '../testing/marked-books.ts';

type Element = { readonly id: string; readonly timestamp_ns: string } & {
  readonly [name: string]: unknown;
};

const isPage = { accounts: Compile(AccountsPage), transfers: Compile(TransfersPage) };

type Parameters = { readonly [name: string]: string | number };

function addressOf(path: string, parameters: Parameters): string {
  const pairs = Object.entries(parameters).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  return `${path}?${new URLSearchParams(pairs).toString()}`;
}

/** Every page, by its cursor, until there is no next one. */
async function listed(
  node: FakeNode,
  path: string,
  parameters: Parameters,
): Promise<{ elements: Element[]; pages: number }> {
  const name = path.endsWith('accounts') ? 'accounts' : 'transfers';
  const elements: Element[] = [];
  let cursor: string | undefined;
  let pages = 0;
  do {
    const given = cursor === undefined ? parameters : { ...parameters, cursor };
    const { status, body, headers } = await call(node, 'GET', addressOf(path, given));
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(headers['holdfast-position'], String(body.position));
    assert.ok(isPage[name].Check(body), JSON.stringify(body));
    elements.push(...(body[name] as Element[]));
    cursor = (body.next as string | null) ?? undefined;
    pages++;
  } while (cursor !== undefined);
  return { elements, pages };
}

async function idsOf(node: FakeNode, path: string, parameters: Parameters): Promise<string[]> {
  return (await listed(node, path, parameters)).elements.map(({ id }) => id);
}

function fits(element: Element, wanted: { readonly [name: string]: unknown }): boolean {
  return Object.entries(wanted).every(([name, value]) => element[name] === value);
}

const FILTERS: readonly Parameters[] = [
  {},
  { ledger: 978 },
  { ledger: 840 },
  { ledger: 5 },
  { code: 2 },
  { user_data_128: MARK.user_data_128 },
  { user_data_64: MARK.user_data_64 },
  { user_data_32: MARK.user_data_32 },
  { user_data_128: '0'.repeat(32), user_data_64: '0', user_data_32: 0 },
  { ledger: 978, code: 1, user_data_32: MARK.user_data_32 },
  { ledger: 840, code: 2, user_data_128: MARK.user_data_128 },
];

for (const path of ['/v1/accounts', '/v1/transfers']) {
  test(`GET ${path} gives what fits, both ways, in pages of every size`, async () => {
    await using node = await createMarkedNode();
    const all = (await listed(node, path, { order: 'oldest', limit: 1000 })).elements;
    assert.equal(all.length, path === '/v1/accounts' ? ACCOUNTS : TRANSFERS);
    for (const filter of FILTERS) {
      const expected = all.filter((element) => fits(element, filter));
      for (const limit of [1, 3, 1000]) {
        const oldest = await listed(node, path, { ...filter, limit, order: 'oldest' });
        assert.deepEqual(oldest.elements, expected, JSON.stringify(filter));
        const newest = await listed(node, path, { ...filter, limit });
        assert.deepEqual(newest.elements, expected.toReversed(), JSON.stringify(filter));
        assert.ok(oldest.pages <= Math.ceil(expected.length / limit) + 1);
      }
    }
  });

  test(`GET ${path} takes a range of time, as nanoseconds and as RFC 3339`, async () => {
    await using node = await createMarkedNode();
    const all = (await listed(node, path, { order: 'oldest' })).elements;
    const [from, until] = [all[2]!.timestamp_ns, all[5]!.timestamp_ns];
    const ids = all.slice(2, 6).map(({ id }) => id);
    assert.deepEqual(await idsOf(node, path, { from, until, order: 'oldest' }), ids);
    const text = new Date(Number(BigInt(from) / 1_000_000n)).toISOString();
    assert.deepEqual(await idsOf(node, path, { from: text, until, order: 'oldest' }), ids);
    assert.deepEqual(await idsOf(node, path, { from: until, until: from }), []);
  });
}

test("an account's transfers are its own, of one side or of both", async () => {
  await using node = await createMarkedNode();
  const all = (await listed(node, '/v1/transfers', {})).elements;
  for (const number of [1, 4, 12]) {
    const account = accountId(number);
    const path = `/v1/accounts/${account}/transfers`;
    const debits = all.filter((one) => one['debit_account_id'] === account);
    const credits = all.filter((one) => one['credit_account_id'] === account);
    const both = all.filter((one) => debits.includes(one) || credits.includes(one));
    assert.deepEqual((await listed(node, path, { limit: 4 })).elements, both);
    assert.deepEqual((await listed(node, path, { side: 'debit' })).elements, debits);
    assert.deepEqual(
      (await listed(node, path, { side: 'credit', code: 1 })).elements,
      credits.filter((one) => one['code'] === 1),
    );
  }
});

test('a hold shows what became of it, and a short page goes on', async () => {
  await using node = await createMarkedNode();
  node.engine.history.examinedMax = 4;
  const { elements, pages } = await listed(node, '/v1/transfers', { code: 1, order: 'oldest' });
  assert.equal(elements.length, TRANSFERS / 2);
  assert.equal(pages, Math.ceil(TRANSFERS / 4));
  const holds = elements.filter(({ hold }) => hold === 'pending').map(({ id }) => id);
  assert.deepEqual(holds, [transferId(14), transferId(28)]);
});

test('the transfers of an account that nobody opened are no empty list', async () => {
  await using node = await createMarkedNode();
  const { status, body } = await call(node, 'GET', `/v1/accounts/${accountId(99)}/transfers`);
  assert.deepEqual([status, body.code], [404, 'account_not_found']);
});

test('while the history is incomplete its questions are 503, and the books answer', async () => {
  await using node = await createMarkedNode();
  node.engine.history.complete = false;
  for (const url of [
    '/v1/transfers',
    `/v1/accounts/${accountId(1)}/transfers`,
    `/v1/transfers/${transferId(99)}`,
  ]) {
    const { status, body, headers } = await call(node, 'GET', url);
    assert.deepEqual([status, body.code, headers['retry-after']], [503, 'history_incomplete', '5']);
  }
  const ids = [transferId(1), transferId(99)];
  assert.equal((await call(node, 'POST', '/v1/transfers/lookup', { ids })).status, 503);
  assert.equal((await call(node, 'GET', `/v1/transfers/${transferId(1)}`)).status, 200);
  assert.equal((await call(node, 'GET', '/v1/accounts')).status, 200);
});

test('a history that does not answer is 429 at the deadline, and nothing was moved', async () => {
  await using node = await createMarkedNode({ outcomeWaitMs: 20 });
  node.engine.history.find = () => new Promise(() => undefined);
  const before = node.engine.imageHex();
  const unknown = `/v1/transfers/${transferId(9999)}`;
  for (const [method, url, body] of [
    ['GET', unknown, undefined],
    ['POST', '/v1/transfers/lookup', { ids: [transferId(9999)] }],
    ['POST', `${unknown}/revert`, undefined],
    ['POST', `/v1/postings/po_${'1'.repeat(32)}/revert`, undefined],
  ] as const) {
    const answer = await call(node, method, url, body);
    assert.deepEqual([answer.status, answer.body.code], [429, 'overloaded'], url);
    assert.match(answer.body.detail, /did not answer in time/);
  }
  assert.equal(node.engine.imageHex(), before);
});

test('before there are books to read a list is 503', async () => {
  await using node = await createMarkedNode();
  node.engine.role = 'recovering';
  for (const url of ['/v1/accounts', '/v1/transfers', `/v1/accounts/${accountId(1)}/transfers`]) {
    const { status, body } = await call(node, 'GET', url);
    assert.deepEqual([status, body.code], [503, 'not_ready']);
  }
});

type Wrong = { readonly query: string; readonly code: string; readonly parameter: string };

const WRONG: readonly Wrong[] = [
  { query: 'ledgr=978', code: 'query_parameter_unknown', parameter: 'ledgr' },
  { query: 'account=1', code: 'query_parameter_unknown', parameter: 'account' },
  { query: '__proto__=1', code: 'query_parameter_unknown', parameter: '__proto__' },
  { query: 'code=1&code=2', code: 'query_parameter_repeated', parameter: 'code' },
  { query: 'code=1&code=1', code: 'query_parameter_repeated', parameter: 'code' },
  { query: 'code=', code: 'field_out_of_range', parameter: 'code' },
  { query: 'code=65536', code: 'field_out_of_range', parameter: 'code' },
  { query: 'code=01', code: 'field_out_of_range', parameter: 'code' },
  { query: 'code=1e3', code: 'field_out_of_range', parameter: 'code' },
  { query: 'code=%2B1', code: 'field_out_of_range', parameter: 'code' },
  { query: 'ledger=-1', code: 'field_out_of_range', parameter: 'ledger' },
  { query: 'ledger=4294967296', code: 'field_out_of_range', parameter: 'ledger' },
  { query: 'ledger=978.0', code: 'field_out_of_range', parameter: 'ledger' },
  { query: 'user_data_128=ff', code: 'user_data_malformed', parameter: 'user_data_128' },
  {
    query: `user_data_128=${'F'.repeat(32)}`,
    code: 'user_data_malformed',
    parameter: 'user_data_128',
  },
  {
    query: 'user_data_64=18446744073709551616',
    code: 'user_data_malformed',
    parameter: 'user_data_64',
  },
  { query: 'user_data_64=0x1', code: 'user_data_malformed', parameter: 'user_data_64' },
  { query: 'user_data_32=4294967296', code: 'field_out_of_range', parameter: 'user_data_32' },
  { query: 'from=yesterday', code: 'field_out_of_range', parameter: 'from' },
  { query: 'from=2026-02-30T00:00:00Z', code: 'field_out_of_range', parameter: 'from' },
  { query: 'until=2026-01-05', code: 'field_out_of_range', parameter: 'until' },
  { query: 'order=up', code: 'field_out_of_range', parameter: 'order' },
  { query: 'order=newest-first', code: 'field_out_of_range', parameter: 'order' },
  { query: 'limit=0', code: 'field_out_of_range', parameter: 'limit' },
  { query: 'limit=1001', code: 'field_out_of_range', parameter: 'limit' },
  { query: 'limit=ten', code: 'field_out_of_range', parameter: 'limit' },
  { query: 'cursor=', code: 'cursor_malformed', parameter: 'cursor' },
  { query: 'cursor=AAAA', code: 'cursor_malformed', parameter: 'cursor' },
  { query: `cursor=${'A'.repeat(23)}`, code: 'cursor_malformed', parameter: 'cursor' },
  { query: 'cursor=%00%ff', code: 'cursor_malformed', parameter: 'cursor' },
];

function assertRefused({ status, body }: Answer, { query, code, parameter }: Wrong): void {
  assert.deepEqual([status, body.code], [400, code], query);
  assert.equal(body.errors[0].parameter, parameter, query);
  assert.equal(body.errors[0].pointer, undefined);
}

test('a parameter that is wrong is refused with its name, and nothing changes', async () => {
  await using node = await createMarkedNode();
  const before = node.engine.imageHex();
  const paths = ['/v1/accounts', '/v1/transfers', `/v1/accounts/${accountId(1)}/transfers`];
  for (const wrong of WRONG) {
    for (const path of paths) {
      assertRefused(await call(node, 'GET', `${path}?${wrong.query}`), wrong);
    }
  }
  const side = { query: 'side=both', code: 'field_out_of_range', parameter: 'side' };
  assertRefused(await call(node, 'GET', `${paths[2]}?${side.query}`), side);
  for (const path of paths.slice(0, 2)) {
    const unknown = { query: 'side=debit', code: 'query_parameter_unknown', parameter: 'side' };
    assertRefused(await call(node, 'GET', `${path}?${unknown.query}`), unknown);
  }
  const id = { query: '', code: 'id_malformed', parameter: 'id' };
  assertRefused(await call(node, 'GET', '/v1/accounts/acc_1/transfers'), id);
  assert.equal(node.engine.imageHex(), before);
});

test('every wrong parameter is named, not only the first', async () => {
  await using node = await createMarkedNode();
  const { body } = await call(node, 'GET', '/v1/accounts?code=x&limit=0&order=z');
  const named = (body.errors as { parameter: string }[]).map(({ parameter }) => parameter);
  assert.deepEqual(named, ['code', 'order', 'limit']);
});

test('a cursor leads through its own list only, and no changed one leads anywhere', async () => {
  await using node = await createMarkedNode();
  const first = await call(node, 'GET', '/v1/transfers?limit=5&code=1');
  const cursor = first.body.next as string;
  const others = [
    '/v1/transfers?code=2',
    '/v1/transfers?',
    '/v1/transfers?code=1&order=oldest',
    '/v1/accounts?code=1',
    `/v1/accounts/${accountId(1)}/transfers?code=1`,
  ];
  for (const url of others) {
    const query = `cursor=${cursor}`;
    const answer = await call(node, 'GET', `${url}&${query}`);
    assertRefused(answer, { query: url, code: 'cursor_of_another_list', parameter: 'cursor' });
  }
  // The size of the page is no part of the list.
  assert.equal((await call(node, 'GET', `/v1/transfers?code=1&cursor=${cursor}`)).status, 200);
  for (let index = 0; index < cursor.length; index++) {
    const other = cursor[index] === 'A' ? 'B' : 'A';
    const changed = cursor.slice(0, index) + other + cursor.slice(index + 1);
    const answer = await call(node, 'GET', `/v1/transfers?code=1&cursor=${changed}`);
    assertRefused(answer, { query: changed, code: 'cursor_malformed', parameter: 'cursor' });
  }
});

test('a lookup finds what is remembered and what only the history has', async () => {
  await using node = await createMarkedNode();
  const ids = [transferId(3), transferId(99), transferId(1)];
  const { body } = await call(node, 'POST', '/v1/transfers/lookup', { ids });
  assert.deepEqual(body.not_found, [transferId(99)]);
  assert.deepEqual(
    body.transfers.map(({ id }: Element) => id),
    [transferId(3), transferId(1)],
  );
});
