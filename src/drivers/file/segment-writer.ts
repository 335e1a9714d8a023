// The writing end of the file journal: appends that meet while one write is under way are gathered
// and made durable together, with one writev and one fdatasync (group commit). Nothing resolves
// before its sync (I3, I4); a sync that fails is the end of this driver, never tried again.

import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import { DIGEST_BYTES, type Entry, EntryKind, equalBytes } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import type { EngineOffset } from '../../ports/journal.ts';
import type { ChainedHeader } from './chain-check.ts';
import { type OpenFile, isFullError, syncData, syncNames } from './file-system.ts';
import type { FileJournalSettings } from './options.ts';
import { type OpenSegment, Preallocator, writeZeros } from './preallocator.ts';
import { PAGE_BYTES, endMarkOf, isZero, storedBytesOf } from './segment-codec.ts';
import { type SegmentName, offsetOf, segmentNameOf } from './segment-name.ts';

/** Bounds of one group: what one writev takes at once (1024 buffers), and a few large entries. */
const GROUP_ENTRIES_MAX = 512;
const GROUP_BYTES_MAX = 8 * 1024 * 1024;

/** While the disk is full, room is looked for at most this often. */
const FULL_RETRY_MS = 100;

const NO_DIGEST = new Uint8Array(DIGEST_BYTES);

type Waiting = {
  readonly entry: Entry;
  readonly resolve: (offset: EngineOffset) => void;
  readonly reject: (error: OperationalError) => void;
};

/** A segment being written, and what its name says. */
export type NamedSegment = { readonly name: SegmentName; readonly open: OpenSegment };

/** What the next append is compared with. */
type Tail = { readonly position: number; readonly epoch: number; readonly digest: Uint8Array };

export type WriterEvents = {
  /** Entries up to the segment's end are durable; `last` is the last of them. */
  durable(segment: SegmentName, endByteOffset: number, last: Entry): void;
};

export class SegmentWriter {
  readonly #settings: FileJournalSettings;
  readonly #preallocator: Preallocator;
  readonly #events: WriterEvents;
  #segment: NamedSegment | undefined;
  /** The segment before: its zeros are cut off once the new one holds a durable entry. */
  #sealed: OpenSegment | undefined;
  #durableTail: Tail;
  /** Behind everything that has been taken and not rejected. */
  #tail: Tail;
  #queue: Waiting[] = [];
  #pumping: Promise<void> | undefined;
  #fullSinceMs: number | undefined;
  #failure: OperationalError | undefined;
  #closed = false;

