// A node with its journal in two directories, as an operator has it: one is damaged and repaired,
// one is lost and asked for, left out by name, and filled again. No payment is lost on the way.

import assert from 'node:assert/strict';
import { cp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runSeen } from '../../src/cli/testing/run.ts';
import { SpawnedNode, clientOf } from '../support/spawned-node.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { openAccounts, payment, received } from '../support/two-accounts.ts';

type Report = {
  readonly directories: readonly {
    readonly path: string;
    readonly state: string;
    readonly last_position: number;
  }[];
  readonly repairs: readonly string[];
  readonly halt: string | null;
};

test('a journal in two directories survives damage to one and the loss of the other', async () => {
  await using folder = await TemporaryFolder.make();
  const data = join(folder.path, 'data');
  const [first, second] = [join(data, 'journal'), join(folder.path, 'second')];
  const both = { HOLDFAST_JOURNAL_DIRECTORIES: second };
  await pay({ data, settings: both, isFirst: true, expected: 0n });
  assert.deepEqual(await statesOf(data), ['active', 'active']);
  assert.deepEqual(await segmentsIn(first), await segmentsIn(second));

  const damaged = join(second, (await segmentsIn(second))[0] ?? '');
  const bytes = await readFile(damaged);
  bytes.writeUInt8(bytes.readUInt8(400) ^ 1, 400);
  await writeFile(damaged, bytes);
  const { repairs, halt } = await report(data);
  assert.equal(halt, null);
  assert.equal(repairs.length, 1);
  assert.match(repairs[0] ?? '', new RegExp(`^${damaged}, bytes`));
  const verified = await runSeen(['--data', data, 'journal', 'verify', '--json']);
  const { verdict } = JSON.parse(verified.stdout) as { readonly verdict: string };
  assert.equal(verdict, 'repairable');
  // A copy of the data folder is looked at alone.
  const copy = join(folder.path, 'copy');
  await cp(data, copy, { recursive: true });
  const copied = await runSeen(['--data', copy, 'journal', 'verify', '--json']);
  assert.equal((JSON.parse(copied.stdout) as { readonly verdict: string }).verdict, 'clean');
  assert.deepEqual(await statesOf(copy), ['active']);

  await pay({ data, settings: both, expected: 1n });
  assert.deepEqual((await report(data)).repairs, []);
  const rebuilt = await runSeen(['--data', data, 'history', 'rebuild'], { environment: both });
  assert.equal(rebuilt.exitCode, 0, rebuilt.stderr);

  await rm(second, { recursive: true });
  await using refused = new SpawnedNode({ data, settings: both });
  const { exitCode, stderr } = await refused.ended;
  assert.equal(exitCode, 1);
  assert.match(stderr, new RegExp(`HOLDFAST_JOURNAL_WITHOUT=${second}`));
  await pay({ data, settings: { ...both, HOLDFAST_JOURNAL_WITHOUT: second }, expected: 2n });
  assert.deepEqual(await statesOf(data), ['active', 'dropped']);
  // The empty directory is filled; then it alone is enough, even for the other's place.
  await pay({ data, settings: both, expected: 3n });
  await rm(first, { recursive: true });
  await pay({ data, settings: { ...both, HOLDFAST_JOURNAL_WITHOUT: first }, expected: 4n });
});

type Paying = {
  readonly data: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly isFirst?: boolean;
  /** What has been received before. */
  readonly expected: bigint;
};

/** One life of the node: one payment of 1. */
async function pay({ data, settings, isFirst = false, expected }: Paying): Promise<void> {
  await using node = new SpawnedNode({ data, settings });
  await using client = await clientOf(await node.ready());
  if (isFirst) await openAccounts(client);
  assert.equal(await received(client), expected);
  assert.equal((await client.transfers.create(payment(1n))).status, 'created');
  assert.equal((await node.end('SIGTERM')).exitCode, 0);
}

async function report(data: string): Promise<Report> {
  const { stdout } = await runSeen(['--data', data, 'journal', 'directories', '--json']);
  return JSON.parse(stdout) as Report;
}

async function statesOf(data: string): Promise<string[]> {
  return (await report(data)).directories.map(({ state }) => state);
}

async function segmentsIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith('.journal')).sort();
}
