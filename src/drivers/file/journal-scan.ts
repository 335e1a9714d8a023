// Walks a whole journal directory, segment by segment, verifying everything and changing nothing.
// Opening for writing (tail-recovery.ts) and offline inspection (inspect.ts) both stand on it.

import { join } from 'node:path';
import { OperationalError } from '../../base/errors.ts';
import { ChainCheck } from './chain-check.ts';
import { EntryCursor, type PlacedEntry } from './entry-cursor.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { type SegmentName, segmentsAmong } from './segment-name.ts';
import { storedBytesOf } from './segment-codec.ts';
import { type TailVerdict, judgeTail } from './tail-judge.ts';

export type ScanEvent =
  | { readonly kind: 'segment'; readonly segment: SegmentName; readonly sizeBytes: number }
  | {
      readonly kind: 'entries';
      readonly segment: SegmentName;
      readonly entries: readonly PlacedEntry[];
    }
  | {
      readonly kind: 'end';
      readonly segment: SegmentName;
      readonly sizeBytes: number;
      /** Where the segment's entries end. */
      readonly byteOffset: number;
      /** The position that would stand there. */
      readonly position: number;
      readonly entryCount: number;
      readonly verdict: TailVerdict;
    };

/** Yields what stands in the directory, in log order. The first corruption is the last event. */
export async function* scanJournal(
  fileSystem: FileSystem,
  directory: string,
  signal: AbortSignal,
): AsyncGenerator<ScanEvent> {
  const segments = segmentsAmong(await fileSystem.list(directory));
  let chain: ChainCheck | undefined;
  for (const [index, segment] of segments.entries()) {
    chain ??= new ChainCheck(segment.position, segment.epoch);
    const file = await fileSystem.open(join(directory, segment.name), 'read');
    try {
      const hasSuccessor = async (): Promise<boolean> => {
        if (index < segments.length - 1) return true;
        const names = segmentsAmong(await fileSystem.list(directory));
        return names.some(({ name }) => name > segment.name);
      };
      const end = yield* scanSegment(file, segment, chain, hasSuccessor, signal);
      if (end === 'corrupt') return;
    } finally {
      await file.close();
    }
  }
}

async function* scanSegment(
  file: OpenFile,
  segment: SegmentName,
  chain: ChainCheck,
  hasSuccessor: () => Promise<boolean>,
  signal: AbortSignal,
): AsyncGenerator<ScanEvent, TailVerdict['kind']> {
  let sizeBytes = await file.sizeBytes();
  yield { kind: 'segment', segment, sizeBytes };
  const cursor = new EntryCursor(file, 0);
  let relookedAt = -1;
  const isListedFollowed = await hasSuccessor();
  let byteOffset = 0;
  let entryCount = 0;
  const end = (verdict: TailVerdict): ScanEvent => {
    const position = chain.nextPosition;
    return { kind: 'end', segment, sizeBytes, byteOffset, position, entryCount, verdict };
  };
  if (segment.position !== chain.nextPosition) {
    const found = `a segment that begins with position ${segment.position} where ${chain.nextPosition} must follow: entries are missing`;
    yield end({ kind: 'corrupt', found });
    return 'corrupt';
  }
  chain.startSegment(segment.epoch);
  for (;;) {
    signal.throwIfAborted();
    const step = await cursor.next(sizeBytes);
    if (step.kind === 'stop') {
      const isFollowed = await hasSuccessor();
      sizeBytes = await file.sizeBytes();
      const verdict = await judgeTail({
        file,
        sizeBytes,
        byteOffset,
        chain,
        hasSuccessor: isFollowed,
      });
      // Beside a live writer the place may have been filled, or the file closed, since it was read.
      if (verdict.kind === 'corrupt' && relookedAt !== byteOffset) {
        relookedAt = byteOffset;
        continue;
      }
      yield end(
        verdict.kind === 'clean' && isFollowed && entryCount === 0 && isListedFollowed
          ? { kind: 'corrupt', found: 'no entry at all, though another segment follows' }
          : verdict,
      );
      return verdict.kind;
    }
    for (const [index, { entry }] of step.entries.entries()) {
      const found = chain.faultOf(entry);
      if (found !== undefined) {
        yield { kind: 'entries', segment, entries: step.entries.slice(0, index) };
        yield end({ kind: 'corrupt', found });
        return 'corrupt';
      }
      chain.advance(entry);
      entryCount += 1;
      byteOffset += storedBytesOf(entry.bytes.byteLength);
    }
    yield { kind: 'entries', segment, entries: step.entries };
  }
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
