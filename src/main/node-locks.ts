// Two processes are never the same node, and a folder is run either by one node alone or by named
// ones: a node alone knows nothing of the others, and would be put out of action as a leader that
// does not answer. Kernel locks, which end with their process: `node.sqlite` for each named node,
// `alone.sqlite` for the node alone. Each takes its own first and then looks at the others', so of
// two that start at once at least one sees the other.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperationalError } from '../base/errors.ts';
import { type DataFolder, namedNodes } from '../config/data-folder.ts';
import { KernelLock } from '../drivers/local/kernel-lock.ts';

const LOOK_MS = 20;

/** Who lets go of it (also to the garbage collector) gives the lock back. */
export type HeldLock = { release(): void };

/** Throws DATA_FOLDER_UNUSABLE. */
export async function lockNamedNode(
  folder: Pick<DataFolder, 'folder'>,
  name: string,
  waitMs: number,
): Promise<HeldLock> {
  const own = new KernelLock(lockFile(folder.folder, name));
  if (!(await isTaken(own, waitMs))) {
    throw new OperationalError('DATA_FOLDER_UNUSABLE', {
      detail: `${name} runs already: another process has ${own.path}. Nothing was changed.`,
      wayOut: 'Stop that process, or give this node another name.',
    });
  }
  const alone = new KernelLock(aloneFile(folder.folder));
  if (await isTaken(alone, waitMs)) {
    alone.release();
    return own;
  }
  own.release();
  throw new OperationalError('DATA_FOLDER_UNUSABLE', {
    detail: `A node that runs alone has the folder ${folder.folder}. Nothing was changed.`,
    wayOut: 'Stop it; then nodes with names can be started on it, and find everything there.',
  });
}

/**
 * The lock of a node alone. Throws DATA_FOLDER_UNUSABLE while named nodes run, and JOURNAL_LOCKED
 * while another one runs alone.
 */
export async function lockAlone(
  folder: Pick<DataFolder, 'folder'>,
  waitMs: number,
): Promise<HeldLock> {
  const own = new KernelLock(aloneFile(folder.folder));
  if (!(await isTaken(own, waitMs))) {
    const holders = (await own.holders().catch(() => [])).join(', ') || 'of unknown number';
    throw new OperationalError('JOURNAL_LOCKED', {
      detail: `${folder.folder} is held by process ${holders}; waited ${waitMs} ms. Nothing was changed.`,
      wayOut: 'Stop that process, or start this node on another data folder.',
    });
  }
  for (const name of namedNodes(folder.folder)) {
    const lock = new KernelLock(lockFile(folder.folder, name));
    if (await isTaken(lock, waitMs)) {
      lock.release();
      continue;
    }
    own.release();
    throw new OperationalError('DATA_FOLDER_UNUSABLE', {
      detail: `${name} runs on ${folder.folder}, as one of several nodes. Nothing was changed.`,
      wayOut: 'Stop the nodes first, or start this one with --node and a name of its own.',
    });
  }
  return own;
}

function lockFile(folder: string, name: string): string {
  return join(folder, 'nodes', name, 'node.sqlite');
}

function aloneFile(folder: string): string {
  return join(folder, 'alone.sqlite');
}

/** One that starts may look at a lock just now: so it is tried again for a while. */
async function isTaken(lock: KernelLock, waitMs: number): Promise<boolean> {
  const untilMs = performance.now() + waitMs;
  while (!lock.tryTake()) {
    if (performance.now() >= untilMs) return false;
    await sleep(LOOK_MS);
  }
  return true;
}
