// Who is called to lead, and who is not, on a clock turned by hand.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HandClock } from '../../test/support/engine-rig.ts';
import { ClusterRig, SESSION_MS } from './testing/leadership-rig.ts';

const FIVE = ['node-1', 'node-2', 'node-3', 'node-4', 'node-5'];
const THREE = FIVE.slice(0, 3);
const TWO = FIVE.slice(0, 2);

type Body = (rig: ClusterRig, leader: string, standbys: string[]) => Promise<void>;

/** A cluster with a leader whom everybody has followed for a while. */
async function withCluster(ids: readonly string[], body: Body): Promise<void> {
  const rig = new ClusterRig(new HandClock());
  for (const id of ids) rig.start(id);
  const leader = await rig.settled();
  await rig.pass(2000);
  assert.equal(rig.epoch, 1);
  const standbys = ids.filter((id) => id !== leader);
  try {
    await body(rig, leader, standbys);
  } finally {
    await rig.stop();
  }
}

const callsOf = (rig: ClusterRig): number =>
  [...rig.nodes.values()].flatMap(({ calls }) => calls).length;

/** Nothing happens for a long time. */
async function staysAsItIs(rig: ClusterRig): Promise<void> {
  const [calls, epoch] = [callsOf(rig), rig.epoch];
  await rig.pass(3000);
  assert.deepEqual([callsOf(rig), rig.epoch], [calls, epoch]);
}

describe('a cluster that starts', () => {
  for (const ids of [THREE.slice(0, 1), TWO, THREE, FIVE]) {
    it(`calls exactly one of ${ids.length}`, () =>
      withCluster(ids, async (rig) => {
        await staysAsItIs(rig);
        assert.equal(callsOf(rig), 1);
      }));
  }

  it('does not disturb its leader when others join', () =>
    withCluster(TWO, async (rig, leader) => {
      rig.start('node-3');
      rig.start('node-0');
      await staysAsItIs(rig);
      assert.equal(await rig.settled(), leader);
    }));
});

describe('a leader that is lost', () => {
  for (const ids of [TWO, THREE, FIVE]) {
    it(`is replaced before its session ends, by one call, among ${ids.length}`, () =>
      withCluster(ids, async (rig, leader) => {
        const calls = callsOf(rig);
        rig.node(leader).kill();
        const tookMs = await rig.until(() => rig.isSettled(), 'a new leader');
        assert.ok(tookMs < SESSION_MS, `${tookMs} ms`);
        await rig.pass(3000);
        assert.deepEqual([callsOf(rig), rig.epoch], [calls + 1, 2]);
      }));
  }

  it('may be frozen: it is put out of action', () =>
    withCluster(THREE, async (rig, leader) => {
      rig.node(leader).freeze();
      await rig.until(() => rig.epoch === 2 && rig.isSettled(), 'a new leader');
      const call = rig.node(rig.leaders()[0]!).calls.at(-1);
      assert.equal(call?.depose, true);
      assert.match(call.reason, new RegExp(`The leader ${leader} is not heard`));
    }));

  it('is replaced by the furthest standby', () =>
    withCluster(THREE, async (rig, leader, standbys) => {
      rig.node(standbys[0]!).behind = 40;
      await rig.pass(1500);
      rig.node(leader).kill();
      assert.equal(await rig.settled(), standbys[1]);
    }));

  it('is replaced again and again, with the dead ones starting again', () =>
    withCluster(THREE, async (rig) => {
      for (let round = 2; round <= 8; round++) {
        const leader = await rig.settled();
        rig.node(leader).kill();
        await rig.until(() => rig.isSettled() && rig.leaders()[0] !== leader, 'a new leader');
        rig.start(leader);
        await rig.pass(round * 130);
        assert.equal(rig.epoch, round);
      }
    }));

  it('is replaced among five when a standby dies with it', () =>
    withCluster(FIVE, async (rig, leader, standbys) => {
      rig.node(leader).kill();
      rig.node(standbys[0]!).kill();
      await rig.settled();
    }));
});

