// Reads at a leader whose journal lets others in: each waits for an entry that was numbered after
// it asked, and those who ask together share one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Cluster } from '../../../test/support/cluster-rig.ts';
import { FOREVER, openBooks, pay, transfer } from '../../../test/support/engine-rig.ts';
import { until } from '../../../test/support/until.ts';

const STRONG = { isStrong: true, position: 0 };
const READERS = 500;

test('many strong reads under way share one entry at a time, however they arrive', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  await openBooks(one.node);
  const before = cluster.log.end;
  cluster.log.holdAnswers();
  const reads: Promise<void>[] = [];
  for (let count = 0; count < READERS; count++) {
    reads.push(one.node.catchUp(STRONG, FOREVER));
    // Each in a turn of its own: nothing but what is under way holds them together.
    await turn();
  }
  assert.equal(cluster.log.end, before + 1, 'one barrier is under way, whoever asks meanwhile');
  cluster.log.releaseAnswers();
  await Promise.all(reads);
  assert.equal(cluster.log.end, before + 2, 'and all the others have shared the next');
});

test('a strong read rides on a payment that is numbered after it asked', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  await openBooks(one.node);
  const before = cluster.log.end;
  const read = one.node.catchUp(STRONG, FOREVER);
  const paid = one.node.submit(pay(transfer({}, Date.now())), FOREVER);
  await Promise.all([read, paid]);
  assert.equal(cluster.log.end, before + 1);
});

test('a standby applies the last entry by the word of the leader, without another behind it', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  await openBooks(one.node);
  const two = await cluster.start('two');
  await cluster.untilLevel();
  const { position } = await one.node.submit(pay(transfer({}, Date.now())), FOREVER);
  const end = cluster.log.end;
  await until(() => two.node.status().position === position, 'the standby to apply it');
  assert.equal(cluster.log.end, end, 'nothing was appended for it');
});
