// Three nodes as processes, as `npm start` runs them: payments at whichever node, the leader
// killed, a hand-over under load, the end of the supervisor, and who may not run on the same
// folder.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { DemoCluster, DemoNode } from '../../examples/demo/cluster.ts';
import { isClean, runDemo } from '../../examples/demo/run.ts';
import { Screen } from '../../examples/demo/screen.ts';
import { runSeen } from '../../src/cli/testing/run.ts';
import { type Client, createClient } from '../../src/client/http-client.ts';
import { clusterOn } from '../support/cluster-on.ts';
import { SpawnedNode } from '../support/spawned-node.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { PAYEE, openAccounts, payment, received } from '../support/two-accounts.ts';
import { until } from '../support/until.ts';

const FRUGAL = { HOLDFAST_MEMORY_AHEAD: 'none' };

function started(folder: string): DemoCluster {
  return clusterOn(folder, { place: 'file' });
}

/** Knows this node only. */
async function clientOf(cluster: DemoCluster, { url }: DemoNode): Promise<Client> {
  return createClient({ url, key: await cluster.key() });
}

function isRunning({ pid }: DemoNode): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function leaderNoted(folder: string): Promise<unknown> {
  return (JSON.parse(await readFile(join(folder, 'leader.json'), 'utf8')) as DemoNode).node;
}

test('three nodes: the leader is killed, and who pays at another one hears no error', async () => {
  await using folder = await TemporaryFolder.make();
  await using cluster = started(folder.path);
  await cluster.ready();
  const { node: leader, epoch } = await cluster.settled();
  const standby = cluster.nodes.find((node) => node !== leader)!;
  await using client = await clientOf(cluster, standby);
  await openAccounts(client);
  await client.transfers.create(payment());
  await until(async () => (await leaderNoted(folder.path)) === leader.node, 'leader.json');

  await cluster.killLeader();
  await client.transfers.create(payment());
  assert.notEqual(await cluster.leaderAfter(epoch), leader.node);
  const status = await runSeen(['status', '--data', folder.path, '--json']);
  assert.equal(status.exitCode, 0, status.stderr);

  await cluster.settled();
  const paid = await received(client);
  for (const node of cluster.nodes) {
    assert.ok(isRunning(node));
    await using other = await clientOf(cluster, node);
    const paidThere = async () => (await other.accounts.get(PAYEE)).creditsPosted;
    await until(async () => (await paidThere()) === paid, `the books of ${node.node}`);
  }
  await cluster.stop();
  for (const node of cluster.nodes) {
    assert.equal(isRunning(node), false);
    assert.equal(existsSync(join(folder.path, 'nodes', node.node, 'node.json')), false);
  }
});

test('a hand-over under load costs no payment and no error', async () => {
  await using folder = await TemporaryFolder.make();
  const report = await runDemo({
    blow: 'switchover',
    blows: 2,
    ratePerSecond: 200,
    seconds: 3,
    nodes: 3,
    door: 'binary',
    settings: FRUGAL,
    folder: folder.path,
    screen: new Screen({ write: () => true }),
  });
  assert.ok(isClean(report), JSON.stringify(report));
  assert.equal(report.switchovers, 2);
  assert.ok(report.acknowledged > 0);
});

test('nodes do not run on when their supervisor is killed', async () => {
  await using folder = await TemporaryFolder.make();
  await using cluster = started(folder.path);
  await cluster.ready();
  const { nodes } = cluster;
  await cluster.stop('SIGKILL');
  await until(() => !nodes.some(isRunning), 'the nodes to end');
});

test('a folder is run by one node alone or by named ones, and a name by one process', async () => {
  await using folder = await TemporaryFolder.make();
  const data = folder.path;
  const hasty = { HOLDFAST_JOURNAL_LOCK_WAIT_MS: '100' };
  const named = { ...hasty, HOLDFAST_NODE: 'node-1' };
  {
    await using alone = new SpawnedNode({ data, settings: hasty });
    await alone.ready();
    await using refused = new SpawnedNode({ data, settings: named });
    const { exitCode, stderr } = await refused.ended;
    assert.equal(exitCode, 1);
    assert.match(stderr, /data_folder_unusable.*A node that runs alone has the folder/);
    assert.equal((await alone.end('SIGTERM')).exitCode, 0);
  }
  // Who comes after him begins with what he left.
  await using node = new SpawnedNode({ data, settings: named });
  await node.ready();
  const fromCheckpoint = /"event":"restored","checkpoint":[1-9]/;
  await until(() => fromCheckpoint.test(node.stderr), 'a start from his checkpoint');
  await using again = new SpawnedNode({ data, settings: named });
  assert.match((await again.ended).stderr, /node-1 runs already/);
  await using alone = new SpawnedNode({ data, settings: hasty });
  assert.match((await alone.ended).stderr, /node-1 runs on .* as one of several nodes/);
  assert.equal((await node.end('SIGTERM')).exitCode, 0);
});
