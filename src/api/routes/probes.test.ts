// What load balancers hear in each state of a node, alone and in a cluster.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationalError } from '../../base/errors.ts';
import type { Engine, NodeRole } from '../../engine/contract.ts';
import { Readiness } from '../readiness.ts';
import { FakeCluster, peerState } from '../testing/fake-cluster.ts';
import { FakeEngine, type FakeNode, call, createFakeNode } from '../testing/fake-node.ts';

const NO_KEY = { authorization: '' };
const NOT_SERVING: NodeRole[] = ['starting', 'recovering', 'draining', 'halted', 'stopped'];

/** Who leads and who follows is told with the key only. */
function probe(node: FakeNode, url: string, method: 'GET' | 'HEAD' | 'OPTIONS' = 'GET') {
  const isOpen = url === '/livez' || url === '/readyz';
  return call(node, method, url, undefined, isOpen ? NO_KEY : {});
}

/** node-2, which follows node-1. */
function standby(cluster = new FakeCluster('node-2')): FakeNode {
  const node = createFakeNode({ node: 'node-2' });
  node.engine.role = 'following';
  node.engine.cluster = cluster;
  return node;
}

test('livez answers without key, in every role, and does not touch the engine', async () => {
  const untouchable = new Proxy({} as Engine, {
    get: (_target, name) => assert.fail(`${String(name)} was touched`),
  });
  for (const name of ['', 'node-1']) {
    await using node = createFakeNode({ engine: untouchable, node: name });
    const { status, body } = await probe(node, '/livez');
    assert.equal(status, 200);
    assert.deepEqual(body, { live: true });
  }
});

test('readyz of a node alone is 200 only when it leads and takes payments', async () => {
  await using node = createFakeNode();
  for (const role of [...NOT_SERVING, 'following'] as const) {
    node.engine.role = role;
    const { status, body } = await probe(node, '/readyz');
    assert.equal(status, 503, role);
    assert.equal(body.ready, false);
    assert.equal(body.checks[0].ok, false);
    assert.match(body.checks[0].detail, new RegExp(role));
  }
  node.engine.role = 'leading';
  node.engine.impediment = 'JOURNAL_FULL';
  const full = await probe(node, '/readyz');
  assert.equal(full.status, 503);
  assert.deepEqual(
    full.body.checks.map((check: { ok: boolean }) => check.ok),
    [true, false],
  );
  assert.match(full.body.checks[1].detail, /journal_full/);
  node.engine.impediment = undefined;
  const ready = await probe(node, '/readyz');
  assert.equal(ready.status, 200);
  assert.equal(ready.body.ready, true);
});

test('readyz of a cluster: leader and standby are ready, other roles are not', async () => {
  await using node = standby();
  for (const role of ['leading', 'following'] as const) {
    node.engine.role = role;
    assert.equal((await probe(node, '/readyz')).status, 200, role);
  }
  for (const role of NOT_SERVING) {
    node.engine.role = role;
    assert.equal((await probe(node, '/readyz')).status, 503, role);
  }
});

test('that failover is off is said and takes nobody out of service', async () => {
  const cluster = new FakeCluster('node-2');
  await using node = standby(cluster);
  cluster.pause('new disks');
  const { status, body } = await probe(node, '/readyz');
  assert.equal(status, 200);
  assert.equal(body.ready, true);
  const oks = body.checks.map(({ ok }: { ok: boolean }) => ok);
  assert.deepEqual(oks, [true, true, true, true, false]);
  const failover = body.checks[4];
  assert.deepEqual([failover.name, failover.required], ['failover', false]);
  assert.match(failover.detail, /new disks/);
});

test('a node whose journal is away is not ready, and says since when and why', async () => {
  await using node = standby();
  const error = new OperationalError('JOURNAL_UNAVAILABLE', { detail: 'No server answers.' });
  node.engine.journal = { error, awaySeconds: 2.25, awaySecondsTotal: 9, outages: 2 };
  node.engine.impediment = error.code;
  const { status, body } = await probe(node, '/readyz');
  assert.equal(status, 503);
  const journal = body.checks.find(({ name }: { name: string }) => name === 'journal');
  assert.equal(journal.ok, false);
  assert.equal(journal.detail, 'The journal is away for 2.3 s: No server answers.');
});

test('a standby whose leader takes no payments stays ready, and says so', async () => {
  const cluster = new FakeCluster('node-2');
  await using node = standby(cluster);
  const state = peerState({ role: 'leading', impediment: 'JOURNAL_FULL' });
  cluster.change('node-1', { state });
  const { status, body } = await probe(node, '/readyz');
  assert.equal(status, 200);
  const { ok, required, detail } = body.checks[1];
  assert.deepEqual([ok, required], [false, false]);
  assert.match(detail, /by the leader: journal_full/);
  node.engine.impediment = 'CLOCK_JUMPED';
  assert.equal((await probe(node, '/readyz')).status, 503);
});

