// A file system in memory that behaves as a disk may at its worst: what is not synced can be lost
// unit by unit (sectors or pages), names that are not synced can be lost, calls fail as planned or
// are held, room ends. Given turns, calls take a random while, so that work in the background and
// in the foreground interleave.

import { dirname } from 'node:path';
import type { FileSystem, OpenFile, OpenMode } from '../../../src/drivers/file/file-system.ts';
import type { DirectoryLock } from '../../../src/drivers/file/lock.ts';
import { OperationalError } from '../../../src/base/errors.ts';
import type { Prng } from '../../../src/base/prng.ts';
import {
  type Inode,
  type NameChange,
  applyChange,
  emptyInode,
  joined,
  survivorOf,
  syncUnits,
  systemError,
  writeUnits,
} from './simulated-inode.ts';

export { systemError } from './simulated-inode.ts';

export type Operation =
  | 'open'
  | 'read'
  | 'write'
  | 'datasync'
  | 'truncate'
  | 'close'
  | 'rename'
  | 'remove'
  | 'syncDirectory'
  | 'other';

export type PlannedFault = {
  readonly operation: Operation;
  readonly code: string;
  /** Bytes that a failing write has written before it failed, cut down to whole units. */
  readonly writtenBytes?: number;
  /** Only for paths that begin so. */
  readonly under?: string;
};

type PendingChange = {
  readonly change: NameChange;
  /** Those that have not been synced since. */
  readonly directories: Set<string>;
};

export type SimulationOptions = {
  /** The smallest part of a file that is written or lost as a whole. */
  readonly unitBytes?: number;
  /** How long calls take; without it they are done at once. */
  readonly turns?: Prng;
};

const UNIT_BYTES_DEFAULT = 512;
const TURNS_MAX = 3;
const HOLD_DEADLINE_MS = 10_000;

/** A call that waits before it is done, and again before it is answered. */
export class HeldCall {
  readonly #reached = Promise.withResolvers<void>();
  readonly #act = Promise.withResolvers<void>();
  readonly #answer = Promise.withResolvers<void>();
  readonly #deadline = setTimeout(() => {
    this.#reached.reject(new Error('the call that was to be held never came'));
  }, HOLD_DEADLINE_MS);
  /** Resolves when the call has come. */
  readonly reached = this.#reached.promise;

  /** For the file system: the call is here; waits until it may be done. */
  async begin(): Promise<void> {
    clearTimeout(this.#deadline);
    this.#reached.resolve();
    await this.#act.promise;
  }

  /** For the file system: waits until it may be answered. */
  async end(): Promise<void> {
    await this.#answer.promise;
  }

  act(): void {
    this.#act.resolve();
  }

  release(): void {
    this.#act.resolve();
    this.#answer.resolve();
  }
}

export class SimulatedFileSystem implements FileSystem {
  readonly #unitBytes: number;
  readonly #turns: Prng | undefined;
  #syncedNames = new Map<string, Inode>();
  #names = new Map<string, Inode>();
  #unsyncedNames: PendingChange[] = [];
  readonly #locked = new Set<string>();
  /** Directories on a disk of their own: renaming into or out of them is refused. */
  readonly otherDisks = new Set<string>();
  readonly #faults: PlannedFault[] = [];
  readonly #holds: { readonly operation: Operation; readonly call: HeldCall }[] = [];
  /** Room for all files together. */
  capacityBytes = Number.MAX_SAFE_INTEGER;
  /** Paths for which there is no room. */
  isFullFor: (path: string) => boolean = () => false;
  fileSystemType = 0xef53;
  operationCount = 0;
  /** From this operation on nothing ever answers: the machine is off. */
  #crashAtOperation = Number.MAX_SAFE_INTEGER;
  #crash = Promise.withResolvers<void>();

  constructor(options: SimulationOptions = {}) {
    this.#unitBytes = options.unitBytes ?? UNIT_BYTES_DEFAULT;
    this.#turns = options.turns;
  }

  // Faults

  failNext(...faults: readonly PlannedFault[]): void {
    this.#faults.push(...faults);
  }

  /** The next call of this kind is held. */
  holdNext(operation: Operation): HeldCall {
    const call = new HeldCall();
    this.#holds.push({ operation, call });
    return call;
  }

  /** Writing back fails in the kernel: told once to each open file, at its next sync. */
  failWriteBack(path: string): void {
    const inode = this.#inode(path);
    inode.unsynced.clear();
    inode.writeBackErrors += 1;
  }

  /** Switches the machine off at the given operation, counted from now; resolves when it is off. */
  crashAfter(operationCount: number): Promise<void> {
    this.#crashAtOperation = this.operationCount + operationCount;
    this.#crash = Promise.withResolvers();
    return this.#crash.promise;
  }

