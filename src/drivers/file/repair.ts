// Writes again, in one directory, what another directory holds whole; every entry is verified once
// more on the way, and synced before anything of it is answered. Opening (tail-recovery.ts) repairs
// what it has found, add-directory.ts fills a new directory with the same means.

import { join } from 'node:path';
import { ChainCheck } from './chain-check.ts';
import { EntryCursor } from './entry-cursor.ts';
import {
  type FileSystem,
  type OpenFile,
  errorCodeOf,
  syncData,
  syncNames,
  withFile,
} from './file-system.ts';
import { writeZeros } from './preallocator.ts';
import type { Damage } from './segment-copies.ts';
import type { SegmentName } from './segment-name.ts';

/** Repairs one directory's file. */
export async function repairSegment(
  fileSystem: FileSystem,
  damages: readonly Damage[],
  sizeBytes: number,
): Promise<void> {
  const [first] = damages;
  if (first === undefined) return;
  const path = join(first.directory, first.segment.name);
  await withFile(fileSystem.open(path, first.isFileMissing ? 'create' : 'write'), async (file) => {
    for (const damage of damages) {
      const { byteOffset, endByteOffset, entryCount, source, segment } = damage;
      if (entryCount === 0) {
        // Behind the last entry of a sealed segment nothing needs to stand.
        await writeZeros(file, byteOffset, endByteOffset);
        continue;
      }
      await withFile(fileSystem.open(join(source, segment.name), 'read'), (whole) =>
        copyEntries(whole, file, { byteOffset, endByteOffset }),
      );
    }
    const present = await file.sizeBytes();
    if (present < sizeBytes) await writeZeros(file, present, sizeBytes);
    await syncData(file);
  });
  if (first.isFileMissing) await syncNames(fileSystem, first.directory);
}

export function sentenceOf(damage: Damage): string {
  const path = join(damage.directory, damage.segment.name);
  const { byteOffset, endByteOffset, entryCount, position, source, isFileMissing } = damage;
  const place = isFileMissing ? `${path}, which was missing` : `${path}, byte ${byteOffset}`;
  const what =
    entryCount === 0
      ? 'nothing belongs there'
      : `${entryCount} entries from position ${position} on`;
  return `Repaired ${endByteOffset - byteOffset} bytes of ${place}, from ${source}: ${what}.`;
}

/** Entries and end marks of a range, each verified. */
export async function copyEntries(
  source: OpenFile,
  target: OpenFile,
  range: { readonly byteOffset: number; readonly endByteOffset: number },
): Promise<void> {
  const cursor = new EntryCursor(source, range.byteOffset);
  while (cursor.byteOffset < range.endByteOffset) {
    const step = await cursor.next(range.endByteOffset);
    if (step.kind === 'stop') throw new Error('what was verified cannot be read again');
    const [first] = step.entries;
    if (first === undefined) throw new Error('a step without entries');
    const { buffer, byteOffset } = first.entry.bytes;
    const stored = new Uint8Array(buffer, byteOffset, cursor.byteOffset - first.byteOffset);
    await target.write([stored], first.byteOffset);
  }
}

/**
 * Where the entries of a segment end, if they are whole and lead to `nextPosition` (undefined: to
 * any); otherwise undefined.
 */
export async function endOfWhole(
  file: OpenFile,
  segment: SegmentName,
  nextPosition: number | undefined,
): Promise<number | undefined> {
  const chain = new ChainCheck(segment.position, segment.epoch);
  const cursor = new EntryCursor(file, 0);
  const sizeBytes = await file.sizeBytes();
  for (;;) {
    const step = await cursor.next(sizeBytes);
    if (step.kind === 'stop') break;
    for (const { entry } of step.entries) {
      if (chain.faultOf(entry) !== undefined) return undefined;
      chain.advance(entry);
    }
  }
  const isWhole = nextPosition === undefined || chain.nextPosition === nextPosition;
  return isWhole && cursor.byteOffset > 0 ? cursor.byteOffset : undefined;
}

type SegmentCopying = {
  readonly fileSystem: FileSystem;
  readonly segment: SegmentName;
  /** Tried in turn. */
  readonly sources: readonly string[];
  readonly target: string;
  /** The position behind its last entry. */
  readonly nextPosition: number | undefined;
};

/**
 * Copies a sealed segment whole, so that its name stands in the target only when all of it is
 * durable. What the target had under that name is not believed: after a failed sync a file can look
 * right and not be on the disk. False when no source has it whole.
 */
export async function copySegment(copying: SegmentCopying): Promise<boolean> {
  const { fileSystem, segment, sources, target, nextPosition } = copying;
  const path = join(target, segment.name);
  for (const source of sources) {
    const isCopied = await useIfThere(fileSystem, join(source, segment.name), async (file) => {
      const end = await endOfWhole(file, segment, nextPosition);
      if (end === undefined) return false;
      const partial = `${path}.partial`;
      await withFile(fileSystem.open(partial, 'create'), async (copy) => {
        await copyEntries(file, copy, { byteOffset: 0, endByteOffset: end });
        await syncData(copy);
      });
      await fileSystem.rename(partial, path);
      await syncNames(fileSystem, target);
      return true;
    });
    if (isCopied === true) return true;
  }
  return false;
}

/** Undefined when the file is not there. */
async function useIfThere<T>(
  fileSystem: FileSystem,
  path: string,
  use: (file: OpenFile) => Promise<T>,
): Promise<T | undefined> {
  let file: OpenFile;
  try {
    file = await fileSystem.open(path, 'read');
  } catch (error) {
    if (errorCodeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}
