// Views of a real process on real files: killed while it is paid through, read by another program,
// asked over HTTP; and a real bank's year, added up from its own file.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { counterpartyOf, institutionAccountId } from '../../examples/bank-1993/postings.ts';
import { type Dataset, loadDataset } from '../../examples/bank-1993/dataset.ts';
import { formatId, transferIdFrom } from '../../src/base/ids.ts';
import {
  TRANSFER_DEFAULTS,
  TransferFlag,
  encodeTransfers,
} from '../../src/base/transfer-record.ts';
import { runSeen } from '../../src/cli/testing/run.ts';
import type { Client } from '../../src/client/http-client.ts';
import { accountsCommand, ledgersCommand, transfersCommand } from '../../src/domain/commands.ts';
import type { Sent } from '../properties/script.ts';
import { LEDGER, PAYEE, openAccounts, payment, received } from '../support/two-accounts.ts';
import { type Ready, SpawnedNode, clientOf, keyOf } from '../support/spawned-node.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';
import { ViewsRig } from '../support/views-rig.ts';

const SETTINGS = { HOLDFAST_VIEWS: 'sqlite' };
const REFERENCE = new URL('../../docs/reference/views.md', import.meta.url);
const DATA = fileURLToPath(new URL('../../../shared/data/bank-1993', import.meta.url));

async function get(ready: Ready, path: string, headers: Readonly<Record<string, string>> = {}) {
  const answer = await fetch(new URL(path, ready.url), {
    headers: { authorization: `Bearer ${await keyOf(ready)}`, ...headers },
  });
  const text = await answer.text();
  const isJson = /json/.test(answer.headers.get('content-type') ?? '');
  // oxlint-disable-next-line typescript/no-explicit-any -- a test looks at whatever came
  const body: any = isJson ? JSON.parse(text) : text;
  return { status: answer.status, headers: answer.headers, body };
}

/** Payments of 1 that go on until the node is gone. */
async function payOn(client: Client): Promise<void> {
  try {
    for (;;) await client.transfers.create(payment());
  } catch {
    // It was killed.
  }
}

test('a node killed again and again has each transfer once in its views', async () => {
  await using folder = await TemporaryFolder.make();
  const data = folder.path;
  const file = join(data, 'views', 'views.sqlite');
  for (let round = 0; round < 2; round++) {
    await using node = new SpawnedNode({ data, settings: SETTINGS });
    const ready = await node.ready();
    await using client = await clientOf(ready);
    if (round === 0) await openAccounts(client);
    const paying = Promise.all([1, 2, 3, 4].map(() => payOn(client)));
    // Some are in the views while others are under way.
    const position = ready.position + 40;
    const isThere = async () => (await get(ready, '/v1/status')).body.position >= position;
    await until(isThere, `position ${position}`);
    const seen = await get(ready, '/v1/reports/trial-balance', {
      'holdfast-position': String(position),
    });
    assert.equal(seen.status, 200, JSON.stringify(seen.body));
    assert.ok(seen.body.position >= position);
    await node.end('SIGKILL');
    await client[Symbol.asyncDispose]();
    await paying;
  }
  await using node = new SpawnedNode({ data, settings: SETTINGS });
  const ready = await node.ready();
  await using client = await clientOf(ready);
  const sum = await received(client);
  const path = `/v1/reports/accounts/${formatId('account', PAYEE)}/statement`;
  const statement = await get(ready, `${path}?consistency=strong&limit=10000`);
  assert.equal(statement.body.closing.credits_posted, String(sum));
  assert.equal(statement.body.movements.length, Number(sum));
  assert.equal(statement.headers.get('holdfast-position'), String(statement.body.position));
  await checkFile(file, sum);
  await checkForms(ready, sum);
  await checkReference(file);
  await checkCommandLine(data, sum);
  await node.end('SIGTERM');
});

/** Another program counts. */
async function checkFile(file: string, sum: bigint): Promise<void> {
  const database = new DatabaseSync(file, { readOnly: true });
  const sql = `SELECT COUNT(*) AS movements, COUNT(DISTINCT id) AS ids, SUM(amount_minor) AS sum,
    (SELECT COUNT(*) FROM entries) AS entries,
    (SELECT credits_posted_decimal FROM balances WHERE account_id = ?) AS received FROM movements`;
  const row = database.prepare(sql).get(formatId('account', PAYEE));
  const [all, decimal] = [Number(sum), (Number(sum) / 100).toFixed(2)];
  assert.deepEqual(
    { ...row },
    { movements: all, ids: all, sum: all, entries: 2 * all, received: decimal },
  );
  database.close();
}

