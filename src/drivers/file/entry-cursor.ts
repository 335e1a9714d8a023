// Reads entries of one segment, forward from a byte offset, in chunks; checks every digest and end
// mark. It stops at the first place that is not a whole, right entry and says why; what that means
// is decided by who asks (tail-judge.ts at start, reader.ts on the road).

import {
  DIGEST_BYTES,
  type Entry,
  type EntryFault,
  type HeaderReading,
  equalBytes,
  readEntryHeader,
} from '../../base/entry.ts';
import type { OpenFile } from './file-system.ts';
import { END_MARK_BYTES, hasEndMark, storedBytesOf } from './segment-codec.ts';
import { sha256 } from './sha256.ts';

export type PlacedEntry = { readonly entry: Entry; readonly byteOffset: number };

export type CursorFault = EntryFault | 'end_mark';

export type CursorStep =
  | { readonly kind: 'entries'; readonly entries: readonly PlacedEntry[] }
  /** At `byteOffset` no entry stands; `short` = the file or the limit ends there. */
  | { readonly kind: 'stop'; readonly byteOffset: number; readonly fault: CursorFault };

/** Whoever follows a live writer takes as much as comes at once, and not the zeros behind it. */
const CHUNK_BYTES_MIN = 8 * 1024;
const CHUNK_BYTES_FIRST = 64 * 1024;
const CHUNK_BYTES_MAX = 2 * 1024 * 1024;
const CHUNK_GROWTH = 8;
const PROBE_BYTES = DIGEST_BYTES;

export class EntryCursor {
  readonly #file: OpenFile;
  #byteOffset: number;
  #chunkBytes = CHUNK_BYTES_FIRST;
  /** Where it stopped last there was nothing at all yet, and why that is no entry. */
  #blank: CursorFault | undefined;
  readonly #probe = new Uint8Array(PROBE_BYTES);

  constructor(file: OpenFile, byteOffset: number) {
    this.#file = file;
    this.#byteOffset = byteOffset;
  }

  /** Where the next entry is expected. */
  get byteOffset(): number {
    return this.#byteOffset;
  }

  /**
   * The entries of the next chunk; nothing at or behind `limit` is looked at. After a stop it may
   * be asked again: it looks at the same place anew, since a live writer may have filled it.
   */
  async next(limit: number = Number.MAX_SAFE_INTEGER): Promise<CursorStep> {
    // Who follows an idle journal looks many times a second: that must not cost a chunk each time.
    if (this.#blank !== undefined && (await this.#isBlank(limit))) {
      return { kind: 'stop', byteOffset: this.#byteOffset, fault: this.#blank };
    }
    this.#blank = undefined;
    for (;;) {
      const wanted = Math.min(limit - this.#byteOffset, this.#chunkBytes);
      // A fresh buffer for each chunk: entries are views into it, 8-byte aligned.
      const chunk = new Uint8Array(Buffer.allocUnsafeSlow(Math.max(0, wanted)).buffer);
      const count = await this.#file.read(chunk, this.#byteOffset);
      const isWhole = count === chunk.byteLength && wanted === this.#chunkBytes;
      const parsed = parseChunk(chunk.subarray(0, count), this.#byteOffset);
      if (parsed.entries.length > 0) {
        this.#byteOffset += parsed.parsedBytes;
        const isCut = isWhole && parsed.fault === 'short';
        this.#chunkBytes = isCut
          ? Math.min(CHUNK_BYTES_MAX, this.#chunkBytes * CHUNK_GROWTH)
          : followingBytes(parsed.parsedBytes);
        return { kind: 'entries', entries: parsed.entries };
      }
      const needsMore = parsed.fault === 'short' && isWhole && this.#chunkBytes < CHUNK_BYTES_MAX;
      if (!needsMore) {
        const isBlank = isAllZero(chunk.subarray(0, Math.min(count, PROBE_BYTES)));
        this.#blank = isBlank ? parsed.fault : undefined;
        return { kind: 'stop', byteOffset: this.#byteOffset, fault: parsed.fault };
      }
      this.#chunkBytes = CHUNK_BYTES_MAX;
    }
  }

  /** An entry begins with its digest, which is not zero. */
  async #isBlank(limit: number): Promise<boolean> {
    if (limit - this.#byteOffset < PROBE_BYTES) return false;
    const count = await this.#file.read(this.#probe, this.#byteOffset);
    return isAllZero(this.#probe.subarray(0, count));
  }
}

/** A chunk for what comes next, where `bytes` came this time: with room for twice as much. */
function followingBytes(bytes: number): number {
  let chunkBytes = CHUNK_BYTES_MIN;
  while (chunkBytes < 2 * bytes && chunkBytes < CHUNK_BYTES_MAX) chunkBytes *= 2;
  return chunkBytes;
}

function isAllZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

type ParsedChunk = {
  readonly entries: readonly PlacedEntry[];
  readonly parsedBytes: number;
  readonly fault: CursorFault;
};

function parseChunk(chunk: Uint8Array<ArrayBuffer>, chunkOffset: number): ParsedChunk {
  const entries: PlacedEntry[] = [];
  let at = 0;
  for (;;) {
    const reading = readStored(chunk.subarray(at), chunkOffset + at);
    if (reading.kind === 'fault') return { entries, parsedBytes: at, fault: reading.fault };
    entries.push({ entry: reading.entry, byteOffset: chunkOffset + at });
    at += storedBytesOf(reading.entry.bytes.byteLength);
  }
}

type StoredReading =
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'fault'; readonly fault: CursorFault };

/** Reads the entry and end mark at the start of `bytes`, everything checked. */
function readStored(bytes: Uint8Array<ArrayBuffer>, byteOffset: number): StoredReading {
  const reading: HeaderReading = readEntryHeader(bytes, sha256);
  if (reading.kind === 'fault') return reading;
  const { header, totalBytes } = reading;
  if (bytes.byteLength < totalBytes + END_MARK_BYTES) return { kind: 'fault', fault: 'short' };
  const entryBytes = bytes.subarray(0, totalBytes);
  const digest = entryBytes.subarray(0, DIGEST_BYTES);
  if (!equalBytes(sha256(entryBytes.subarray(DIGEST_BYTES)), digest)) {
    return { kind: 'fault', fault: 'digest' };
  }
  if (!hasEndMark(bytes, totalBytes, entryBytes, byteOffset)) {
    return { kind: 'fault', fault: 'end_mark' };
  }
  return { kind: 'entry', entry: { ...header, bytes: entryBytes, digest } };
}
