// The package as a user gets it: packed from this checkout, installed in an empty folder elsewhere,
// and used: three nodes, payments by the command line and by the client library, views and history
// (threads of their own), and nothing in it that belongs to the house.

import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const HOUSE = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);
const STOP_MS_MAX = 30_000;

let folder: TemporaryFolder;
let program: string;
let data: string;
let cluster: ChildProcess;

async function holdfast(...parameters: readonly string[]): Promise<string> {
  const all = [program, ...parameters, '--data', data];
  return (await run(process.execPath, all, { cwd: folder.path })).stdout;
}

async function leaderOf(): Promise<{ readonly node: string; readonly url: string }> {
  const text = await readFile(join(data, 'leader.json'), 'utf8');
  return JSON.parse(text) as { readonly node: string; readonly url: string };
}

before(async () => {
  folder = await TemporaryFolder.make();
  const packing = await run('npm', ['pack', '--json', '--pack-destination', folder.path], {
    cwd: HOUSE,
  });
  const [packed] = JSON.parse(packing.stdout.slice(packing.stdout.indexOf('['))) as [
    { readonly filename: string },
  ];
  await writeFile(join(folder.path, 'package.json'), '{"private":true,"type":"module"}');
  const install = ['install', '--omit=optional', '--no-audit', '--no-fund'];
  await run('npm', [...install, join(folder.path, packed.filename)], { cwd: folder.path });
  program = join(folder.path, 'node_modules/holdfast/bin/holdfast.js');
  data = join(folder.path, 'data');
  cluster = spawn(
    process.execPath,
    [program, 'up', '--nodes', '3', '--port', '0', '--data', data],
    {
      cwd: folder.path,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, HOLDFAST_MEMORY_AHEAD: 'none', HOLDFAST_VIEWS: 'sqlite' },
    },
  );
  await until(() => existsSync(join(data, 'leader.json')), 'a leader');
});

after(async () => {
  const ended = once(cluster, 'exit', { signal: AbortSignal.timeout(STOP_MS_MAX) });
  cluster.kill('SIGTERM');
  const [exitCode] = (await ended) as [number | null];
  await folder[Symbol.asyncDispose]();
  assert.equal(exitCode, 0);
});

test('money moves by the command line', async () => {
  for (const id of ['1', '2']) await holdfast('account', 'create', '--id', id, '--currency', 'EUR');
  const money = ['--debit', '1', '--credit', '2', '--amount', '12.50', '--currency', 'EUR'];
  const answer = await holdfast('transfer', 'create', ...money);
  assert.match(answer, /state +accepted/);
  assert.match(await holdfast('account', 'get', '2'), /credits posted +12\.50 EUR/);
});

test('a program imports the client library by the name of the package, with its types', async () => {
  const leader = await leaderOf();
  const text = `
    import { createClient, newTransferId } from 'holdfast';
    import { readFileSync } from 'node:fs';
    const key = readFileSync(${JSON.stringify(join(data, 'api-key'))}, 'utf8').trim();
    await using client = createClient({ url: ${JSON.stringify(leader.url)}, key });
    const id = newTransferId();
    const sides = { debitAccountId: 1n, creditAccountId: 2n };
    await client.transfers.create({ id, ...sides, amount: 250n, ledger: 978, code: 1 });
    const { creditsPosted } = await client.accounts.get(2n);
    console.log(String(creditsPosted));
  `;
  await writeFile(join(folder.path, 'pay.mjs'), text);
  const { stdout } = await run(process.execPath, ['pay.mjs'], { cwd: folder.path });
  assert.equal(stdout.trim(), '1500');
  const manifest = join(folder.path, 'node_modules/holdfast/package.json');
  const { exports } = JSON.parse(await readFile(manifest, 'utf8')) as {
    readonly exports: { readonly '.': { readonly types: string } };
  };
  const types = await readFile(join(manifest, '..', exports['.'].types), 'utf8');
  assert.match(types, /createClient/);
});

test('history, views and checkpoints work: threads, SQLite and files of the package', async () => {
  assert.match(await holdfast('transfer', 'list', '--account', '2'), /12\.50/);
  assert.match(await holdfast('report', 'trial-balance'), /EUR/);
  assert.match(await holdfast('checkpoint', 'take'), /position \d+/);
  const { node } = await leaderOf();
  assert.match(await holdfast('checkpoint', 'verify', '--node', node), /whole/);
});

test('it holds the bill of materials and no tests, and nothing of it is TypeScript to run', async () => {
  const home = join(folder.path, 'node_modules/holdfast');
  const files = await readdir(home, { recursive: true });
  const own = files.filter((path) => !path.startsWith('node_modules'));
  assert.deepEqual(
    own.filter((path) => path.includes('.test.') || path.split('/').includes('testing')),
    [],
  );
  assert.deepEqual(
    own.filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts')),
    [],
  );
  const bill = JSON.parse(await readFile(join(home, 'dist/sbom.cdx.json'), 'utf8')) as {
    readonly bomFormat: string;
    readonly components: readonly { readonly name: string }[];
  };
  assert.equal(bill.bomFormat, 'CycloneDX');
  const { dependencies } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const named = new Set(bill.components.map(({ name }) => name));
  for (const name of Object.keys(dependencies)) assert.ok(named.has(name), name);
  assert.ok(!named.has('typescript'));
});
