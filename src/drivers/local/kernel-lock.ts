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
  /** Open, without the lock. */
  #waiting: DatabaseSync | undefined;
  #inode = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** False when it is held, by another process or another object of this one. */
  tryTake(): boolean {
    if (this.#database !== undefined) return false;
    try {
      const waiting = this.#waitingAtFile();
      waiting.exec('BEGIN EXCLUSIVE');
      this.#waiting = undefined;
      this.#database = waiting;
      return true;
    } catch (error) {
      if (isBusy(error)) return false;
      this.#giveUp();
      throw error;
    }
  }

  /**
   * Opened once for all tries: who stands in line tries many times a second. Opened anew when the
   * file is another one by now. It holds nothing between two tries: two that each kept a reader's
   * lock would keep each other waiting for ever.
   */
  #waitingAtFile(): DatabaseSync {
    if (this.#waiting !== undefined && inodeOf(this.path) === this.#inode) return this.#waiting;
    this.#giveUp();
    // Nothing is ever written through it: the lock must be had on a full disk too.
    this.#waiting = new DatabaseSync(this.path, { timeout: 0 });
    this.#inode = inodeOf(this.path);
    return this.#waiting;
  }

  /** Stands in line no more. Idempotent; `tryTake` begins anew. */
  #giveUp(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.close();
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
    this.#giveUp();
  }
}

function inodeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? 0;
}

function isBusy(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('errcode' in error)) return false;
  return typeof error.errcode === 'number' && (error.errcode & 0xff) === SQLITE_BUSY;
}
