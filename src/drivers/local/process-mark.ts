// Which process: its number and when it started, since numbers are used again, and the namespace in
// which the number is one. From /proc; where there is none (not Linux) nobody is known to be dead,
// and nobody is killed.

import { readFile, readlink } from 'node:fs/promises';
import { type ProcessStat, parseProcessStat } from '../../base/process-stat.ts';

export type ProcessMark = {
  readonly pid: number;
  /** Clock ticks since the machine started; null where unknown. */
  readonly startTime: number | null;
  /** Of process numbers (`pid:[4026531836]`): of another one nothing is known but signs of life. */
  readonly namespace: string;
};

export async function ownProcess(): Promise<ProcessMark> {
  const startTime = (await statOf(process.pid))?.startTime ?? null;
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  return { pid: process.pid, startTime, namespace };
}

/** `unknown` where it cannot be told. A killed process that nobody has waited for yet is dead. */
export async function lifeOf(
  mark: ProcessMark,
  own: ProcessMark,
): Promise<'alive' | 'dead' | 'unknown'> {
  if (mark.startTime === null || own.startTime === null) return 'unknown';
  if (mark.namespace !== own.namespace) return 'unknown';
  const stat = await statOf(mark.pid);
  return stat?.startTime === mark.startTime && !stat.hasEnded ? 'alive' : 'dead';
}

/** SIGKILL, if it is still the same process and not this one. A stopped one ends too. */
export async function killProcess(mark: ProcessMark, own: ProcessMark): Promise<void> {
  if (mark.pid === process.pid || (await lifeOf(mark, own)) !== 'alive') return;
  try {
    process.kill(mark.pid, 'SIGKILL');
  } catch {
    // It ended by itself, or is not ours to end: whoever waits for it waits on.
  }
}

async function statOf(pid: number): Promise<ProcessStat | undefined> {
  try {
    return parseProcessStat(await readFile(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}
