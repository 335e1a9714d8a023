// Decides what stands at the place where a segment's entries end: nothing, a torn and never
// acknowledged write, or corruption. The difference is money: a torn tail is cut, and corruption
// taken for torn would cut acknowledged payments (DESIGN section 7, I4, I33). In doubt: corrupt.

import { equalBytes, readEntryHeader } from '../../base/entry.ts';
import { ENTRY_BYTES_MAX, ENTRY_HEADER_BYTES } from '../../base/limits.ts';
import type { ChainCheck } from './chain-check.ts';
import type { OpenFile } from './file-system.ts';
import {
  headersWithin,
  isHeaderEndLost,
  isTorn,
  isZero,
  sectorEndOf,
  storedBytesOf,
} from './segment-codec.ts';
import { sha256 } from './sha256.ts';

export type TailVerdict =
  /** Nothing but zeros (or, in a segment that has a successor, the end of the file). */
  | { readonly kind: 'clean' }
  /** Bytes up to `endByteOffset` are what a crash left of writes that were never acknowledged. */
  | { readonly kind: 'torn'; readonly endByteOffset: number }
  | {
      readonly kind: 'corrupt';
      readonly found: string;
      /**
       * No entry can have stood here, so that another directory's clean end is the end (not: an
       * acknowledged entry was damaged here and is missing there).
       */
      readonly holdsNoEntry: boolean;
    };

type Place = {
  readonly file: OpenFile;
  readonly sizeBytes: number;
  readonly byteOffset: number;
  readonly chain: ChainCheck;
  /**
   * The log goes on in another segment: then nothing here can be torn, and zeros may be cut off.
   */
  readonly hasSuccessor: boolean;
};

const SCAN_BYTES = 4 * 1024 * 1024;
const STRAY_BYTES_MAX = 32;
const ZEROS = Buffer.alloc(64 * 1024);

export async function judgeTail(place: Place): Promise<TailVerdict> {
  const verdict = await judgeFirstSector(place);
  if (verdict.kind === 'corrupt' || verdict.kind === 'clean') return verdict;
  if (place.hasSuccessor) {
    return corrupt('a damaged entry, though the journal goes on in another file behind it');
  }
  const later = await findAcknowledgement(place, verdict.endByteOffset);
  if (later === undefined) return verdict;
  return corrupt(
    `a damaged entry, though the entry at byte ${later.byteOffset} (position ${later.position}) says that it was acknowledged`,
  );
}

async function judgeFirstSector(place: Place): Promise<TailVerdict> {
  const { file, sizeBytes, byteOffset, hasSuccessor } = place;
  if (byteOffset >= sizeBytes) {
    return hasSuccessor && byteOffset === sizeBytes
      ? { kind: 'clean' }
      : corrupt(
          'the end of the file, where preallocated zeros must follow: it was cut short',
          true,
        );
  }
  const portionEnd = Math.min(sectorEndOf(byteOffset), sizeBytes);
  const portion = await readRange(file, byteOffset, portionEnd);
  if (!isZero(portion, 0, portion.byteLength)) return judgeNonZero(place);
  const end = await endOfNonZero(file, portionEnd, sizeBytes);
  return end === undefined ? { kind: 'clean' } : { kind: 'torn', endByteOffset: end };
}

