// Exports of views as files, read back by others: every cell is what the tables say.

import assert from 'node:assert/strict';
import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import { parse } from 'csv-parse/sync';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { transferIdFrom } from '../base/ids.ts';
import { type Transfer, TRANSFER_DEFAULTS, encodeTransfers } from '../base/transfer-record.ts';
import { TransferFlag } from '../base/transfer-record.ts';
import { accountsCommand, ledgersCommand, transfersCommand } from '../domain/commands.ts';
import { TemporaryFolder } from '../../test/support/temporary-folder.ts';
import { ViewsRig } from '../../test/support/views-rig.ts';
import { runSeen } from './testing/run.ts';

const NOW_MS = Date.UTC(2026, 0, 5, 8);
const HUGE = (1n << 127n) + 12_345n;
const U64_MAX = (1n << 64n) - 1n;

let folder: TemporaryFolder;

type Cells = Readonly<Record<string, string | number | bigint | null>>;

before(async () => {
  folder = await TemporaryFolder.make();
  await mkdir(join(folder.path, 'views'));
  await makeViews(join(folder.path, 'views', 'views.sqlite'));
});

after(async () => {
  await folder[Symbol.asyncDispose]();
});

function account(id: number, ledger: number) {
  return {
    id: id.toString(16).padStart(32, '0'),
    ledger,
    code: 1,
    flags: 0,
    user_data_128: '0'.repeat(32),
    user_data_64: '0',
    user_data_32: 0,
  };
}

/** Two days, two ledgers, amounts of all sizes. */
async function makeViews(file: string): Promise<void> {
  const rig = new ViewsRig(file, 1);
  let [position, nowMs] = [0, NOW_MS];
  const send = (command: Parameters<ViewsRig['send']>[0]['command']): void => {
    position += 1;
    const timeNs = BigInt(nowMs) * 1_000_000n;
    rig.send({ command, stamp: { position, timeNs, rulesVersion: 1 } });
    nowMs += 1000;
  };
  let number = 0n;
  const transfer = (fields: Partial<Transfer>): Transfer => {
    number += 1n;
    const id = transferIdFrom(nowMs, number);
    const accounts = { debitAccountId: 1n, creditAccountId: 2n };
    return { ...TRANSFER_DEFAULTS, id, ...accounts, amount: 1n, ledger: 978, code: 1, ...fields };
  };
  const euro = { ledger: 978, currency: 'EUR', exponent: 2 };
  send(ledgersCommand([euro, { ledger: 392, currency: 'JPY', exponent: 0 }]));
  send(accountsCommand([account(1, 978), account(2, 978), account(3, 392), account(4, 392)]));
  const yen = { debitAccountId: 3n, creditAccountId: 4n, ledger: 392 };
  const batch = [
    transfer({ amount: 5n, userData64: U64_MAX }),
    transfer({ amount: HUGE }),
    transfer({ ...yen, amount: 1200n, userData128: 7n }),
    transfer({ amount: (1n << 63n) - 1n }),
    transfer({ amount: 1n << 63n, flags: TransferFlag.pending, timeoutSeconds: 9 }),
  ];
  send(transfersCommand(encodeTransfers(batch)));
  nowMs += 24 * 3600 * 1000;
  send(transfersCommand(encodeTransfers([transfer({ amount: 99n }), transfer(yen)])));
  rig.feedKept();
  rig.compare();
  rig.store.close();
}

function expected(sql: string): Cells[] {
  const database = new DatabaseSync(join(folder.path, 'views', 'views.sqlite'), { readOnly: true });
  const statement = database.prepare(sql);
  statement.setReadBigInts(true);
  const rows = statement.all().map((row) => ({ ...row }) as Cells);
  database.close();
  return rows;
}

async function exported(table: string, format: string, ...more: string[]): Promise<string> {
  const out = join(folder.path, `${table}.${format}`);
  const parameters = ['--data', folder.path, 'export', table, '--format', format, '--out', out];
  const seen = await runSeen([...parameters, ...more]);
  assert.equal(seen.exitCode, 0, seen.stderr);
  return out;
}