  /**
   * Switches the machine on again: what was not synced is old or new, unit by unit. Names are lost
   * in order, as file systems with a log do it, or each for itself, as POSIX would allow.
   */
  restart(prng: Prng): SimulatedFileSystem {
    const turns = this.#turns === undefined ? {} : { turns: prng.fork() };
    const next = new SimulatedFileSystem({ unitBytes: this.#unitBytes, ...turns });
    const names = new Map(this.#syncedNames);
    const kept = prng.below(this.#unsyncedNames.length + 1);
    const isOrdered = prng.chance(0.5);
    for (const [index, { change }] of this.#unsyncedNames.entries()) {
      if (isOrdered ? index < kept : prng.chance(0.5)) applyChange(names, change);
    }
    const survivors = new Map<Inode, Inode>();
    for (const [path, inode] of names) {
      const survivor = survivors.get(inode) ?? survivorOf(inode, prng, this.#unitBytes);
      survivors.set(inode, survivor);
      next.#names.set(path, survivor);
    }
    next.#syncedNames = new Map(next.#names);
    next.fileSystemType = this.fileSystemType;
    for (const path of this.otherDisks) next.otherDisks.add(path);
    return next;
  }

  // What tests do to files behind the driver's back

  bytesOf(path: string): Uint8Array<ArrayBuffer> {
    return this.#inode(path).current.slice();
  }

  /** Open files see it too. */
  setBytes(path: string, bytes: Uint8Array<ArrayBuffer>): void {
    const inode = this.#names.get(path) ?? emptyInode();
    inode.synced = bytes.slice();
    inode.current = bytes.slice();
    inode.unsynced.clear();
    this.#names.set(path, inode);
    this.#syncedNames.set(path, inode);
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  // FileSystem

  async makeDirectory(): Promise<void> {
    await this.#call('other', () => undefined);
  }

  async list(directory: string): Promise<readonly string[]> {
    const prefix = `${directory}/`;
    return await this.#call('other', () => {
      const paths = this.paths().filter((path) => path.startsWith(prefix));
      const names = paths.map((path) => path.slice(prefix.length));
      return names.filter((name) => !name.includes('/'));
    });
  }

  async open(path: string, mode: OpenMode): Promise<OpenFile> {
    return await this.#call('open', () => {
      this.#failAsPlanned('open', path);
      if (mode === 'create') this.#change({ kind: 'set', path, inode: emptyInode() });
      return this.#file(this.#inode(path), path);
    });
  }

  async rename(source: string, target: string): Promise<void> {
    await this.#call('rename', () => {
      this.#failAsPlanned('rename', source);
      const disks = [source, target].map((path) => this.#diskOf(path));
      if (disks[0] !== disks[1]) throw systemError('EXDEV');
      this.#change({ kind: 'rename', source, target, inode: this.#inode(source) });
    });
  }

  async remove(path: string): Promise<void> {
    await this.#call('remove', () => {
      this.#failAsPlanned('remove', path);
      this.#change({ kind: 'remove', path });
    });
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.#call('syncDirectory', () => {
      this.#failAsPlanned('syncDirectory', directory);
      for (const { directories } of this.#unsyncedNames) directories.delete(directory);
      // A rename between two directories is sure when both are synced.
      for (const { change, directories } of this.#unsyncedNames) {
        if (directories.size === 0) applyChange(this.#syncedNames, change);
      }
      this.#unsyncedNames = this.#unsyncedNames.filter(({ directories }) => directories.size > 0);
    });
  }

  async typeOf(): Promise<number> {
    return await this.#call('other', () => this.fileSystemType);
  }

  async lock(directory: string): Promise<DirectoryLock> {
    await this.#call('other', () => {
      if (this.#locked.has(directory)) throw new OperationalError('JOURNAL_LOCKED');
      this.#locked.add(directory);
    });
    return {
      release: () => {
        this.#locked.delete(directory);
        return Promise.resolve();
      },
    };
  }

  #file(inode: Inode, path: string): OpenFile {
    let isClosed = false;
    let seenErrors = inode.writeBackErrors;
    const call = async <T>(operation: Operation, act: () => T): Promise<T> =>
      await this.#call(operation, () => {
        if (isClosed) throw systemError('EBADF');
        return act();
      });
    return {
      sizeBytes: () => call('other', () => inode.current.byteLength),
      read: (target, offset) =>
        call('read', () => {
          const part = inode.current.subarray(offset, offset + target.byteLength);
          target.set(part);
          return part.byteLength;
        }),
      isWrittenThrough: false,
      write: async (buffers, offset) => {
        const bytes = joined(buffers);
        await call('write', () => {
          this.#writeAsPlanned(inode, path, bytes, offset);
        });
      },
      datasync: () =>
        call('datasync', () => {
          const fault = this.#takeFault('datasync', path);
          // The kernel tells every file that is open then, not only this one.
          if (fault !== undefined) inode.writeBackErrors += 1;
          const isLost = seenErrors < inode.writeBackErrors;
          seenErrors = inode.writeBackErrors;
          if (!isLost) syncUnits(inode, this.#unitBytes);
          // As Linux does it: after a failed sync the pages look clean and are not on the disk.
          inode.unsynced.clear();
          if (isLost) throw systemError(fault?.code ?? 'EIO');
        }),
      truncate: (sizeBytes) =>
        call('truncate', () => {
          inode.current = inode.current.slice(0, sizeBytes);
        }),
      close: () =>
        call('close', () => {
          isClosed = true;
          this.#failAsPlanned('close', path);
        }),
    };
  }

  #writeAsPlanned(inode: Inode, path: string, bytes: Uint8Array, offset: number): void {
    // The crash comes in the middle of a write: its units are among those that may be lost.
    const fault = this.isOff() ? undefined : this.#takeFault('write', path);
    if (fault !== undefined) {
      this.#writePart(inode, bytes, offset, fault.writtenBytes ?? 0);
      throw systemError(fault.code);
    }
    if (this.isFullFor(path)) throw systemError('ENOSPC');
    const room = this.#roomFor(inode, offset + bytes.byteLength);
    if (room < bytes.byteLength) {
      this.#writePart(inode, bytes, offset, room);
      throw systemError('ENOSPC');
    }
    writeUnits(inode, bytes, offset, this.#unitBytes);
  }

  /** Storage tears no unit: what is written ends where one does. */
  #writePart(inode: Inode, bytes: Uint8Array, offset: number, writtenBytes: number): void {
    const end = Math.floor((offset + writtenBytes) / this.#unitBytes) * this.#unitBytes;
    if (end > offset) {
      writeUnits(inode, bytes.subarray(0, end - offset), offset, this.#unitBytes);
    }
  }

  /** Bytes that can be written, counted from the end of what is asked back to its start. */
  #roomFor(inode: Inode, end: number): number {
    if (this.capacityBytes === Number.MAX_SAFE_INTEGER) return Number.MAX_SAFE_INTEGER;
    let used = 0;
    for (const other of new Set(this.#names.values())) used += other.current.byteLength;
    const growth = Math.max(0, end - inode.current.byteLength);
    return growth === 0 || used + growth <= this.capacityBytes
      ? Number.MAX_SAFE_INTEGER
      : this.capacityBytes - used;
  }

  #change(change: NameChange): void {
    const paths = change.kind === 'rename' ? [change.source, change.target] : [change.path];
    this.#unsyncedNames.push({ change, directories: new Set(paths.map(dirname)) });
    applyChange(this.#names, change);
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError('ENOENT');
    return inode;
  }

  #diskOf(path: string): string {
    return [...this.otherDisks].find((disk) => path.startsWith(`${disk}/`)) ?? '';
  }

  #takeFault(operation: Operation, path: string): PlannedFault | undefined {
    const [fault] = this.#faults;
    if (fault?.operation !== operation) return undefined;
    return path.startsWith(fault.under ?? '') ? this.#faults.shift() : undefined;
  }

  #failAsPlanned(operation: Operation, path: string): void {
    const fault = this.#takeFault(operation, path);
    if (fault !== undefined) throw systemError(fault.code);
  }

  /** Does `act` in one step, some turns after it was asked for and before it answers. */
  async #call<T>(operation: Operation, act: () => T): Promise<T> {
    const index = this.#holds.findIndex((hold) => hold.operation === operation);
    const held = index < 0 ? undefined : this.#holds.splice(index, 1)[0]?.call;
    if (held !== undefined) await held.begin();
    if (this.#turns !== undefined) await this.#pause(this.#turns);
    if (this.isOff()) return await never();
    this.operationCount += 1;
    if (this.isOff()) {
      this.#crash.resolve();
      if (operation === 'write') attempt(act);
      return await never();
    }
    try {
      return act();
    } finally {
      if (held !== undefined) await held.end();
      if (this.#turns !== undefined) await this.#pause(this.#turns);
      // What was done before the machine went off may be there; nobody hears of it.
      if (this.isOff()) await never();
    }
  }

  async #pause(prng: Prng): Promise<void> {
    for (let turns = prng.below(TURNS_MAX); turns > 0; turns--) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Whether the machine has gone off. */
  isOff(): boolean {
    return this.operationCount >= this.#crashAtOperation;
  }
}

/** Does it, or a part of it. */
function attempt(act: () => unknown): void {
  try {
    act();
  } catch {
    return;
  }
}

function never(): Promise<never> {
  return new Promise<never>(() => undefined);
}
