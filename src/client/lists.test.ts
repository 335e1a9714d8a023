// Lists through both clients, in front of real doors: pages, iterators, and the rare acts that the
// binary client has had since HTTP had them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBinaryNode } from '../api/binary/testing/binary-node.ts';
import { batch, transfer } from '../api/binary/testing/raw-peer.ts';
import { FAKE_API_KEY, LEDGER } from '../api/testing/fake-node.ts';
import { ACCOUNTS, MARK, TRANSFERS, createMarkedNode } from '../api/testing/marked-books.ts';
import { AccountFlag } from '../base/account.ts';
import { createBinaryClient } from './binary-client.ts';
import { transfersOfPage } from './binary-queries.ts';
import { createClient } from './http-client.ts';
import { ApiProblem } from './problems.ts';

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

test('the HTTP client lists transfers and accounts, page by page and all at once', async () => {
  await using node = await createMarkedNode();
  const url = await node.server.listen({ host: '127.0.0.1', port: 0 });
  await using client = createClient({ url, key: FAKE_API_KEY, deadlineMs: 5000 });
  const newest = await all(client.listTransfers({ limit: 7 }));
  assert.equal(newest.length, TRANSFERS);
  const oldest = await all(client.listTransfers({ order: 'oldest-first', limit: 1000 }));
  assert.deepEqual(oldest, newest.toReversed());
  const filter = {
    account: 4n,
    side: 'credit',
    userData128: BigInt(`0x${MARK.user_data_128}`),
    userData64: BigInt(MARK.user_data_64),
    userData32: MARK.user_data_32,
    code: 1,
    ledger: LEDGER,
    fromNs: oldest[0]!.timestampNs,
    untilNs: newest[0]!.timestampNs,
  } as const;
  const page = await client.queryTransfers({ filter, limit: 1 });
  const fitting = newest.filter(
    (one) => one.creditAccountId === 4n && one.code === 1 && one.userData32 === MARK.user_data_32,
  );
  assert.ok(fitting.length > 1);
  assert.deepEqual(page.items, fitting.slice(0, 1));
  assert.equal(typeof page.next, 'string');
  const rest = await all(client.listTransfers({ filter, cursor: page.next }));
  assert.deepEqual(rest, fitting.slice(1));
  const pages = await all(client.transferPages({ limit: 20 }));
  assert.deepEqual(
    pages.map(({ items }) => items.length),
    [20, 10],
  );
  assert.equal((await all(client.listAccounts({ limit: 5 }))).length, ACCOUNTS);
  const marked = await client.queryAccounts({ filter: { userData32: MARK.user_data_32, code: 2 } });
  assert.deepEqual(
    marked.items.map(({ id }) => id),
    [4n],
  );
  await assert.rejects(client.queryAccounts({ filter: { account: 1n } }), RangeError);
  await assert.rejects(client.queryTransfers({ limit: 0 }), (error) => {
    return error instanceof ApiProblem && error.code === 'field_out_of_range';
  });
});

test('the binary client gives pages as records, and values to who wants them', async () => {
  await using node = await createBinaryNode();
  await using client = createBinaryClient({ url: node.url, key: FAKE_API_KEY, deadlineMs: 5000 });
  await client.transfers.createBatch(batch(1, 30));
  const page = await client.queryTransfers({
    filter: { account: 2n, side: 'credit' },
    order: 'oldest-first',
    limit: 20,
  });
  assert.deepEqual([page.count, page.records.byteLength, page.next], [20, 20 * 128, 19]);
  const [first] = transfersOfPage(page);
  assert.equal(first!.transfer.id, transfer(1).id);
  const after = page.next;
  const rest = await client.queryTransfers({
    filter: { account: 2n },
    order: 'oldest-first',
    after,
  });
  assert.deepEqual([rest.count, rest.next], [10, undefined]);
  const listed = await all(client.listTransfers({ limit: 7 }));
  assert.deepEqual(
    listed.map((one) => one.transfer.id),
    [...Array(30).keys()].map((index) => transfer(30 - index).id),
  );
  const pages = await all(client.transferPages({ limit: 12 }));
  assert.deepEqual(
    pages.map(({ count, next }) => [count, next]),
    [
      [12, 18],
      [12, 6],
      [6, undefined],
    ],
  );
  assert.equal((await client.queryTransfers({ filter: { account: 3n } })).count, 0);
  const accounts = await all(client.listAccounts({ limit: 2, order: 'oldest-first' }));
  assert.deepEqual(
    accounts.map(({ id }) => id),
    [1n, 2n, 3n],
  );
  await assert.rejects(client.queryTransfers({ limit: 0 }), RangeError);
});

test('every read over HTTP that looks at the books can say how fresh it must be', async () => {
  await using node = await createMarkedNode();
  const url = await node.server.listen({ host: '127.0.0.1', port: 0 });
  await using client = createClient({ url, key: FAKE_API_KEY, deadlineMs: 5000 });
  const fresh = { consistency: 'strong', afterPosition: 7 } as const;
  await client.accounts.get(1n, fresh);
  await client.accounts.lookup([1n], fresh);
  const { items } = await client.queryTransfers({ limit: 1 }, fresh);
  await client.transfers.get(items[0]!.id, fresh);
  await client.transfers.lookup([items[0]!.id], fresh);
  await all(client.listAccounts({ filter: { code: 1 } }, fresh));
  await all(client.listTransfers({ filter: { account: 4n } }, fresh));
  await client.ledgers.list(fresh);
  await client.ledgers.get(LEDGER, fresh);
  const { wishes } = node.engine;
  assert.equal(wishes.length, 9);
  for (const { isStrong, position } of wishes) assert.ok(isStrong && position >= 7);
});

test('the binary client freezes, posts and reverts', async () => {
  await using node = await createBinaryNode();
  await using client = createBinaryClient({ url: node.url, key: FAKE_API_KEY, deadlineMs: 5000 });
  assert.equal((await client.accounts.freeze(1n)).flags, AccountFlag.frozen);
  assert.equal((await client.accounts.unfreeze(1n)).flags, 0);
  await assert.rejects(client.accounts.freeze(99n), (error) => {
    return error instanceof ApiProblem && error.code === 'account_not_found';
  });
  const posting = {
    id: transfer(1).id,
    ledger: LEDGER,
    code: 1,
    legs: [
      { accountId: 1n, side: 'debit', amount: 10n },
      { accountId: 2n, side: 'credit', amount: 10n },
    ],
  } as const;
  const created = await client.postings.create(posting);
  assert.deepEqual([created.status, created.value.transfers[0]!.amount], ['created', 10n]);
  assert.equal((await client.postings.create(posting)).status, 'exists');
  assert.equal((await client.postings.revert(posting.id)).status, 'created');
  await client.transfers.create(transfer(2));
  const reverted = await client.transfers.revert(transfer(2).id);
  assert.deepEqual([reverted.status, reverted.value.amount], ['created', 1250n]);
  assert.equal((await client.transfers.revert(transfer(2).id)).status, 'exists');
});