const ORDERED = {
  movements: 'SELECT * FROM movements ORDER BY number',
  entries: 'SELECT * FROM entries ORDER BY number, side DESC',
  balances: 'SELECT * FROM balances ORDER BY account_id',
} as const;

function asText(rows: readonly Cells[]): Record<string, string>[] {
  return rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [name, value === null ? '' : String(value)]),
    ),
  );
}

test('CSV has every cell of the tables', async () => {
  for (const [table, sql] of Object.entries(ORDERED)) {
    const out = await exported(table, 'csv');
    const rows = parse<Cells>(await readFile(out, 'utf8'), { columns: true });
    assert.deepEqual(
      rows.map((row) => ({ ...row })),
      asText(expected(sql)),
      table,
    );
  }
});

test('Parquet, read by another program, has every cell and no amount has lost a digit', async () => {
  for (const [table, sql] of Object.entries(ORDERED)) {
    const out = await exported(table, 'parquet');
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(out) });
    const normal = rows.map((row) =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value ?? null])),
    ) as Cells[];
    assert.deepEqual(asText(normal), asText(expected(sql)), table);
    const [first] = normal as [Cells];
    if (table === 'movements') {
      assert.equal(first['amount_minor'], 5n);
      assert.equal(first['user_data_64'], String(U64_MAX));
      assert.deepEqual(
        normal.slice(1, 5).map((row) => [row['amount_minor'], row['amount_decimal']]),
        [
          [null, '1701411834604692317316873037158841180.73'],
          [1200n, '1200'],
          [(1n << 63n) - 1n, '92233720368547758.07'],
          [null, '92233720368547758.08'],
        ],
      );
    }
  }
});

test('a period and a ledger choose rows', async () => {
  const count = async (table: string, ...more: string[]): Promise<number> => {
    const text = await readFile(await exported(table, 'csv', ...more), 'utf8');
    return text.trimEnd().split('\r\n').length - 1;
  };
  assert.equal(await count('movements', '--to', '2026-01-05'), 5);
  assert.equal(await count('movements', '--from', '2026-01-06'), 2);
  assert.equal(await count('movements', '--from', '2026-01-07'), 0);
  assert.equal(await count('movements', '--ledger', '392'), 2);
  assert.equal(await count('entries', '--to', '2026-01-05', '--ledger', '978'), 6);
  assert.equal(await count('balances', '--ledger', '392'), 2);
});

test('status tells how far they are; what is not there or cannot be used is told', async () => {
  const status = await runSeen(['--data', folder.path, '--json', 'views', 'status']);
  assert.equal(status.exitCode, 0);
  const told = JSON.parse(status.stdout) as Cells;
  assert.deepEqual([told['verdict'], told['position'], told['transfers']], ['complete', 4, 7]);
  await using empty = await TemporaryFolder.make();
  const none = await runSeen(['--data', empty.path, 'views', 'status']);
  assert.equal(none.exitCode, 3);
  const out = join(empty.path, 'x.csv');
  const failed = await runSeen(['--data', empty.path, 'export', 'balances', '--out', out]);
  assert.notEqual(failed.exitCode, 0);
  assert.match(failed.stderr, /no complete views/);
  assert.deepEqual(await readdir(empty.path), []);
  const asked = ['--data', folder.path, 'export', 'movements', '--out', out];
  const wrong = await runSeen([...asked, '--from', 'yesterday']);
  assert.equal(wrong.exitCode, 2);
});

test('rebuild removes them, and whoever runs a node is told to stop it', async () => {
  await using other = await TemporaryFolder.make();
  await mkdir(join(other.path, 'views'));
  await makeViews(join(other.path, 'views', 'views.sqlite'));
  const seen = await runSeen(['--data', other.path, 'views', 'rebuild']);
  assert.equal(seen.exitCode, 0, seen.stderr);
  const status = await runSeen(['--data', other.path, 'views', 'status']);
  assert.equal(status.exitCode, 3);
});
