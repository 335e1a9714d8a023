// Discarding moves segments and deletes nothing: each goes, oldest first and durably, from its
// directory to a folder of discarded ones, from which the history is read. A crash leaves it in
// one of the two places, or (between two file systems) in both: then the move is done again.

import { join } from 'node:path';
import {
  type FileSystem,
  type OpenFile,
  errorCodeOf,
  listIfThere,
  syncData,
  syncNames,
  withFile,
} from './file-system.ts';
import { OperationalError } from '../../base/errors.ts';
import { COPY_BYTES } from './preallocator.ts';
import { endOfWhole } from './repair.ts';
import { type SegmentName, segmentsAmong } from './segment-name.ts';

export type Move = {
  readonly fileSystem: FileSystem;
  readonly name: string;
  readonly source: string;
  readonly target: string;
};

/** Moves one segment durably. Idempotent. */
export async function moveSegment(move: Move): Promise<void> {
  const { fileSystem, name, source, target } = move;
  await fileSystem.makeDirectory(target);
  try {
    await fileSystem.rename(join(source, name), join(target, name));
  } catch (error) {
    const code = errorCodeOf(error);
    if (code === 'EXDEV') await copyAside(move);
    else if (code !== 'ENOENT' || !(await isListed(fileSystem, target, name))) throw error;
  }
  // The new name first: a crash in between leaves two names rather than none.
  await syncNames(fileSystem, target);
  await syncNames(fileSystem, source);
}

async function copyAside({ fileSystem, name, source, target }: Move): Promise<void> {
  const partial = join(target, `${name}.partial`);
  await withFile(fileSystem.open(join(source, name), 'read'), (file) =>
    withFile(fileSystem.open(partial, 'create'), async (copy) => {
      await copyBytes(file, copy);
      await syncData(copy);
    }),
  );
  await fileSystem.rename(partial, join(target, name));
  await syncNames(fileSystem, target);
  await fileSystem.remove(join(source, name));
}

async function copyBytes(source: OpenFile, target: OpenFile): Promise<void> {
  for (let at = 0; ; at += COPY_BYTES) {
    const bytes = new Uint8Array(COPY_BYTES);
    const count = await source.read(bytes, at);
    if (count > 0) await target.write([bytes.subarray(0, count)], at);
    if (count < COPY_BYTES) return;
  }
}

async function isListed(fileSystem: FileSystem, directory: string, name: string): Promise<boolean> {
  return (await listIfThere(fileSystem, directory)).includes(name);
}

/** Segments that at least one of the folders holds, in log order. */
export async function segmentsIn(
  fileSystem: FileSystem,
  folders: readonly string[],
): Promise<readonly SegmentName[]> {
  const names = new Set<string>();
  for (const folder of folders) {
    for (const name of await listIfThere(fileSystem, folder)) names.add(name);
  }
  return segmentsAmong([...names]);
}

/** A directory and its folder of discarded segments. */
export type Places = { readonly directory: string; readonly folder: string };

/**
 * What is discarded by now: everything up to the newest name in the folders, since the oldest go
 * first. The journal's last segment never goes: folders that say so are not this journal's.
 */
export async function discardedThrough(
  fileSystem: FileSystem,
  places: readonly Places[],
): Promise<string> {
  const discarded = await segmentsIn(
    fileSystem,
    places.map(({ folder }) => folder),
  );
  const newest = discarded.at(-1);
  if (newest === undefined) return '';
  const kept = await segmentsIn(
    fileSystem,
    places.map(({ directory }) => directory),
  );
  const last = kept.at(-1);
  if (last !== undefined && last.name > newest.name) return newest.name;
  const folders = places.map(({ folder }) => folder).join(' and ');
  throw new OperationalError('JOURNAL_CORRUPT', {
    detail: `${newest.name} is among the discarded segments in ${folders}, but the journal's directory has none behind it: segments that are still needed are missing. Nothing was changed.`,
    wayOut: 'Put the missing segments back from a copy, then start again.',
  });
}

/** At start: moves that a crash cut short are done, in every directory. */
export async function finishDiscards(
  fileSystem: FileSystem,
  places: readonly Places[],
  through: string,
): Promise<readonly string[]> {
  const notes: string[] = [];
  for (const { directory, folder } of places) {
    const left = segmentsAmong(await fileSystem.list(directory));
    for (const segment of left.filter(({ name }) => name <= through)) {
      const { name } = segment;
      // A name stands in the folder only when all of it is durable there.
      if (await isWholeIn(fileSystem, folder, segment)) {
        await fileSystem.remove(join(directory, name));
        await syncNames(fileSystem, directory);
      } else await moveSegment({ fileSystem, name, source: directory, target: folder });
      notes.push(`Moved ${join(directory, name)} to ${folder}, which a crash had cut short.`);
    }
  }
  return notes;
}

async function isWholeIn(
  fileSystem: FileSystem,
  folder: string,
  segment: SegmentName,
): Promise<boolean> {
  if (!(await isListed(fileSystem, folder, segment.name))) return false;
  const end = await withFile(fileSystem.open(join(folder, segment.name), 'read'), (file) =>
    endOfWhole(file, segment, undefined),
  );
  return end !== undefined;
}
