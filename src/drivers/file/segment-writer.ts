// The writing end of the file journal: appends that meet while one write is under way are gathered
// and made durable together, with one writev that is synced (group commit). Nothing resolves
// before its sync (I3, I4); a sync that fails is the end of this driver, never tried again.

import { assert } from '../../base/assert.ts';
import { DIGEST_BYTES, type Entry, EntryKind, equalBytes } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import type { EngineOffset } from '../../ports/journal.ts';
import type { ChainedHeader } from './chain-check.ts';
import { isFullError } from './file-system.ts';
import type { Lanes } from './lanes.ts';
import type { FileJournalSettings } from './options.ts';
import { PAGE_BYTES, endMarkOf, storedBytesOf } from './segment-codec.ts';
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

type Job = {
  readonly run: () => Promise<void>;
  readonly reject: (error: OperationalError) => void;
};

/** The segment being written, in every lane. */
export type NamedSegment = { readonly name: SegmentName; endByteOffset: number };

/** What the next append is compared with. */
type Tail = { readonly position: number; readonly epoch: number; readonly digest: Uint8Array };

export type WriterEvents = {
  /** Entries up to the segment's end are durable; `last` is the last of them. */
  durable(segment: SegmentName, endByteOffset: number, last: Entry): void;
};

/** Where writing goes on. */
export type WriterStart = {
  readonly last: ChainedHeader | undefined;
  readonly segment: NamedSegment | undefined;
};

export class SegmentWriter {
  readonly #settings: FileJournalSettings;
  readonly #lanes: Lanes;
  readonly #events: WriterEvents;
  #segment: NamedSegment | undefined;
  #durableTail: Tail;
  /** Behind everything that has been taken and not rejected. */
  #tail: Tail;
  #queue: Waiting[] = [];
  /** What is done between two groups, while nothing is being written. */
  #jobs: Job[] = [];
  #pumping: Promise<void> | undefined;
  #fullSinceMs: number | undefined;
  #failure: OperationalError | undefined;
  #closed = false;

  constructor(
    settings: FileJournalSettings,
    lanes: Lanes,
    { last, segment }: WriterStart,
    events: WriterEvents,
  ) {
    this.#settings = settings;
    this.#lanes = lanes;
    this.#events = events;
    this.#segment = segment;
    this.#durableTail = last ?? { position: 0, epoch: 0, digest: NO_DIGEST };
    this.#tail = this.#durableTail;
    lanes.durablePosition = this.#durableTail.position;
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

  get segment(): NamedSegment | undefined {
    return this.#segment;
  }

  /** Does it between two groups of appends. Rejects as it does, or when the writer has ended. */
  async exclusively(act: (segment: NamedSegment | undefined) => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closed) throw new OperationalError('JOURNAL_CLOSED');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#jobs.push({ run: () => act(this.#segment).then(resolve, reject), reject });
    this.#pumping ??= this.#pump();
    await promise;
  }

  /** A lane has failed in the background: it is dropped now, not at the next append. */
  laneFailed(): void {
    if (this.#closed || this.#failure !== undefined) return;
    this.exclusively(() => this.#lanes.each(() => Promise.resolve())).catch((error: unknown) => {
      this.#die(error, 'preparing room');
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#pumping;
    await this.#lanes.close();
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
    while (this.#queue.length + this.#jobs.length > 0 && this.#failure === undefined) {
      const job = this.#jobs.shift();
      if (job !== undefined) {
        await job.run();
        continue;
      }
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
    const start = segment.endByteOffset;
    const count = this.#groupCount(segment);
    const group = this.#queue.slice(0, count);
    const buffers: Uint8Array[] = [];
    let end = start;
    for (const { entry } of group) {
      buffers.push(entry.bytes, endMarkOf(entry.bytes, end));
      end += storedBytesOf(entry.bytes.byteLength);
    }
    await this.#lanes.each((lane) => lane.commit({ buffers, start, end }));
    if (this.#failure !== undefined) return;
    this.#settle(segment, group, start, end);
    for (const lane of this.#lanes.all) await lane.tidy();
  }

  #settle(segment: NamedSegment, group: readonly Waiting[], start: number, end: number): void {
    const last = group.at(-1)?.entry;
    assert(last !== undefined, 'a group has a last entry');
    segment.endByteOffset = end;
    for (const lane of this.#lanes.all) lane.settled(end);
    this.#lanes.durablePosition = last.position;
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
    const start = segment.endByteOffset;
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
      const start = current.endByteOffset;
      if (this.#fits(start, start + storedBytesOf(entry.bytes.byteLength))) return current;
    }
    this.#segment = undefined;
    // All of the old segment is synced: each group was before it resolved, or at opening.
    const name = segmentNameOf(entry.position, entry.epoch);
    await this.#lanes.each((lane) => lane.begin(name.name));
    this.#segment = { name, endByteOffset: 0 };
    return this.#segment;
  }

  #becomeFull(): void {
    this.#fullSinceMs = this.#settings.clock.monotonicMs();
    this.#tail = this.#durableTail;
    for (const { entry, reject } of this.#queue.splice(0)) reject(fullError(entry.position));
  }

  #die(error: unknown, doing: string): void {
    const directories = this.#settings.directories.join(', ');
    this.#failure ??= new OperationalError('JOURNAL_FAILED', {
      detail: `The storage of ${directories} failed while ${doing}: ${String(error)}. Appends not yet answered may or may not be durable.`,
      wayOut: 'Check the disk, then start the node again: it recovers from what is durable.',
      cause: error,
    });
    for (const { reject } of this.#queue.splice(0)) reject(this.#failure);
    for (const { reject } of this.#jobs.splice(0)) reject(this.#failure);
  }
}

function fullError(position: number): OperationalError {
  return new OperationalError('JOURNAL_FULL', {
    detail: `There is no room on the disk for position ${position}; nothing of it was written.`,
    wayOut: 'Make room; writing goes on by itself.',
  });
}
