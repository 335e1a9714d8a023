// The command line against a real node, and its offline tools on that node's journal afterwards.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Seen, runSeen } from '../../src/cli/testing/run.ts';

const SHIM = fileURLToPath(new URL('../../bin/holdfast.js', import.meta.url));

let root = '';
let data = '';
let child: ChildProcess;

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-command-line-'));
  data = join(root, 'data');
  child = spawn(process.execPath, [SHIM, 'up', '--data', data, '--port', '0', '--json'], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, HOLDFAST_MEMORY_AHEAD: 'none' },
  });
  const { stdout } = child;
  assert.ok(stdout !== null);
  const [line] = (await once(createInterface({ input: stdout }), 'line')) as [string];
  const ready = JSON.parse(line) as { readonly event: string; readonly pid: number };
  assert.equal(ready.event, 'ready');
  assert.equal(ready.pid, child.pid);
});

after(async () => {
  await stopNode();
  await rm(root, { recursive: true, force: true });
});

async function stopNode(): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }
  return child.exitCode;
}

async function run(...parameters: string[]): Promise<Seen> {
  return runSeen(['--data', data, ...parameters]);
}

async function runOk(...parameters: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await run(...parameters);
  assert.equal(exitCode, 0, stderr);
  return stdout;
}

async function balanceOf(id: string): Promise<string> {
  const account = JSON.parse(await runOk('account', 'get', id, '--json')) as {
    readonly credits_posted: string;
    readonly debits_posted: string;
  };
  return String(BigInt(account.credits_posted) - BigInt(account.debits_posted));
}

test('accounts are opened, money moves, a hold is posted in part', async () => {
  assert.match(await runOk('status'), /^role +leading$/m);
  await runOk('account', 'create', '--id', '1', '--currency', 'EUR');
  await runOk('account', 'create', '--id', '2', '--currency', 'EUR', '--limit', 'debits');
  const move = ['transfer', 'create', '--debit', '1', '--credit', '2', '--currency', 'EUR'];
  const first = JSON.parse(await runOk(...move, '--amount', '12.50', '--json')) as { id: string };
  assert.equal(await balanceOf('2'), '1250');

  const again = await run(...move, '--amount', '12.50', '--id', first.id, '--json');
  assert.equal((JSON.parse(again.stdout) as { status: string }).status, 'exists');
  const other = await run(...move, '--amount', '12.51', '--id', first.id);
  assert.equal(other.exitCode, 4);
  assert.match(other.stderr, /exists_with_different_amount/);
  assert.equal(await balanceOf('2'), '1250');

  const held = JSON.parse(await runOk(...move, '--amount', '10', '--hold', '--json')) as {
    id: string;
  };
  assert.match(await runOk('transfer', 'post', held.id, '--amount', '4'), /^amount +4\.00 EUR$/m);
  assert.match(await runOk('transfer', 'get', held.id), /^hold +posted$/m);
  assert.equal(await balanceOf('2'), '1650');
  assert.equal((await run('transfer', 'void', held.id)).exitCode, 4);

  const back = ['transfer', 'create', '--debit', '2', '--credit', '1', '--currency', 'EUR'];
  const tooMuch = await run(...back, '--amount', '99');
  assert.equal(tooMuch.exitCode, 4);
  assert.match(tooMuch.stderr, /exceeds_credits/);
});

test('a posting goes and comes back once, and a frozen account stands still', async () => {
  await runOk('account', 'create', '--id', '3', '--currency', 'EUR');
  const before = await balanceOf('2');
  const create = ['posting', 'create', '--currency', 'EUR', '--json', '--debit', '1=11.90'];
  const legs = ['--credit', '2=10', '3=1.90'];
  const posting = JSON.parse(await runOk(...create, ...legs)) as {
    readonly id: string;
    readonly transfers: readonly { readonly id: string }[];
  };
  const again = await runOk(...create, ...legs, '--id', posting.id);
  assert.equal((JSON.parse(again) as { status: string }).status, 'exists');
  assert.equal(await balanceOf('2'), String(BigInt(before) + 1000n));
  const unbalanced = await run(...create, '--credit', '2=10');
  assert.match(unbalanced.stderr, /posting_not_balanced/);

  await runOk('account', 'freeze', '3');
  assert.match(await runOk('account', 'get', '3'), /^flags +frozen$/m);
  const refused = await run('posting', 'revert', posting.id);
  assert.equal(refused.exitCode, 4);
  assert.match(refused.stderr, /debit_account_frozen/);
  assert.equal(await balanceOf('2'), String(BigInt(before) + 1000n));
  await runOk('account', 'unfreeze', '3');
  // The frozen account refused the second transfer, whose revert is burnt; the first is not.
  assert.equal((await run('posting', 'revert', posting.id)).exitCode, 4);
  for (const status of ['created', 'exists']) {
    const back = await runOk('transfer', 'revert', posting.transfers[0]!.id, '--json');
    assert.equal((JSON.parse(back) as { status: string }).status, status);
  }
  assert.equal(await balanceOf('2'), before);
});

