// The machine that a figure comes from, and whether anything else was running on it.

import { readFileSync, realpathSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

export type Machine = {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly node: string;
  readonly kernel: string;
  /** Of the folder of the run. */
  readonly fileSystem: string;
  /** Of the last minute, before the run. */
  readonly loadAverage: number;
  /** Share of all cores that was busy just before the run. */
  readonly busyShare: number;
  readonly quiet: boolean;
};

const LOOK_MS = 200;
const QUIET_LOAD_MAX = 0.5;
const QUIET_BUSY_SHARE_MAX = 0.1;

export async function lookAtMachine(folder: string): Promise<Machine> {
  const [loadAverage = 0] = loadavg();
  const before = cpuTimes();
  const fileSystem = fileSystemOf(realpathSync(folder));
  await sleep(LOOK_MS);
  const after = cpuTimes();
  const busyShare = (after.busy - before.busy) / Math.max(1, after.all - before.all);
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.version,
    kernel: release(),
    fileSystem,
    loadAverage: Math.round(loadAverage * 100) / 100,
    busyShare: Math.round(busyShare * 100) / 100,
    quiet: loadAverage <= QUIET_LOAD_MAX && busyShare <= QUIET_BUSY_SHARE_MAX,
  };
}

export function machineText(machine: Machine): string {
  const { cpu, cores, memoryBytes, node, kernel, fileSystem } = machine;
  const memory = `${Math.round(memoryBytes / 2 ** 30)} GiB`;
  return `${cores} x ${cpu}, ${memory}, Node ${node}, Linux ${kernel}, ${fileSystem}`;
}

export function quietText({ quiet, loadAverage, busyShare }: Machine): string {
  const seen = `load average ${loadAverage}, ${Math.round(busyShare * 100)} % of the cores busy`;
  if (quiet) return `quiet before the run (${seen})`;
  return `WARNING: not quiet before the run (${seen}): the figures are those of a shared machine`;
}

function cpuTimes(): { readonly busy: number; readonly all: number } {
  let busy = 0;
  let all = 0;
  for (const { times } of cpus()) {
    const used = times.user + times.nice + times.sys + times.irq;
    busy += used;
    all += used + times.idle;
  }
  return { busy, all };
}

/** Type and device of the mount that the folder lies in: the longest one that it begins with. */
function fileSystemOf(folder: string): string {
  let found = { mount: '', text: 'unknown file system' };
  for (const line of readFileSync('/proc/mounts', 'utf8').split('\n')) {
    const [device = '', mount = '', type = ''] = line.split(' ');
    const isAbove =
      folder === mount || folder.startsWith(mount.endsWith('/') ? mount : `${mount}/`);
    if (mount !== '' && isAbove && mount.length >= found.mount.length) {
      found = { mount, text: `${type} on ${device}` };
    }
  }
  return found.text;
}
