// Which process: its number and when it started, since numbers are used again. From /proc; where
// there is none (not Linux) nobody is known to be alive or dead, and nobody is killed.

import { readFile } from 'node:fs/promises';

export type ProcessMark = {
  readonly pid: number;
  /** Clock ticks since the machine started (field 22 of /proc/<pid>/stat); null where unknown. */
  readonly startTime: number | null;
};

const STATE = 0;
const START_TIME = 19;

export async function ownProcess(): Promise<ProcessMark> {
  const fields = await statFields(process.pid);
  return { pid: process.pid, startTime: fields === undefined ? null : Number(fields[START_TIME]) };
}

/** True also where it cannot be known. A killed process that nobody has waited for yet is dead. */
export async function isAlive(mark: ProcessMark): Promise<boolean> {
  if (mark.startTime === null) return true;
  const fields = await statFields(mark.pid);
  if (fields === undefined) return false;
  return Number(fields[START_TIME]) === mark.startTime && !/^[ZX]/.test(fields[STATE] ?? 'X');
}

/** SIGKILL, if it is still the same process. A stopped one ends too. */
export async function endFrozen(mark: ProcessMark): Promise<void> {
  if (mark.startTime === null || !(await isAlive(mark))) return;
  try {
    process.kill(mark.pid, 'SIGKILL');
  } catch {
    // It ended by itself, or is not ours to end: the line waits on.
  }
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
