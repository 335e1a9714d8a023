// A file system in memory that behaves as a disk may at its worst: what is not synced can be lost
// page by page, names that are not synced can be lost in order, calls fail as planned, room ends.

import type { FileSystem, OpenFile } from '../../../src/drivers/file/file-system.ts';
import type { DirectoryLock } from '../../../src/drivers/file/lock.ts';
import { OperationalError } from '../../../src/base/errors.ts';
import type { Prng } from '../../../src/base/prng.ts';

const PAGE_BYTES = 4096;

export type PlannedFault = {
  readonly operation: 'write' | 'datasync' | 'syncDirectory';
  readonly code: string;
  /** Bytes that a failing write has written before it failed. */
  readonly writtenBytes?: number;
};

type Inode = {
  synced: Uint8Array<ArrayBuffer>;
  current: Uint8Array<ArrayBuffer>;
  /** Contents of each page written since the last sync, oldest first. */
  unsynced: Map<number, Uint8Array[]>;
};

type NameChange =
  | { readonly kind: 'set'; readonly path: string; readonly inode: Inode }
  | { readonly kind: 'remove'; readonly path: string };

export class SimulatedFileSystem implements FileSystem {
  #syncedNames = new Map<string, Inode>();
  #names = new Map<string, Inode>();
  #unsyncedNames: NameChange[] = [];
  #locked = false;
  readonly #faults: PlannedFault[] = [];
  /** Room for all files together. */
  capacityBytes = Number.MAX_SAFE_INTEGER;
  /** Paths for which there is no room. */
  isFullFor: (path: string) => boolean = () => false;
  fileSystemType = 0xef53;
  operationCount = 0;
  /** From this operation on nothing ever answers: the machine is off. */
  #crashAtOperation = Number.MAX_SAFE_INTEGER;
  #crash = Promise.withResolvers<void>();

  // Faults

  failNext(...faults: readonly PlannedFault[]): void {
    this.#faults.push(...faults);
  }

  /** Switches the machine off at the given operation, counted from now; resolves when it is off. */
  crashAfter(operationCount: number): Promise<void> {
    this.#crashAtOperation = this.operationCount + operationCount;
    return this.#crash.promise;
  }

