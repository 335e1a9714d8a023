// Lists and batches from the command line, in front of the real HTTP door.

import assert from 'node:assert/strict';
import { rm, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FAKE_API_KEY, accountId, transferBody, transferId } from '../api/testing/fake-node.ts';
import { ACCOUNTS, MARK, TRANSFERS, createMarkedNode } from '../api/testing/marked-books.ts';
import { type Seen, runSeen } from './testing/run.ts';

type Listed = {
  readonly position: number;
  readonly transfers: readonly { readonly id: string; readonly hold: string }[];
  readonly accounts: readonly { readonly id: string; readonly code: number }[];
  readonly next: string | null;
};

type Bench = AsyncDisposable & { run(...parameters: string[]): Promise<Seen> };

async function makeBench(): Promise<Bench> {
  const node = await createMarkedNode();
  const url = await node.server.listen({ host: '127.0.0.1', port: 0 });
  const environment = { HOLDFAST_URL: url, HOLDFAST_API_KEY: FAKE_API_KEY };
  return {
    run: (...parameters) => runSeen(parameters, { environment }),
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose](),
  };
}

async function listed(bench: Bench, ...parameters: string[]): Promise<Listed> {
  const { exitCode, stdout, stderr } = await bench.run(...parameters, '--json');
  assert.equal(exitCode, 0, stderr);
  return JSON.parse(stdout) as Listed;
}

test('transfers are listed newest first, the other way, and on from a cursor', async () => {
  await using bench = await makeBench();
  const newest = await listed(bench, 'transfer', 'list');
  assert.deepEqual(
    newest.transfers.map(({ id }) => id),
    [...Array(TRANSFERS).keys()].map((index) => transferId(TRANSFERS - index)),
  );
  assert.equal(newest.next, null);
  const oldest = await listed(bench, 'transfer', 'list', '--oldest', '--limit', '4');
  assert.deepEqual(oldest.transfers, newest.transfers.toReversed().slice(0, 4));
  const cursor = ['--cursor', oldest.next!];
  const rest = await listed(bench, 'transfer', 'list', '--oldest', ...cursor);
  assert.deepEqual(rest.transfers, newest.transfers.toReversed().slice(4));
});

test('filters are passed on, and the table shows decimals', async () => {
  await using bench = await makeBench();
  const marks = ['--user-data-128', MARK.user_data_128, '--user-data-64', MARK.user_data_64];
  const filter = ['--code', '1', '--ledger', '978', '--user-data-32', String(MARK.user_data_32)];
  const side = ['--account', '4', '--side', 'credit'];
  const { transfers } = await listed(bench, 'transfer', 'list', ...side, ...marks, ...filter);
  assert.deepEqual(
    transfers.map(({ id }) => id),
    [30, 20, 10].map(transferId),
  );
  const { stdout, stderr } = await bench.run('transfer', 'list', '--account', '1', '--limit', '1');
  assert.match(stdout, /^2026-01-01T.* tr_\w{32} .*12\.50 +EUR/m);
  assert.match(stderr, /there is more: the same with --cursor [\w-]+/);
  const accounts = await listed(bench, 'account', 'list', '--ledger', '840', '--code', '2');
  assert.deepEqual(
    accounts.accounts.map(({ id }) => id),
    [accountId(10)],
  );
  assert.equal((await listed(bench, 'account', 'list')).accounts.length, ACCOUNTS);
  assert.match((await bench.run('account', 'list', '--limit', '1')).stdout, /credits - debits/);
  const none = await bench.run('account', 'list', '--from', '2026-06-01T00:00:00Z');
  assert.deepEqual([none.exitCode, none.stdout, none.stderr], [0, '', 'none\n']);
});

