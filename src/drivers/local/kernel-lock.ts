// An exclusive lock on a file that ends with its process, whatever happens to it: SQLite's (fcntl),
// which Node has without native code of ours. Who holds it is asked of the kernel and not of a
// note, which could be missing on a full disk, or be of the holder before.

import { statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';

const SQLITE_BUSY = 5;

export class KernelLock {
  readonly path: string;
  #database: DatabaseSync | undefined;
  #inode = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** False when it is held, by another process or another object of this one. */
  tryTake(): boolean {
    if (this.#database !== undefined) return false;
    const database = new DatabaseSync(this.path, { timeout: 0 });
    try {
      // Its rollback journal in memory: the lock must be had on a full disk too.
      database.exec('PRAGMA journal_mode=MEMORY; PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE');
      this.#inode = statSync(this.path).ino;
    } catch (error) {
      database.close();
      if (isBusy(error)) return false;
      throw error;
    }
    this.#database = database;
    return true;
  }

  /** False when somebody removed or replaced the file: others lock another one now. */
  async isInPlace(): Promise<boolean> {
    const inode = await stat(this.path).then(
      ({ ino }) => ino,
      () => 0,
    );
    return inode === this.#inode;
  }

  /** Process numbers that hold a lock on the file now, as this process sees them. */
  async holders(): Promise<number[]> {
    const { ino } = await stat(this.path);
    // 5: POSIX  ADVISORY  WRITE 3548 08:01:2361 1073741826 1073742335; with -> where one waits.
    const lines = (await readFile('/proc/locks', 'utf8')).split('\n');
    const held = lines
      .map((line) => line.trim().split(/\s+/))
      .filter(([, type, , , , place = '']) => type === 'POSIX' && place.endsWith(`:${ino}`));
    return [...new Set(held.map(([, , , , pid]) => Number(pid)))];
  }

  /** Idempotent. */
  release(): void {
    const database = this.#database;
    this.#database = undefined;
    database?.close();
  }
}

function isBusy(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return false;
  return typeof error.errcode === 'number' && (error.errcode & 0xff) === SQLITE_BUSY;
}
