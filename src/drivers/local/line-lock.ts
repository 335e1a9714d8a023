// The first place in line: an exclusive lock of SQLite (a kernel lock) on `line.sqlite`, and a note
// of its holder for those who wait.

import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { ProcessMark } from './process-mark.ts';
import { readObject } from './records.ts';

const SQLITE_BUSY = 5;

export class LineLock {
  readonly #path: string;
  readonly #notePath: string;
  #database: DatabaseSync | undefined;

  constructor(folder: string) {
    this.#path = join(folder, 'line.sqlite');
    this.#notePath = join(folder, 'line.json');
  }

  /** False when somebody else has it. */
  async tryTake(mark: ProcessMark): Promise<boolean> {
    if (this.#database !== undefined) return false;
    const database = new DatabaseSync(this.#path, { timeout: 0 });
    try {
      database.exec('PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE');
    } catch (error) {
      database.close();
      if (isBusy(error)) return false;
      throw error;
    }
    this.#database = database;
    const partial = `${this.#notePath}.partial`;
    await writeFile(partial, `${JSON.stringify(mark)}\n`);
    await rename(partial, this.#notePath);
    return true;
  }

  /** As the note says; a note may be older than the present holder. */
  async holder(): Promise<ProcessMark | undefined> {
    const { pid, startTime } = (await readObject(this.#notePath)) ?? {};
    if (typeof pid !== 'number' || typeof startTime !== 'number') return undefined;
    return { pid, startTime };
  }

  async release(): Promise<void> {
    const database = this.#database;
    if (database === undefined) return;
    this.#database = undefined;
    // The note goes first: once the lock is free the file may be the next holder's.
    await rm(this.#notePath, { force: true });
    database.close();
  }
}

function isBusy(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return false;
  return typeof error.errcode === 'number' && (error.errcode & 0xff) === SQLITE_BUSY;
}
