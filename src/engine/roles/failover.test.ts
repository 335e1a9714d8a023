// Three nodes over one log, the real leadership, and chance: leaders are killed, frozen and thawed,
// hand over and are deposed, the engine of the journal goes and comes back, while commands with ids
// are submitted everywhere. Whatever happens, what was acknowledged is there once, and all books
// end alike.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { Prng } from '../../base/prng.ts';
import type { Transfer } from '../../base/transfer-record.ts';
import { findAccount, findTransfer } from '../../domain/queries.ts';
import { CREATED, REFUSAL } from '../../domain/refusals.ts';
import type { Outage } from '../../drivers/memory/outage.ts';
import { Cluster, type ClusterNode } from '../../../test/support/cluster-rig.ts';
import {
  BOB,
  codesOf,
  openBooks,
  pay,
  transfer,
  FOREVER,
} from '../../../test/support/engine-rig.ts';
import { until } from '../../../test/support/until.ts';

const NAMES = ['one', 'two', 'three'];
const ACTS = 8;
const ACT_MS = 60;
const OUTAGE_MS_MAX = 400;

/** Submits until it is told to stop; a command whose fate is unknown is sent again elsewhere. */
class Payer {
  readonly acknowledged: Transfer[] = [];
  readonly #cluster: Cluster;
  readonly #prng: Prng;

  constructor(cluster: Cluster, seed: number) {
    this.#cluster = cluster;
    this.#prng = new Prng(seed);
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const payment = transfer({}, Date.now());
      await this.#pay(payment);
      this.acknowledged.push(payment);
      await pause(2);
    }
  }

  async #pay(payment: Transfer): Promise<void> {
    for (;;) {
      const alive = this.#cluster.alive();
      const { node } = alive[this.#prng.below(alive.length)]!;
      try {
        const [code] = codesOf([await node.submit(pay(payment), AbortSignal.timeout(2000))]);
        assert.ok(code === CREATED || code === REFUSAL.exists, `code ${code}`);
        return;
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error;
        await pause(5);
      }
    }
  }
}

async function disturb(cluster: Cluster, prng: Prng): Promise<void> {
  const leader = cluster.leader();
  if (leader === undefined) return;
  const act = prng.below(6);
  if (act === 0) {
    cluster.kill(leader);
    await cluster.untilLed();
    await cluster.start(leader.id);
  } else if (act === 1) {
    const target = NAMES[prng.below(NAMES.length)]!;
    await leader.node.cluster!.switchover(target, FOREVER).catch(() => undefined);
  } else if (act === 2) {
    await freezeAndThaw(cluster, leader);
  } else if (act === 3) {
    await loseEngine(cluster.log.outage, prng);
  } else if (act === 4) {
    await loseEngine(cluster.outageOf(leader.id), prng);
  } else {
    const [standby] = cluster.standbys();
    if (standby === undefined) return;
    cluster.kill(standby);
    await cluster.start(standby.id);
  }
}

/** For everybody, or for one node: with appends that wait, get lost, or are written unanswered. */
async function loseEngine(outage: Outage, prng: Prng): Promise<void> {
  const appends = (['wait', 'unknown', 'unanswered'] as const)[prng.below(3)]!;
  outage.begin({ appends, isReadable: prng.below(4) === 0 });
  await pause(prng.below(OUTAGE_MS_MAX));
  outage.end();
}

/** It hears nobody and nothing of it is heard: another one opens an epoch over its head. */
async function freezeAndThaw(cluster: Cluster, leader: ClusterNode): Promise<void> {
  cluster.hub.freeze(leader.id);
  leader.coordinator.cut();
  const others = (): boolean =>
    cluster.alive().some(({ id, node }) => id !== leader.id && node.status().role === 'leading');
  await until(others, 'another one to lead');
  leader.coordinator.heal();
  cluster.hub.thaw(leader.id);
}

for (const seed of [1, 2, 3, 4, 5]) {
  test(`nothing is lost or doubled, whoever leads (seed ${seed})`, async () => {
    await using cluster = new Cluster();
    await openBooks((await cluster.start('one')).node);
    for (const id of ['two', 'three']) await cluster.start(id);
    const over = new AbortController();
    const payers = [0, 1, 2].map((number) => new Payer(cluster, 10 * seed + number));
    const paying = Promise.all(payers.map((payer) => payer.run(over.signal)));
    const prng = new Prng(seed);
    try {
      for (let acts = 0; acts < ACTS; acts++) {
        await disturb(cluster, prng);
        await cluster.untilLed();
        await pause(ACT_MS);
      }
    } finally {
      over.abort();
    }
    await paying;
    await cluster.untilLevel();
    const payments = payers.flatMap(({ acknowledged }) => acknowledged);
    assert.ok(payments.length > ACTS, 'payments went on');
    for (const { node, halts } of cluster.alive()) {
      assert.deepEqual(halts, []);
      for (const { id } of payments) assert.ok(findTransfer(node.state, id) !== undefined);
      // Each was carried out once, and nothing else was.
      assert.equal(findAccount(node.state, BOB)?.creditsPosted, 5n * BigInt(payments.length));
    }
  });
}
