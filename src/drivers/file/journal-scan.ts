// Walks a whole journal, segment by segment, in all of its directories at once, verifying
// everything and changing nothing. Opening for writing (tail-recovery.ts) and offline inspection
// (inspect.ts) both stand on it.

import { join } from 'node:path';
import { OperationalError } from '../../base/errors.ts';
import type { EngineOffset } from '../../ports/journal.ts';
import { ChainCheck } from './chain-check.ts';
import type { PlacedEntry } from './entry-cursor.ts';
import { type FileSystem, listIfThere } from './file-system.ts';
import { type CopyEnd, type Damage, SegmentCopies } from './segment-copies.ts';
import { type SegmentName, parseOffset, segmentsAmong } from './segment-name.ts';
import { storedBytesOf } from './segment-codec.ts';
import type { TailVerdict } from './tail-judge.ts';

type InSegment = {
  readonly segment: SegmentName;
  /** The directory whose copy was read. */
  readonly directory: string;
};

export type ScanEvent =
  | (InSegment & { readonly kind: 'segment'; readonly sizeBytes: number })
  /** A segment before the one to start with: its name is all that was looked at. */
  | (InSegment & { readonly kind: 'listed'; readonly missingIn: readonly string[] })
  | (InSegment & { readonly kind: 'entries'; readonly entries: readonly PlacedEntry[] })
  /** One directory differs from another that is whole there. */
  | (InSegment & { readonly kind: 'damage'; readonly damage: Damage })
  | (InSegment & {
      readonly kind: 'end';
      readonly sizeBytes: number;
      /** Where the segment's entries end. */
      readonly byteOffset: number;
      /** The position that would stand there. */
      readonly position: number;
      readonly entryCount: number;
      readonly verdict: TailVerdict;
      readonly copies: readonly CopyEnd[];
    });

type SegmentEnd = Extract<ScanEvent, { kind: 'end' }>;

export type ScanOptions = {
  readonly signal: AbortSignal;
  /** Entries before this one's segment are not looked at; it must be there (JOURNAL_DIVERGED). */
  readonly from?: EngineOffset | undefined;
  /** What stands before `from` in its segment has been read by the caller. */
  readonly isReadThrough?: boolean | undefined;
  /** Segments up to this name are left out: they are discarded, or about to be. */
  readonly discardedThrough?: string;
  /** Folders of discarded segments that are looked at too, before the others. */
  readonly folders?: readonly string[];
};

/** Yields what stands in the directories, in log order. The first corruption is the last event. */
export async function* scanJournal(
  fileSystem: FileSystem,
  directories: readonly string[],
  options: ScanOptions,
): AsyncGenerator<ScanEvent> {
  const { signal, from, folders = [] } = options;
  const listings = await listingsOf(fileSystem, folders, '');
  const discarded = namesOf(listings);
  const through = options.discardedThrough ?? discarded.at(-1) ?? '';
  for (const [directory, names] of await listingsOf(fileSystem, directories, through)) {
    listings.set(directory, names);
  }
  const segments = segmentsAmong(namesOf(listings));
  const start = from === undefined ? undefined : parseOffset(from);
  const isStartThere = segments.some(({ name }) => name === start?.segmentName);
  if (from !== undefined && !isStartThere) throw noEntryAt(from);
  let chain: ChainCheck | undefined;
  for (const [index, segment] of segments.entries()) {
    if (start !== undefined && segment.name < start.segmentName) {
      const having = directories.filter((path) => listings.get(path)?.has(segment.name));
      const missingIn = directories.filter((path) => !having.includes(path));
      yield { kind: 'listed', segment, directory: having[0] ?? '', missingIn };
      continue;
    }
    chain ??= new ChainCheck(segment.position, segment.epoch);
    // A discarded one need not be in every folder: deleting history is somebody's decision.
    const holding = folders.filter((folder) => listings.get(folder)?.has(segment.name));
    const places = segment.name > through ? directories : holding;
    const startsAt = segment.name === start?.segmentName ? start.byteOffset : undefined;
    // Of several directories each is looked at, so that what differs is repaired.
    const isOne = options.isReadThrough === true && places.length === 1;
    const isInside = startsAt !== undefined && startsAt > 0 && isOne;
    const copies = await SegmentCopies.open(fileSystem, places, segment, isInside ? startsAt : 0);
    try {
      if (isInside) {
        const inside = await copies.chainHere();
        if (inside === undefined) throw noEntryAt(from ?? '');
        chain = inside;
      }
      const successor = async (): Promise<SegmentName | undefined> =>
        segments[index + 1] ?? (await newSuccessor(fileSystem, directories, segment));
      const begin = isInside ? startsAt : 0;
      const scan = new SegmentScan({ segment, copies, chain, successor, signal, begin });
      const found = yield* scan.run(startsAt);
      if (!found.isStartThere && from !== undefined) throw noEntryAt(from);
      if (found.verdict === 'corrupt') return;
    } finally {
      await copies.close();
    }
  }
}

