// The write authority over a journal directory: a kernel lock that ends with its process, whatever
// happens to it. It is an exclusive lock of SQLite (fcntl) on `lock.sqlite`, which Node has without
// native code of ours. Only the holder writes, cuts or repairs (I6). Who it is stands beside it
// (holder.ts). A successor that is told to may end a holder that is silent, and waits for the lock.

import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { OperationalError } from '../../base/errors.ts';
import { describeHolder, endHolder, isHolderAlive, removeHolder, writeHolder } from './holder.ts';

const LOCK_FILE = 'lock.sqlite';
const SQLITE_BUSY = 5;

/** Between two looks: somebody waits for it, and one costs a tenth of a millisecond. */
const RETRY_MS_MIN = 1;
const RETRY_MS_MAX = 10;

/** A killed process gives its memory back before its locks: with gigabytes that takes a while. */
const DEPOSED_MS_MAX = 5000;

export interface DirectoryLock {
  /** Idempotent. */
  release(): Promise<void>;
}

/** `depose`: a holder that is there is ended first, if it says so. Rejects with JOURNAL_LOCKED. */
export async function acquireDirectoryLock(
  directory: string,
  waitMs: number,
  signal: AbortSignal,
  depose?: () => boolean,
): Promise<DirectoryLock> {
  const startMs = performance.now();
  let patienceMs = waitMs;
  let retryMs = RETRY_MS_MIN;
  let isDeposed = depose === undefined;
  for (;;) {
    signal.throwIfAborted();
    const database = tryLock(join(directory, LOCK_FILE));
    // The lock is free although its holder lives: the lock file was removed or replaced.
    if (database !== undefined && isHolderAlive(directory)) database.close();
    else if (database !== undefined) {
      writeHolder(directory);
      return new SqliteLock(database, directory);
    }
    if (!isDeposed) {
      isDeposed = true;
      const why = depose?.() === true ? endHolder(directory) : 'was heard again';
      if (why !== undefined) throw notDeposed(directory, why);
      patienceMs = Math.max(waitMs, DEPOSED_MS_MAX);
    }
    const waitedMs = performance.now() - startMs;
    if (waitedMs >= patienceMs) throw lockedError(directory, Math.round(waitedMs));
    await sleep(retryMs, undefined, { signal });
    retryMs = Math.min(RETRY_MS_MAX, retryMs * 1.5);
  }
}

class SqliteLock implements DirectoryLock {
  #database: DatabaseSync | undefined;
  readonly #directory: string;

  constructor(database: DatabaseSync, directory: string) {
    this.#database = database;
    this.#directory = directory;
  }

  release(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    if (database !== undefined) {
      // The note goes first: once the lock is free the file may be the next holder's.
      removeHolder(this.#directory);
      database.close();
    }
    return Promise.resolve();
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

function lockedError(directory: string, waitedMs: number): OperationalError {
  const holder = describeHolder(directory);
  return new OperationalError('JOURNAL_LOCKED', {
    detail: `The journal in ${directory} is held by ${holder}; waited ${waitedMs} ms. Nothing was changed.`,
    wayOut:
      'Stop that process, or start this node on another data folder. Never remove lock.sqlite.',
  });
}

function notDeposed(directory: string, why: string): OperationalError {
  const holder = describeHolder(directory);
  return new OperationalError('JOURNAL_LOCKED', {
    detail: `The journal in ${directory} is held by ${holder}, which was to be succeeded, but ${why}. Nothing was changed.`,
    wayOut: 'End that process where it runs; then another node leads. Never remove lock.sqlite.',
  });
}
