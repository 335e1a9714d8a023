// Processes that outlive whoever started them. Each is known by its number and its start time,
// since numbers are used again; nothing here ends a process by its name.

import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { type ProcessStat, parseProcessStat } from '../../src/base/process-stat.ts';

export type ProcessMark = {
  readonly pid: number;
  /** Clock ticks since the machine started. */
  readonly startTime: number;
};

export type ProcessState = 'running' | 'frozen' | 'ended';

const LOOK_MS = 20;

export async function markOf(pid: number): Promise<ProcessMark | undefined> {
  const stat = await statOf(pid);
  return stat && { pid, startTime: stat.startTime };
}

/** A killed process that nobody has waited for yet has ended. */
export async function stateOf(mark: ProcessMark): Promise<ProcessState> {
  const stat = await statOf(mark.pid);
  if (stat?.startTime !== mark.startTime || stat.hasEnded) return 'ended';
  return stat.state.toUpperCase() === 'T' ? 'frozen' : 'running';
}

/** Sends nothing when the process has ended meanwhile. */
export async function signalProcess(mark: ProcessMark, signal: NodeJS.Signals): Promise<void> {
  if ((await stateOf(mark)) === 'ended') return;
  try {
    process.kill(mark.pid, signal);
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || error.code !== 'ESRCH') throw error;
  }
}

/** SIGTERM, and SIGKILL when that was in vain. Returns when it has ended. */
export async function endProcess(mark: ProcessMark, patienceMs: number): Promise<void> {
  await signalProcess(mark, 'SIGTERM');
  // A stopped process hears SIGTERM only when it goes on.
  await signalProcess(mark, 'SIGCONT');
  if (await hasEnded(mark, patienceMs)) return;
  await signalProcess(mark, 'SIGKILL');
  if (!(await hasEnded(mark, patienceMs))) throw new Error(`Process ${mark.pid} does not end.`);
}

export async function hasEnded(mark: ProcessMark, withinMs: number): Promise<boolean> {
  const deadlineMs = performance.now() + withinMs;
  while ((await stateOf(mark)) !== 'ended') {
    if (performance.now() > deadlineMs) return false;
    await pause(LOOK_MS);
  }
  return true;
}

async function statOf(pid: number): Promise<ProcessStat | undefined> {
  try {
    return parseProcessStat(await readFile(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined;
  }
}
