// The network between the nodes, cut in every way that three nodes allow. Each node still reaches
// its clients, its disk and the coordinator.

import { setTimeout as sleep } from 'node:timers/promises';
import type { CutManner } from './peer-wires.ts';
import type { Round, Scenario } from './scenario.ts';
import { type SpawnedCluster, anyOf } from './spawned-cluster.ts';

async function cutPeers(round: Round): Promise<boolean> {
  const { cluster, random, number, strike, lastsMs } = round;
  const leader = await cluster.untilLed();
  const standby = anyOf(random, cluster.standbys);
  const manner: CutManner = random.chance(0.5) ? 'silent' : 'broken';
  const before = cluster.wires.cutConnections;
  await strike();
  if (number % 3 === 1) isolate(cluster, leader.name, manner);
  else if (number % 3 === 2) isolate(cluster, standby.name, manner);
  else for (const { name } of cluster.members) isolate(cluster, name, manner);
  await sleep(lastsMs / 4 + random.below(lastsMs));
  cluster.wires.mend();
  return cluster.wires.cutConnections > before;
}

function isolate(cluster: SpawnedCluster, name: string, manner: CutManner): void {
  for (const other of cluster.members) {
    if (other.name !== name) cluster.wires.cut(name, other.name, manner);
  }
}

export const CUTS = {
  'cut-peer': { rounds: 12, lastsMs: 2000, act: cutPeers },
} as const satisfies Readonly<Record<string, Scenario>>;
