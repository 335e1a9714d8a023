// The cluster over HTTP: what is shown of it, who may steer it and how, and what a node that runs
// alone answers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationalError } from '../../base/errors.ts';
import { FakeCluster, fakeTerm, peerState } from '../testing/fake-cluster.ts';
import { type FakeNode, call, createFakeNode } from '../testing/fake-node.ts';

type Shown = { readonly name: string; readonly state: string; readonly [name: string]: unknown };

function clustered(cluster = new FakeCluster()): FakeNode {
  const node = createFakeNode({ node: 'node-1' });
  node.engine.cluster = cluster;
  return node;
}

test('the view shows every member with what is known of it, the leader and the failover', async () => {
  const cluster = new FakeCluster();
  cluster.change('node-2', {
    lag: 7,
    state: peerState({ position: 93, impediment: 'JOURNAL_FULL' }),
  });
  cluster.change('node-3', { isLinked: false, state: undefined, lag: undefined, isMember: false });
  await using node = clustered(cluster);
  const { status, body } = await call(node, 'GET', '/v1/cluster');
  assert.equal(status, 200);
  assert.equal(body.self, 'node-1');
  assert.deepEqual(body.leader, {
    name: 'node-1',
    epoch: 3,
    url: 'http://127.0.0.1:7400',
    binary_url: 'holdfast://127.0.0.1:7401',
  });
  assert.deepEqual(body.failover, { on: true, reason: 'node-2 would take over.' });
  assert.deepEqual(body.pause, { paused: false, since: null, reason: '' });
  assert.equal(body.coordinator.connected, true);
  assert.equal(body.coordinator.since, '2026-01-01T00:00:00.000Z');
  const [first, second, third] = body.members as Shown[];
  assert.deepEqual(
    [first?.state, first?.['role'], first?.['leader']],
    ['running', 'leading', true],
  );
  assert.deepEqual([second?.state, second?.['impediment']], ['impeded', 'journal_full']);
  assert.deepEqual([second?.['lag'], second?.['position']], [7, 93]);
  assert.deepEqual([second?.['silent_ms'], second?.['clock_difference_ms']], [20, 1.5]);
  assert.deepEqual([third?.state, third?.['role'], third?.['lag']], ['unreachable', null, null]);
  assert.deepEqual([third?.['silent_ms'], third?.['url']], [null, 'http://127.0.0.1:7420']);
});

test('a member that is linked and says nothing is silent, and nobody leads is null', async () => {
  const cluster = new FakeCluster();
  cluster.leader = undefined;
  cluster.change('node-2', { silentMs: 5000 });
  await using node = clustered(cluster);
  const { body } = await call(node, 'GET', '/v1/cluster');
  assert.equal(body.leader, null);
  assert.equal(body.members[1].state, 'silent');
});

test('a node that runs alone shows a cluster of one that cannot fail over', async () => {
  await using node = createFakeNode();
  const { status, body, headers } = await call(node, 'GET', '/v1/cluster');
  assert.equal(status, 200);
  assert.equal(body.self, null);
  assert.equal(body.members.length, 1);
  assert.deepEqual([body.members[0].role, body.members[0].leader], ['leading', true]);
  assert.equal(body.failover.on, false);
  assert.equal(headers['holdfast-node'], undefined);
});

test('what steers a cluster is refused by a node that runs alone', async () => {
  await using node = createFakeNode();
  const reason = { reason: 'maintenance' };
  for (const [method, url, body] of [
    ['GET', '/v1/cluster/history', undefined],
    ['POST', '/v1/cluster/switchover', undefined],
    ['POST', '/v1/cluster/pause', reason],
    ['POST', '/v1/cluster/resume', undefined],
  ] as const) {
    const refused = await call(node, method, url, body);
    assert.deepEqual([refused.status, refused.body.code], [409, 'node_runs_alone'], url);
  }
});

test('terms are listed newest first, as many as are wanted', async () => {
  const cluster = new FakeCluster();
  cluster.history = [3, 2, 1].map((epoch) => fakeTerm(epoch, epoch === 1 ? { node: '' } : {}));
  await using node = clustered(cluster);
  const { body } = await call(node, 'GET', '/v1/cluster/history?limit=2');
  assert.deepEqual(
    body.terms.map(({ epoch }: { epoch: number }) => epoch),
    [3, 2],
  );
  const all = await call(node, 'GET', '/v1/cluster/history');
  assert.deepEqual(all.body.terms[2], {
    epoch: 1,
    position: 10,
    time: '2026-01-01T00:00:01.000Z',
    node: null,
    reason: 'The leader was silent for 300 ms.',
    release: '0.1.0',
  });
  for (const limit of ['0', '1001', '-1', 'x', '01', '']) {
    const refused = await call(node, 'GET', `/v1/cluster/history?limit=${limit}`);
    assert.deepEqual([refused.status, refused.body.code], [400, 'field_out_of_range'], limit);
    assert.equal(refused.body.errors[0].parameter, 'limit');
  }
});

