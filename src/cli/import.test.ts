import assert from 'node:assert/strict';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatId } from '../base/ids.ts';
import {
  manifestPath,
  parseManifest,
  rowTransferId,
  sha256Hex,
} from '../client/import-manifest.ts';
import { referenceNumber } from './import-rows.ts';
import { CliBench, type Seen } from './testing/run.ts';

const HEADING = 'debit_account,credit_account,amount,currency,code,reference';
const ROWS = [HEADING, '1,2,12.50,EUR,7,INV-1', '2,1,0.01,EUR,,', '1,2,100,JPY,1,x'].join('\n');

type Result = {
  readonly created: number;
  readonly existed: number;
  readonly refused: number;
  readonly manifest: string;
  readonly refusals: readonly { readonly row: number; readonly code: string }[];
};

async function importText(bench: CliBench, text: string, ...more: string[]): Promise<Seen> {
  const file = join(bench.folder, 'movements.csv');
  await writeFile(file, text);
  return bench.run('import', '--file', file, '--json', ...more);
}

test('the rows of a file become transfers; the same file again changes nothing', async () => {
  await using bench = await CliBench.start();
  const first = await importText(bench, ROWS);
  assert.equal(first.exitCode, 0, first.stderr);
  const result = JSON.parse(first.stdout) as Result;
  assert.deepEqual([result.created, result.existed, result.refused], [3, 0, 0]);
  const [sent] = [...bench.node.transfers.values()];
  assert.equal(sent?.['amount'], '1250');
  assert.equal(sent?.['code'], 7);
  assert.equal(sent?.['user_data_128'], Buffer.from('INV-1').toString('hex').padStart(32, '0'));

  const before = JSON.stringify([...bench.node.transfers]);
  const second = JSON.parse((await importText(bench, ROWS)).stdout) as Result;
  assert.deepEqual([second.created, second.existed], [0, 3]);
  assert.equal(JSON.stringify([...bench.node.transfers]), before);
});

test('ids come from the manifest, which stands before the first transfer is sent', async () => {
  await using bench = await CliBench.start();
  bench.node.fault = ({ path }) =>
    path === '/v1/transfers/batch' ? { kind: 'drop-before' } : undefined;
  assert.equal((await importText(bench, ROWS)).exitCode, 6);
  const digest = sha256Hex(Buffer.from(ROWS));
  const text = await readFile(manifestPath(bench.folder, digest), 'utf8');
  const manifest = parseManifest(text);
  assert.ok(manifest !== undefined);
  bench.node.fault = () => undefined;
  assert.equal((await importText(bench, ROWS)).exitCode, 0);
  assert.deepEqual(
    [...bench.node.transfers.keys()],
    [1, 2, 3].map((row) => formatId('transfer', rowTransferId(manifest, row))),
  );
});

test('a row that cannot be read is named, and nothing of the file is sent', async () => {
  await using bench = await CliBench.start();
  const bad: [row: string, message: RegExp][] = [
    ['1,2,12.505,EUR,1,', /row 1: 12\.505 has more decimals than EUR/],
    ['1,2,12.50,XXX,1,', /row 1: There is no ledger in XXX/],
    ['1,2,12.50,,1,', /row 1: Say the currency/],
    ['one,2,12.50,EUR,1,', /row 1: "one" is not an account id/],
    ['1,2,-1,EUR,1,', /row 1: "-1" is not an amount/],
    ['1,2,1,EUR,70000,', /row 1: code 70000/],
    ['1,2,1,EUR,1,a reference that is too long', /row 1: The reference/],
    ['1,2,1,EUR', /not CSV/],
  ];
  for (const [row, message] of bad) {
    const { exitCode, stderr } = await importText(bench, `${HEADING}\n${row}\n1,2,1,EUR,1,\n`);
    assert.equal(exitCode, 4, row);
    assert.match((JSON.parse(stderr) as { error: { detail: string } }).error.detail, message);
  }
  assert.equal(bench.node.transfers.size, 0);
  assert.ok(!(await readdir(bench.folder)).includes('imports'));
});

