// The bytes of a segment file (docs/adr/0002). Stored for ever.
//
//   +-------------------+------------+-------------------+------------+-----+---------------+
//   | entry             | end mark 8 | entry             | end mark 8 | ... | zeros, synced |
//   | header 256 | body |            | header 256 | body |            |     | before use    |
//   +-------------------+------------+-------------------+------------+-----+---------------+
//   0                                every entry starts at a multiple of 8   multiple of 4096
//
//   end mark, little-endian:
//     offset bytes field
//          0     4 magic           "HEND"
//          4     4 bits  0 .. 17   bytes of the entry without the end mark, in units of 8
//                  bits 18 .. 30   thin portions (see below)
//                  bit  31         1
//
// Storage loses whole sectors: after a crash each 512 bytes of the file are as they were or as they
// were written (most disks and the kernel's page cache lose 4 KiB at a time, which are eight of
// them). The *portions* of an entry are its parts in each sector, end mark included. An entry's
// place was zero before, so a lost sector shows as a portion that is zero. A portion with fewer
// than two non-zero bytes is *thin*: it may be zero by itself, or become so by one flipped byte, so
// it proves nothing; the end mark says how many there are. The first portion holds the digest's
// start and the last one the end mark, so neither is thin. Hence:
//
//   torn     the end mark is zero (it has at least five bytes that are not, so no flipped byte
//            makes it so), or it stands, the digest is wrong and more portions are zero than were
//            thin (a whole entry lost nothing: then it is the mark that is wrong)
//   corrupt  any other way of being wrong: no crash leaves that behind

import { DIGEST_BYTES, equalBytes, readEntryHeader } from '../../base/entry.ts';
import { ENTRY_HEADER_BYTES } from '../../base/limits.ts';
import { sha256 } from './sha256.ts';

/** What the file is allocated in. */
export const PAGE_BYTES = 4096;
/** The smallest unit that storage writes or loses as a whole. */
export const SECTOR_BYTES = 512;
export const END_MARK_BYTES = 8;

const END_MAGIC = 0x444e_4548; // "HEND" read as a little-endian number
const LENGTH_MASK = 0x3_ffff;
const THIN_SHIFT = 18;
const THIN_MASK = 0x1fff;

/** Bytes that an entry takes in a segment. */
export function storedBytesOf(totalBytes: number): number {
  return totalBytes + END_MARK_BYTES;
}

export function sectorEndOf(byteOffset: number): number {
  return (Math.floor(byteOffset / SECTOR_BYTES) + 1) * SECTOR_BYTES;
}

/** The end mark for an entry that is written at `byteOffset` of its segment. */
export function endMarkOf(entryBytes: Uint8Array, byteOffset: number): Uint8Array<ArrayBuffer> {
  const mark = new Uint8Array(END_MARK_BYTES);
  const view = new DataView(mark.buffer);
  view.setUint32(0, END_MAGIC, true);
  view.setUint32(4, endWordOf(entryBytes, byteOffset), true);
  return mark;
}

/** Whether the right end mark stands at `at` of `bytes`, behind an entry that verifies. */
export function hasEndMark(
  bytes: Uint8Array,
  at: number,
  entryBytes: Uint8Array,
  byteOffset: number,
): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, END_MARK_BYTES);
  const isMagic = view.getUint32(0, true) === END_MAGIC;
  return isMagic && view.getUint32(4, true) === endWordOf(entryBytes, byteOffset);
}

function endWordOf(entryBytes: Uint8Array, byteOffset: number): number {
  const { thin } = countPortions(entryBytes, byteOffset);
  return (0x8000_0000 | (thin << THIN_SHIFT) | (entryBytes.byteLength / 8)) >>> 0;
}

/** What an end mark says; undefined when the bytes are not one. */
function readEndMark(
  bytes: Uint8Array,
  at: number,
): { readonly entryBytes: number; readonly thin: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, END_MARK_BYTES);
  const word = view.getUint32(4, true);
  if (view.getUint32(0, true) !== END_MAGIC || word >>> 31 !== 1) return undefined;
  return { entryBytes: (word & LENGTH_MASK) * 8, thin: (word >>> THIN_SHIFT) & THIN_MASK };
}

/**
 * Portions of an entry without its last one (which holds the end mark): how many are thin, zero.
 */
function countPortions(
  entryBytes: Uint8Array,
  byteOffset: number,
): { readonly thin: number; readonly zero: number } {
  let thin = 0;
  let zero = 0;
  let start = 0;
  let end = sectorEndOf(byteOffset) - byteOffset;
  // A portion that ends with the entry's own last byte is a whole one: the end mark is behind it.
  while (end <= entryBytes.byteLength) {
    const count = nonZeroCountUpToTwo(entryBytes, start, end);
    if (count < 2) thin += 1;
    if (count === 0) zero += 1;
    start = end;
    end += SECTOR_BYTES;
  }
  return { thin, zero };
}

function nonZeroCountUpToTwo(bytes: Uint8Array, start: number, end: number): number {
  let count = 0;
  for (let index = start; index < end; index++) {
    if (bytes[index] !== 0) {
      count += 1;
      if (count === 2) return 2;
    }
  }
  return count;
}

/**
 * Whether lost sectors explain why the entry at `byteOffset`, whose header is trusted, does not
 * verify. `stored` is the entry and its end mark as they were read.
 */
export function isTorn(stored: Uint8Array, byteOffset: number): boolean {
  const entryBytes = stored.subarray(0, stored.byteLength - END_MARK_BYTES);
  if (isZero(stored, entryBytes.byteLength, stored.byteLength)) return true;
  const mark = readEndMark(stored, entryBytes.byteLength);
  if (mark === undefined || mark.entryBytes !== entryBytes.byteLength) return false;
  if (countPortions(entryBytes, byteOffset).zero <= mark.thin) return false;
  // A flipped byte of the mark can make the number too small; then the entry itself is whole.
  const digest = entryBytes.subarray(0, DIGEST_BYTES);
  return !equalBytes(sha256(entryBytes.subarray(DIGEST_BYTES)), digest);
}

export function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  return nonZeroCountUpToTwo(bytes, start, end) === 0;
}

/**
 * Whether the header at `byteOffset`, which does not verify, lost its second portion: it crosses
 * a sector boundary and nothing stands behind it. The header's last 32 bytes are always zero and
 * the 32 before them (the previous digest) never, but in the very first entry, which starts a
 * sector. At least 8 bytes of that digest must be behind the boundary: no flipped byte clears them.
 */
export function isHeaderEndLost(header: Uint8Array, byteOffset: number): boolean {
  const boundary = sectorEndOf(byteOffset) - byteOffset;
  const lastTelling = ENTRY_HEADER_BYTES - 40;
  return boundary <= lastTelling && isZero(header, boundary, ENTRY_HEADER_BYTES);
}

const HEADER_MAGIC = new TextEncoder().encode('HOLDFAST');
const HEADER_MAGIC_AT = 64;

/** Offsets within `bytes`, in steps of 8, at which a header stands whose own digest is right. */
export function* headersWithin(bytes: Uint8Array): Generator<number> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let found = buffer.indexOf(HEADER_MAGIC, HEADER_MAGIC_AT);
  while (found >= 0) {
    const start = found - HEADER_MAGIC_AT;
    if (start % 8 === 0 && readEntryHeader(bytes.subarray(start), sha256).kind === 'header') {
      yield start;
    }
    found = buffer.indexOf(HEADER_MAGIC, found + 1);
  }
}
