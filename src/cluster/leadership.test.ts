// Who is called to lead, and who is not, on a clock turned by hand.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HandClock } from '../../test/support/engine-rig.ts';
import { ClusterRig, SESSION_MS } from './testing/leadership-rig.ts';

const THREE = ['node-1', 'node-2', 'node-3'];

async function withCluster(
  ids: readonly string[],
  body: (rig: ClusterRig, leader: string, standbys: string[]) => Promise<void>,
): Promise<void> {
  const rig = new ClusterRig(new HandClock());
  for (const id of ids) rig.start(id);
  const leader = await rig.settled();
  await rig.pass(1000);
  try {
    await body(
      rig,
      leader,
      ids.filter((id) => id !== leader),
    );
  } finally {
    await rig.stop();
  }
}

describe('a cluster that starts', () => {
  it('calls exactly one of three', () =>
    withCluster(THREE, async (rig) => {
      await rig.pass(2000);
      assert.equal(rig.epoch, 1);
      assert.equal([...rig.nodes.values()].flatMap(({ calls }) => calls).length, 1);
    }));
});

describe('a leader that is lost', () => {
  it('is replaced by challenge before its session ends, by one call', () =>
    withCluster(THREE, async (rig, leader) => {
      const before = rig.epoch;
      rig.node(leader).kill();
      const tookMs = await rig.until(() => rig.isSettled(), 'a new leader');
      assert.ok(tookMs < SESSION_MS, `${tookMs} ms`);
      await rig.pass(2000);
      assert.equal(rig.epoch, before + 1);
    }));
});
