// `holdfast cluster ...` against the real routes in front of a cluster whose state the test says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeCluster, fakeTerm, peerState } from '../api/testing/fake-cluster.ts';
import { FAKE_API_KEY, type FakeNode, createFakeNode } from '../api/testing/fake-node.ts';
import { OperationalError } from '../base/errors.ts';
import { type RunOptions, type Seen, runSeen } from './testing/run.ts';

type Json = Readonly<Record<string, unknown>>;

class ClusterBench implements AsyncDisposable {
  readonly cluster = new FakeCluster('node-2');
  readonly node: FakeNode = createFakeNode({ node: 'node-2' });
  #url = '';

  static async start(): Promise<ClusterBench> {
    const bench = new ClusterBench();
    bench.node.engine.cluster = bench.cluster;
    bench.node.engine.role = 'following';
    bench.#url = await bench.node.server.listen({ host: '127.0.0.1', port: 0 });
    return bench;
  }

  run(parameters: readonly string[], options: RunOptions = {}): Promise<Seen> {
    const environment = { HOLDFAST_URL: this.#url, HOLDFAST_API_KEY: FAKE_API_KEY };
    return runSeen(['--deadline', '1', ...parameters], { environment, ...options });
  }

  json(seen: Seen): Json {
    return JSON.parse(seen.stdout) as Json;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.node[Symbol.asyncDispose]();
  }
}

test('cluster status is a table of members and what is known of failover', async () => {
  await using bench = await ClusterBench.start();
  const state = peerState({ position: 88, epoch: 3 });
  bench.cluster.change('node-3', { state, lag: 12, clockDifferenceMs: -2.25 });
  const { exitCode, stdout, stderr } = await bench.run(['cluster', 'status']);
  assert.equal(exitCode, 0, stderr);
  const rows = stdout.split('\n').map((line) => line.trim().split(/ {2,}/));
  assert.deepEqual(rows.slice(0, 4), [
    ['member', 'address', 'role', 'state', 'epoch', 'position', 'lag', 'clock', 'release'],
    ['node-1', 'http://127.0.0.1:7400', 'leader', 'running', '3', '100', '0', '+1.5 ms', '0.1.0'],
    ['node-2', 'http://127.0.0.1:7410', 'standby', 'running', '3', '100', '0', '-', '0.1.0'],
    ['node-3', 'http://127.0.0.1:7420', 'standby', 'running', '3', '88', '12', '-2.3 ms', '0.1.0'],
  ]);
  assert.match(stdout, /^leader +node-1, epoch 3$/m);
  assert.match(stdout, /^failover +on: node-2 would take over\.$/m);
  assert.match(stdout, /^coordinator +local, connected since /m);
  assert.doesNotMatch(stdout, /^paused/m);
});

test('without a leader status exits 5 and says what that means', async () => {
  await using bench = await ClusterBench.start();
  bench.cluster.leader = undefined;
  bench.cluster.failover = { isOn: false, reason: 'The coordinator is not connected.' };
  bench.cluster.coordinator = { ...bench.cluster.coordinator, connected: false };
  bench.cluster.change('node-1', { isLinked: false });
  const { exitCode, stdout } = await bench.run(['cluster', 'status']);
  assert.equal(exitCode, 5);
  assert.match(stdout, /^leader +NONE: payments are held/m);
  assert.match(stdout, /^failover +OFF: The coordinator is not connected\.$/m);
  assert.match(stdout, /NOT CONNECTED/);
  assert.match(stdout, /^node-1 .* unreachable /m);
  const topology = await bench.run(['cluster', 'topology']);
  assert.equal(topology.exitCode, 5);
  assert.match(topology.stdout, /^no leader/);
  const json = await bench.run(['cluster', 'status', '--json']);
  assert.deepEqual([json.exitCode, bench.json(json)['leader']], [5, null]);
});

test('topology is the leader and below it who follows it', async () => {
  await using bench = await ClusterBench.start();
  bench.cluster.change('node-3', { isLinked: false, state: undefined, lag: undefined });
  const { stdout } = await bench.run(['cluster', 'topology']);
  assert.deepEqual(stdout.trimEnd().split('\n'), [
    'node-1  leader, running, epoch 3, position 100  http://127.0.0.1:7400',
    '├─ node-2  standby, running, position 100, lag 0  http://127.0.0.1:7410',
    '└─ node-3  -, unreachable, position -, lag -  http://127.0.0.1:7420',
  ]);
});

test('a node alone is a cluster of one, and cannot be steered', async () => {
  await using bench = await ClusterBench.start();
  bench.node.engine.cluster = undefined;
  bench.node.engine.role = 'leading';
  const { exitCode, stdout } = await bench.run(['cluster', 'status']);
  assert.equal(exitCode, 0);
  assert.match(stdout, /^\(alone\) +- +leader +running/m);
  assert.match(stdout, /^failover +OFF: This node runs alone/m);
  const paused = await bench.run(['cluster', 'pause', '--reason', 'x']);
  assert.equal(paused.exitCode, 4);
  assert.match(paused.stderr, /node_runs_alone/);
});

test('history tells terms newest first, with who and why', async () => {
  await using bench = await ClusterBench.start();
  bench.cluster.history = [3, 2, 1].map((epoch) => fakeTerm(epoch));
  const { exitCode, stdout } = await bench.run(['cluster', 'history', '--limit', '2']);
  assert.equal(exitCode, 0);
  const rows = stdout.trimEnd().split('\n').slice(1);
  assert.equal(rows.length, 2);
  assert.match(rows[0]!, /^ +3 +30 +2026-01-01T00:00:03\.000Z +node-1 .*The leader was silent/);
  for (const limit of ['0', '1001', 'x']) {
    assert.equal((await bench.run(['cluster', 'history', '--limit', limit])).exitCode, 2);
  }
});

test('switchover says what will happen, asks, and says who leads', async () => {
  await using bench = await ClusterBench.start();
  bench.cluster.change('node-2', { lag: 4 });
  const asked = { answer: 'y' };
  const { exitCode, stdout, stderr } = await bench.run(['cluster', 'switchover'], asked);
  assert.equal(exitCode, 0, stderr);
  const handsOver = 'node-1 (leader, epoch 3, position 100) hands over to node-3 (running, lag 0)';
  assert.ok(stderr.startsWith(handsOver), stderr);
  assert.equal(stdout, 'node-3 leads, epoch 4; it took 12.25 ms\n');
  assert.deepEqual(bench.cluster.asked, ['node-3']);
});

test('a switchover that nobody confirms is not asked for', async () => {
  await using bench = await ClusterBench.start();
  const declined = await bench.run(['cluster', 'switchover'], { answer: '' });
  assert.equal(declined.exitCode, 4);
  assert.match(declined.stderr, /not_confirmed/);
  const script = await bench.run(['cluster', 'switchover', '--to', 'node-2']);
  assert.equal(script.exitCode, 2);
  assert.match(script.stderr, /--yes/);
  const json = await bench.run(['cluster', 'switchover', '--json'], { answer: 'y' });
  assert.equal(json.exitCode, 2);
  assert.deepEqual(bench.cluster.asked, []);
});

test('--yes asks nobody, and --dry-run only says what would happen', async () => {
  await using bench = await ClusterBench.start();
  const dry = await bench.run(['cluster', 'switchover', '--to', 'node-3', '--dry-run', '--json']);
  assert.equal(dry.exitCode, 0);
  assert.deepEqual(bench.json(dry), { dry_run: true, from: 'node-1', to: 'node-3', lag: 0 });
  assert.deepEqual(bench.cluster.asked, []);
  const done = await bench.run(['cluster', 'switchover', '--to', 'node-3', '--yes', '--json']);
  assert.equal(done.exitCode, 0);
  assert.deepEqual(bench.json(done), { from: 'node-1', to: 'node-3', epoch: 4, took_ms: 12.25 });
});

test('a switchover that cannot be is refused here or by the node, with exit code 4', async () => {
  await using bench = await ClusterBench.start();
  const to = (name: string) => bench.run(['cluster', 'switchover', '--yes', '--to', name]);
  assert.match((await to('node-1')).stderr, /node-1 leads already/);
  assert.match((await to('node-9')).stderr, /no member node-9; standbys are node-2, node-3/);
  assert.deepEqual(bench.cluster.asked, []);
  const detail = 'node-2 is 4,000 positions behind.';
  bench.cluster.refusal = new OperationalError('SWITCHOVER_REFUSED', { detail });
  const refused = await to('node-2');
  assert.equal(refused.exitCode, 4);
  assert.match(refused.stderr, /4,000 positions behind/);
  bench.cluster.refusal = undefined;
  bench.cluster.leader = undefined;
  assert.match((await to('node-2')).stderr, /Nobody leads now/);
  bench.cluster.leader = { id: 'node-1', epoch: 3 };
  bench.cluster.change('node-2', { state: peerState({ role: 'recovering' }) });
  bench.cluster.change('node-3', { isLinked: false });
  const none = await bench.run(['cluster', 'switchover', '--yes']);
  assert.equal(none.exitCode, 4);
  assert.match(none.stderr, /no standby that could take over/);
});

test('where it is not known who leads, exit code 6 and how to find out', async () => {
  await using bench = await ClusterBench.start();
  bench.cluster.refusal = new OperationalError('OUTCOME_UNKNOWN');
  const unknown = await bench.run(['cluster', 'switchover', '--yes']);
  assert.equal(unknown.exitCode, 6);
  assert.match(unknown.stderr, /cluster status/);
});

test('a switchover that was done though its answer was lost is told as done', async () => {
  await using bench = await ClusterBench.start();
  bench.cluster.refusal = new OperationalError('SWITCHOVER_REFUSED', { detail: 'It leads.' });
  bench.cluster.onAsked = () => (bench.cluster.leader = { id: 'node-3', epoch: 4 });
  const done = await bench.run(['cluster', 'switchover', '--to', 'node-3', '--yes']);
  assert.equal(done.exitCode, 0, done.stderr);
  assert.match(done.stdout, /^node-3 leads, epoch 3$/m);
});

test('pause wants a reason, and both say what became of failover', async () => {
  await using bench = await ClusterBench.start();
  const paused = await bench.run(['cluster', 'pause', '--reason', 'new disks']);
  assert.equal(paused.exitCode, 0, paused.stderr);
  assert.match(paused.stdout, /^paused +since 2026-01-01T00:00:00\.000Z$/m);
  assert.match(paused.stdout, /^failover +OFF: Failover is paused: new disks$/m);
  const status = await bench.run(['cluster', 'status']);
  assert.match(status.stdout, /^paused +since .*: new disks$/m);
  const resumed = await bench.run(['cluster', 'resume', '--json']);
  assert.deepEqual(bench.json(resumed)['pause'], { paused: false, since: null, reason: '' });
  assert.equal((await bench.run(['cluster', 'pause'])).exitCode, 2);
});

test('status of a node says its name and who leads', async () => {
  await using bench = await ClusterBench.start();
  const standby = await bench.run(['status']);
  assert.match(standby.stdout, /^node +node-2 at http:/m);
  assert.match(standby.stdout, /^leader +node-1 at http:\/\/127\.0\.0\.1:7400$/m);
  assert.match(standby.stdout, /^role +following$/m);
  bench.cluster.leader = { id: 'node-2', epoch: 4 };
  assert.match((await bench.run(['status'])).stdout, /^leader +this node$/m);
  bench.cluster.leader = undefined;
  assert.match((await bench.run(['status'])).stdout, /^leader +none known/m);
});
