// Processes that outlive whoever started them. Each is known by its number and its start time,
// since numbers are used again; nothing here ends a process by its name.

import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

export type ProcessMark = {
  readonly pid: number;
  /** Clock ticks since the machine started (field 22 of /proc/<pid>/stat). */
  readonly startTime: number;
};

export type ProcessState = 'running' | 'frozen' | 'ended';

const LOOK_MS = 20;

export async function markOf(pid: number): Promise<ProcessMark | undefined> {
  const fields = await statFields(pid);
  return fields && { pid, startTime: Number(fields[19]) };
}

/** A killed process that nobody has waited for yet has ended. */
export async function stateOf(mark: ProcessMark): Promise<ProcessState> {
  const fields = await statFields(mark.pid);
  if (fields === undefined || Number(fields[19]) !== mark.startTime) return 'ended';
  const [state = 'X'] = fields;
  if (/^[ZX]/.test(state)) return 'ended';
  return /^[Tt]/.test(state) ? 'frozen' : 'running';
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

async function statFields(pid: number): Promise<string[] | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The command name (field 2) stands in parentheses and may hold anything, also blanks.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}