test('what cannot be meant is refused before anything is asked, or by the node', async () => {
  await using bench = await makeBench();
  const wrong: readonly (readonly [parameters: string[], exitCode: number, message: RegExp])[] = [
    [['transfer', 'list', '--from', 'monday'], 2, /--from monday is not a time/],
    [['transfer', 'list', '--until', '2026-02-30T00:00:00Z'], 2, /is not a time/],
    [['transfer', 'list', '--limit', '0'], 2, /--limit 0/],
    [['transfer', 'list', '--side', 'debit'], 2, /--account/],
    [['transfer', 'list', '--account', '1', '--side', 'left'], 2, /Allowed choices/],
    [['transfer', 'list', '--newest', '--oldest'], 2, /cannot be used with/],
    [['transfer', 'list', '--account', 'x'], 2, /is not an account id/],
    [['account', 'list', '--code', '65536'], 2, /--code 65536/],
    [['account', 'list', '--user-data-128', 'xyz'], 2, /--user-data-128 xyz/],
    [['account', 'list', '--cursor', 'nonsense'], 4, /cursor_malformed/],
    [['transfer', 'list', '--account', '99'], 3, /account_not_found/],
  ];
  for (const [parameters, exitCode, message] of wrong) {
    const seen = await bench.run(...parameters);
    assert.equal(seen.exitCode, exitCode, parameters.join(' '));
    assert.match(seen.stderr, message);
    assert.equal(seen.stdout, '');
  }
});

test('a batch file is sent as it stands, and only the node reads it', async () => {
  await using bench = await makeBench();
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-batch-'));
  const file = join(folder, 'batch.json');
  const run = async (kind: string, text: string): Promise<Seen> => {
    await writeFile(file, text);
    return bench.run(kind, 'batch', '--file', file, '--json');
  };
  try {
    const chain = [transferBody(101, { flags: ['linked'] }), transferBody(102)];
    const done = await run('transfer', JSON.stringify({ transfers: chain }));
    assert.equal(done.exitCode, 0, done.stderr);
    const { results } = JSON.parse(done.stdout) as { readonly results: readonly object[] };
    assert.deepEqual(results, [
      { id: transferId(101), status: 'created' },
      { id: transferId(102), status: 'created' },
    ]);
    const broken = [transferBody(103, { flags: ['linked'] }), transferBody(104, { code: 0 })];
    const refused = await run('transfer', JSON.stringify({ transfers: broken }));
    assert.equal(refused.exitCode, 4);
    assert.match(refused.stdout, /linked_event_failed.*code_must_not_be_zero/);
    // A parser on the way would take the last of two members and pay another amount.
    const twice = JSON.stringify({ transfers: [transferBody(105)] });
    const text = twice.replace('"amount":', '"amount":"999","amount":');
    const doubled = await run('transfer', text);
    assert.deepEqual([doubled.exitCode, doubled.stdout], [4, '']);
    assert.match(doubled.stderr, /duplicate_key/);
    const account = { id: accountId(50), ledger: 978, code: 1 };
    assert.equal((await run('account', JSON.stringify({ accounts: [account] }))).exitCode, 0);
    const table = await bench.run('account', 'batch', '--file', file);
    assert.match(table.stdout, /exists/);
    const missing = await bench.run('account', 'batch', '--file', join(folder, 'none.json'));
    assert.deepEqual([missing.exitCode, missing.stdout], [4, '']);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a parameter that is wrong is named, and said once', async () => {
  await using bench = await makeBench();
  const { exitCode, stdout, stderr } = await bench.run('transfer', 'list', '--cursor', 'xx');
  assert.deepEqual([exitCode, stdout], [4, '']);
  const [first, ...others] = stderr.trimEnd().split('\n');
  assert.match(first!, /^error: cursor: It is not the next of a page.* \(cursor_malformed\)$/);
  assert.deepEqual(others, [
    '  No money moved: nothing of the request was carried out.',
    '  Send next as it came, or begin again without a cursor.',
  ]);
  const json = await bench.run('transfer', 'list', '--cursor', 'xx', '--json');
  assert.match(json.stderr, /"parameter":"cursor"/);
});
