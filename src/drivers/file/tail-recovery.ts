// Opening for writing, lock in hand: verify everything, cut what is torn, and make the tail durable
// (I3, I4). A failed or missing fsync leaves pages that look clean and may never reach the disk, so
// every entry that may be unsynced is written again with the same bytes and synced before anything
// of it is answered.

import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import type { Entry } from '../../base/entry.ts';
import type { ChainedHeader } from './chain-check.ts';
import type { FileSystem } from './file-system.ts';
import { type ScanEvent, corruptError, scanJournal } from './journal-scan.ts';
import { COPY_BYTES, writeZeros } from './preallocator.ts';
import type { SegmentName } from './segment-name.ts';

/** A segment with entries. `endByteOffset`: where its entries end. */
export type KnownSegment = {
  readonly segment: SegmentName;
  readonly endByteOffset: number;
  readonly sizeBytes: number;
};

export type RecoveredJournal = {
  readonly segments: readonly KnownSegment[];
  /** The last entry; undefined when the journal is empty. */
  readonly last: ChainedHeader | undefined;
  readonly tornBytes: number;
  readonly notes: readonly string[];
};

type SegmentEnd = Extract<ScanEvent, { kind: 'end' }>;

/** Where, in the segment being scanned, the entries begin that may be unsynced. */
class UnsyncedTail {
  readonly segmentName: string;
  readonly #places: { readonly position: number; readonly byteOffset: number }[] = [];
  #firstIndex = 0;

  constructor(segmentName: string) {
    this.segmentName = segmentName;
  }

  add(position: number, durable: number, byteOffset: number): void {
    this.#places.push({ position, byteOffset });
    while ((this.#places[this.#firstIndex]?.position ?? position) <= durable) this.#firstIndex += 1;
  }

  get byteOffset(): number {
    return this.#places[this.#firstIndex]?.byteOffset ?? 0;
  }
}

export async function recoverForWriting(
  fileSystem: FileSystem,
  directory: string,
  signal: AbortSignal,
): Promise<RecoveredJournal> {
  const notes: string[] = [];
  const segments: KnownSegment[] = [];
  let unsynced = new UnsyncedTail('');
  let last: ChainedHeader | undefined;
  let tornBytes = 0;
  for await (const event of scanJournal(fileSystem, directory, signal)) {
    if (event.kind === 'entries') {
      const { name } = event.segment;
      if (unsynced.segmentName !== name) unsynced = new UnsyncedTail(name);
      for (const { entry, byteOffset } of event.entries) {
        unsynced.add(entry.position, entry.durable, byteOffset);
      }
      last = headerOf(event.entries.at(-1)?.entry) ?? last;
    } else if (event.kind === 'end') {
      tornBytes += await mend(fileSystem, directory, event, segments.at(-1), notes);
      if (event.entryCount === 0) continue;
      const { segment, byteOffset, sizeBytes } = event;
      segments.push({ segment, endByteOffset: byteOffset, sizeBytes });
    }
  }
  const tail = segments.at(-1);
  if (tail !== undefined && last !== undefined) {
    assert(unsynced.segmentName === tail.segment.name, 'the last entry is in the last segment');
    await makeTailDurable(fileSystem, directory, tail, unsynced.byteOffset);
    notes.push(`Wrote what follows position ${last.durable} again, same bytes, and synced it.`);
  }
  await trimSealed(fileSystem, directory, segments.slice(0, -1));
  await fileSystem.syncDirectory(directory);
  return { segments, last, tornBytes, notes };
}

/** Unused room of segments that have a successor; the writer had no time for it before it ended. */
async function trimSealed(
  fileSystem: FileSystem,
  directory: string,
  segments: readonly KnownSegment[],
): Promise<void> {
  for (const { segment, endByteOffset, sizeBytes } of segments) {
    if (sizeBytes === endByteOffset) continue;
    const file = await fileSystem.open(join(directory, segment.name), 'write');
    try {
      await file.truncate(endByteOffset);
    } finally {
      await file.close();
    }
  }
}

/** The entry's header and digest without its body, which would keep a whole chunk in memory. */
export function headerOf(entry: Entry | undefined): ChainedHeader | undefined {
  if (entry === undefined) return undefined;
  const { bytes: _bytes, ...header } = entry;
  return { ...header, digest: entry.digest.slice() };
}

/** Ends a segment as its verdict says; returns the torn bytes cut. */
async function mend(
  fileSystem: FileSystem,
  directory: string,
  end: SegmentEnd,
  previous: KnownSegment | undefined,
  notes: string[],
): Promise<number> {
  const { verdict, segment, byteOffset, position } = end;
  const path = join(directory, segment.name);
  if (verdict.kind === 'corrupt') throw corruptError(directory, end, verdict.found);
  const tornBytes = verdict.kind === 'torn' ? verdict.endByteOffset - byteOffset : 0;
  if (end.entryCount === 0) {
    // A segment loses its unused room only when an entry behind it has been made durable.
    if (previous !== undefined && previous.sizeBytes === previous.endByteOffset) {
      const found = 'no entry, though the file before it was closed behind one that stood here';
      throw corruptError(directory, end, found);
    }
    await fileSystem.remove(path);
    await fileSystem.syncDirectory(directory);
    notes.push(`Removed ${segment.name}, which held no entry.`);
    return tornBytes;
  }
  if (verdict.kind !== 'torn') return 0;
  const file = await fileSystem.open(path, 'write');
  try {
    await writeZeros(file, byteOffset, verdict.endByteOffset);
    await file.datasync();
  } finally {
    await file.close();
  }
  notes.push(
    `Cut ${tornBytes} bytes at byte ${byteOffset} of ${segment.name}: what a crash left of writes behind position ${position - 1}, never acknowledged.`,
  );
  return tornBytes;
}

/** Writes the last segment's entries from `start` on again, same bytes, and syncs. */
async function makeTailDurable(
  fileSystem: FileSystem,
  directory: string,
  tail: KnownSegment,
  start: number,
): Promise<void> {
  const file = await fileSystem.open(join(directory, tail.segment.name), 'write');
  try {
    for (let at = start; at < tail.endByteOffset; at += COPY_BYTES) {
      const bytes = new Uint8Array(Math.min(COPY_BYTES, tail.endByteOffset - at));
      const count = await file.read(bytes, at);
      assert(count === bytes.byteLength, 'the verified tail can be read again');
      await file.write([bytes], at);
    }
    await file.datasync();
  } finally {
    await file.close();
  }
}
