// What a scraper reads: whatever only rises since the start is a counter and is called so, because
// rates of a gauge are wrong after a restart.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { OperationalError } from '../base/errors.ts';
import type { ClusterView } from '../cluster/contract.ts';
import { createClock } from '../drivers/system/clock.ts';
import { FakeCluster, peerState } from '../api/testing/fake-cluster.ts';
import { FakeEngine } from '../api/testing/fake-node.ts';
import { CheckpointTelemetry } from './checkpoint-telemetry.ts';
import { clusterReadings, watchCluster } from './cluster-telemetry.ts';
import { createNodeMetrics, createTelemetryObserver } from './telemetry-observer.ts';

const RISING = [
  'holdfast_checkpoint_failures_total',
  'holdfast_checkpoint_written_bytes_total',
  'holdfast_checkpoints_taken_total',
  'holdfast_history_finds_total',
  'holdfast_history_queries_total',
  'holdfast_history_runs_written_total',
  'holdfast_history_tails_lost_total',
  'holdfast_history_wait_seconds_total',
  'holdfast_history_write_seconds_total',
  'holdfast_journal_bytes_total',
  'holdfast_journal_entries_total',
  'holdfast_journal_outages_total',
  'holdfast_journal_unavailable_seconds_total',
  'holdfast_node_role_changes_total',
  'holdfast_transfers_total',
];

