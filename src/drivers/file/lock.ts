// The write authority over a journal directory: a kernel lock that ends with its process, whatever
// happens to it. It is an exclusive lock of SQLite (fcntl) on `lock.sqlite`, which Node has without
// native code of ours. Only the holder writes, cuts or repairs (I6). Beside it `lock-holder.json`
// says who holds it: for messages, and so that a lock file that somebody removed while its holder
// lives does not admit a second writer.

import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperationalError } from '../../base/errors.ts';
import { parseProcessStat } from '../../base/process-stat.ts';

const LOCK_FILE = 'lock.sqlite';
const HOLDER_FILE = 'lock-holder.json';
const RETRY_MS = 25;
const SQLITE_BUSY = 5;

export interface DirectoryLock {
  /** Idempotent. */
  release(): Promise<void>;
}

export async function acquireDirectoryLock(
  directory: string,
  waitMs: number,
  signal: AbortSignal,
): Promise<DirectoryLock> {
  const deadlineMs = performance.now() + waitMs;
  for (;;) {
    signal.throwIfAborted();
    const database = tryLock(join(directory, LOCK_FILE));
    // The lock is free although its holder lives: the lock file was removed or replaced.
    if (database !== undefined && (await isHolderAlive(directory))) database.close();
    else if (database !== undefined) {
      await writeHolder(directory);
      return new SqliteLock(database, directory);
    }
    if (performance.now() >= deadlineMs) throw await lockedError(directory, waitMs);
    await sleep(RETRY_MS, undefined, { signal });
  }
}

class SqliteLock implements DirectoryLock {
  #database: DatabaseSync | undefined;
  readonly #directory: string;

  constructor(database: DatabaseSync, directory: string) {
    this.#database = database;
    this.#directory = directory;
  }

  async release(): Promise<void> {
    const database = this.#database;
    if (database === undefined) return;
    this.#database = undefined;
    // The note goes first: once the lock is free the file may be the next holder's.
    await rm(join(this.#directory, HOLDER_FILE), { force: true });
    database.close();
  }
}

function tryLock(path: string): DatabaseSync | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Its rollback journal in memory: the lock must be had on a full disk too.
    database.exec('PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
}

function isBusy(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return false;
  return typeof error.errcode === 'number' && (error.errcode & 0xff) === SQLITE_BUSY;
}

/** Whether the process of the note still runs; false where that cannot be known. */
async function isHolderAlive(directory: string): Promise<boolean> {
  try {
    const holder: unknown = JSON.parse(await readFile(join(directory, HOLDER_FILE), 'utf8'));
    if (typeof holder !== 'object' || holder === null) return false;
    if (!('pid' in holder) || !('startTime' in holder) || holder.pid === process.pid) return false;
    const stat = await readFile(`/proc/${String(holder.pid)}/stat`, 'utf8');
    const { startTime, hasEnded } = parseProcessStat(stat);
    return startTime === holder.startTime && !hasEnded;
  } catch {
    return false;
  }
}

/** A note for messages: on a full disk there is none, and the lock holds all the same. */
async function writeHolder(directory: string): Promise<void> {
  const holder = {
    pid: process.pid,
    startTime: await processStartTime('self'),
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

/** Clock ticks since the machine started; null where unknown. */
async function processStartTime(pid: string): Promise<number | null> {
  try {
    return parseProcessStat(await readFile(`/proc/${pid}/stat`, 'utf8')).startTime;
  } catch {
    return null;
  }
}

async function lockedError(directory: string, waitMs: number): Promise<OperationalError> {
  const holder = await describeHolder(directory);
  return new OperationalError('JOURNAL_LOCKED', {
    detail: `The journal in ${directory} is held by ${holder}; waited ${waitMs} ms. Nothing was changed.`,
    wayOut:
      'Stop that process, or start this node on another data folder. Never remove lock.sqlite.',
  });
}

async function describeHolder(directory: string): Promise<string> {
  try {
    const holder: unknown = JSON.parse(await readFile(join(directory, HOLDER_FILE), 'utf8'));
    if (typeof holder !== 'object' || holder === null || !('pid' in holder)) return UNKNOWN_HOLDER;
    const since = 'sinceMs' in holder ? new Date(Number(holder.sinceMs)).toISOString() : '?';
    const started = await processStartTime(String(holder.pid));
    const isSame = 'startTime' in holder && started !== null && started === holder.startTime;
    const doubt = isSame ? '' : ', which is not seen from here (another container or machine?)';
    return `process ${String(holder.pid)} since ${since}${doubt}`;
  } catch {
    return UNKNOWN_HOLDER;
  }
}

const UNKNOWN_HOLDER = 'another process';
