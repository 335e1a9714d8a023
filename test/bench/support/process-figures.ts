// What another process and a folder take: resident memory, CPU time, bytes on disk. Read from /proc
// and the file system.

import { readFileSync } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseProcessStat } from '../../../src/base/process-stat.ts';

/** Linux counts CPU time in hundredths of a second, and blocks of a file in 512 bytes. */
const TICKS_PER_SECOND = 100;
const BLOCK_BYTES = 512;

/** Memory stands still when it grows by less than this share for so long. */
const STILL_SHARE = 0.005;
const STILL_MS = 1000;
const STILL_MS_MAX = 30_000;

export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1];
  if (kibibytes === undefined) throw new Error(`/proc says nothing of the memory of ${pid}`);
  return Number(kibibytes) * 1024;
}

/**
 * A node takes memory ahead for some seconds after its start, between its turns; only afterwards
 * does what it takes say how it grows with its history.
 */
export async function memoryStandsStill(pid: number): Promise<void> {
  const deadlineMs = performance.now() + STILL_MS_MAX;
  for (let last = 0; performance.now() < deadlineMs; await sleep(STILL_MS)) {
    const bytes = residentBytes(pid);
    if (bytes < last * (1 + STILL_SHARE)) return;
    last = bytes;
  }
}

export type CpuSeconds = {
  readonly allThreads: number;
  /** The one that runs JavaScript and its event loop: the first to be busy all the time. */
  readonly mainThread: number;
};

/** User and kernel time since the process began. */
export function cpuSeconds(pid: number): CpuSeconds {
  return {
    allThreads: secondsIn(`/proc/${pid}/stat`),
    mainThread: secondsIn(`/proc/${pid}/task/${pid}/stat`),
  };
}

function secondsIn(path: string): number {
  const { userTicks, systemTicks } = parseProcessStat(readFileSync(path, 'latin1'));
  return (userTicks + systemTicks) / TICKS_PER_SECOND;
}

/** What the files below a folder take on the disk, as `du` counts it. */
export async function bytesOnDisk(folder: string): Promise<number> {
  let bytes = 0;
  for (const item of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, item.name);
    bytes += item.isDirectory()
      ? await bytesOnDisk(path)
      : (await lstat(path)).blocks * BLOCK_BYTES;
  }
  return bytes;
}