test('counters are counters, have their name, and are read afresh each time', async () => {
  const engine = new FakeEngine();
  const history = { queries: 3, finds: 2, sealed: 1, sealSeconds: 0.5, waitSeconds: 0, lost: 0 };
  const checkpoints = new CheckpointTelemetry(pino({ level: 'silent' }), createClock());
  const gauges = checkpoints.gauges();
  const metrics = createNodeMetrics(() => engine, '0.0.0', history, undefined, gauges);
  const typesOf = (text: string, type: string): string[] =>
    [...text.matchAll(/^# TYPE (holdfast_\w+) (\w+)$/gm)]
      .filter((match) => match[2] === type)
      .map((match) => match[1]!)
      .toSorted();
  const first = await metrics.text();
  assert.deepEqual(typesOf(first, 'counter'), RISING);
  for (const name of typesOf(first, 'gauge')) assert.doesNotMatch(name, /_total$/);
  assert.match(first, /^holdfast_history_queries_total 3$/m);
  history.queries = 4;
  assert.match(await metrics.text(), /^holdfast_history_queries_total 4$/m);
});

const FIGURES = { queries: 0, finds: 0, sealed: 0, sealSeconds: 0, waitSeconds: 0, lost: 0 };
const CLUSTER_GAUGES =
  /^holdfast_(cluster|peer|replication|failover|coordinator)_\w+(\{[^}]*\})? .*$/gm;

test('a clustered node says how the cluster is, and of peers only while they are there', async () => {
  const engine = new FakeEngine();
  const cluster = new FakeCluster('node-2');
  engine.cluster = cluster;
  const metrics = createNodeMetrics(() => engine, '0.0.0', FIGURES);
  metrics.add(clusterReadings(() => engine.cluster));
  cluster.change('node-2', { lag: 7 });
  cluster.change('node-3', { isLinked: false, isMember: false });
  assert.deepEqual((await metrics.text()).match(CLUSTER_GAUGES), [
    'holdfast_cluster_members 2',
    'holdfast_cluster_peers_linked 1',
    'holdfast_cluster_leader_epoch 3',
    'holdfast_replication_lag_positions 7',
    'holdfast_failover_enabled 1',
    'holdfast_cluster_paused 0',
    'holdfast_coordinator_connected 1',
    'holdfast_peer_clock_difference_seconds{peer="node-1"} 0.0015',
  ]);
  cluster.pause('new disks');
  cluster.leader = undefined;
  cluster.coordinator = { ...cluster.coordinator, connected: false };
  cluster.change('node-1', { isLinked: false });
  assert.deepEqual((await metrics.text()).match(CLUSTER_GAUGES), [
    'holdfast_cluster_members 2',
    'holdfast_cluster_peers_linked 0',
    'holdfast_cluster_leader_epoch 0',
    'holdfast_replication_lag_positions 7',
    'holdfast_failover_enabled 0',
    'holdfast_cluster_paused 1',
    'holdfast_coordinator_connected 0',
  ]);
});

test('an outage of the journal is measured, and logged when it begins and ends', async () => {
  const engine = new FakeEngine();
  const error = new OperationalError('JOURNAL_UNAVAILABLE', { detail: 'Nobody answers.' });
  engine.journal = { error, awaySeconds: 1, awaySecondsTotal: 3.5, outages: 2 };
  const lines: string[] = [];
  const logger = pino({}, { write: (line) => lines.push(line) });
  const metrics = createNodeMetrics(() => engine, '0.0.0', FIGURES);
  const text = await metrics.text();
  assert.match(text, /^holdfast_journal_up 0$/m);
  assert.match(text, /^holdfast_journal_unavailable_seconds_total 3.5$/m);
  assert.match(text, /^holdfast_journal_outages_total 2$/m);
  const observer = createTelemetryObserver(logger, metrics);
  observer.journalAway(error, 0);
  observer.journalAway(new OperationalError('JOURNAL_UNSAFE', { detail: 'fsync is off.' }), 1);
  observer.journalAway(undefined, 3.5);
  const told = lines.map((line) => JSON.parse(line) as { level: number; event: string });
  assert.deepEqual(
    told.map(({ level, event }) => [level, event]),
    [
      [40, 'journal_unavailable'],
      [50, 'journal_unsafe'],
      [30, 'journal_back'],
    ],
  );
});

test('role changes are counted by the role that came, and logged with the reason', async () => {
  const engine = new FakeEngine();
  const metrics = createNodeMetrics(() => engine, '0.0.0', FIGURES);
  const lines: Line[] = [];
  const observer = createTelemetryObserver(lineLogger(lines), metrics);
  const change = { epoch: 4, position: 9, reason: 'The leader was silent for 300 ms.' } as const;
  observer.roleChanged({ ...change, from: 'following', to: 'leading' });
  const text = await metrics.text();
  assert.match(text, /^holdfast_node_role_changes_total\{to="leading"\} 1$/m);
  assert.match(text, /^holdfast_node_role_changes_total\{to="halted"\} 0$/m);
  assert.equal(lines[0]?.['event'], 'role_changed');
  assert.equal(lines[0]?.['reason'], change.reason);
});

type Line = { readonly [name: string]: unknown };

function lineLogger(lines: Line[]) {
  const write = (text: string): void => void lines.push(JSON.parse(text) as Line);
  return pino({ level: 'info' }, { write });
}

/** What changes is told to a listener, as the real one does. */
class ToldCluster extends FakeCluster {
  #listener: () => void = () => undefined;

  subscribe(listener: () => void): () => void {
    this.#listener = listener;
    return () => (this.#listener = () => undefined);
  }

  tell(): void {
    this.#listener();
    this.#listener();
  }
}

test('who leads, and that nobody would take over, is logged when it changes and only then', async () => {
  const cluster = new ToldCluster('node-2');
  const lines: Line[] = [];
  let told = Promise.withResolvers<void>();
  const logger = pino(
    { level: 'info' },
    {
      write: (text) => {
        lines.push(JSON.parse(text) as Line);
        told.resolve();
      },
    },
  );
  const view: () => ClusterView = () => cluster.view();
  const subscribe = (listener: () => void): (() => void) => cluster.subscribe(listener);
  const end = watchCluster({ leadership: { view, subscribe }, logger });
  const change = async (act: () => void): Promise<void> => {
    told = Promise.withResolvers<void>();
    act();
    cluster.tell();
    await told.promise;
  };
  await change(() => undefined);
  await change(() => (cluster.leader = undefined));
  cluster.change('node-3', { state: peerState({ position: 101 }) });
  await change(() => cluster.pause('new disks'));
  await change(() => (cluster.leader = { id: 'node-3', epoch: 4 }));
  await change(() => cluster.resume());
  const reason = 'The coordinator is not connected.';
  await change(() => (cluster.failover = { isOn: false, reason }));
  await change(() => (cluster.failover = { isOn: true, reason: 'node-1 can take over.' }));
  end();
  assert.deepEqual(
    lines.map((line) => [line['event'], line['leader'] ?? line['why'] ?? line['reason']]),
    [
      ['leader_seen', 'node-1'],
      ['leader_lost', 'node-1'],
      ['failover_paused', 'new disks'],
      ['leader_seen', 'node-3'],
      ['failover_resumed', undefined],
      ['failover_off', 'The coordinator is not connected.'],
      ['failover_on', 'node-1 can take over.'],
    ],
  );
});
