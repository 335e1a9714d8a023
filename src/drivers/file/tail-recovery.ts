// Opening for writing, locks in hand: verify everything in all directories, repair what is damaged
// in one and whole in another, cut what is torn, and make the tail durable (I3, I4). A failed or
// missing fsync leaves pages that look clean and may never reach the disk, so every entry that may
// be unsynced is written again with the same bytes and synced before anything of it is answered.
//
// Nothing is written before all of it has been looked at: what halts, halts without a trace.

import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import type { Entry } from '../../base/entry.ts';
import type { EngineOffset } from '../../ports/journal.ts';
import type { ChainedHeader } from './chain-check.ts';
import { type FileSystem, withFile } from './file-system.ts';
import { type ScanEvent, corruptError, scanJournal } from './journal-scan.ts';
import { COPY_BYTES, writeZeros } from './preallocator.ts';
import { copySegment, repairSegment, sentenceOf } from './repair.ts';
import { type Damage, addDamage } from './segment-copies.ts';
import type { SegmentName } from './segment-name.ts';

/** A segment with entries. `endByteOffset`: where they end; undefined when it was only listed. */
export type KnownSegment = {
  readonly segment: SegmentName;
  readonly endByteOffset: number | undefined;
  /** By directory; where it is missing, it has been repaired to the largest. */
  readonly sizes: ReadonlyMap<string, number>;
};

export type RecoveredJournal = {
  readonly segments: readonly KnownSegment[];
  /** The last entry; undefined when the journal is empty. */
  readonly last: ChainedHeader | undefined;
  readonly tornBytes: number;
  /** What was repaired from another directory, but for what a crash leaves of the tail. */
  readonly repairs: readonly string[];
  readonly notes: readonly string[];
};

export type RecoveryOptions = {
  readonly fileSystem: FileSystem;
  readonly directories: readonly string[];
  readonly signal: AbortSignal;
  readonly from?: EngineOffset | undefined;
  readonly isReadThrough?: boolean | undefined;
  /** Segments up to this name are discarded. */
  readonly discardedThrough: string;
};

type SegmentEnd = Extract<ScanEvent, { kind: 'end' }>;
type Listed = Extract<ScanEvent, { kind: 'listed' }>;

/** What looking at the journal has found: the acts follow when all of it is known. */
export type RecoveryPlan = {
  readonly listed: readonly Listed[];
  readonly ends: readonly SegmentEnd[];
  readonly damages: readonly Damage[];
  readonly last: ChainedHeader | undefined;
  /** Where, in the last segment, the entries begin that may be unsynced. */
  readonly unsyncedByteOffset: number;
};

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

/** Looks at everything and changes nothing; throws for what cannot be mended. */
export async function planRecovery(options: RecoveryOptions): Promise<RecoveryPlan> {
  const { fileSystem, directories } = options;
  const listed: Listed[] = [];
  const ends: SegmentEnd[] = [];
  const damages: Damage[] = [];
  let unsynced = new UnsyncedTail('');
  let last: ChainedHeader | undefined;
  for await (const event of scanJournal(fileSystem, directories, options)) {
    if (event.kind === 'entries') {
      const { name } = event.segment;
      if (unsynced.segmentName !== name) unsynced = new UnsyncedTail(name);
      for (const { entry, byteOffset } of event.entries) {
        unsynced.add(entry.position, entry.durable, byteOffset);
      }
      last = headerOf(event.entries.at(-1)?.entry) ?? last;
    } else if (event.kind === 'damage') addDamage(damages, event.damage);
    else if (event.kind === 'listed') listed.push(event);
    else if (event.kind === 'end') {
      refuseCorrupt(event, ends.at(-1));
      ends.push(event);
    }
  }
  return { listed, ends, damages, last, unsyncedByteOffset: unsynced.byteOffset };
}

function refuseCorrupt(end: SegmentEnd, previous: SegmentEnd | undefined): void {
  const { verdict, directory, entryCount } = end;
  if (verdict.kind === 'corrupt') throw corruptError(directory, end, verdict.found);
  if (entryCount > 0 || previous === undefined) return;
  // A segment loses its unused room only when an entry behind it has been made durable.
  const isTrimmed = previous.copies.some(
    ({ isThere, sizeBytes }) => isThere && sizeBytes === previous.byteOffset,
  );
  if (!isTrimmed) return;
  const found = 'no entry, though the file before it was closed behind one that stood here';
  throw corruptError(directory, end, found);
}

export async function recoverForWriting(
  options: RecoveryOptions,
  plan: RecoveryPlan,
): Promise<RecoveredJournal> {
  const { fileSystem, directories } = options;
  const notes: string[] = [];
  const repairs = await copyMissing(options, plan);
  await repairAll(options, plan);
  for (const damage of plan.damages) {
    // Behind what is surely synced, a crash alone makes directories differ.
    (isInTail(plan, damage) ? notes : repairs).push(sentenceOf(damage));
  }
  const segments: KnownSegment[] = plan.listed.map(({ segment }) => {
    return { segment, endByteOffset: undefined, sizes: new Map() };
  });
  let tornBytes = 0;
  for (const end of plan.ends) {
    tornBytes += await mend(options, end, notes);
    if (end.entryCount === 0) continue;
    const wholeBytes = wholeSizeOf(end);
    const sizes = end.copies.map(
      ({ directory, sizeBytes }) =>
        [directory, isDamaged(plan, end, directory) ? wholeBytes : sizeBytes] as const,
    );
    const { segment, byteOffset } = end;
    segments.push({ segment, endByteOffset: byteOffset, sizes: new Map(sizes) });
  }
  const tail = segments.at(-1);
  if (tail?.endByteOffset !== undefined && plan.last !== undefined) {
    const { endByteOffset, segment } = tail;
    for (const directory of directories) {
      const range = { start: plan.unsyncedByteOffset, end: endByteOffset };
      await makeTailDurable(fileSystem, join(directory, segment.name), range);
    }
    notes.push(
      `Wrote what follows position ${plan.last.durable} again, same bytes, and synced it.`,
    );
  }
  for (const directory of directories) {
    await trimSealed(fileSystem, directory, segments.slice(0, -1));
    await fileSystem.syncDirectory(directory);
  }
  return { segments, last: plan.last, tornBytes, repairs, notes };
}