test('a file that is imported twice changes the books once', async () => {
  const file = join(root, 'movements.csv');
  const rows = Array.from({ length: 50 }, (_, index) => `1,2,0.${10 + index},EUR,row ${index}`);
  await writeFile(
    file,
    ['debit_account,credit_account,amount,currency,reference', ...rows].join('\n'),
  );
  const before = await balanceOf('2');
  const { created } = JSON.parse(await runOk('import', '--file', file, '--json')) as {
    readonly created: number;
  };
  assert.equal(created, 50);
  assert.match(await runOk('import', '--file', file), /^existed +50 /m);
  const sumMinor = rows.reduce((sum, _row, index) => sum + BigInt(10 + index), 0n);
  assert.equal(await balanceOf('2'), String(BigInt(before) + sumMinor));
});

test('the journal is shown and verified beside the running node and after it has stopped', async () => {
  const entries = (await runOk('journal', 'show', '--json'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly position: number; readonly kind: string });
  assert.deepEqual(
    entries.map((entry) => entry.position),
    entries.map((_, index) => index + 1),
  );
  assert.equal(entries[0]?.kind, 'opening');
  assert.match(await runOk('journal', 'show', '--from', '3', '--limit', '1'), /^3 {2}epoch 1/);

  assert.equal(await stopNode(), 0);
  const verified = JSON.parse(await runOk('journal', 'verify', '--json')) as {
    readonly verdict: string;
    readonly position: number;
  };
  assert.equal(verified.verdict, 'clean');
  assert.ok(verified.position >= entries.length);
  assert.equal((await run('status')).exitCode, 5);
});

test('a flipped byte is found and named with file, byte, position and way out', async () => {
  const damaged = join(root, 'damaged');
  await cp(data, damaged, { recursive: true });
  const journal = join(damaged, 'journal');
  const [name = ''] = (await readdir(journal)).filter((item) => item.endsWith('.journal'));
  const file = join(journal, name);
  const bytes = await readFile(file);
  const middle = 3000;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await writeFile(file, bytes);
  const seen = await runSeen(['--data', damaged, 'journal', 'verify', '--json']);
  assert.equal(seen.exitCode, 1);
  const { fault } = JSON.parse(seen.stdout) as {
    readonly fault: { file: string; byte_offset: number; position: number; way_out: string };
  };
  assert.equal(fault.file, file);
  assert.ok(fault.byte_offset <= middle);
  assert.ok(fault.position >= 1);
  assert.match(fault.way_out, /Keep the file/);
  assert.match(seen.stderr, /journal_corrupt/);
  const shown = await runSeen(['--data', damaged, 'journal', 'show']);
  assert.equal(shown.exitCode, 1);
  assert.match(shown.stdout, /^corrupt: /m);
});

test('a torn tail is reported as such: nothing acknowledged is missing', async () => {
  const torn = join(root, 'torn');
  await cp(data, torn, { recursive: true });
  const shown = (await runOk('journal', 'show', '--json')).trimEnd().split('\n');
  const last = JSON.parse(shown.at(-1) ?? '') as { readonly position: number; offset: string };
  const journal = join(torn, 'journal');
  const [name = ''] = (await readdir(journal)).filter((item) => item.endsWith('.journal'));
  const file = join(journal, name);
  const bytes = await readFile(file);
  const start = Number(last.offset.slice(last.offset.lastIndexOf(':') + 1));
  const pageBytes = 4096;
  bytes.fill(0, Math.ceil((start + 1) / pageBytes) * pageBytes);
  await writeFile(file, bytes);
  const seen = await runSeen(['--data', torn, 'journal', 'verify']);
  assert.equal(seen.exitCode, 0, seen.stderr);
  assert.match(seen.stdout, /^verdict +torn$/m);
  assert.match(seen.stdout, new RegExp(`^position +${last.position - 1}$`, 'm'));
  assert.match(seen.stdout, /Torn tail: .*never acknowledged/);
});

test('a journal of another cluster is not taken for this one', async () => {
  const foreign = join(root, 'foreign');
  await cp(data, foreign, { recursive: true });
  const identity = join(foreign, 'cluster.json');
  const text = await readFile(identity, 'utf8');
  await writeFile(identity, text.replace(/"[0-9a-f]{32}"/, `"${'0'.repeat(32)}"`));
  const { exitCode, stderr } = await runSeen(['--data', foreign, 'journal', 'verify']);
  assert.equal(exitCode, 1);
  assert.match(stderr, /journal_diverged/);
});

test('without a journal the offline tools say so and exit 3', async () => {
  const { exitCode, stderr } = await runSeen(['--data', join(root, 'empty'), 'journal', 'verify']);
  assert.equal(exitCode, 3);
  assert.match(stderr, /There is no journal/);
});
