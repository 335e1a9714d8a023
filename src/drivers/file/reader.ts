// The reading end of the file journal. It yields what has been verified, in log order, and knows
// two situations: beside the writer of this process it reads exactly what is durable, so anything
// wrong is corruption; beside a writer in another process it stops at the first incomplete thing
// in the last segment and looks again, since a write may be under way.

import { join } from 'node:path';
import type { OperationalError } from '../../base/errors.ts';
import type { ReadOptions, StoredEntry } from '../../ports/journal.ts';
import { ChainCheck } from './chain-check.ts';
import { CopiesCursor } from './copies-cursor.ts';
import type { PlacedEntry } from './entry-cursor.ts';
import { type FileSystem, errorCodeOf } from './file-system.ts';
import { corruptError, noEntryAt } from './journal-scan.ts';
import { type SegmentName, offsetOf, parseOffset } from './segment-name.ts';

const BATCH_ENTRIES_MAX = 256;

/** A segment that another process has begun is seen so late at most. */
const LIST_MS = 20;

/** What the reader sees of the journal beside it. */
export interface LogView {
  readonly fileSystem: FileSystem;
  /** Where segments are, the one to read first. */
  directories(): Promise<readonly string[]>;
  /** Segments with or (another process's) without entries, in log order. */
  segments(): Promise<readonly SegmentName[]>;
  /** Where the segment's durable entries end; undefined when only its bytes can tell. */
  endOf(segment: SegmentName): number | undefined;
  /** Of what there is to read: rises when there may be more. */
  version(): number;
  /** Resolves when there may be more than at version `seen`, or `signal` aborts. */
  changed(seen: number, signal: AbortSignal): Promise<void>;
  isClosed(): boolean;
  /** Reading ends before this segment, though it follows. */
  endsBefore(segment: SegmentName): Promise<boolean>;
  /** A place could not be read in one directory and was read in another. */
  readElsewhere(path: string, byteOffset: number): void;
}

export async function* readJournal(
  view: LogView,
  options: ReadOptions,
): AsyncGenerator<readonly StoredEntry[]> {
  const { signal, follow } = options;
  const start = await firstPlace(view, options);
  if (start === undefined) return;
  let { segment, byteOffset } = start;
  let chain: ChainCheck | undefined;
  for (;;) {
    const cursor = await openSegment(view, segment, byteOffset);
    try {
      if (byteOffset > 0) chain = await chainAt(view, cursor, segment, byteOffset);
      chain ??= new ChainCheck(segment.position, segment.epoch);
      chain.startSegment(segment.epoch);
      const next = yield* readSegment(view, { segment, cursor, chain, signal, follow });
      if (next === undefined || (await view.endsBefore(next))) return;
      segment = next;
      byteOffset = 0;
    } finally {
      await cursor.close();
    }
  }
}

/** Where to begin; undefined when the journal is empty and nobody waits for it. */
async function firstPlace(
  view: LogView,
  { from, follow, signal }: ReadOptions,
): Promise<{ readonly segment: SegmentName; readonly byteOffset: number } | undefined> {
  if (from !== null) {
    const place = parseOffset(from);
    const segments = await view.segments();
    const segment = segments.find(({ name }) => name === place?.segmentName);
    if (segment === undefined || place === undefined) throw noEntryAt(from);
    return { segment, byteOffset: place.byteOffset };
  }
  while (!signal.aborted && !view.isClosed()) {
    const seen = view.version();
    const segment = (await view.segments())[0];
    if (segment !== undefined) return { segment, byteOffset: 0 };
    if (!follow) return undefined;
    await view.changed(seen, signal);
  }
  return undefined;
}

async function openSegment(
  view: LogView,
  segment: SegmentName,
  byteOffset: number,
): Promise<CopiesCursor> {
  try {
    const directories = (): Promise<readonly string[]> => view.directories();
    return await CopiesCursor.open(view.fileSystem, { directories, segment, byteOffset });
  } catch (error) {
    if (errorCodeOf(error) !== 'ENOENT') throw error;
    throw noEntryAt(offsetOf(segment.name, 0), error);
  }
}

/** The chain as it must go on at an offset inside a segment: what stands there must be an entry. */
async function chainAt(
  view: LogView,
  cursor: CopiesCursor,
  segment: SegmentName,
  byteOffset: number,
): Promise<ChainCheck> {
  const end = view.endOf(segment);
  if (byteOffset % 8 === 0 && (end === undefined || byteOffset < end)) {
    const first = await cursor.peek(end);
    if (first !== undefined && first.epoch === segment.epoch && first.position > segment.position) {
      return new ChainCheck(first.position, segment.epoch);
    }
  }
  throw noEntryAt(offsetOf(segment.name, byteOffset));
}

