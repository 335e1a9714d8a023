// A change of leader, done a few times with an empty journal before it is needed. Code that has
// never run takes five times as long as code that has, and when a leader is lost all callers wait
// for it: the first take-over of a node took 60 to 100 ms instead of 20.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createEntropy } from '../drivers/system/entropy.ts';
import { JOURNAL_DRIVERS } from '../drivers/index.ts';
import { createClock } from '../drivers/system/clock.ts';
import { HoldfastNode } from '../engine/node.ts';
import type { EngineObserver } from '../engine/observer.ts';
import type { Logger } from '../telemetry/log.ts';

const ROUNDS = 5;
const SEGMENT_BYTES = 64 * 1024;
const CLUSTER_ID_BYTES = 16;

/**
 * In a folder of its own below the node's, which is gone afterwards; nothing else is touched. A
 * disk on which it fails is told: a take-over would fail there, too.
 */
export async function rehearseTakeOver(nodeFolder: string, logger: Logger): Promise<void> {
  const directory = join(nodeFolder, 'rehearsal');
  try {
    await rm(directory, { recursive: true, force: true });
    for (let round = 0; round < ROUNDS; round++) await leadOnce(directory);
  } catch (error) {
    const text = 'a take-over was rehearsed in a folder of its own and failed';
    logger.warn({ event: 'rehearsal_failed', err: error }, text);
  } finally {
    await rm(directory, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function leadOnce(directory: string): Promise<void> {
  const create = await JOURNAL_DRIVERS.file();
  const node = new HoldfastNode({
    journal: create({ directory, segmentBytes: SEGMENT_BYTES }),
    clusterId: new Uint8Array(CLUSTER_ID_BYTES),
    timeline: 1,
    clock: createClock(),
    entropy: createEntropy(),
    observer: UNOBSERVED,
    intakeBounds: { commandsMax: 1, bytesMax: SEGMENT_BYTES },
    groupCommitMs: 1,
    release: 'rehearsal',
    onHalted: () => undefined,
  });
  try {
    await node.start();
  } finally {
    await node.stop(0);
  }
}

const UNOBSERVED: EngineObserver = {
  roleChanged: () => undefined,
  tookOver: () => undefined,
  appended: () => undefined,
  applied: () => undefined,
  impeded: () => undefined,
  journalAway: () => undefined,
  replayed: () => undefined,
};
