// Kills, cuts, freezes, hand-overs and an absent coordinator by seeded chance: whenever they end,
// one node leads within bounded time, everybody sees it, and it stays so.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Prng } from '../base/prng.ts';
import { HandClock } from '../../test/support/engine-rig.ts';
import { ClusterRig } from './testing/leadership-rig.ts';

const SEEDS = 30;
const SETTLES_WITHIN_MS = 8000;
const FOREVER = new AbortController().signal;

async function disturb(rig: ClusterRig, chance: Prng, ids: readonly string[]): Promise<void> {
  const node = rig.node(chance.pick(ids));
  const other = chance.pick(ids.filter((id) => id !== node.id));
  const kind = chance.pick(['kill', 'cut', 'freeze', 'coordinator', 'handover', 'heal', 'pass']);
  if (kind === 'kill') {
    node.kill();
  } else if (kind === 'cut') {
    rig.hub.cut(node.id, other);
  } else if (kind === 'freeze' && !node.isDead) {
    node.freeze();
  } else if (kind === 'coordinator' && !node.isDead) {
    node.coordinator.cut();
  } else if (kind === 'handover' && !node.isDead && !node.isFrozen) {
    void node.leadership.switchover(undefined, FOREVER).catch(() => undefined);
  } else if (kind === 'heal') {
    mend(rig, ids);
  }
  await rig.pass(chance.below(900));
}

function mend(rig: ClusterRig, ids: readonly string[]): void {
  for (const id of ids) {
    const node = rig.node(id);
    if (node.isFrozen && !node.isDead) node.thaw();
    if (node.isDead) rig.start(id);
    else node.coordinator.heal();
  }
  rig.hub.heal();
}

async function simulate(seed: number): Promise<void> {
  const chance = new Prng(seed);
  const rig = new ClusterRig(new HandClock());
  const ids = Array.from({ length: 2 + chance.below(4) }, (_, index) => `node-${index + 1}`);
  try {
    for (const id of ids) {
      rig.start(id);
      await rig.pass(chance.below(300));
    }
    for (let round = 0; round < 2; round++) {
      for (let count = 1 + chance.below(6); count > 0; count--) await disturb(rig, chance, ids);
      mend(rig, ids);
      const leader = rig.node(await rig.settled(SETTLES_WITHIN_MS));
      const { epoch } = rig;
      // The next loss is not mended: somebody else has to lead.
      if (chance.chance(0.5)) leader.kill();
      else leader.freeze();
      const isReplaced = (): boolean => rig.epoch > epoch && rig.isSettled();
      await rig.until(isReplaced, `somebody instead of ${leader.id}`, SETTLES_WITHIN_MS);
    }
    // What is under way still may change the leader once; then nothing happens any more.
    await rig.pass(3000);
    const { epoch } = rig;
    await rig.pass(3000);
    assert.equal(rig.epoch, epoch);
    await rig.settled(0);
  } finally {
    await rig.stop();
  }
}

it('a cluster settles on one leader whenever faults end', async () => {
  const seeds = Array.from({ length: SEEDS }, (_, index) => index + 1);
  for (const seed of seeds) {
    await simulate(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}`, { cause: error });
    });
  }
});
