// Checkpoints of a real process on real files: what a start begins with after a clean stop, a kill
// in the middle of taking one, damage, and a full disk.

import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { runSeen } from '../../src/cli/testing/run.ts';
import type { Client } from '../../src/client/http-client.ts';
import { createCheckpointStore } from '../../src/drivers/file/checkpoint-store.ts';
import { createJournal } from '../../src/drivers/file/driver.ts';
import { realFileSystem } from '../../src/drivers/file/file-system.ts';
import { CheckpointLog, createPlainHasher } from '../support/checkpoint-rig.ts';
import { FOREVER, START_MS, makeNode, openBooks, pay, transfer } from '../support/engine-rig.ts';
import { QuotaFileSystem } from '../support/quota-file-system.ts';
import { SpawnedNode, clientOf, keyOf } from '../support/spawned-node.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { openAccounts, payment, received } from '../support/two-accounts.ts';
import { until } from '../support/until.ts';

type Taken = { readonly position: number };
type Verified = { readonly checkpoints: readonly { readonly verdict: string }[] };

async function payTimes(client: Client, count: number): Promise<void> {
  for (let time = 0; time < count; time++) {
    assert.equal((await client.transfers.create(payment())).status, 'created');
  }
}

/** A node that has acknowledged payments of 1 and taken checkpoints in between; then killed. */
async function makeBooks(data: string): Promise<number[]> {
  await using node = new SpawnedNode({ data });
  await using client = await clientOf(await node.ready());
  await openAccounts(client);
  const positions: number[] = [];
  for (let round = 0; round < 2; round++) {
    await payTimes(client, 10);
    positions.push(((await client.checkpoints.take()) as Taken).position);
  }
  await payTimes(client, 3);
  await node.end('SIGKILL');
  return positions;
}

/** Starts the node; returns what it replayed and began with, and asserts what was received. */
async function startAndSee(
  data: string,
  sum: bigint,
  settings: Readonly<Record<string, string>> = {},
): Promise<{ readonly position: number; readonly replayed: number; readonly stderr: string }> {
  await using node = new SpawnedNode({ data, settings });
  const ready = await node.ready();
  await using client = await clientOf(ready);
  assert.equal(await received(client), sum);
  const headers = { authorization: `Bearer ${await keyOf(ready)}` };
  const text = await (await fetch(new URL('/metrics', ready.url), { headers })).text();
  const metric = (name: string): number =>
    Number(new RegExp(`^holdfast_${name} ([0-9.]+)$`, 'm').exec(text)?.[1]);
  const seen = {
    position: metric('checkpoint_position'),
    replayed: metric('restore_replayed_entries'),
  };
  await node.end('SIGKILL');
  return { ...seen, stderr: node.stderr };
}

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.byteLength >> 1]! ^= 1;
  await writeFile(path, bytes);
}

async function manifestsOf(data: string): Promise<string[]> {
  const names = await readdir(join(data, 'checkpoints'));
  return names
    .filter((name) => name.endsWith('.checkpoint'))
    .sort()
    .map((name) => join(data, 'checkpoints', name));
}

test('a killed node starts from its newest whole checkpoint and reads only what is behind it', async () => {
  await using folder = await TemporaryFolder.make();
  const data = join(folder.path, 'data');
  const [older, newest] = await makeBooks(data);
  const first = await startAndSee(data, 23n);
  assert.deepEqual([first.position, first.replayed], [newest, 3]);

  const verified = await runSeen([
    'checkpoint',
    'verify',
    '--against-journal',
    '--data',
    data,
    '--json',
  ]);
  assert.equal(verified.exitCode, 0, verified.stderr);
  const { checkpoints } = JSON.parse(verified.stdout) as Verified;
  assert.deepEqual(
    checkpoints.map(({ verdict }) => verdict),
    ['whole', 'whole'],
  );

  const manifests = await manifestsOf(data);
  await flip(manifests[1]!);
  const second = await startAndSee(data, 23n);
  assert.equal(second.position, older);
  assert.match(second.stderr, new RegExp(`checkpoint of position ${newest} cannot be used`));
  const broken = await runSeen(['checkpoint', 'verify', '--data', data, '--json']);
  assert.equal(broken.exitCode, 1);
  assert.match(broken.stderr, /checkpoint_corrupt/);

  await flip(manifests[0]!);
  const third = await startAndSee(data, 23n);
  assert.equal(third.position, 0);
  assert.ok(third.replayed > 23, 'everything was replayed');
  assert.match(third.stderr, /cannot be used/);

  // Without any it starts from the journal as well.
  await rm(join(data, 'checkpoints'), { recursive: true });
  assert.equal((await startAndSee(data, 23n)).position, 0);
  const none = await runSeen(['checkpoint', 'verify', '--data', data, '--json']);
  assert.equal(none.exitCode, 3);
});

test('a clean stop leaves a checkpoint, and the next start reads nothing but its head', async () => {
  await using folder = await TemporaryFolder.make();
  const data = join(folder.path, 'data');
  {
    await using node = new SpawnedNode({ data });
    await using client = await clientOf(await node.ready());
    await openAccounts(client);
    await payTimes(client, 5);
    assert.equal((await node.end('SIGTERM')).exitCode, 0);
  }
  const { replayed } = await startAndSee(data, 5n);
  assert.equal(replayed, 0);
});