type SegmentReading = {
  readonly segment: SegmentName;
  readonly cursor: CopiesCursor;
  readonly chain: ChainCheck;
  readonly signal: AbortSignal;
  readonly follow: boolean;
};

/**
 * Reads one segment to its end; returns the one that follows, or undefined at the reading's end.
 */
async function* readSegment(
  view: LogView,
  reading: SegmentReading,
): AsyncGenerator<readonly StoredEntry[], SegmentName | undefined> {
  const { segment, cursor, chain, signal, follow } = reading;
  /** Beside a writer in another process: not before is the directory listed again. */
  let listMs = 0;
  while (!signal.aborted && !view.isClosed()) {
    const seen = view.version();
    // Whoever is told of each entry need not list the directory each time.
    if (follow && cursor.byteOffset > 0 && performance.now() < listMs) {
      const more = await cursor.next(view.endOf(segment));
      if (more.kind === 'entries') yield* checked(reading, more.entries);
      else await view.changed(seen, signal);
      continue;
    }
    // In this order: entries found before the successor was looked for cannot be the last ones.
    const successor = (await view.segments()).find(({ name }) => name > segment.name);
    const end = view.endOf(segment);
    const step = await cursor.next(end);
    if (end === undefined) listMs = performance.now() + LIST_MS;
    if (step.kind === 'entries') {
      yield* checked(reading, step.entries);
      continue;
    }
    const isCutShort = end !== undefined && cursor.byteOffset < end;
    const isFollowed = successor !== undefined && successor.position !== chain.nextPosition;
    if ((isCutShort || isFollowed) && (await cursor.goElsewhere())) {
      view.readElsewhere(join(cursor.directory, segment.name), cursor.byteOffset);
      continue;
    }
    if (isCutShort) {
      throw damaged(reading, `what is no entry (${step.fault}), where one was verified before`);
    }
    if (successor !== undefined) {
      if (successor.position === chain.nextPosition) return successor;
      const isDiscarded = !(await view.segments()).some(({ name }) => name === segment.name);
      if (isDiscarded) throw noEntryAt(offsetOf(segment.name, cursor.byteOffset));
      throw damaged(
        reading,
        `what is no entry (${step.fault}), though the journal goes on with position ${successor.position}`,
      );
    }
    if (!follow) return undefined;
    await view.changed(seen, signal);
    // An empty segment may be removed by its writer's recovery and made anew under the same name.
    if (end === undefined && cursor.byteOffset === 0) return await nextSegment(view, reading);
  }
  return undefined;
}

/** The segment that begins with the next position, as the directory has it now. */
async function nextSegment(
  view: LogView,
  { chain, signal }: SegmentReading,
): Promise<SegmentName | undefined> {
  while (!signal.aborted && !view.isClosed()) {
    const seen = view.version();
    const segments = await view.segments();
    const next = segments.find(({ position }) => position === chain.nextPosition);
    if (next !== undefined) return next;
    await view.changed(seen, signal);
  }
  return undefined;
}

function* checked(
  reading: SegmentReading,
  entries: readonly PlacedEntry[],
): Generator<readonly StoredEntry[]> {
  checkChain(reading, entries);
  yield* batchesOf(reading.segment, entries);
}

function checkChain(
  { segment, chain, cursor }: SegmentReading,
  entries: readonly PlacedEntry[],
): void {
  for (const { entry, byteOffset } of entries) {
    const found = chain.faultOf(entry);
    const position = chain.nextPosition;
    if (found !== undefined) {
      throw corruptError(cursor.directory, { segment, byteOffset, position }, found);
    }
    chain.advance(entry);
  }
}

function* batchesOf(
  segment: SegmentName,
  entries: readonly PlacedEntry[],
): Generator<readonly StoredEntry[]> {
  for (let start = 0; start < entries.length; start += BATCH_ENTRIES_MAX) {
    yield entries.slice(start, start + BATCH_ENTRIES_MAX).map(({ entry, byteOffset }) => ({
      entry,
      offset: offsetOf(segment.name, byteOffset),
    }));
  }
}

function damaged(reading: SegmentReading, found: string): OperationalError {
  const { segment, cursor, chain } = reading;
  const place = { segment, byteOffset: cursor.byteOffset, position: chain.nextPosition };
  return corruptError(cursor.directory, place, found);
}
