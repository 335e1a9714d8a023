// What the file driver needs of an operating system, as an interface: the real one is below, tests
// and the simulator give others that fail, fill up, and lose unsynced pages.
//
// Errors are Node's (`code` = 'ENOSPC', 'EIO', ...). A `datasync` or `syncDirectory` that fails is
// never called again for the same data: the pages may look clean and be gone.

import { type FileHandle, mkdir, open, readdir, rename, rm, statfs } from 'node:fs/promises';
import { constants, fdatasync, writev } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type DirectoryLock, acquireDirectoryLock } from './lock.ts';

export interface OpenFile {
  /** A write is on the disk when it resolves: it need not be followed by `datasync`. */
  readonly isWrittenThrough: boolean;
  sizeBytes(): Promise<number>;
  /** Fills `target` from `offset`; returns fewer bytes only at the end of the file. */
  read(target: Uint8Array, offset: number): Promise<number>;
  /** Writes all of `buffers` at `offset`, or rejects (part of it may then be written). */
  write(buffers: readonly Uint8Array[], offset: number): Promise<void>;
  /** Data, and the size where it changed, reach the disk. */
  datasync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * `through`: as `write`, and where the system can, each write is on the disk when it resolves.
 * `create` replaces what stands there.
 */
export type OpenMode = 'read' | 'write' | 'through' | 'create';

export interface FileSystem {
  makeDirectory(path: string): Promise<void>;
  /** Names of the files in a directory, in no order. */
  list(directory: string): Promise<readonly string[]>;
  open(path: string, mode: OpenMode): Promise<OpenFile>;
  rename(source: string, target: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Names created, renamed and removed in the directory reach the disk. */
  syncDirectory(directory: string): Promise<void>;
  /** The magic number of the file system (statfs). */
  typeOf(directory: string): Promise<number>;
  /**
   * The write authority over the directory: held until released or until the process ends.
   * `depose`: another process that has it is ended first, if it says so.
   */
  lock(
    directory: string,
    waitMs: number,
    signal: AbortSignal,
    depose?: () => boolean,
  ): Promise<DirectoryLock>;
}

/**
 * One call instead of a write and a sync: a quarter less time for small groups. Not for what writes
 * much before it syncs once.
 */
const WRITE_THROUGH = constants.O_DSYNC ?? 0;
const FLAGS = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR,
  through: constants.O_RDWR | WRITE_THROUGH,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC,
};

const fdatasyncAsync = promisify(fdatasync);

class RealFile implements OpenFile {
  readonly isWrittenThrough: boolean;
  readonly #handle: FileHandle;

  constructor(handle: FileHandle, isWrittenThrough: boolean) {
    this.isWrittenThrough = isWrittenThrough;
    this.#handle = handle;
  }

  async sizeBytes(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(target: Uint8Array, offset: number): Promise<number> {
    let done = 0;
    while (done < target.byteLength) {
      const left = target.byteLength - done;
      const { bytesRead } = await this.#handle.read(target, done, left, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  async write(buffers: readonly Uint8Array[], offset: number): Promise<void> {
    let left = [...buffers];
    let at = offset;
    while (left.length > 0) {
      const bytesWritten = await writeOnce(this.#handle.fd, left, at);
      if (bytesWritten === 0) throw new Error('a write wrote nothing');
      at += bytesWritten;
      left = behind(left, bytesWritten);
    }
  }

  async datasync(): Promise<void> {
    await fdatasyncAsync(this.#handle.fd);
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#handle.truncate(sizeBytes);
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

function writeOnce(fd: number, buffers: readonly Uint8Array[], offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(fd, buffers, offset, (error, bytesWritten) => {
      if (error === null) resolve(bytesWritten);
      else reject(error);
    });
  });
}

/** What of `buffers` is left when the first `count` bytes have been written. */
function behind(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  const left: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (skip < buffer.byteLength) left.push(skip > 0 ? buffer.subarray(skip) : buffer);
    skip = Math.max(0, skip - buffer.byteLength);
  }
  return left;
}

export const realFileSystem: FileSystem = {
  async makeDirectory(path) {
    const first = await mkdir(path, { recursive: true, mode: 0o750 });
    if (first === undefined) return;
    // The names of the folders made are as much of the journal as those in them.
    for (let made = resolve(path); made.startsWith(resolve(first)); made = dirname(made)) {
      await realFileSystem.syncDirectory(dirname(made));
    }
  },
  async list(directory) {
    return await readdir(directory);
  },
  async open(path, mode) {
    const handle = await open(path, FLAGS[mode], 0o640);
    return new RealFile(handle, mode === 'through' && WRITE_THROUGH !== 0);
  },
  async rename(source, target) {
    await rename(source, target);
  },
  async remove(path) {
    await rm(path, { force: true });
  },
  async syncDirectory(directory) {
    const handle = await open(directory, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  },
  async typeOf(directory) {
    return (await statfs(directory)).type;
  },
  lock: acquireDirectoryLock,
};

/** The operating system's code of an error, such as ENOSPC; '' when it has none. */
export function errorCodeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

/** No room on the disk or in the quota: the one storage error that passes by itself. */
export function isFullError(error: unknown): boolean {
  const code = errorCodeOf(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/**
 * A sync that fails is the end, even for lack of room: what it should have made durable may be
 * gone, and asking again would say yes. The error thrown has no code, so that nobody takes it for
 * passing.
 */
export async function syncData(file: OpenFile): Promise<void> {
  try {
    await file.datasync();
  } catch (error) {
    throw new Error(`a sync failed (${String(error)})`, { cause: error });
  }
}

/** As `syncData`, for the names in a directory. */
export async function syncNames(fileSystem: FileSystem, directory: string): Promise<void> {
  try {
    await fileSystem.syncDirectory(directory);
  } catch (error) {
    throw new Error(`a sync of the directory failed (${String(error)})`, { cause: error });
  }
}

/** The names in a directory; none when there is no such directory. */
export async function listIfThere(
  fileSystem: FileSystem,
  directory: string,
): Promise<readonly string[]> {
  try {
    return await fileSystem.list(directory);
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Opens, uses and closes a file. */
export async function withFile<T>(
  opening: Promise<OpenFile>,
  use: (file: OpenFile) => Promise<T>,
): Promise<T> {
  const file = await opening;
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
