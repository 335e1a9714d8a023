// What a scraper reads: whatever only rises since the start is a counter and is called so, because
// rates of a gauge are wrong after a restart.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { createClock } from '../drivers/system/clock.ts';
import { FakeEngine } from '../api/testing/fake-node.ts';
import { CheckpointTelemetry } from './checkpoint-telemetry.ts';
import { createNodeMetrics } from './telemetry-observer.ts';

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
