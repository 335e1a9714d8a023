// Makes room ahead of the writer: zeros, written and synced before an entry stands on them. So an
// append changes no file size (30 to 45 % faster), the disk is full before it is written to and not
// in the middle, and whatever is not zero behind the last entry was written there.
//
// The next segment is prepared in the background (`spare.partial`, synced, renamed `spare.ready`).
// Before there is a spare, a segment starts small and grows ahead of the writer, so that nobody
// waits for 64 MiB of zeros.

import { join } from 'node:path';
import { type FileSystem, type OpenFile, isFullError, syncData, syncNames } from './file-system.ts';
import { PAGE_BYTES } from './segment-codec.ts';
import type { FileJournalSettings } from './options.ts';

export const COPY_BYTES = 1024 * 1024;
const ZEROS = new Uint8Array(COPY_BYTES);

const START_BYTES = 1024 * 1024;
const AHEAD_BYTES_MAX = 16 * 1024 * 1024;

const SPARE_PARTIAL = 'spare.partial';
const SPARE_READY = 'spare.ready';

/** A segment that is being written. */
export type OpenSegment = {
  readonly name: string;
  readonly file: OpenFile;
  /** Where its entries end. */
  endByteOffset: number;
  /** Zeros are written and synced up to here. */
  allocatedBytes: number;
};

export class Preallocator {
  readonly #settings: FileJournalSettings;
  readonly #fileSystem: FileSystem;
  readonly #directory: string;
  /**
   * A failed sync in the background is the driver's end as well: it would be lost on the writer.
   */
  readonly #onFailure: (error: unknown) => void;
  #extending: Promise<void> | undefined;
  #preparing: Promise<void> | undefined;
  #spareReady = false;
  #spareFailed = false;
  #closed = false;

  constructor(
    settings: FileJournalSettings,
    directory: string,
    onFailure: (error: unknown) => void,
  ) {
    this.#settings = settings;
    this.#directory = directory;
    this.#fileSystem = settings.fileSystem;
    this.#onFailure = onFailure;
  }

