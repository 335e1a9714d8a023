// Files of the simulated file system: what of them is on the disk, what is not yet, and what is
// left after the machine went off.

import type { Prng } from '../../../src/base/prng.ts';

export type Inode = {
  synced: Uint8Array<ArrayBuffer>;
  current: Uint8Array<ArrayBuffer>;
  /** Contents of each unit written since the last sync, oldest first. */
  readonly unsynced: Map<number, Uint8Array[]>;
  /** How often writing back has failed; every open file hears of it once. */
  writeBackErrors: number;
};

export type NameChange =
  | { readonly kind: 'set'; readonly path: string; readonly inode: Inode }
  | { readonly kind: 'remove'; readonly path: string }
  | {
      readonly kind: 'rename';
      readonly source: string;
      readonly target: string;
      readonly inode: Inode;
    };

export function emptyInode(): Inode {
  return {
    synced: new Uint8Array(),
    current: new Uint8Array(),
    unsynced: new Map(),
    writeBackErrors: 0,
  };
}

/** Names change as a whole: a rename is never half there. */
export function applyChange(names: Map<string, Inode>, change: NameChange): void {
  if (change.kind === 'set') names.set(change.path, change.inode);
  else if (change.kind === 'remove') names.delete(change.path);
  else {
    names.delete(change.source);
    names.set(change.target, change.inode);
  }
}

export function writeUnits(
  inode: Inode,
  bytes: Uint8Array,
  offset: number,
  unitBytes: number,
): void {
  const end = offset + bytes.byteLength;
  if (end > inode.current.byteLength) {
    const grown = new Uint8Array(end);
    grown.set(inode.current);
    inode.current = grown;
  }
  inode.current.set(bytes, offset);
  const first = Math.floor(offset / unitBytes);
  const written = inode.current.slice(first * unitBytes, Math.ceil(end / unitBytes) * unitBytes);
  for (let unit = first; unit * unitBytes < end; unit++) {
    const start = (unit - first) * unitBytes;
    const version = written.subarray(start, start + unitBytes);
    const versions = inode.unsynced.get(unit);
    if (versions === undefined) inode.unsynced.set(unit, [version]);
    else versions.push(version);
  }
}

/** Only what was written since the last sync goes to the disk, and the size. */
export function syncUnits(inode: Inode, unitBytes: number): void {
  const synced = new Uint8Array(inode.current.byteLength);
  synced.set(inode.synced.subarray(0, synced.byteLength));
  for (const unit of inode.unsynced.keys()) {
    const start = unit * unitBytes;
    if (start >= synced.byteLength) continue;
    synced.set(inode.current.subarray(start, start + unitBytes), start);
  }
  inode.synced = synced;
}

/**
 * A file after a crash: each unsynced unit is what was synced, or any content written since, and
 * its size the synced one or the last.
 */
export function survivorOf(inode: Inode, prng: Prng, unitBytes: number): Inode {
  const sizes = [inode.synced.byteLength, inode.current.byteLength];
  const bytes = new Uint8Array(prng.pick(sizes));
  bytes.set(inode.synced.subarray(0, bytes.byteLength));
  for (const [unit, versions] of inode.unsynced) {
    const version = versions[prng.below(versions.length + 1)];
    const start = unit * unitBytes;
    if (version === undefined || start >= bytes.byteLength) continue;
    bytes.set(version.subarray(0, bytes.byteLength - start), start);
  }
  return { ...emptyInode(), synced: bytes, current: bytes.slice() };
}

export function joined(buffers: readonly Uint8Array[]): Uint8Array {
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
