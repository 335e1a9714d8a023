// The coordinator is an ensemble of ZooKeeper, and it is what fails. It decides how soon somebody
// takes over, and nothing else: payments must not notice.

import { setTimeout as sleep } from 'node:timers/promises';
import { KILLS } from './kills.ts';
import type { Round, Scenario } from './scenario.ts';
import type { SpawnedCluster } from './spawned-cluster.ts';

const OFF_MS_MAX = 20_000;
const FROZEN_MS = 3000;
/** ZooKeeper survives one failure at a time: what went must have its place again. */
const NEW_LEADER_MS = 1500;

async function killTheirLeader({ coordination, recorder, strike }: Round): Promise<boolean> {
  const name = await coordination!.ensemble.leader();
  const beganMs = performance.now();
  await strike();
  await coordination!.ensemble.signal(name, 'SIGKILL');
  await sleep(NEW_LEADER_MS);
  const hasGoneOn = recorder.answeredSince(beganMs) > 0;
  await coordination!.mend();
  return hasGoneOn;
}

async function freezeTheirLeader({ coordination, recorder, strike }: Round): Promise<boolean> {
  const name = await coordination!.ensemble.leader();
  const beganMs = performance.now();
  await strike();
  await coordination!.ensemble.signal(name, 'SIGSTOP');
  await sleep(FROZEN_MS);
  const hasGoneOn = recorder.answeredSince(beganMs) > 0;
  await coordination!.ensemble.signal(name, 'SIGCONT');
  await coordination!.mend();
  return hasGoneOn;
}

/** All of it gone for a while: payments go on, and everybody says that failover is off. */
async function allGone({
  cluster,
  coordination,
  recorder,
  strike,
  lastsMs,
}: Round): Promise<boolean> {
  const leader = await cluster.untilLed();
  const beganMs = performance.now();
  await strike();
  await coordination!.killAll();
  await untilFailoverIs(cluster, false);
  while (performance.now() - beganMs < lastsMs) {
    const lookedMs = performance.now();
    await sleep(500);
    if (recorder.answeredSince(lookedMs) === 0) {
      throw new Error('payments stand still although only ZooKeeper is gone');
    }
  }
  if (cluster.leader !== leader) throw new Error('the leader changed while ZooKeeper was gone');
  await coordination!.mend();
  await untilFailoverIs(cluster, true);
  return true;
}

/** Nobody takes over before ZooKeeper is back; then somebody does. */
async function allGoneAndLeader({
  cluster,
  coordination,
  strike,
  lastsMs,
}: Round): Promise<boolean> {
  const leader = await cluster.untilLed();
  await coordination!.killAll();
  await untilFailoverIs(cluster, false);
  await strike();
  await leader.kill();
  await sleep(lastsMs / 4);
  if (cluster.leader !== undefined) throw new Error(`${cluster.leader.name} leads without a word`);
  await coordination!.mend();
  await cluster.untilLedByAnother(leader);
  return true;
}

/** By /readyz and by what `holdfast cluster status` shows, at every node. */
async function untilFailoverIs(cluster: SpawnedCluster, isOn: boolean): Promise<void> {
  const deadlineMs = performance.now() + OFF_MS_MAX;
  for (;;) {
    const said = await Promise.all(
      cluster.members.map(async (member) => {
        const view = await cluster.ask(member, 'GET', '/v1/cluster');
        const ready = await cluster.ask(member, 'GET', '/readyz');
        const { failover } = (view?.body ?? {}) as { readonly failover?: { readonly on: boolean } };
        const checks = (ready?.body['checks'] ?? []) as readonly {
          readonly name: string;
          readonly ok: boolean;
        }[];
        const check = checks.find(({ name }) => name === 'failover');
        return [failover?.on, check?.ok];
      }),
    );
    if (said.flat().every((word) => word === isOn)) return;
    if (performance.now() > deadlineMs) {
      throw new Error(`failover should be ${isOn ? 'on' : 'off'}: ${JSON.stringify(said)}`);
    }
    await sleep(50);
  }
}

const ON_ZOOKEEPER = { isOnZooKeeper: true } as const;

export const ZOOKEEPERS = {
  'zookeeper-kill-leader': { ...KILLS['kill-leader'], ...ON_ZOOKEEPER },
  'zookeeper-freeze-leader': { ...KILLS['freeze-leader'], ...ON_ZOOKEEPER },
  'zk-leader-killed': { rounds: 5, ...ON_ZOOKEEPER, act: killTheirLeader },
  'zk-leader-frozen': { rounds: 3, ...ON_ZOOKEEPER, act: freezeTheirLeader },
  'zk-gone': { rounds: 1, lastsMs: 60_000, ...ON_ZOOKEEPER, act: allGone },
  'zk-gone-leader-killed': { rounds: 2, lastsMs: 8000, ...ON_ZOOKEEPER, act: allGoneAndLeader },
} as const satisfies Readonly<Record<string, Scenario>>;