  /** Switches the machine on again: what was not synced is old or new, page by page. */
  restart(prng: Prng): SimulatedFileSystem {
    const next = new SimulatedFileSystem();
    const names = new Map(this.#syncedNames);
    const kept = prng.below(this.#unsyncedNames.length + 1);
    for (const change of this.#unsyncedNames.slice(0, kept)) applyChange(names, change);
    const survivors = new Map<Inode, Inode>();
    for (const [path, inode] of names) {
      const survivor = survivors.get(inode) ?? survivorOf(inode, prng);
      survivors.set(inode, survivor);
      next.#names.set(path, survivor);
    }
    next.#syncedNames = new Map(next.#names);
    next.fileSystemType = this.fileSystemType;
    return next;
  }

  // What tests do to files behind the driver's back

  bytesOf(path: string): Uint8Array<ArrayBuffer> {
    return this.#inode(path).current.slice();
  }

  setBytes(path: string, bytes: Uint8Array<ArrayBuffer>): void {
    const inode = { synced: bytes.slice(), current: bytes.slice(), unsynced: new Map() };
    this.#names.set(path, inode);
    this.#syncedNames.set(path, inode);
  }

  paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  // FileSystem

  async makeDirectory(): Promise<void> {
    await this.#operation();
  }

  async list(directory: string): Promise<readonly string[]> {
    await this.#operation();
    const prefix = `${directory}/`;
    const paths = this.paths().filter((path) => path.startsWith(prefix));
    return paths.map((path) => path.slice(prefix.length));
  }

  async open(path: string, mode: 'read' | 'write' | 'create'): Promise<OpenFile> {
    await this.#operation();
    if (mode === 'create') {
      const inode: Inode = {
        synced: new Uint8Array(),
        current: new Uint8Array(),
        unsynced: new Map(),
      };
      this.#change({ kind: 'set', path, inode });
    }
    return this.#file(this.#inode(path), path);
  }

  async rename(source: string, target: string): Promise<void> {
    await this.#operation();
    const inode = this.#inode(source);
    this.#change({ kind: 'remove', path: source });
    this.#change({ kind: 'set', path: target, inode });
  }

  async remove(path: string): Promise<void> {
    await this.#operation();
    this.#change({ kind: 'remove', path });
  }

  async syncDirectory(): Promise<void> {
    await this.#operation();
    this.#failAsPlanned('syncDirectory');
    this.#syncedNames = new Map(this.#names);
    this.#unsyncedNames = [];
  }

  async typeOf(): Promise<number> {
    await this.#operation();
    return this.fileSystemType;
  }

  async lock(): Promise<DirectoryLock> {
    await this.#operation();
    if (this.#locked) throw new OperationalError('JOURNAL_LOCKED');
    this.#locked = true;
    return {
      release: () => {
        this.#locked = false;
        return Promise.resolve();
      },
    };
  }

  #file(inode: Inode, path: string): OpenFile {
    return {
      sizeBytes: async () => {
        await this.#operation();
        return inode.current.byteLength;
      },
      read: async (target, offset) => {
        await this.#operation();
        const part = inode.current.subarray(offset, offset + target.byteLength);
        target.set(part);
        return part.byteLength;
      },
      write: async (buffers, offset) => {
        // The crash comes in the middle of a write: its pages are among those that may be lost.
        const crashes = this.operationCount + 1 >= this.#crashAtOperation;
        if (crashes) this.#write(inode, joined(buffers), offset);
        await this.#operation();
        const bytes = joined(buffers);
        const fault = this.#takeFault('write');
        if (fault !== undefined) {
          this.#write(inode, bytes.subarray(0, fault.writtenBytes ?? 0), offset);
          throw systemError(fault.code);
        }
        if (this.isFullFor(path)) throw systemError('ENOSPC');
        const room = this.#roomFor(inode, offset + bytes.byteLength);
        if (room < bytes.byteLength) {
          this.#write(inode, bytes.subarray(0, Math.max(0, room)), offset);
          throw systemError('ENOSPC');
        }
        this.#write(inode, bytes, offset);
      },
      datasync: async () => {
        await this.#operation();
        const fault = this.#takeFault('datasync');
        if (fault === undefined) syncPages(inode);
        // As Linux does it: after a failed sync the pages look clean and are not on the disk.
        inode.unsynced.clear();
        if (fault !== undefined) throw systemError(fault.code);
      },
      truncate: async (sizeBytes) => {
        await this.#operation();
        inode.current = inode.current.slice(0, sizeBytes);
        inode.synced = inode.synced.slice(0, sizeBytes);
        for (const page of inode.unsynced.keys()) {
          if (page * PAGE_BYTES >= sizeBytes) inode.unsynced.delete(page);
        }
      },
      close: () => this.#operation(),
    };
  }

  #write(inode: Inode, bytes: Uint8Array, offset: number): void {
    const end = offset + bytes.byteLength;
    if (end > inode.current.byteLength) {
      const grown = new Uint8Array(end);
      grown.set(inode.current);
      inode.current = grown;
    }
    inode.current.set(bytes, offset);
    for (let page = Math.floor(offset / PAGE_BYTES); page * PAGE_BYTES < end; page++) {
      const versions = inode.unsynced.get(page) ?? [];
      versions.push(inode.current.slice(page * PAGE_BYTES, (page + 1) * PAGE_BYTES));
      inode.unsynced.set(page, versions);
    }
  }

  /** Bytes that can be written, counted from the end of what is asked back to its start. */
  #roomFor(inode: Inode, end: number): number {
    let used = 0;
    for (const other of new Set(this.#names.values())) used += other.current.byteLength;
    const growth = Math.max(0, end - inode.current.byteLength);
    return growth === 0 || used + growth <= this.capacityBytes
      ? Number.MAX_SAFE_INTEGER
      : this.capacityBytes - used;
  }

  #change(change: NameChange): void {
    this.#unsyncedNames.push(change);
    applyChange(this.#names, change);
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError('ENOENT');
    return inode;
  }

  #takeFault(operation: PlannedFault['operation']): PlannedFault | undefined {
    return this.#faults[0]?.operation === operation ? this.#faults.shift() : undefined;
  }

  #failAsPlanned(operation: PlannedFault['operation']): void {
    const fault = this.#takeFault(operation);
    if (fault !== undefined) throw systemError(fault.code);
  }

  async #operation(): Promise<void> {
    this.operationCount += 1;
    if (this.operationCount < this.#crashAtOperation) return;
    this.#crash.resolve();
    await new Promise<never>(() => undefined);
  }
}

function applyChange(names: Map<string, Inode>, change: NameChange): void {
  if (change.kind === 'set') names.set(change.path, change.inode);
  else names.delete(change.path);
}

/** Only what was written since the last sync goes to the disk, and the size. */
function syncPages(inode: Inode): void {
  const synced = new Uint8Array(inode.current.byteLength);
  synced.set(inode.synced.subarray(0, synced.byteLength));
  for (const page of inode.unsynced.keys()) {
    const start = page * PAGE_BYTES;
    if (start < synced.byteLength)
      synced.set(inode.current.subarray(start, start + PAGE_BYTES), start);
  }
  inode.synced = synced;
}

/** A file after a crash: each unsynced page is what was synced, or any content written since. */
function survivorOf(inode: Inode, prng: Prng): Inode {
  const sizes = [inode.synced.byteLength, inode.current.byteLength];
  const bytes = new Uint8Array(prng.pick(sizes));
  bytes.set(inode.synced.subarray(0, bytes.byteLength));
  for (const [page, versions] of inode.unsynced) {
    const version = versions[prng.below(versions.length + 1)];
    const start = page * PAGE_BYTES;
    if (version === undefined || start >= bytes.byteLength) continue;
    bytes.set(version.subarray(0, bytes.byteLength - start), start);
  }
  return { synced: bytes, current: bytes.slice(), unsynced: new Map() };
}

function joined(buffers: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(buffers.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const buffer of buffers) {
    bytes.set(buffer, at);
    at += buffer.byteLength;
  }
  return bytes;
}

export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: simulated`), { code });
}
