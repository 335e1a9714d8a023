// Processes that are killed with SIGKILL, frozen with SIGSTOP, stopped as operators do, and leaders
// that hand over.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Round, Scenario } from './scenario.ts';
import { type Member } from './member.ts';
import { anyOf } from './spawned-cluster.ts';

/** A process that was killed is started again after a moment of up to this time. */
const AWAY_MS_MAX = 600;
/** After its journal could not be written a node ends with this. */
export const EXIT_HALTED = 70;

async function killLeader({ cluster, random, strike }: Round): Promise<boolean> {
  const leader = await cluster.untilLed();
  await strike();
  await leader.kill();
  if (random.chance(0.5)) await sleep(random.below(AWAY_MS_MAX));
  else await cluster.untilLedByAnother(leader);
  return true;
}

async function killStandby({ cluster, random, strike }: Round): Promise<boolean> {
  await cluster.untilLed();
  const victim = anyOf(random, cluster.standbys);
  await strike();
  await victim.kill();
  await sleep(random.below(AWAY_MS_MAX));
  return true;
}

async function killTwo({ cluster, random, strike }: Round): Promise<boolean> {
  const leader = await cluster.untilLed();
  const other = anyOf(random, cluster.standbys);
  await strike();
  await Promise.all([leader.kill(), other.kill()]);
  await sleep(random.below(AWAY_MS_MAX));
  return true;
}

async function killAll({ cluster, random, strike }: Round): Promise<boolean> {
  await cluster.untilLed();
  await strike();
  await Promise.all(cluster.members.map((member) => member.kill()));
  await sleep(random.below(AWAY_MS_MAX));
  return true;
}

/** The leader, and then whoever is about to lead or has just begun to. */
async function killDuringTakeover({ cluster, random, strike }: Round): Promise<boolean> {
  const leader = await cluster.untilLed();
  const standbys = cluster.standbys;
  await strike();
  await leader.kill();
  await sleep(50 + random.below(250));
  const successor = standbys.find(({ role }) => role === 'leading' || role === 'recovering');
  await (successor ?? anyOf(random, standbys)).kill();
  await cluster.untilLed();
  return true;
}

/**
 * Its successor ends it where it holds the journal's lock; otherwise it wakes after the successor
 * has opened, and must find out for itself.
 */
async function freezeLeader({ cluster, random, strike }: Round): Promise<boolean> {
  const leader = await cluster.untilLed();
  await strike();
  leader.signal('SIGSTOP');
  await cluster.untilLedByAnother(leader);
  await sleep(random.below(AWAY_MS_MAX));
  leader.signal('SIGCONT');
  await untilFollowing(leader);
  return true;
}

/** It is gone, or it has understood. */
async function untilFollowing(member: Member): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (member.isRunning && member.role === 'leading') {
    if (performance.now() > deadlineMs) throw new Error(`${member.name} believes that it leads`);
    await sleep(10);
  }
}

async function freezeStandby({ cluster, random, strike }: Round): Promise<boolean> {
  await cluster.untilLed();
  const victim = anyOf(random, cluster.standbys);
  await strike();
  victim.signal('SIGSTOP');
  await sleep(200 + random.below(1500));
  victim.signal('SIGCONT');
  return true;
}

async function switchOver({ cluster, random, strike }: Round): Promise<boolean> {
  const leader = await cluster.untilLed();
  const asked = anyOf(random, cluster.members);
  const target = anyOf(random, cluster.standbys).name;
  await strike();
  const body = random.chance(0.5) ? { target } : {};
  const answer = await cluster.ask(asked, 'POST', '/v1/cluster/switchover', body);
  if (answer?.status !== 200) {
    throw new Error(`${asked.name} answered a switchover: ${JSON.stringify(answer)}`);
  }
  const successor = await cluster.untilLedByAnother(leader);
  if (answer.body['to'] === successor.name) return true;
  throw new Error(`${successor.name} leads after ${JSON.stringify(answer.body)}`);
}

async function restartEach({ cluster, strike }: Round): Promise<boolean> {
  for (const member of cluster.members) {
    await strike();
    await member.stop();
    await member.start();
    await cluster.untilWhole();
  }
  return true;
}

export const KILLS = {
  'kill-leader': { rounds: 50, act: killLeader },
  'kill-standby': { rounds: 20, act: killStandby },
  'kill-two': { rounds: 20, act: killTwo },
  'kill-all': { rounds: 20, act: killAll },
  'kill-during-takeover': { rounds: 20, act: killDuringTakeover },
  'freeze-leader': { rounds: 20, act: freezeLeader },
  'freeze-standby': { rounds: 20, act: freezeStandby },
  switchover: { rounds: 50, act: switchOver },
  'rolling-restart': { rounds: 5, act: restartEach },
} as const satisfies Readonly<Record<string, Scenario>>;