test('columns that are missing, unknown or repeated are refused', async () => {
  await using bench = await CliBench.start();
  for (const heading of [
    'debit_account,amount,currency',
    'debit_account,credit_account,amount,curency',
    'debit_account,credit_account,amount,amount',
  ]) {
    const { exitCode, stderr } = await importText(bench, `${heading}\n1,2,3,4\n`);
    assert.equal(exitCode, 4, heading);
    assert.match(stderr, /csv_/);
  }
});

test('refused rows are counted and named, the others are imported, exit 4', async () => {
  await using bench = await CliBench.start();
  const accounts = 'account,currency,limit\n5,EUR,debits\n6,EUR,\n';
  bench.node.refusals.set(formatId('account', 6n), 'account_exists_with_different_flags');
  const { exitCode, stdout } = await importText(bench, accounts);
  assert.equal(exitCode, 4);
  const result = JSON.parse(stdout) as Result;
  assert.deepEqual([result.created, result.refused], [1, 1]);
  assert.deepEqual(
    result.refusals.map(({ row, code }) => [row, code]),
    [[2, 'account_exists_with_different_flags']],
  );
  const opened = bench.node.accounts.get(formatId('account', 5n));
  assert.deepEqual(opened?.['flags'], ['debits_must_not_exceed_credits']);
});

test('a dry run reads everything and sends nothing', async () => {
  await using bench = await CliBench.start();
  const { exitCode, stdout } = await importText(bench, ROWS, '--dry-run');
  assert.equal(exitCode, 0);
  assert.equal((JSON.parse(stdout) as { rows: number }).rows, 3);
  assert.equal(bench.node.transfers.size, 0);
  assert.ok(!(await readdir(bench.folder)).includes('imports'));
});

test('a manifest of another file is refused before anything is sent', async () => {
  await using bench = await CliBench.start();
  const manifest = join(bench.folder, 'mine.json');
  assert.equal((await importText(bench, ROWS, '--manifest', manifest)).exitCode, 0);
  const other = await importText(bench, `${ROWS}\n1,2,1,EUR,1,`, '--manifest', manifest);
  assert.equal(other.exitCode, 4);
  assert.equal(bench.node.transfers.size, 3);
});

test('a reference is its bytes as a number, up to 16 of them', () => {
  assert.equal(referenceNumber(''), 0n);
  assert.equal(referenceNumber('A'), 0x41n);
  assert.equal(referenceNumber('0123456789abcdef') >> 120n, 0x30n);
  assert.throws(() => referenceNumber('0123456789abcdefg'), /longer than 16 bytes/);
});

test('a dry run over a row that cannot be read is refused like an import, also as JSON', async () => {
  await using bench = await CliBench.start();
  const { exitCode, stdout, stderr } = await importText(
    bench,
    [HEADING, '1,2,12.505,EUR,1,'].join('\n'),
    '-n',
  );
  assert.equal(exitCode, 4);
  assert.equal(stdout, '');
  const { error } = JSON.parse(stderr) as { readonly error: { readonly exit_code: number } };
  assert.equal(error.exit_code, 4);
  assert.match(stderr, /row 1: 12\.505 has more decimals than EUR/);
  assert.equal(bench.node.transfers.size, 0);
});

test('a file that is not UTF-8 is refused, and no reference is changed silently', async () => {
  await using bench = await CliBench.start();
  const file = join(bench.folder, 'latin.csv');
  await writeFile(file, Buffer.from(`${HEADING}\n1,2,12.50,EUR,1,Zürich`, 'latin1'));
  const { exitCode, stderr } = await bench.run('import', '--file', file, '--json');
  assert.equal(exitCode, 4);
  assert.match(stderr, /"code":"csv_not_utf8"/);
  assert.equal(bench.node.transfers.size, 0);
});

test('rows that the books refused are said to need a file of their own', async () => {
  await using bench = await CliBench.start();
  const file = join(bench.folder, 'movements.csv');
  await writeFile(file, ROWS);
  const done = await bench.run('import', '--file', file);
  assert.equal(done.exitCode, 0);
  assert.doesNotMatch(done.stderr, /file of their own/);
  const [first] = [...bench.node.transfers.keys()];
  bench.node.refusals.set(first ?? '', 'id_already_failed');
  const refused = await bench.run('import', '--file', file);
  assert.equal(refused.exitCode, 4);
  assert.match(refused.stderr, /put these rows, and only these, into a file of their own/);
});