test('a switchover says from whom to whom, in which epoch and how long it took', async () => {
  const cluster = new FakeCluster();
  await using node = clustered(cluster);
  const body = { target: 'node-3' };
  const done = await call(node, 'POST', '/v1/cluster/switchover', body);
  assert.equal(done.status, 200);
  assert.deepEqual(done.body, { from: 'node-1', to: 'node-3', epoch: 4, took_ms: 12.25 });
  await call(node, 'POST', '/v1/cluster/switchover');
  await call(node, 'POST', '/v1/cluster/switchover', {});
  assert.deepEqual(cluster.asked, ['node-3', undefined, undefined]);
  const events = node.noted.map((fields) => (fields as { readonly event: string }).event);
  assert.deepEqual(events.slice(0, 2), ['switchover_asked', 'switchover_done']);
});

test('a switchover that is refused changes nothing and says who is not ready', async () => {
  const cluster = new FakeCluster();
  cluster.refusal = new OperationalError('SWITCHOVER_REFUSED', {
    detail: 'node-2 is 4,000 positions behind.',
    wayOut: 'Wait until it has caught up.',
  });
  await using node = clustered(cluster);
  const { status, body } = await call(node, 'POST', '/v1/cluster/switchover');
  assert.deepEqual([status, body.code], [409, 'switchover_refused']);
  assert.equal(body.detail, 'node-2 is 4,000 positions behind.');
  assert.equal(body.action, 'Wait until it has caught up.');
});

test('failover is paused with a reason and resumed without one', async () => {
  const cluster = new FakeCluster();
  await using node = clustered(cluster);
  const paused = await call(node, 'POST', '/v1/cluster/pause', { reason: 'new disks' });
  assert.equal(paused.status, 200);
  assert.deepEqual(paused.body.pause, {
    paused: true,
    since: '2026-01-01T00:00:00.000Z',
    reason: 'new disks',
  });
  assert.equal(paused.body.failover.on, false);
  const resumed = await call(node, 'POST', '/v1/cluster/resume');
  assert.deepEqual(resumed.body.pause, { paused: false, since: null, reason: '' });
  assert.equal(resumed.body.failover.on, true);
  assert.equal(node.noted.length, 2);
});

for (const { url, body, code, place } of [
  { url: 'switchover', body: { target: 3 }, code: 'field_wrong_type', place: '/target' },
  { url: 'switchover', body: { target: '' }, code: 'field_out_of_range', place: '/target' },
  {
    url: 'switchover',
    body: { target: 'n'.repeat(129) },
    code: 'field_out_of_range',
    place: '/target',
  },
  { url: 'switchover', body: { to: 'node-2' }, code: 'unknown_field', place: '/to' },
  { url: 'switchover', body: [], code: 'field_wrong_type', place: '' },
  { url: 'pause', body: undefined, code: 'body_required', place: '' },
  { url: 'pause', body: {}, code: 'field_required', place: '/reason' },
  { url: 'pause', body: { reason: '  ' }, code: 'field_out_of_range', place: '/reason' },
  { url: 'pause', body: { reason: 'r'.repeat(201) }, code: 'field_out_of_range', place: '/reason' },
  { url: 'pause', body: { reason: '\u001b[2J' }, code: 'field_out_of_range', place: '/reason' },
  { url: 'pause', body: { reason: null }, code: 'field_wrong_type', place: '/reason' },
  { url: 'pause', body: '{"reason":"a","reason":"b"}', code: 'duplicate_key', place: '/reason' },
  { url: 'resume', body: { reason: 'done' }, code: 'unknown_field', place: '/reason' },
]) {
  test(`${url} with ${JSON.stringify(body)?.slice(0, 40)} is refused at its place`, async () => {
    const cluster = new FakeCluster();
    await using node = clustered(cluster);
    const refused = await call(node, 'POST', `/v1/cluster/${url}`, body);
    assert.deepEqual([refused.status, refused.body.code], [400, code]);
    assert.equal(refused.body.errors[0].pointer, place);
    assert.deepEqual([cluster.asked, cluster.pauseState.isPaused], [[], false]);
  });
}

test('the cluster is shown and steered with the key only', async () => {
  await using node = clustered();
  const noKey = { authorization: '' };
  for (const url of ['switchover', 'pause', 'resume']) {
    const { status } = await call(node, 'POST', `/v1/cluster/${url}`, {}, noKey);
    assert.equal(status, 401);
  }
  assert.equal((await call(node, 'GET', '/v1/cluster', undefined, noKey)).status, 401);
});
