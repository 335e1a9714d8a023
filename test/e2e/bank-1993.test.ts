// The example as people run it, on the first two months of the real data. The data is not part of
// the repository: where it is absent these tests fail, they are not skipped.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Report } from '../../examples/bank-1993/report.ts';

const MAIN = fileURLToPath(new URL('../../examples/bank-1993/main.ts', import.meta.url));
const DATA = fileURLToPath(new URL('../../../shared/data/bank-1993', import.meta.url));
const FIRST_DATE_LEFT_OUT = '930301';
const AMOUNT_COLUMN = 5;

type Run = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

let folder = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-bank-1993-'));
});

after(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function runExample(...parameters: string[]): Promise<Run> {
  const child = spawn(process.execPath, [MAIN, ...parameters], {
    cwd: folder,
    env: { ...process.env, HOLDFAST_MEMORY_AHEAD: 'none' },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
  const [exitCode] = (await once(child, 'close')) as [number];
  return { exitCode, stdout, stderr };
}

/** The first two months, with `change` applied to the lines of transactions.csv. */
async function copyData(name: string, change: (lines: string[]) => void): Promise<string> {
  const target = join(folder, name);
  await mkdir(target);
  await copyFile(join(DATA, 'accounts.csv'), join(target, 'accounts.csv'));
  const text = await readFile(join(DATA, 'transactions.csv'), 'utf8');
  const [heading = '', ...rows] = text.split('\r\n').filter((line) => line !== '');
  const kept = rows.filter((row) => (row.split(',')[2] ?? '') < FIRST_DATE_LEFT_OUT);
  assert.equal(kept.length, 572);
  const lines = [heading, ...kept];
  change(lines);
  await writeFile(join(target, 'transactions.csv'), `${lines.join('\r\n')}\r\n`);
  return target;
}

test('two months replay with a kill, agree with the bank, and a second run changes nothing', async () => {
  const data = await copyData('unchanged', () => undefined);
  const state = join(folder, 'state');
  const parameters = ['--data', data, '--state', state, '--json'];
  const first = await runExample(...parameters, '--kills', '1');
  assert.equal(first.exitCode, 0, first.stderr);
  const report = JSON.parse(first.stdout) as Report;
  assert.equal(report.movements, 572);
  assert.equal(report.created, 572);
  assert.equal(report.exactMismatches, 0);
  assert.equal(report.bankMismatches, 0);
  assert.equal(report.lost, 0);
  assert.equal(report.doubled, 0);
  assert.equal(report.kills, 1);
  assert.equal(report.killsInFlight, 1);

  const second = await runExample(...parameters, '--kills', '0');
  assert.equal(second.exitCode, 0, second.stderr);
  const again = JSON.parse(second.stdout) as Report;
  assert.equal(again.created, 0);
  assert.equal(again.existed, 572);
  assert.equal(again.accountDays, report.accountDays);
  assert.equal(again.bankWithin010, report.bankWithin010);
  const opening = 1;
  assert.equal(again.journalPositionBefore, report.journalPositionAfter + opening);
  assert.equal(again.journalPositionAfter, again.journalPositionBefore);

  const other = await copyData('other', (lines) => lines.pop());
  const mixed = await runExample('--data', other, '--state', state, '--kills', '0');
  assert.equal(mixed.exitCode, 1);
  assert.match(mixed.stderr, /holds the replay of another data set/);
});

test('one amount changed by 1.00 ends with exit 1 and names the account-day', async () => {
  let account = '';
  let date = '';
  const data = await copyData('changed', (lines) => {
    const index = 300;
    const cells = (lines[index] ?? '').split(',');
    account = cells[1] ?? '';
    date = `19${(cells[2] ?? '').replaceAll(/(..)(..)(..)/g, '$1-$2-$3')}`;
    const [crowns = '', haler = ''] = (cells[AMOUNT_COLUMN] ?? '').split('.');
    cells[AMOUNT_COLUMN] = `${BigInt(crowns) + 1n}.${haler}`;
    lines[index] = cells.join(',');
  });
  const run = await runExample('--data', data, '--kills', '0', '--json');
  assert.equal(run.exitCode, 1, run.stderr);
  const report = JSON.parse(run.stdout) as Report;
  assert.equal(report.exactMismatches, 0);
  assert.equal(report.bankMismatches, 1);
  assert.match(run.stderr, new RegExp(`MISMATCH account ${account} on ${date}: `));
  const [mismatch] = report.mismatches;
  assert.equal(mismatch?.account, Number(account));
  assert.equal(mismatch?.date, date);
});

test('without the data it says what to fetch', async () => {
  const run = await runExample('--data', join(folder, 'nowhere'));
  assert.equal(run.exitCode, 1);
  assert.match(run.stderr, /PKDD'99 Discovery Challenge/);
});
