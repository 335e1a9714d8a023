// Who holds a journal directory's lock: a note beside it with the process's number, when it started
// (numbers are used again) and the namespace in which the number is one. For messages, for a lock
// file that was removed while its holder lives, and so that a successor can end a frozen holder.
// A few hundred bytes, read and written at once: a successor must not wait behind others' syncs.

import { readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HOLDER_FILE = 'lock-holder.json';

/** Whoever has the lock for less is no silent leader: he has just succeeded one. */
const YOUNG_MS = 1000;

type Holder = {
  readonly pid: number;
  /** Clock ticks since the machine started (field 22 of /proc/<pid>/stat); null where unknown. */
  readonly startTime: number | null;
  /** Of process numbers (`pid:[4026531836]`); '' where unknown. */
  readonly namespace: string;
  readonly sinceMs: number;
};

/** A note for messages: on a full disk there is none, and the lock holds all the same. */
export function writeHolder(directory: string): void {
  const holder: Holder = {
    pid: process.pid,
    startTime: statOf('self')?.startTime ?? null,
    namespace: ownNamespace(),
    sinceMs: Date.now(),
  };
  const path = join(directory, HOLDER_FILE);
  try {
    writeFileSync(`${path}.partial`, `${JSON.stringify(holder)}\n`);
    renameSync(`${path}.partial`, path);
  } catch {
    removeHolder(directory);
  }
}

export function removeHolder(directory: string): void {
  try {
    rmSync(join(directory, HOLDER_FILE), { force: true });
  } catch {
    // A disk that takes no changes: the note of a process that ended says nothing.
  }
}

/** Whether the process of the note still runs; false where that cannot be known. */
export function isHolderAlive(directory: string): boolean {
  const holder = readHolder(directory);
  return holder !== undefined && holder.pid !== process.pid && isAlive(holder);
}

export function describeHolder(directory: string): string {
  const holder = readHolder(directory);
  if (holder === undefined) return 'another process';
  const started = statOf(String(holder.pid))?.startTime;
  const isSame = started !== undefined && started === holder.startTime;
  const doubt = isSame ? '' : ', which is not seen from here (another container or machine?)';
  return `process ${holder.pid} since ${new Date(holder.sinceMs).toISOString()}${doubt}`;
}

/**
 * Ends the holder (SIGKILL; a stopped process ends too) if it is certainly the one of the note.
 * Answers why it did not; undefined = it was told to end, or has ended already.
 */
export function endHolder(directory: string): string | undefined {
  const holder = readHolder(directory);
  if (holder === undefined) return 'is not known by number';
  if (holder.pid === process.pid) return 'is this very process';
  if (holder.namespace === '' || holder.namespace !== ownNamespace()) {
    return 'runs in another container or machine, so that it cannot be ended from here';
  }
  // Without a start time the number may be somebody else's by now.
  if (holder.startTime === null) return 'cannot be told from another process of the same number';
  if (!isAlive(holder)) return undefined;
  const ageMs = Date.now() - holder.sinceMs;
  if (ageMs >= 0 && ageMs < YOUNG_MS) return `has held it for ${ageMs} ms only: it is not ended`;
  try {
    process.kill(holder.pid, 'SIGKILL');
    return undefined;
  } catch (error) {
    return `could not be ended (${String(error)})`;
  }
}

function readHolder(directory: string): Holder | undefined {
  try {
    const note: unknown = JSON.parse(readFileSync(join(directory, HOLDER_FILE), 'utf8'));
    if (typeof note !== 'object' || note === null || !('pid' in note)) return undefined;
    const { pid } = note;
    if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined;
    const startTime = 'startTime' in note ? note.startTime : null;
    const namespace = 'namespace' in note ? note.namespace : '';
    const sinceMs = 'sinceMs' in note ? Number(note.sinceMs) : 0;
    return {
      pid,
      startTime: typeof startTime === 'number' ? startTime : null,
      namespace: typeof namespace === 'string' ? namespace : '',
      sinceMs: Number.isFinite(sinceMs) ? sinceMs : 0,
    };
  } catch {
    return undefined;
  }
}

/** A killed process that nobody has waited for yet is Z or X and holds nothing. */
function isAlive({ pid, startTime }: Holder): boolean {
  const found = statOf(String(pid));
  return found !== undefined && found.startTime === startTime && !/^[ZX]/.test(found.state);
}

type ProcessStat = { readonly state: string; readonly startTime: number };

function statOf(pid: string): ProcessStat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name (field 2) stands in parentheses and may hold anything, also blanks.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? 'X', startTime: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

function ownNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}