async function checkForms(ready: Ready, sum: bigint): Promise<void> {
  const csv = await get(ready, '/v1/reports/trial-balance', { accept: 'text/csv' });
  assert.match(csv.headers.get('content-type') ?? '', /^text\/csv/);
  const decimal = (Number(sum) / 100).toFixed(2);
  const line = new RegExp(`^${LEDGER},EUR,1,2,${decimal},${decimal},0.00,0.00,0.00,\\d+,20`, 'm');
  assert.match(String(csv.body), line);
  const daily = await get(ready, `/v1/reports/daily-totals?ledger=${LEDGER}&format=json`);
  const transfers = daily.body.days.map((day: { transfers: number }) => day.transfers);
  assert.equal(
    transfers.reduce((all: number, count: number) => all + count, 0),
    Number(sum),
  );
  const readiness = await get(ready, '/readyz');
  const check = readiness.body.checks.find(({ name }: { name: string }) => name === 'views');
  assert.deepEqual([check.ok, check.required], [true, false]);
  const nobody = formatId('account', 99n);
  const absent = await get(ready, `/v1/reports/accounts/${nobody}/statement`);
  assert.deepEqual([absent.status, absent.body.code], [404, 'account_not_found']);
  for (const query of ['from=yesterday', 'limit=0', 'cursor=x', 'format=xml', 'until=2026-01-01']) {
    const refused = await get(ready, `/v1/reports/daily-totals?${query}`);
    assert.equal(refused.status, 400, query);
  }
}

async function checkCommandLine(data: string, sum: bigint): Promise<void> {
  const decimal = (Number(sum) / 100).toFixed(2);
  const report = async (...parameters: string[]): Promise<string> => {
    const seen = await runSeen(['--data', data, 'report', ...parameters]);
    assert.equal(seen.exitCode, 0, seen.stderr);
    assert.match(seen.stderr, /The books at position \d+, 20/);
    return seen.stdout;
  };
  assert.match(
    await report('trial-balance'),
    new RegExp(`978 +EUR +all +2 +${decimal} +${decimal}`),
  );
  const statement = await report('statement', String(PAYEE));
  assert.match(statement, new RegExp(`closing +${decimal}\n$`));
  const lines = statement.trimEnd().split('\n');
  assert.equal(lines.length, Number(sum) + 3);
  assert.ok(lines.at(-2)!.endsWith(` ${decimal}`), 'the balance after the last one');
  assert.match(await report('daily-totals'), new RegExp(` ${sum} +${decimal} `));
  const refused = await runSeen(['--data', data, 'views', 'rebuild']);
  assert.notEqual(refused.exitCode, 0, 'the node runs');
}

/** Every query of the reference runs, and every table and column stands there. */
async function checkReference(file: string): Promise<void> {
  const text = await readFile(REFERENCE, 'utf8');
  const queries = [...text.matchAll(/```sql\n([^`]+)```/g)].map((match) => match[1]!);
  assert.ok(queries.length >= 6);
  const database = new DatabaseSync(file, { readOnly: true });
  // The month of the payments here, and all others.
  const counts = queries.map((sql) => {
    const always = sql.replaceAll('2026-01-01', '1970-01-01').replaceAll(/2026-0[12]/g, '2200-01');
    return database.prepare(always).all().length;
  });
  const [turnover, days, unbalanced, held, entries, account] = counts;
  assert.deepEqual([turnover, unbalanced, held, entries, account], [2, 0, 0, 20, 1]);
  assert.equal(days, 2);
  const tables = database.prepare(`SELECT name FROM sqlite_schema WHERE type = 'view'`).all();
  for (const { name } of tables.filter((table) => table['name'] !== 'view_state')) {
    assert.ok(text.includes(`\`${String(name)}\``), String(name));
    const columns = database.prepare(`PRAGMA table_info(${String(name)})`).all();
    for (const { name: column } of columns) {
      const base = String(column).replace(/_(minor|decimal)$/, '');
      assert.ok(text.includes(`\`${base}`), `${String(name)}.${String(column)} is documented`);
    }
  }
  database.close();
}

const NS_PER_DAY = 86_400_000_000_000n;
const BANK = { ledger: 200, currency: 'CSK', exponent: 2 };
const BEFORE_NS = BigInt(Date.UTC(1992, 0, 1)) * 1_000_000n;

function dayNs(date: number): bigint {
  const [year, month, day] = [Math.floor(date / 10_000), Math.floor(date / 100) % 100, date % 100];
  return BigInt(Date.UTC(year < 100 ? 1900 + year : year, month - 1, day)) * 1_000_000n;
}