async function judgeNonZero(place: Place): Promise<TailVerdict> {
  const { file, sizeBytes, byteOffset, chain } = place;
  const bytes = await readRange(
    file,
    byteOffset,
    Math.min(sizeBytes, byteOffset + storedBytesOf(ENTRY_BYTES_MAX)),
  );
  const reading = readEntryHeader(bytes, sha256);
  if (reading.kind === 'fault') {
    if (bytes.byteLength < ENTRY_HEADER_BYTES) return corrupt('a header that the file cuts short');
    if (reading.fault === 'version')
      return corrupt('an entry of a version unknown to this release');
    if (!isHeaderEndLost(bytes.subarray(0, ENTRY_HEADER_BYTES), byteOffset)) {
      return corrupt(
        'bytes that are no entry header, though no sector of it is missing',
        isStray(bytes) && (await findAcknowledgement(place, sizeBytes)) === undefined,
      );
    }
    return tornThrough(place, byteOffset + ENTRY_HEADER_BYTES);
  }
  const fault = chain.faultOf(reading.header);
  if (fault !== undefined) return corrupt(fault);
  const storedBytes = storedBytesOf(reading.totalBytes);
  if (bytes.byteLength < storedBytes) return corrupt('an entry that the file cuts short');
  if (!isTorn(bytes.subarray(0, storedBytes), byteOffset)) {
    return corrupt('an entry whose digest or end mark is wrong, though no sector of it is missing');
  }
  return tornThrough(place, byteOffset + storedBytes);
}

async function tornThrough(place: Place, minimumEnd: number): Promise<TailVerdict> {
  const end = await endOfNonZero(place.file, place.byteOffset, place.sizeBytes);
  return { kind: 'torn', endByteOffset: Math.min(end ?? minimumEnd, place.sizeBytes) };
}

/** The end of the last non-zero bytes of the range; undefined when all of it is zero. */
async function endOfNonZero(
  file: OpenFile,
  start: number,
  end: number,
): Promise<number | undefined> {
  let found: number | undefined;
  for (let at = start; at < end; at += SCAN_BYTES) {
    const bytes = await readRange(file, at, Math.min(end, at + SCAN_BYTES));
    const last = lastNonZeroIndex(bytes);
    if (last >= 0) found = at + last + 1;
  }
  return found;
}

function lastNonZeroIndex(bytes: Uint8Array): number {
  let end = bytes.byteLength;
  while (end > 0) {
    const start = Math.max(0, end - ZEROS.byteLength);
    const part = bytes.subarray(start, end);
    if (ZEROS.compare(part, 0, part.byteLength, 0, part.byteLength) !== 0) break;
    end = start;
  }
  let index = end - 1;
  while (index >= 0 && bytes[index] === 0) index -= 1;
  return index;
}

/** An entry behind the place, of the same history, that says that the place was acknowledged. */
async function findAcknowledgement(
  place: Place,
  end: number,
): Promise<{ readonly byteOffset: number; readonly position: number } | undefined> {
  const { file, byteOffset, chain } = place;
  const position = chain.nextPosition;
  for (let at = byteOffset + 8; at < end; at += SCAN_BYTES) {
    // Parts overlap by a header, so that one across their border is seen.
    const bytes = await readRange(file, at, Math.min(end, at + SCAN_BYTES + ENTRY_HEADER_BYTES));
    for (const start of headersWithin(bytes)) {
      const reading = readEntryHeader(bytes.subarray(start), sha256);
      if (reading.kind === 'fault') continue;
      const { header } = reading;
      const isOurs =
        chain.last === undefined ||
        (equalBytes(header.clusterId, chain.last.clusterId) &&
          header.timeline === chain.last.timeline);
      if (isOurs && header.position > position && header.durable >= position) {
        return { byteOffset: at + start, position: header.position };
      }
    }
  }
  return undefined;
}

async function readRange(
  file: OpenFile,
  start: number,
  end: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(Math.max(0, end - start));
  const count = await file.read(bytes, start);
  return bytes.subarray(0, count);
}

/** Too little for an entry's header, even a damaged one: it begins with two digests. */
function isStray(bytes: Uint8Array): boolean {
  let count = 0;
  for (const byte of bytes.subarray(0, ENTRY_HEADER_BYTES)) if (byte !== 0) count += 1;
  return count < STRAY_BYTES_MAX;
}

function corrupt(found: string, holdsNoEntry = false): TailVerdict {
  return { kind: 'corrupt', found, holdsNoEntry };
}
