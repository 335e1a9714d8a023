import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findAccount } from '../../domain/queries.ts';
import { MemoryCheckpoints } from '../../drivers/memory/checkpoint-store.ts';
import { createJournal } from '../../drivers/memory/driver.ts';
import type { CheckpointSettings } from '../checkpointing.ts';
import { CheckpointLog } from '../../../test/support/checkpoint-rig.ts';
import { Cluster } from '../../../test/support/cluster-rig.ts';
import {
  BOB,
  FOREVER,
  changedJournal,
  openBooks,
  pay,
  transfer,
} from '../../../test/support/engine-rig.ts';
import { until } from '../../../test/support/until.ts';

function settingsOver(contents: MemoryCheckpoints, told = new CheckpointLog()): CheckpointSettings {
  return told.settings(contents, { kept: 1, periodMs: 3_600_000 });
}

async function payed(cluster: Cluster, count: number): Promise<void> {
  const { node } = await cluster.untilLed();
  for (let paid = 0; paid < count; paid++) {
    await node.submit(pay(transfer({}, Date.now())), FOREVER);
  }
}

test('a joiner before a journal that was discarded fetches a checkpoint, and follows', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one', { checkpoints: settingsOver(new MemoryCheckpoints()) });
  await openBooks(one.node);
  await payed(cluster, 5);
  const taken = await one.node.takeCheckpoint();
  await until(() => cluster.log.bounds().first === taken.position, 'the journal to be discarded');
  await payed(cluster, 2);
  const told = new CheckpointLog();
  const own = new MemoryCheckpoints();
  const two = await cluster.start('two', { checkpoints: settingsOver(own, told) });
  assert.deepEqual([...own.manifests.keys()], [taken.position]);
  assert.ok(told.notes.some((text) => /was fetched from node one/.test(text)));
  await cluster.untilLevel();
  assert.equal(findAccount(two.node.state, BOB)?.creditsPosted, 35n);
});

test('a joiner whose journal is discarded while it begins to read fetches a checkpoint', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one', { checkpoints: settingsOver(new MemoryCheckpoints()) });
  await openBooks(one.node);
  await payed(cluster, 5);
  const inner = createJournal({ log: cluster.log });
  let discards = 0;
  const journal = changedJournal(inner, {
    async *read(options) {
      // The joiner has seen that the journal goes back to its beginning; what the leader had begun
      // to discard before they knew of each other goes now.
      if (discards++ === 0) cluster.log.discardThrough((await one.node.takeCheckpoint()).position);
      yield* inner.read(options);
    },
  });
  const own = new MemoryCheckpoints();
  const two = await cluster.start('two', { journal, checkpoints: settingsOver(own) });
  assert.deepEqual(two.halts, []);
  assert.equal(own.manifests.size, 1);
  await payed(cluster, 1);
  await cluster.untilLevel();
  assert.equal(findAccount(two.node.state, BOB)?.creditsPosted, 30n);
});

test('a standby takes checkpoints, and the leader keeps what it needs from the journal', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one', { checkpoints: settingsOver(new MemoryCheckpoints()) });
  await openBooks(one.node);
  const two = await cluster.start('two', { checkpoints: settingsOver(new MemoryCheckpoints()) });
  await payed(cluster, 5);
  await one.node.takeCheckpoint();
  assert.equal(cluster.log.bounds().first, 1, 'the standby has none yet and needs all of it');
  await cluster.untilLevel();
  const taken = await two.node.takeCheckpoint();
  const heard = (): boolean => one.peers.peer('two')?.state?.neededFrom === taken.position;
  await until(heard, 'the leader to hear of it');
  await payed(cluster, 2);
  await one.node.takeCheckpoint();
  await until(() => cluster.log.bounds().first === taken.position, 'the rest to be discarded');
});

test('a standby whose memory is wrong builds its books anew and follows on', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  await openBooks(one.node);
  const two = await cluster.start('two');
  await payed(cluster, 3);
  await cluster.untilLevel();
  // A fault of its memory: from here on it computes other outcomes than the leader.
  two.node.state.ledger.books.mix[0]! ^= 1;
  two.roles.length = 0;
  await payed(cluster, 3);
  await until(() => two.roles.length === 2, 'it to build its books and to follow again');
  await cluster.untilLevel();
  assert.deepEqual(two.roles, ['recovering', 'following']);
  assert.equal(findAccount(two.node.state, BOB)?.creditsPosted, 30n);
});