test('a standby that is far behind is not ready, a leader never is behind', async () => {
  const cluster = new FakeCluster('node-2');
  await using node = standby(cluster);
  for (const [lag, status] of [
    [10_000, 200],
    [10_001, 503],
    [undefined, 200],
  ] as const) {
    cluster.change('node-2', { lag });
    assert.equal((await probe(node, '/readyz')).status, status, String(lag));
  }
  cluster.change('node-2', { lag: 10_001 });
  node.engine.role = 'leading';
  assert.equal((await probe(node, '/readyz')).status, 200);
});

test('a standby without a leader is ready for a while, and again when somebody leads', () => {
  const cluster = new FakeCluster('node-2');
  const engine = new FakeEngine();
  engine.role = 'following';
  engine.cluster = cluster;
  let nowMs = 0;
  const readiness = new Readiness(engine, () => nowMs);
  const serving = () => readiness.checks()[0]!;
  assert.equal(serving().ok, true);
  cluster.leader = undefined;
  assert.equal(serving().ok, true);
  nowMs = 2900;
  assert.equal(serving().ok, true);
  nowMs = 3100;
  assert.equal(serving().ok, false);
  assert.match(serving().detail, /No leader is known for 3\.1 s/);
  cluster.leader = { id: 'node-3', epoch: 4 };
  assert.equal(serving().ok, true);
  cluster.leader = undefined;
  assert.equal(serving().ok, true);
  // Somebody led and was lost between two probes: the time counts from the later loss.
  nowMs = 60_000;
  engine.epoch = 5;
  assert.equal(serving().ok, true);
});

test('leader is 200 only at the leader that takes payments, and says elsewhere who leads', async () => {
  await using node = standby();
  const elsewhere = await probe(node, '/leader');
  assert.equal(elsewhere.status, 503);
  assert.deepEqual([elsewhere.body.leader, elsewhere.body.role], [false, 'following']);
  assert.deepEqual(elsewhere.body.leads, {
    name: 'node-1',
    epoch: 3,
    url: 'http://127.0.0.1:7400',
    binary_url: 'holdfast://127.0.0.1:7401',
  });
  node.engine.role = 'leading';
  assert.equal((await probe(node, '/leader')).status, 200);
  node.engine.impediment = 'JOURNAL_FULL';
  assert.equal((await probe(node, '/leader')).status, 503);
});

test('a node alone that leads is the leader, and never a replica', async () => {
  await using node = createFakeNode();
  assert.equal((await probe(node, '/leader')).status, 200);
  assert.equal((await probe(node, '/replica')).status, 503);
  node.engine.role = 'following';
  assert.equal((await probe(node, '/leader')).status, 503);
  assert.equal((await probe(node, '/replica')).status, 503);
});

test('replica is 200 at a standby that is close enough behind', async () => {
  const cluster = new FakeCluster('node-2');
  await using node = standby(cluster);
  cluster.change('node-2', { lag: 12 });
  const close = await probe(node, '/replica');
  assert.deepEqual([close.status, close.body.lag, close.body.lag_max], [200, 12, 1000]);
  assert.equal((await probe(node, '/replica?lag=12')).status, 200);
  const far = await probe(node, '/replica?lag=11&from=a-proxy');
  assert.equal(far.status, 503);
  assert.deepEqual(far.body, { replica: false, role: 'following', lag: 12, lag_max: 11 });
  cluster.change('node-2', { lag: undefined });
  assert.equal((await probe(node, '/replica')).status, 503);
  node.engine.role = 'leading';
  assert.equal((await probe(node, '/replica')).status, 503);
});

test('a lag that is no number is refused, by name', async () => {
  await using node = standby();
  for (const query of ['lag=-1', 'lag=x', 'lag=', 'lag=1&lag=2', 'lag=1e3']) {
    const { status, body } = await probe(node, `/replica?${query}`);
    assert.deepEqual([status, body.code], [400, 'field_out_of_range'], query);
    assert.equal(body.errors[0].parameter, 'lag');
  }
});

test('probes answer HEAD and OPTIONS with the same status', async () => {
  await using node = standby();
  for (const method of ['HEAD', 'OPTIONS'] as const) {
    for (const [url, status] of [
      ['/livez', 200],
      ['/readyz', 200],
      ['/leader', 503],
      ['/replica', 200],
    ] as const) {
      assert.equal((await probe(node, url, method)).status, status, `${method} ${url}`);
    }
  }
});

test('who leads and how far behind a node is are not told without key', async () => {
  await using node = standby();
  for (const url of ['/leader', '/replica', '/replica?lag=5', '/leader/x']) {
    for (const method of ['GET', 'HEAD', 'OPTIONS'] as const) {
      const { status, headers } = await call(node, method, url, undefined, NO_KEY);
      assert.equal(status, 401, `${method} ${url}`);
      assert.equal(headers['www-authenticate'], 'Bearer realm="holdfast"');
      assert.equal(headers['holdfast-position'], undefined);
    }
  }
  assert.equal((await call(node, 'DELETE', '/leader', undefined, NO_KEY)).status, 401);
});
