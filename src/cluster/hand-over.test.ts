// The planned change of the leader, on a clock turned by hand.

import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HandClock } from '../../test/support/engine-rig.ts';
import { isOlderRelease } from './leadership/release-order.ts';
import { ClusterRig, type RigSettings } from './testing/leadership-rig.ts';

const FOREVER = new AbortController().signal;
const THREE = ['node-1', 'node-2', 'node-3'];

async function withThree(
  body: (rig: ClusterRig, leader: string, standbys: string[]) => Promise<void>,
  settings: { readonly [id: string]: RigSettings } = {},
): Promise<void> {
  const rig = new ClusterRig(new HandClock());
  for (const id of THREE) rig.start(id, settings[id]);
  const leader = await rig.settled();
  await rig.pass(1000);
  const standbys = THREE.filter((id) => id !== leader);
  try {
    await body(rig, leader, standbys);
  } finally {
    await rig.stop();
  }
}

/** Asks at `id`, lets time pass, and gives what came of it. */
async function handOver(rig: ClusterRig, id: string, target?: string): Promise<unknown> {
  let result: unknown;
  const settle = (value: unknown): void => {
    result = value;
  };
  void rig.node(id).leadership.switchover(target, FOREVER).then(settle, settle);
  await rig.until(() => result !== undefined, 'the end of the hand-over', 30_000);
  return result;
}

it('hands over to the node that was named; the call says that nobody is to be deposed', () =>
  withThree(async (rig, leader, [, target]) => {
    const { tookMs, ...done } = (await handOver(rig, leader, target)) as { tookMs: number };
    assert.deepEqual(done, { from: leader, to: target, epoch: 2 });
    assert.ok(tookMs > 0);
    assert.equal(await rig.settled(), target);
    assert.equal(rig.node(target!).calls.at(-1)?.depose, false);
    await rig.pass(5000);
    assert.equal(rig.epoch, 2);
    assert.equal(rig.coordination.note?.memberId, target);
  }));

it('hands over when a standby is asked, also while failover is paused', () =>
  withThree(async (rig, leader, [asked, target]) => {
    rig.node(asked!).leadership.pause('an upgrade');
    await rig.pass(200);
    const done = (await handOver(rig, asked!, target)) as { from: string; to: string };
    assert.deepEqual([done.from, done.to], [leader, target]);
    await rig.settled();
    await rig.pass(3000);
    assert.equal(rig.epoch, 2);
  }));

it('hands over and back many times, one epoch each', () =>
  withThree(async (rig) => {
    for (let round = 2; round <= 12; round++) {
      const leader = await rig.settled();
      await handOver(rig, leader);
      await rig.pass(round * 70);
      assert.equal(rig.epoch, round);
    }
  }));

it('lets somebody else lead when the target dies', () =>
  withThree(async (rig, leader, [other, target]) => {
    rig.node(target!).diesWhenCalled = true;
    const error = await handOver(rig, leader, target);
    assert.equal((error as { code: string }).code, 'OUTCOME_UNKNOWN');
    assert.ok([leader, other].includes(await rig.settled()));
  }));

it('refuses what cannot be, names the reason, and the leader goes on', () =>
  withThree(async (rig, leader, [one, other]) => {
    const refusal = async (target: string): Promise<string> => {
      const { code, detail } = (await handOver(rig, leader, target)) as {
        code: string;
        detail: string;
      };
      assert.equal(code, 'SWITCHOVER_REFUSED');
      return detail;
    };
    assert.match(await refusal(leader), /leads already/);
    assert.match(await refusal('node-9'), /node-9 is not connected/);
    rig.node(one!).configuration = 'bb';
    rig.node(other!).behind = 300;
    await rig.pass(8000);
    assert.match(await refusal(one!), /another configuration/);
    assert.match(await refusal(other!), /does not come close enough/);
    rig.node(other!).kill();
    await rig.pass(200);
    assert.match(await refusal(other!), /is not connected/);
    assert.deepEqual([rig.epoch, rig.leaders()], [1, [leader]]);
  }));

it('chooses an older release last', () =>
  withThree(
    async (rig, leader) => {
      const newer = ['node-2', 'node-3'].find((id) => id !== leader && id !== 'node-2')!;
      const done = (await handOver(rig, leader)) as { to: string };
      assert.equal(done.to, leader === 'node-2' ? done.to : newer);
      assert.notEqual(done.to, 'node-2');
    },
    { 'node-2': { release: '0.9.9' } },
  ));

it('knows older releases by their numbers', () => {
  assert.deepEqual(
    [
      ['0.9.1', '0.10.0'],
      ['1.0.0', '1.0.0'],
      ['2.0', '1.9.9'],
    ].map(([one, other]) => isOlderRelease(one!, other!)),
    [true, false, false],
  );
});
