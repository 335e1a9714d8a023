// The journal stands on a replicated engine, and the engine fails, or a node, or both at once. The
// engine, or an operator with our tools, replaces its leader; nothing acknowledged may be lost.

import { setTimeout as sleep } from 'node:timers/promises';
import { KILLS } from './kills.ts';
import type { Round, Scenario } from './scenario.ts';
import { anyOf } from './spawned-cluster.ts';

const AWAY_MS_MAX = 1500;
const RESUMED_MS_MAX = 30_000;

async function killEngineLeader({ engine, strike }: Round): Promise<boolean> {
  const leader = await engine!.leader();
  await strike();
  await engine!.kill(leader);
  await engine!.replaced(leader);
  await engine!.mend();
  return true;
}

async function killEngineStandby({ engine, random, strike, recorder }: Round): Promise<boolean> {
  const member = anyOf(random, await engine!.standbys());
  await strike();
  const struckMs = performance.now();
  await engine!.kill(member);
  await sleep(random.below(AWAY_MS_MAX));
  // One of three: payments need not wait for its return.
  while (recorder.answeredSince(struckMs) === 0) await sleep(5);
  await engine!.mend();
  return true;
}

async function freezeEngineLeader({ engine, random, strike, lastsMs }: Round): Promise<boolean> {
  const leader = await engine!.leader();
  await strike();
  await engine!.freeze(leader);
  await sleep(lastsMs / 2 + random.below(lastsMs));
  await engine!.thaw(leader);
  await engine!.mend();
  return true;
}

async function cutEngineLeader({ engine, random, strike, lastsMs }: Round): Promise<boolean> {
  const leader = await engine!.leader();
  await strike();
  await engine!.cut(leader);
  await sleep(lastsMs / 2 + random.below(lastsMs));
  await engine!.heal();
  await engine!.mend();
  return true;
}

async function killBoth({ cluster, engine, random, strike }: Round): Promise<boolean> {
  const [node, leader] = [await cluster.untilLed(), await engine!.leader()];
  await strike();
  await Promise.all([node.kill(), engine!.kill(leader)]);
  await engine!.replaced(leader);
  await sleep(random.below(AWAY_MS_MAX));
  await engine!.mend();
  return true;
}

/** All of it, for as long as callers' deadlines and longer; then it is back, and payments go on. */
async function engineGone({ engine, recorder, strike, lastsMs }: Round): Promise<boolean> {
  await strike();
  await engine!.killAll();
  await sleep(lastsMs);
  await engine!.mend();
  const backMs = performance.now();
  while (recorder.answeredSince(backMs) === 0) {
    if (performance.now() - backMs > RESUMED_MS_MAX) {
      throw new Error('the engine is back, and no payment is answered');
    }
    await sleep(10);
  }
  return true;
}

export const ENGINES = {
  'engine-kill-leader': { rounds: 30, act: killEngineLeader },
  'engine-kill-standby': { rounds: 30, act: killEngineStandby },
  'engine-freeze-leader': { rounds: 30, lastsMs: 6000, act: freezeEngineLeader },
  'engine-cut-leader': { rounds: 30, lastsMs: 6000, act: cutEngineLeader },
  'kill-leader': KILLS['kill-leader'],
  'kill-both': { rounds: 30, act: killBoth },
  'engine-gone': { rounds: 2, lastsMs: 60_000, mayBeLate: true, act: engineGone },
} as const satisfies Readonly<Record<string, Scenario>>;
