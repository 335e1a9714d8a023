// Disks that are full, fail or are slow, and files of a node's own that are damaged while it is
// down.

import {
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  openSync,
  writeSync,
  closeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject } from '../../../src/client/wire.ts';
import { EXIT_HALTED } from './kills.ts';
import type { Member } from './member.ts';
import type { Round, Scenario } from './scenario.ts';
import { type SpawnedCluster, anyOf } from './spawned-cluster.ts';

const MIB = 1024 * 1024;
const SLOW_MS = 300;
const FULL_MS_MAX = 30_000;
const DISK_MIB = 96;

/** A failed sync is a crash: the leader ends, and another one leads. */
async function failSync({ cluster, disk, strike }: Round): Promise<boolean> {
  const leader = await cluster.untilLed();
  await strike();
  disk!.fail(leader.name);
  const successor = await cluster.untilLedByAnother(leader);
  await leader.ended();
  const hits = disk!.heal(leader.name);
  return hits > 0 && successor.isRunning;
}

async function slowDisk({ cluster, disk, random, strike, lastsMs }: Round): Promise<boolean> {
  const leader = await cluster.untilLed();
  await strike();
  disk!.slow(leader.name, SLOW_MS);
  await sleep(lastsMs + random.below(lastsMs));
  return disk!.heal(leader.name) > 0;
}

/** Until payments are refused: the books must be readable at every node. Then there is room. */
async function fillDisk({ cluster, recorder, strike, lastsMs }: Round): Promise<boolean> {
  await cluster.untilLed();
  const ballast = join(cluster.folder, 'ballast');
  await strike();
  occupy(ballast);
  try {
    await untilFull(cluster);
    await sleep(lastsMs);
    for (const member of cluster.members) await readBooks(cluster, member);
  } finally {
    rmSync(ballast);
  }
  const roomMs = performance.now();
  while (recorder.answeredSince(roomMs) === 0) {
    if (performance.now() - roomMs > FULL_MS_MAX) {
      throw new Error('there is room again, and no payment is taken');
    }
    await sleep(10);
  }
  return true;
}

function occupy(path: string): void {
  const chunk = Buffer.alloc(MIB / 4, 1);
  const file = openSync(path, 'w');
  try {
    for (;;) writeSync(file, chunk);
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== 'ENOSPC') throw error;
  } finally {
    closeSync(file);
  }
}

/** The leader says so itself. */
async function untilFull(cluster: SpawnedCluster): Promise<void> {
  const deadlineMs = performance.now() + FULL_MS_MAX;
  for (;;) {
    const { leader } = cluster;
    const answer = leader && (await cluster.ask(leader, 'GET', '/v1/cluster'));
    const members = (answer?.body['members'] ?? []) as readonly JsonObject[];
    if (members.some(({ impediment }) => impediment === 'journal_full')) return;
    if (performance.now() > deadlineMs) throw new Error('the disk never became full');
    await sleep(20);
  }
}

async function readBooks(cluster: SpawnedCluster, member: Member): Promise<void> {
  const answer = await cluster.ask(member, 'GET', '/v1/accounts?consistency=local');
  if (answer?.status === 200) return;
  throw new Error(`${member.name}, disk full, does not read: ${JSON.stringify(answer)}`);
}

/** What a node can make again from the journal and its peers, it does. */
async function damageOwnFiles({ cluster, random, strike, number }: Round): Promise<boolean> {
  await cluster.untilLed();
  const victim = anyOf(random, cluster.standbys);
  await strike();
  await victim.stop();
  const folder = join(cluster.data, 'nodes', victim.name);
  const parts = [['checkpoints'], ['history'], ['checkpoints', 'history']][number % 3]!;
  let damaged = 0;
  for (const part of parts) {
    for (const file of filesBelow(join(folder, part))) {
      if (!random.chance(0.5)) continue;
      flipBytes(file, random.below(1_000_000));
      damaged++;
    }
  }
  await victim.start();
  await cluster.untilWhole();
  return damaged > 0;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((found) => found.isFile())
    .map((found) => join(found.parentPath, found.name));
}

function flipBytes(path: string, draw: number): void {
  const { size } = statSync(path);
  if (size === 0) {
    writeFileSync(path, 'x');
    return;
  }
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.from([draw & 0xff, 0x5a, 0xa5]), 0, 3, draw % size);
  closeSync(file);
}

export const DISKS = {
  'fsync-error': { rounds: 10, hasDiskFaults: true, mayEnd: EXIT_HALTED, act: failSync },
  'slow-disk': { rounds: 5, hasDiskFaults: true, lastsMs: 1500, act: slowDisk },
  'full-disk': { rounds: 3, diskMib: DISK_MIB, act: fillDisk },
  'damaged-files': { rounds: 6, act: damageOwnFiles },
} as const satisfies Readonly<Record<string, Scenario>>;
