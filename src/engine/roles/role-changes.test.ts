// What a change of role must do although something else fails or hangs at that moment.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OperationalError, isOperationalError } from '../../base/errors.ts';
import { createJournal } from '../../drivers/memory/driver.ts';
import type { Journal } from '../../ports/journal.ts';
import { Cluster } from '../../../test/support/cluster-rig.ts';
import { FOREVER, openBooks, pay, transfer } from '../../../test/support/engine-rig.ts';
import { until } from '../../../test/support/until.ts';

/** A journal over the cluster's log, some of whose methods are others. */
function changed(cluster: Cluster, changes: (inner: Journal) => Partial<Journal>): Journal {
  const inner = createJournal({ log: cluster.log });
  return {
    guarantees: inner.guarantees,
    open: (options) => inner.open(options),
    append: (entry) => inner.append(entry),
    read: (options) => inner.read(options),
    bounds: () => inner.bounds(),
    discardThrough: (position) => inner.discardThrough(position),
    readDiscarded: (signal) => inner.readDiscarded(signal),
    close: () => inner.close(),
    ...changes(inner),
  };
}

test('a leader that is overtaken says so at once, however long its journal takes to close', async () => {
  await using cluster = new Cluster();
  const closing = Promise.withResolvers<void>();
  let isSlow = false;
  const journal = changed(cluster, (inner) => ({
    close: async () => {
      if (isSlow) await closing.promise;
      await inner.close();
    },
  }));
  const one = await cluster.start('one', { journal });
  await openBooks(one.node);
  await cluster.start('two');
  await cluster.start('three');
  isSlow = true;
  try {
    cluster.hub.cut('one', 'two');
    cluster.hub.cut('one', 'three');
    await until(() => one.roles.at(-1) !== 'leading', 'the first to lead no more');
    assert.equal(one.roles.at(-1), 'following');
  } finally {
    closing.resolve();
    cluster.hub.heal();
  }
});

test('a hand-over whose journal cannot be closed ends the leadership all the same', async () => {
  await using cluster = new Cluster();
  let isBroken = false;
  const journal = changed(cluster, (inner) => ({
    close: async () => {
      await inner.close();
      if (!isBroken) return;
      isBroken = false;
      throw new OperationalError('JOURNAL_FAILED', { detail: 'The last sync failed.' });
    },
  }));
  const one = await cluster.start('one', { journal });
  await openBooks(one.node);
  await cluster.start('two');
  isBroken = true;
  await assert.rejects(one.node.cluster!.switchover('two', FOREVER));
  await until(() => one.roles.at(-1) === 'following' || one.halts.length > 0, 'its end');
  const led = await cluster.untilLed();
  await led.node.submit(pay(transfer({}, Date.now())), FOREVER);
});

test('who could not lead lets the others try before it reads again', async () => {
  await using cluster = new Cluster();
  const acts: string[] = [];
  const one = await cluster.start('one');
  await openBooks(one.node);
  const journal = changed(cluster, (inner) => ({
    open: async (options) => {
      acts.push(options.mode);
      if (options.mode === 'write' && acts.length === 2)
        throw new OperationalError('JOURNAL_LOCKED');
      return await inner.open(options);
    },
  }));
  const two = await cluster.start('two', { journal });
  const resigned = two.leadership.resigned.bind(two.leadership);
  two.leadership.resigned = (reason) => {
    acts.push('resigned');
    return resigned(reason);
  };
  cluster.kill(one);
  await cluster.untilLed();
  assert.deepEqual(acts.slice(0, 4), ['read', 'write', 'resigned', 'read']);
});

test('a standby that halts answers those whose outcome it has heard and cannot show', async () => {
  await using cluster = new Cluster();
  const one = await cluster.start('one');
  await openBooks(one.node);
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => undefined);
  let isBlind = false;
  const journal = changed(cluster, (inner) => ({
    async *read(options) {
      for await (const batch of inner.read(options)) {
        if (isBlind) await broken.promise;
        yield batch;
      }
    },
  }));
  const two = await cluster.start('two', { journal });
  await cluster.untilLevel();
  isBlind = true;
  const before = one.node.status().position;
  const paid = two.node.submit(pay(transfer({}, Date.now())), FOREVER);
  await until(() => one.node.status().position > before, 'the leader to carry it out');
  broken.reject(new OperationalError('JOURNAL_FAILED', { detail: 'It cannot be read.' }));
  await assert.rejects(paid, (error) => isOperationalError(error, 'OUTCOME_UNKNOWN'));
  assert.equal(two.node.status().role, 'halted');
});

test('small steps of the clock do not add up to a jump while a node only follows', async () => {
  await using cluster = new Cluster();
  const { clock } = cluster;
  const now = clock.nowNs.bind(clock);
  let aheadNs = 0n;
  clock.nowNs = () => now() + aheadNs;
  const one = await cluster.start('one');
  await openBooks(one.node);
  const two = await cluster.start('two');
  for (let step = 0; step < 3; step++) {
    aheadNs += 600_000_000n;
    const sinceMs = clock.monotonicMs();
    await until(() => {
      const [atOne, atTwo] = [two.peers.peer('one'), one.peers.peer('two')];
      return Math.min(atOne?.heardMs ?? 0, atTwo?.heardMs ?? 0) > sinceMs;
    }, 'both to hear of each other');
  }
  cluster.kill(one);
  await until(() => two.roles.includes('leading'), 'the second to lead');
});