async function listingsOf(
  fileSystem: FileSystem,
  directories: readonly string[],
  through: string,
): Promise<Map<string, ReadonlySet<string>>> {
  const listings = new Map<string, ReadonlySet<string>>();
  for (const directory of directories) {
    const segments = segmentsAmong(await listIfThere(fileSystem, directory));
    const names = segments.map(({ name }) => name).filter((name) => name > through);
    listings.set(directory, new Set(names));
  }
  return listings;
}

function namesOf(listings: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] {
  return [...new Set([...listings.values()].flatMap((names) => [...names]))].sort();
}

/** One that a live writer has begun since the directories were listed. */
async function newSuccessor(
  fileSystem: FileSystem,
  directories: readonly string[],
  segment: SegmentName,
): Promise<SegmentName | undefined> {
  for (const directory of directories) {
    const later = segmentsAmong(await listIfThere(fileSystem, directory));
    const found = later.find(({ name }) => name > segment.name);
    if (found !== undefined) return found;
  }
  return undefined;
}

type SegmentScanParts = {
  readonly segment: SegmentName;
  readonly copies: SegmentCopies;
  readonly chain: ChainCheck;
  readonly successor: () => Promise<SegmentName | undefined>;
  readonly signal: AbortSignal;
  /** Byte offset of the first entry that is looked at; the chain is that before it. */
  readonly begin: number;
};

class SegmentScan {
  readonly #parts: SegmentScanParts;
  #byteOffset: number;
  #entryCount = 0;

  constructor(parts: SegmentScanParts) {
    this.#parts = parts;
    this.#byteOffset = parts.begin;
  }

  /** `startsAt`: an entry must begin there. */
  async *run(
    startsAt: number | undefined,
  ): AsyncGenerator<
    ScanEvent,
    { readonly verdict: TailVerdict['kind']; readonly isStartThere: boolean }
  > {
    const { segment, copies, chain, successor, signal } = this.#parts;
    const { directory } = copies;
    yield { kind: 'segment', segment, directory, sizeBytes: copies.sizeBytes };
    const isListedFollowed = (await successor()) !== undefined;
    let isStartThere = startsAt === undefined;
    if (this.#parts.begin === 0 && segment.position !== chain.nextPosition) {
      const found = `a segment that begins with position ${segment.position} where ${chain.nextPosition} must follow: entries are missing`;
      yield this.#end(corrupt(found), []);
      return { verdict: 'corrupt', isStartThere: true };
    }
    chain.startSegment(segment.epoch);
    let relookedAt = -1;
    for (;;) {
      signal.throwIfAborted();
      const step = await copies.next(chain);
      if (step.kind === 'entries') {
        for (const { entry, byteOffset } of step.entries) {
          isStartThere ||= byteOffset === startsAt;
          this.#entryCount += 1;
          this.#byteOffset = byteOffset + storedBytesOf(entry.bytes.byteLength);
        }
        yield { kind: 'entries', segment, directory: copies.directory, entries: step.entries };
        for (const damage of step.damages) yield { kind: 'damage', segment, directory, damage };
        continue;
      }
      const end = await this.#judge(step.misfit, isListedFollowed);
      // Beside a live writer the place may have been filled, or the file closed, since it was read.
      if (end.verdict.kind === 'corrupt' && relookedAt !== this.#byteOffset) {
        relookedAt = this.#byteOffset;
        continue;
      }
      yield* clearings(end);
      yield end;
      const verdict = end.verdict.kind;
      return { verdict, isStartThere: isStartThere || verdict === 'corrupt' };
    }
  }

