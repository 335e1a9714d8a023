// Who holds a journal directory's lock: a note beside it with the process's number, when it started
// (numbers are used again) and the namespace in which the number is one. For messages, for a lock
// file that was removed while its holder lives, and so that a successor can end a frozen holder.

import { readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const HOLDER_FILE = 'lock-holder.json';

type Holder = {
  readonly pid: number;
  /** Clock ticks since the machine started (field 22 of /proc/<pid>/stat); null where unknown. */
  readonly startTime: number | null;
  /** Of process numbers (`pid:[4026531836]`); '' where unknown. */
  readonly namespace: string;
  readonly sinceMs: number;
};

/** A note for messages: on a full disk there is none, and the lock holds all the same. */
export async function writeHolder(directory: string): Promise<void> {
  const holder: Holder = {
    pid: process.pid,
    startTime: (await statOf('self'))?.startTime ?? null,
    namespace: await ownNamespace(),
    sinceMs: Date.now(),
  };
  const path = join(directory, HOLDER_FILE);
  try {
    await writeFile(`${path}.partial`, `${JSON.stringify(holder)}\n`);
    await rename(`${path}.partial`, path);
  } catch {
    await rm(path, { force: true }).catch(() => undefined);
  }
}

export async function removeHolder(directory: string): Promise<void> {
  await rm(join(directory, HOLDER_FILE), { force: true });
}

/** Whether the process of the note still runs; false where that cannot be known. */
export async function isHolderAlive(directory: string): Promise<boolean> {
  const holder = await readHolder(directory);
  return holder !== undefined && holder.pid !== process.pid && (await isAlive(holder));
}

export async function describeHolder(directory: string): Promise<string> {
  const holder = await readHolder(directory);
  if (holder === undefined) return 'another process';
  const started = (await statOf(String(holder.pid)))?.startTime;
  const isSame = started !== undefined && started === holder.startTime;
  const doubt = isSame ? '' : ', which is not seen from here (another container or machine?)';
  return `process ${holder.pid} since ${new Date(holder.sinceMs).toISOString()}${doubt}`;
}

/**
 * Ends the holder (SIGKILL; a stopped process ends too) if it is certainly the one of the note.
 * Answers why it did not; undefined = it was told to end, or has ended already.
 */
export async function endHolder(directory: string): Promise<string | undefined> {
  const holder = await readHolder(directory);
  if (holder === undefined) return 'nothing says who holds it';
  if (holder.pid === process.pid) return 'it is held by this very process';
  if (holder.namespace === '' || holder.namespace !== (await ownNamespace())) {
    return 'its holder is in another container or machine and cannot be ended from here';
  }
  // Without a start time the number may be somebody else's by now.
  if (holder.startTime === null) return 'nothing says when its holder started';
  if (!(await isAlive(holder))) return undefined;
  try {
    process.kill(holder.pid, 'SIGKILL');
    return undefined;
  } catch (error) {
    return `its holder could not be ended (${String(error)})`;
  }
}

async function readHolder(directory: string): Promise<Holder | undefined> {
  try {
    const note: unknown = JSON.parse(await readFile(join(directory, HOLDER_FILE), 'utf8'));
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
async function isAlive({ pid, startTime }: Holder): Promise<boolean> {
  const found = await statOf(String(pid));
  return found !== undefined && found.startTime === startTime && !/^[ZX]/.test(found.state);
}

type ProcessStat = { readonly state: string; readonly startTime: number };

async function statOf(pid: string): Promise<ProcessStat | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The command name (field 2) stands in parentheses and may hold anything, also blanks.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? 'X', startTime: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

async function ownNamespace(): Promise<string> {
  return await readlink('/proc/self/ns/pid').catch(() => '');
}