  /**
   * A new segment under `name`, zero-filled and durable, directory included. On failure nothing of
   * that name is left behind (or, after a failed sync, it is empty and the next opening removes
   * it).
   */
  async create(name: string): Promise<OpenSegment> {
    const path = join(this.#directory, name);
    if (this.#spareReady) {
      this.#spareReady = false;
      await this.#fileSystem.rename(this.#path(SPARE_READY), path);
      await syncNames(this.#fileSystem, this.#directory);
      const file = await this.#fileSystem.open(path, 'through');
      return { name, file, endByteOffset: 0, allocatedBytes: this.#settings.segmentBytes };
    }
    const allocatedBytes = Math.min(START_BYTES, this.#settings.segmentBytes);
    const partial = `${path}.partial`;
    await this.#writeZeroFile(partial, allocatedBytes);
    await this.#fileSystem.rename(partial, path);
    await syncNames(this.#fileSystem, this.#directory);
    const file = await this.#fileSystem.open(path, 'through');
    return { name, file, endByteOffset: 0, allocatedBytes };
  }

  /** Whether entries up to `endByteOffset` have room, and a zero page behind them. */
  hasRoom(segment: OpenSegment, endByteOffset: number): boolean {
    return endByteOffset + PAGE_BYTES <= segment.allocatedBytes;
  }

  /** Waits for the background and makes room for what is missing. Rejects when the disk is full. */
  async makeRoom(segment: OpenSegment, endByteOffset: number): Promise<void> {
    await this.#extending;
    if (this.hasRoom(segment, endByteOffset)) return;
    const wantedBytes = Math.min(segment.allocatedBytes + START_BYTES, this.#settings.segmentBytes);
    await this.#extend(segment, Math.max(endByteOffset + PAGE_BYTES, wantedBytes));
  }

  /**
   * After an append: keeps ahead of the writer. What fails for lack of room is tried again later.
   */
  workAhead(segment: OpenSegment): void {
    if (this.#closed) return;
    const { endByteOffset, allocatedBytes } = segment;
    const { segmentBytes } = this.#settings;
    const aheadBytes = Math.min(AHEAD_BYTES_MAX, Math.max(START_BYTES, endByteOffset));
    const isLow = allocatedBytes - endByteOffset < aheadBytes / 2;
    if (allocatedBytes < segmentBytes && isLow && this.#extending === undefined) {
      const target = Math.min(segmentBytes, endByteOffset + aheadBytes);
      this.#extending = this.#extend(segment, target)
        .catch((error: unknown) => {
          if (!isFullError(error)) this.#onFailure(error);
        })
        .finally(() => {
          this.#extending = undefined;
        });
    }
    const wantsSpare = allocatedBytes >= segmentBytes && endByteOffset > segmentBytes / 4;
    if (wantsSpare && !this.#spareReady && !this.#spareFailed && this.#preparing === undefined) {
      this.#inBackground(() => this.#prepareSpare());
    }
  }

  #inBackground(prepare: () => Promise<void>): void {
    this.#preparing = prepare()
      .catch((error: unknown) => {
        this.#spareFailed = true;
        this.#settings.log('warning', `No spare segment could be prepared: ${String(error)}`);
      })
      .finally(() => {
        this.#preparing = undefined;
      });
  }

  /** A new segment was begun: the next spare may be tried, even if the last one failed. */
  segmentBegun(): void {
    this.#spareFailed = false;
  }

  /**
   * At start: what an earlier process left half done goes; a ready spare is kept if it is whole.
   */
  async takeOver(): Promise<void> {
    for (const name of await this.#fileSystem.list(this.#directory)) {
      if (name.endsWith('.partial')) await this.#fileSystem.remove(this.#path(name));
      // Read in the background: nobody waits for 64 MiB, the first segment can do without it.
      if (name === SPARE_READY) this.#inBackground(() => this.#keepWholeSpare());
    }
  }

  /** Resolves when no segment is being extended. */
  async settled(): Promise<void> {
    await this.#extending;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#extending;
    await this.#preparing;
  }

  async #extend(segment: OpenSegment, wantedBytes: number): Promise<void> {
    const target = Math.ceil(wantedBytes / PAGE_BYTES) * PAGE_BYTES;
    // A descriptor of its own: a failed write-back is told once to each descriptor, so that on a
    // shared one this sync could swallow the error that an append's sync must hear.
    const file = await this.#fileSystem.open(this.#path(segment.name), 'write');
    try {
      for (let at = segment.allocatedBytes; at < target; at += COPY_BYTES) {
        // Whoever closes may be handing over: the next writer makes its own room.
        if (this.#closed) return;
        const end = Math.min(target, at + COPY_BYTES);
        await writeZeros(file, at, end);
        // Step by step: an append that comes meanwhile waits behind one step at the disk, and not
        // behind all of it (16 MiB: 70 ms on a disk of 250 MB/s).
        await syncData(file);
        segment.allocatedBytes = end;
      }
    } finally {
      await file.close();
    }
  }

  async #prepareSpare(): Promise<void> {
    await this.#writeZeroFile(this.#path(SPARE_PARTIAL), this.#settings.segmentBytes);
    await this.#fileSystem.rename(this.#path(SPARE_PARTIAL), this.#path(SPARE_READY));
    this.#spareReady = true;
  }

  /** Removes the file again when it cannot be filled. */
  async #writeZeroFile(path: string, sizeBytes: number): Promise<void> {
    try {
      const file = await this.#fileSystem.open(path, 'create');
      try {
        for (let at = 0; at < sizeBytes && !this.#closed; at += COPY_BYTES) {
          await writeZeros(file, at, Math.min(sizeBytes, at + COPY_BYTES));
          await file.datasync();
        }
      } finally {
        await file.close();
      }
      if (this.#closed) throw new Error('the journal is closing');
    } catch (error) {
      await this.#fileSystem.remove(path).catch(() => undefined);
      throw error;
    }
  }

  async #keepWholeSpare(): Promise<void> {
    const isWhole = await this.#isWholeSpare();
    if (this.#closed) return;
    if (isWhole) this.#spareReady = true;
    else await this.#fileSystem.remove(this.#path(SPARE_READY));
  }

  async #isWholeSpare(): Promise<boolean> {
    const file = await this.#fileSystem.open(this.#path(SPARE_READY), 'read');
    try {
      const sizeBytes = await file.sizeBytes();
      if (sizeBytes !== this.#settings.segmentBytes) return false;
      const part = Buffer.alloc(COPY_BYTES);
      for (let at = 0; at < sizeBytes && !this.#closed; at += COPY_BYTES) {
        const count = await file.read(part, at);
        if (part.compare(ZEROS, 0, count, 0, count) !== 0) return false;
      }
      return true;
    } finally {
      await file.close();
    }
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}

export async function writeZeros(file: OpenFile, start: number, end: number): Promise<void> {
  for (let at = start; at < end; at += COPY_BYTES) {
    await file.write([ZEROS.subarray(0, Math.min(COPY_BYTES, end - at))], at);
  }
}