/** The bank's year as imported transfers, each on its day. */
function importOf(dataset: Dataset): Sent[] {
  const movements = dataset.days.flatMap((day) => day.movements);
  const ids = new Set<bigint>();
  for (const movement of movements) {
    ids.add(BigInt(movement.accountId)).add(institutionAccountId(counterpartyOf(movement)));
  }
  const nowMs = Date.UTC(2026, 0, 5);
  let timeNs = BigInt(nowMs) * 1_000_000n;
  let position = 0;
  const sent = (command: Sent['command']): Sent => {
    position += 1;
    timeNs += 1_000_000_000n;
    return { command, stamp: { position, timeNs, rulesVersion: 1 } };
  };
  const all = [sent(ledgersCommand([BANK]))];
  const accounts = [...ids].map((id, index) => ({
    id: id.toString(16).padStart(32, '0'),
    ledger: BANK.ledger,
    code: id > 1_000_000n ? 2 : 1,
    flags: 16,
    user_data_128: '0'.repeat(32),
    user_data_64: '0',
    user_data_32: 0,
    timestamp_ns: String(BEFORE_NS + BigInt(index)),
  }));
  for (let at = 0; at < accounts.length; at += 1000) {
    all.push(sent(accountsCommand(accounts.slice(at, at + 1000))));
  }
  const transfers = movements.map((movement, index) => {
    const bank = institutionAccountId(counterpartyOf(movement));
    const customer = BigInt(movement.accountId);
    return {
      ...TRANSFER_DEFAULTS,
      id: transferIdFrom(nowMs, BigInt(index + 1)),
      debitAccountId: movement.isCredit ? bank : customer,
      creditAccountId: movement.isCredit ? customer : bank,
      amount: movement.amountMinor,
      ledger: BANK.ledger,
      code: 1,
      flags: TransferFlag.imported,
      timestampNs: dayNs(movement.date) + BigInt(index),
    };
  });
  for (let at = 0; at < transfers.length; at += 8000) {
    all.push(sent(transfersCommand(encodeTransfers(transfers.slice(at, at + 8000)))));
  }
  return all;
}

/** Crowns as the file has them, in hellers. */
async function linesOfFile() {
  const text = await readFile(join(DATA, 'transactions.csv'), 'utf8');
  const [, ...lines] = text.split('\r\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [, account = '', date = '', type = '', , amount = ''] = line.split(',');
    return { account, date, isCredit: type === 'PRIJEM', minor: BigInt(amount.replace('.', '')) };
  });
}

test("a bank's year: totals, days and statements are the sums of its own file", async () => {
  await using folder = await TemporaryFolder.make();
  const dataset = await loadDataset(DATA);
  const lines = await linesOfFile();
  const rig = new ViewsRig(join(folder.path, 'views.sqlite'), 1);
  for (const { command, stamp } of importOf(dataset)) rig.import({ command, stamp });
  rig.feedAll(10_000);
  const total = lines.reduce((sum, { minor }) => sum + minor, 0n);
  const trial = rig.report({ kind: 'trial-balance' });
  assert.equal(trial?.kind, 'trial-balance');
  const [ledger] = trial.ledgers;
  assert.deepEqual([ledger?.debitsPosted, ledger?.creditsPosted], [total, total]);
  const customers = ledger?.codes.find(({ code }) => code === 1);
  const received = lines.reduce((sum, { minor, isCredit }) => sum + (isCredit ? minor : 0n), 0n);
  assert.equal(customers?.creditsPosted, received);
  const days = rig.report({
    kind: 'daily-totals',
    fromDay: 0,
    throughDay: 20_000,
    ledger: 200,
    limit: 1000,
    after: undefined,
  });
  assert.equal(days?.kind, 'daily-totals');
  const byDay = new Map<bigint, bigint>();
  for (const { date, minor } of lines) {
    const day = dayNs(Number(date)) / NS_PER_DAY;
    byDay.set(day, (byDay.get(day) ?? 0n) + minor);
  }
  const found = new Map(days.days.map(({ day, transferred }) => [BigInt(day), transferred]));
  assert.deepEqual(found, byDay);
  for (const account of ['576', '2378', lines.at(-1)!.account]) {
    const own = lines.filter((line) => line.account === account);
    const until = dayNs(930701);
    const before = own.filter(({ date }) => dayNs(Number(date)) < until);
    const statement = rig.report({
      kind: 'statement',
      account: formatId('account', BigInt(account)),
      fromNs: until,
      throughNs: (1n << 64n) - 1n,
      limit: 10_000,
      after: undefined,
    });
    assert.equal(statement?.kind, 'statement');
    assert.deepEqual(statement.opening, sidesOf(before));
    assert.deepEqual(statement.closing, sidesOf(own));
    assert.equal(statement.lines.length, own.length - before.length);
  }
  rig.store.close();
});

function sidesOf(lines: readonly { readonly isCredit: boolean; readonly minor: bigint }[]) {
  const sum = (isCredit: boolean): bigint =>
    lines.reduce((all, line) => all + (line.isCredit === isCredit ? line.minor : 0n), 0n);
  return { debitsPosted: sum(false), creditsPosted: sum(true) };
}