/** Segments of which only the names were looked at. */
async function copyMissing(options: RecoveryOptions, plan: RecoveryPlan): Promise<string[]> {
  const notes: string[] = [];
  const { fileSystem, directories } = options;
  const following = [...plan.listed, ...plan.ends];
  for (const [index, { segment, missingIn }] of plan.listed.entries()) {
    const nextPosition = following[index + 1]?.segment.position;
    for (const target of missingIn) {
      const sources = directories.filter((directory) => !missingIn.includes(directory));
      const copying = { fileSystem, segment, sources, target, nextPosition };
      const path = join(target, segment.name);
      notes.push(
        (await copySegment(copying))
          ? `Repaired ${path}, which was missing, from another directory.`
          : `${path} is missing, and no other directory has it whole: verify the journal.`,
      );
    }
  }
  return notes;
}

function isInTail({ ends, unsyncedByteOffset }: RecoveryPlan, damage: Damage): boolean {
  const last = ends.findLast(({ entryCount }) => entryCount > 0);
  return last?.segment.name === damage.segment.name && damage.byteOffset >= unsyncedByteOffset;
}

async function repairAll(options: RecoveryOptions, plan: RecoveryPlan): Promise<void> {
  for (const end of plan.ends) {
    for (const directory of options.directories) {
      const damages = plan.damages.filter(
        (damage) => damage.directory === directory && damage.segment.name === end.segment.name,
      );
      await repairSegment(options.fileSystem, damages, wholeSizeOf(end));
    }
  }
}

/** What a repaired copy is filled up to, with zeros: as the largest of the others. */
function wholeSizeOf({ copies, byteOffset }: SegmentEnd): number {
  return Math.max(byteOffset, ...copies.map(({ sizeBytes }) => sizeBytes));
}

function isDamaged(plan: RecoveryPlan, end: SegmentEnd, directory: string): boolean {
  return plan.damages.some(
    (damage) => damage.directory === directory && damage.segment.name === end.segment.name,
  );
}

/** Unused room of segments that have a successor; the writer had no time for it before it ended. */
async function trimSealed(
  fileSystem: FileSystem,
  directory: string,
  segments: readonly KnownSegment[],
): Promise<void> {
  for (const { segment, endByteOffset, sizes } of segments) {
    if (endByteOffset === undefined || sizes.get(directory) === endByteOffset) continue;
    await withFile(fileSystem.open(join(directory, segment.name), 'write'), (file) =>
      file.truncate(endByteOffset),
    );
  }
}

/** The entry's header and digest without its body, which would keep a whole chunk in memory. */
export function headerOf(entry: Entry | undefined): ChainedHeader | undefined {
  if (entry === undefined) return undefined;
  const { bytes: _bytes, ...header } = entry;
  return { ...header, digest: entry.digest.slice() };
}

/** Ends a segment as its verdicts say; returns the torn bytes cut. */
async function mend(options: RecoveryOptions, end: SegmentEnd, notes: string[]): Promise<number> {
  const { fileSystem } = options;
  const { segment, byteOffset, position } = end;
  let tornBytes = 0;
  for (const { directory, isThere, verdict } of end.copies) {
    const path = join(directory, segment.name);
    const cutBytes = verdict.kind === 'torn' ? verdict.endByteOffset - byteOffset : 0;
    tornBytes = Math.max(tornBytes, cutBytes);
    if (end.entryCount === 0) {
      if (!isThere) continue;
      await fileSystem.remove(path);
      await fileSystem.syncDirectory(directory);
      notes.push(`Removed ${segment.name}, which held no entry.`);
      continue;
    }
    if (verdict.kind !== 'torn') continue;
    await withFile(fileSystem.open(path, 'write'), async (file) => {
      await writeZeros(file, byteOffset, verdict.endByteOffset);
      await file.datasync();
    });
    notes.push(
      `Cut ${cutBytes} bytes at byte ${byteOffset} of ${segment.name}: what a crash left of writes behind position ${position - 1}, never acknowledged.`,
    );
  }
  return tornBytes;
}

/** Writes a part of the last segment again, same bytes, and syncs. */
async function makeTailDurable(
  fileSystem: FileSystem,
  path: string,
  { start, end }: { readonly start: number; readonly end: number },
): Promise<void> {
  await withFile(fileSystem.open(path, 'write'), async (file) => {
    for (let at = start; at < end; at += COPY_BYTES) {
      const bytes = new Uint8Array(Math.min(COPY_BYTES, end - at));
      const count = await file.read(bytes, at);
      assert(count === bytes.byteLength, 'the verified tail can be read again');
      await file.write([bytes], at);
    }
    await file.datasync();
  });
}