describe('a leader that lives', () => {
  it('is left alone by a standby that is cut off from it only', () =>
    withCluster(THREE, async (rig, leader, [cut]) => {
      rig.hub.cut(leader, cut!);
      await staysAsItIs(rig);
      rig.hub.heal();
      await rig.settled();
    }));

  it('is left alone by a standby that is cut off from everybody', () =>
    withCluster(THREE, async (rig, _leader, [cut]) => {
      for (const id of THREE) if (id !== cut) rig.hub.cut(id, cut!);
      await staysAsItIs(rig);
    }));

  it('is left alone by a standby that did not run for a while', () =>
    withCluster(THREE, async (rig, _leader, [paused]) => {
      rig.node(paused!).freeze();
      await rig.pass(5000);
      rig.node(paused!).thaw();
      await staysAsItIs(rig);
      await rig.settled();
    }));

  it('is left alone when the coordinator starts anew and somebody is cut off', () =>
    withCluster(THREE, async (rig, leader, [cut]) => {
      for (const id of THREE) if (id !== cut) rig.hub.cut(id, cut!);
      for (const node of rig.alive()) node.coordinator.cut();
      await rig.pass(5000);
      // The one that is cut off is back first, and alone for a moment.
      rig.node(cut!).coordinator.heal();
      await rig.pass(300);
      for (const node of rig.alive()) node.coordinator.heal();
      await staysAsItIs(rig);
      assert.equal(rig.leaders()[0], leader);
    }));
});

describe('without the coordinator', () => {
  it('nobody is called, and everybody says so; when it is back one is', () =>
    withCluster(THREE, async (rig, leader, [standby]) => {
      for (const node of rig.alive()) node.coordinator.cut();
      await staysAsItIs(rig);
      const seen = rig.node(standby!).leadership.view();
      assert.equal(seen.failover.isOn, false);
      assert.match(seen.failover.reason, /^The coordinator \(memory\).*Payments go on at node-/);
      rig.node(leader).kill();
      await staysAsItIs(rig);
      assert.match(
        rig.node(standby!).leadership.view().failover.reason,
        /Nobody leads.*payments wait/,
      );
      for (const node of rig.alive()) node.coordinator.heal();
      await rig.settled();
    }));
});

describe('a pause', () => {
  it('goes round, keeps everybody from trying, outlives restarts and ends', () =>
    withCluster(THREE, async (rig, leader, [one, other]) => {
      rig.node(one!).leadership.pause('new switches');
      await rig.pass(200);
      const view = () => rig.node(other!).leadership.view();
      assert.match(view().failover.reason, /^Failover is paused since .*\(new switches\)/);
      rig.node(leader).kill();
      await staysAsItIs(rig);
      rig.node(one!).kill();
      rig.node(other!).kill();
      for (const id of THREE) rig.start(id);
      await staysAsItIs(rig);
      assert.match(view().failover.reason, /^NOBODY LEADS and failover is paused/);
      rig.node(other!).leadership.resume();
      await rig.settled();
      assert.deepEqual(
        rig.alive().map(({ leadership }) => leadership.view().pause.isPaused),
        [false, false, false],
      );
    }));

  it('said while another node was cut off wins there, too, unless that one spoke later', () =>
    withCluster(THREE, async (rig, _leader, [one, other]) => {
      for (const id of THREE) if (id !== one) rig.hub.cut(id, one!);
      rig.node(one!).leadership.pause('early');
      await rig.pass(100);
      rig.node(other!).leadership.pause('late');
      await rig.pass(100);
      rig.hub.heal();
      await rig.pass(200);
      assert.equal(rig.node(one!).leadership.view().pause.why, 'late');
    }));
});

describe('a clock that is off', () => {
  it('keeps its node from being called, while others may be', () =>
    withCluster(THREE, async (rig, leader, [off, right]) => {
      rig.clockDifferences.set(off!, 5000);
      await rig.pass(500);
      rig.node(leader).kill();
      assert.equal(await rig.settled(), right);
      assert.equal(rig.node(off!).calls.length, 0);
      const { members } = rig.node(right!).leadership.view();
      assert.equal(members.find(({ id }) => id === off)?.clockDifferenceMs, 5000);
      assert.match(rig.node(off!).leadership.view().failover.reason, /own clock is off/);
    }));
});

describe('the view', () => {
  it('says who is there, how far, and why failover is off', () =>
    withCluster(THREE, async (rig, leader, [one, other]) => {
      const view = () => rig.node(leader).leadership.view();
      assert.deepEqual(
        view().members.map(({ id, isLeader, isMember, isLinked }) => [
          id,
          isLeader,
          isMember && isLinked,
        ]),
        THREE.map((id) => [id, id === leader, true]),
      );
      assert.deepEqual(view().failover, {
        isOn: true,
        reason: `${one}, ${other} can take over.`,
      });
      rig.node(one!).kill();
      rig.node(other!).kill();
      await rig.pass(2000);
      assert.match(view().failover.reason, /^Nobody could take over: .* is not connected with/);
      assert.ok(view().members.find(({ id }) => id === one)!.silentMs >= 2000);
      assert.equal(rig.node(leader).leadership.leader(), undefined);
    }));

  it('says of a lonely node that it is the only one', () =>
    withCluster(['node-1'], async (rig) => {
      const { failover } = rig.node('node-1').leadership.view();
      assert.match(failover.reason, /only member/);
      await staysAsItIs(rig);
    }));
});