test('a kill in the middle of taking one leaves the one before, and no leftovers for long', async () => {
  await using folder = await TemporaryFolder.make();
  const data = join(folder.path, 'data');
  const [, newest] = await makeBooks(data);
  const faults = new URL('../support/stuck-checkpoint.ts', import.meta.url);
  {
    await using node = new SpawnedNode({ data, faults });
    await using client = await clientOf(await node.ready());
    await payTimes(client, 1);
    const taking = client.checkpoints.take().catch(() => undefined);
    await until(() => node.stderr.includes('a checkpoint hangs'), 'it is being taken');
    // Payments go on.
    await payTimes(client, 4);
    await node.end('SIGKILL');
    await client.close();
    await taking;
  }
  const chunks = join(data, 'checkpoints', 'chunks');
  const leftovers = async (): Promise<string[]> =>
    (await readdir(chunks)).filter((name) => name.endsWith('.partial'));
  assert.ok((await leftovers()).length > 0);
  const { position } = await startAndSee(data, 28n);
  assert.equal(position, newest);
  await using last = new SpawnedNode({ data });
  await last.ready();
  await last.end('SIGTERM');
  assert.deepEqual(await leftovers(), []);
});

test('on a disk that is full for checkpoints payments go on, and one is taken when there is room', async () => {
  await using folder = await TemporaryFolder.make();
  const disk = new QuotaFileSystem(realFileSystem);
  const told = new CheckpointLog();
  const store = createCheckpointStore({ directory: join(folder.path, 'c'), fileSystem: disk });
  const checkpoints = told.settings(undefined, { store, createHasher: createPlainHasher });
  await using rig = makeNode(createJournal({ directory: join(folder.path, 'journal') }), {
    checkpoints,
  });
  await rig.node.start();
  await openBooks(rig.node);
  disk.capacityBytes = 700;
  for (let time = 0; time < 3; time++) {
    await assert.rejects(rig.node.takeCheckpoint(), /no room on the disk/);
    const { outcome } = await rig.node.submit(pay(transfer({}, START_MS)), FOREVER);
    assert.deepEqual([...outcome.codes], [0]);
  }
  assert.equal(rig.node.status().impediment, undefined);
  assert.equal(disk.usedBytes <= 700, true);
  disk.capacityBytes = 1_000_000;
  const taken = await rig.node.takeCheckpoint();
  assert.equal(taken.position, rig.node.status().position);
});

test('when all are damaged, what was discarded from the journal is replayed, or the node halts', async () => {
  await using folder = await TemporaryFolder.make();
  const data = join(folder.path, 'data');
  // Each start opens an epoch, and each epoch has a segment of its own.
  for (let round = 0; round < 3; round++) {
    await using node = new SpawnedNode({ data, settings: { HOLDFAST_CHECKPOINTS_KEPT: '2' } });
    await using client = await clientOf(await node.ready());
    if (round === 0) await openAccounts(client);
    await payTimes(client, 5);
    await client.checkpoints.take();
    const { journal } = (await client.status()) as { readonly journal: { readonly first: number } };
    assert.equal(journal.first > 1, round > 1, 'what stands before the older one is discarded');
    await node.end('SIGKILL');
  }
  const whole = await startAndSee(data, 15n);
  assert.equal(whole.replayed, 0);
  for (const manifest of await manifestsOf(data)) await flip(manifest);

  if ((await positionsDiscarded(data)).includes(1)) {
    const { position, replayed } = await startAndSee(data, 15n);
    assert.equal(position, 0);
    assert.ok(replayed > 15, 'everything was replayed');
    return;
  }
  await using node = new SpawnedNode({ data });
  await assert.rejects(node.ready(), /JOURNAL_DIVERGED.*what stands before ends at 0/s);
});

/** Positions that the journal has discarded and still keeps. */
async function positionsDiscarded(data: string): Promise<number[]> {
  const journal = createJournal({ directory: join(data, 'journal') });
  const positions: number[] = [];
  try {
    await journal.open({ mode: 'read', signal: FOREVER });
    for await (const batch of journal.readDiscarded(FOREVER)) {
      positions.push(...batch.map(({ entry }) => entry.position));
    }
  } finally {
    await journal.close();
  }
  return positions;
}

test('encrypted checkpoints are used with their key, and without it the journal is', async () => {
  await using folder = await TemporaryFolder.make();
  const data = join(folder.path, 'data');
  const keyFile = join(folder.path, 'checkpoint-key');
  await writeFile(keyFile, `${'5e'.repeat(32)}\n`);
  const settings = { HOLDFAST_CHECKPOINT_KEY_FILE: keyFile };
  {
    await using node = new SpawnedNode({ data, settings });
    await using client = await clientOf(await node.ready());
    await openAccounts(client);
    await payTimes(client, 5);
    assert.equal((await node.end('SIGTERM')).exitCode, 0);
  }
  const verify = ['checkpoint', 'verify', '--data', data, '--json'];
  assert.equal((await runSeen(verify, { environment: settings })).exitCode, 0);
  assert.equal((await runSeen(verify)).exitCode, 1);
  assert.equal((await startAndSee(data, 5n, settings)).replayed, 0);
  const { position, stderr } = await startAndSee(data, 5n);
  assert.equal(position, 0);
  assert.match(stderr, /it is encrypted/);

  await writeFile(keyFile, 'too short');
  await using node = new SpawnedNode({ data, settings });
  await assert.rejects(node.ready(), /64 hex digits/);
});