  constructor(
    settings: FileJournalSettings,
    last: ChainedHeader | undefined,
    segment: NamedSegment | undefined,
    events: WriterEvents,
  ) {
    this.#settings = settings;
    this.#events = events;
    this.#segment = segment;
    this.#durableTail = last ?? { position: 0, epoch: 0, digest: NO_DIGEST };
    this.#tail = this.#durableTail;
    this.#preallocator = new Preallocator(settings, (error) => {
      this.#die(error, 'preparing room');
    });
  }

  async start(): Promise<void> {
    await this.#preallocator.takeOver();
  }

  append(entry: Entry): Promise<EngineOffset> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#closed) return Promise.reject(new OperationalError('JOURNAL_CLOSED'));
    if (this.#fullSinceMs !== undefined && entry.position !== this.#tail.position + 1) {
      return Promise.reject(fullError(entry.position));
    }
    const fence = this.#fenceOf(entry);
    if (fence !== undefined) return Promise.reject(fence);
    if (this.#isFullStill()) return Promise.reject(fullError(entry.position));
    this.#tail = { position: entry.position, epoch: entry.epoch, digest: entry.digest };
    return new Promise((resolve, reject) => {
      this.#queue.push({ entry, resolve, reject });
      this.#pumping ??= this.#pump();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#pumping;
    await this.#preallocator.close();
    await this.#sealed?.file.close();
    await this.#segment?.open.file.close();
    this.#sealed = undefined;
    this.#segment = undefined;
  }

  /**
   * Native fencing: position, previous digest and epoch are compared before anything is written.
   */
  #fenceOf(entry: Entry): OperationalError | undefined {
    const tail = this.#tail;
    const isOpening = entry.kind === EntryKind.opening;
    const hasEpoch = isOpening ? entry.epoch > tail.epoch : entry.epoch === tail.epoch;
    const fits =
      entry.position === tail.position + 1 &&
      equalBytes(entry.previousDigest, tail.digest) &&
      hasEpoch;
    if (fits) return undefined;
    return new OperationalError('JOURNAL_FENCED', {
      detail: `Position ${entry.position} of epoch ${entry.epoch} does not follow the journal's end, position ${tail.position} of epoch ${tail.epoch}. It was not written.`,
      wayOut: 'Read the journal to its end and open a new epoch.',
    });
  }

  #isFullStill(): boolean {
    if (this.#fullSinceMs === undefined) return false;
    return this.#settings.clock.monotonicMs() - this.#fullSinceMs < FULL_RETRY_MS;
  }

  /** Writes group after group until the queue is empty. Never rejects. */
  async #pump(): Promise<void> {
    // Appends of the same turn of the event loop belong together.
    await Promise.resolve();
    while (this.#queue.length > 0 && this.#failure === undefined) {
      try {
        await this.#writeGroup();
      } catch (error) {
        if (isFullError(error)) this.#becomeFull();
        else this.#die(error, 'writing');
      }
    }
    this.#pumping = undefined;
  }

  async #writeGroup(): Promise<void> {
    const first = this.#queue[0];
    assert(first !== undefined, 'a group has a first entry');
    const segment = await this.#segmentFor(first.entry);
    const start = segment.open.endByteOffset;
    const count = this.#groupCount(segment);
    const group = this.#queue.slice(0, count);
    const buffers: Uint8Array[] = [];
    let end = start;
    for (const { entry } of group) {
      buffers.push(entry.bytes, endMarkOf(entry.bytes, end));
      end += storedBytesOf(entry.bytes.byteLength);
    }
    if (!this.#preallocator.hasRoom(segment.open, end)) {
      await this.#preallocator.makeRoom(segment.open, end);
    }
    if (this.#failure !== undefined) return;
    await this.#writeOrUndo(segment.open, buffers, start, end);
    await syncData(segment.open.file);
    // A sync in the background may have taken this one's error with it.
    if (this.#failure !== undefined) return;
    this.#settle(segment, group, start, end);
    await this.#trimSealed();
    this.#preallocator.workAhead(segment.open);
  }

  #settle(segment: NamedSegment, group: readonly Waiting[], start: number, end: number): void {
    const last = group.at(-1)?.entry;
    assert(last !== undefined, 'a group has a last entry');
    segment.open.endByteOffset = end;
    this.#durableTail = { position: last.position, epoch: last.epoch, digest: last.digest };
    this.#fullSinceMs = undefined;
    this.#queue = this.#queue.slice(group.length);
    this.#events.durable(segment.name, end, last);
    let at = start;
    for (const { entry, resolve } of group) {
      resolve(offsetOf(segment.name.name, at));
      at += storedBytesOf(entry.bytes.byteLength);
    }
  }

  /** How many of the queue go into this segment with one write. */
  #groupCount(segment: NamedSegment): number {
    const start = segment.open.endByteOffset;
    let end = start;
    let count = 0;
    for (const { entry } of this.#queue) {
      const next = end + storedBytesOf(entry.bytes.byteLength);
      const belongs = entry.epoch === segment.name.epoch && this.#fits(end, next);
      const isMore = count >= GROUP_ENTRIES_MAX || next - start > GROUP_BYTES_MAX;
      if (count > 0 && (!belongs || isMore)) break;
      end = next;
      count += 1;
    }
    return count;
  }

  /** An entry that exceeds a segment has one for itself. */
  #fits(start: number, end: number): boolean {
    return start === 0 || end + PAGE_BYTES <= this.#settings.segmentBytes;
  }

  /** The current segment, or a new one: each epoch writes its own, a full one is followed. */
  async #segmentFor(entry: Entry): Promise<NamedSegment> {
    const current = this.#segment;
    if (current !== undefined && current.name.epoch === entry.epoch) {
      const start = current.open.endByteOffset;
      if (this.#fits(start, start + storedBytesOf(entry.bytes.byteLength))) return current;
    }
    if (current !== undefined) await this.#leave(current.open);
    // All of the old segment is synced: each group was before it resolved, or at opening.
    const name = segmentNameOf(entry.position, entry.epoch);
    this.#segment = { name, open: await this.#preallocator.create(name.name) };
    this.#preallocator.segmentBegun();
    return this.#segment;
  }

  /**
   * One that never took an entry (the disk was full) goes: an empty file inside the log is a gap.
   */
  async #leave(segment: OpenSegment): Promise<void> {
    this.#segment = undefined;
    if (segment.endByteOffset > 0) {
      this.#sealed = segment;
      return;
    }
    await segment.file.close();
    await this.#settings.fileSystem.remove(join(this.#settings.directory, segment.name));
    await syncNames(this.#settings.fileSystem, this.#settings.directory);
  }

  /** The old segment's zeros are not needed once an entry stands behind it. */
  async #trimSealed(): Promise<void> {
    const sealed = this.#sealed;
    if (sealed === undefined) return;
    this.#sealed = undefined;
    // It may still be growing in the background.
    await this.#preallocator.settled();
    try {
      await sealed.file.truncate(sealed.endByteOffset);
      await sealed.file.close();
    } catch (error) {
      this.#settings.log('warning', `${sealed.name} keeps its unused room: ${String(error)}`);
    }
  }

  /** When the disk is full nothing of the group may stay: its callers hear "not executed". */
  async #writeOrUndo(
    segment: OpenSegment,
    buffers: readonly Uint8Array[],
    start: number,
    end: number,
  ): Promise<void> {
    try {
      await segment.file.write(buffers, start);
    } catch (error) {
      if (!isFullError(error)) throw error;
      try {
        // Most often nothing was written at all; then a disk without room need not take zeros.
        if (!(await isRangeZero(segment.file, start, end))) {
          await writeZeros(segment.file, start, end);
          await syncData(segment.file);
        }
      } catch (undoError) {
        throw new Error('the disk is full and the part written could not be undone', {
          cause: undoError,
        });
      }
      throw error;
    }
  }

  #becomeFull(): void {
    this.#fullSinceMs = this.#settings.clock.monotonicMs();
    this.#tail = this.#durableTail;
    for (const { entry, reject } of this.#queue.splice(0)) reject(fullError(entry.position));
  }

  #die(error: unknown, doing: string): void {
    this.#failure ??= new OperationalError('JOURNAL_FAILED', {
      detail: `The storage of ${this.#settings.directory} failed while ${doing}: ${String(error)}. Appends not yet answered may or may not be durable.`,
      wayOut: 'Check the disk, then start the node again: it recovers from what is durable.',
      cause: error,
    });
    for (const { reject } of this.#queue.splice(0)) reject(this.#failure);
  }
}

function fullError(position: number): OperationalError {
  return new OperationalError('JOURNAL_FULL', {
    detail: `There is no room on the disk for position ${position}; nothing of it was written.`,
    wayOut: 'Make room; writing goes on by itself.',
  });
}

async function isRangeZero(file: OpenFile, start: number, end: number): Promise<boolean> {
  const bytes = new Uint8Array(end - start);
  const count = await file.read(bytes, start);
  return isZero(bytes, 0, count);
}