  async #judge(misfit: string | undefined, isListedFollowed: boolean): Promise<SegmentEnd> {
    const { copies, chain, successor } = this.#parts;
    const next = await successor();
    const ends = await copies.judge(chain, next !== undefined);
    if (misfit !== undefined) return this.#end(corrupt(misfit), ends);
    const isFollowed = next !== undefined && isListedFollowed;
    if (isFollowed && this.#entryCount === 0 && ends.every(isClean)) {
      return this.#end(corrupt('no entry at all, though another segment follows'), ends);
    }
    // A successor is begun when all before it is durable in every directory.
    const isEndProven = next !== undefined && next.position === chain.nextPosition;
    return this.#end(verdictOf(ends, isEndProven), ends);
  }

  #end(verdict: TailVerdict, copies: readonly CopyEnd[]): SegmentEnd {
    const { segment, chain } = this.#parts;
    const { directory, sizeBytes } = this.#parts.copies;
    const faulty = copies.find((copy) => copy.verdict.kind === 'corrupt');
    return {
      kind: 'end',
      segment,
      directory: (verdict.kind === 'corrupt' ? faulty?.directory : undefined) ?? directory,
      sizeBytes,
      byteOffset: this.#byteOffset,
      position: chain.nextPosition,
      entryCount: this.#entryCount,
      verdict,
      copies,
    };
  }
}

/**
 * The copies' verdicts as one: in doubt corrupt. A clean end in one directory decides only where no
 * entry can have stood in the other's place: an old copy of a directory has a clean end too.
 */
function verdictOf(ends: readonly CopyEnd[], isEndProven: boolean): TailVerdict {
  const verdicts = ends.filter(({ isThere }) => isThere).map(({ verdict }) => verdict);
  const hasCleanEnd = verdicts.some(({ kind }) => kind === 'clean');
  for (const verdict of verdicts) {
    if (verdict.kind !== 'corrupt') continue;
    if (!hasCleanEnd || !(isEndProven || verdict.holdsNoEntry)) return verdict;
  }
  let torn: TailVerdict | undefined;
  for (const verdict of verdicts) {
    if (verdict.kind !== 'torn') continue;
    if (torn?.kind !== 'torn' || verdict.endByteOffset > torn.endByteOffset) torn = verdict;
  }
  return torn ?? { kind: 'clean' };
}

/** What stands behind the end of some copies only because they are damaged. */
function* clearings(end: SegmentEnd): Generator<ScanEvent> {
  if (end.verdict.kind === 'corrupt') return;
  const { segment, directory, byteOffset, position } = end;
  const clean = end.copies.find(isClean);
  for (const copy of end.copies) {
    if (copy.verdict.kind !== 'corrupt' || clean === undefined) continue;
    const damage: Damage = {
      segment,
      directory: copy.directory,
      source: clean.directory,
      byteOffset,
      endByteOffset: Math.max(copy.sizeBytes, clean.sizeBytes),
      position,
      entryCount: 0,
      isFileMissing: false,
    };
    yield { kind: 'damage', segment, directory, damage };
  }
}

function isClean({ isThere, verdict }: CopyEnd): boolean {
  return isThere && verdict.kind === 'clean';
}

function corrupt(found: string): TailVerdict {
  return { kind: 'corrupt', found, holdsNoEntry: false };
}

export function noEntryAt(offset: EngineOffset, cause?: unknown): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail: `The journal has no entry at offset ${offset} (any more).`,
    wayOut: 'Start from another checkpoint.',
    cause,
  });
}

export function corruptError(
  directory: string,
  place: { readonly segment: SegmentName; readonly byteOffset: number; readonly position: number },
  found: string,
): OperationalError {
  const path = join(directory, place.segment.name);
  return new OperationalError('JOURNAL_CORRUPT', {
    detail: `${path}, byte ${place.byteOffset}, position ${place.position}: found ${found}. Payments from position ${place.position} on cannot be read; nothing was changed or removed.`,
    wayOut: CORRUPT_WAY_OUT,
  });
}

export const CORRUPT_WAY_OUT =
  'Keep the file. Check the disk, see what is whole with `holdfast journal verify`, then put back an intact copy of this file (from a backup or another node) and start again.';
