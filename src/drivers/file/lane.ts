// One directory's end of the writer: its open segment, its room ahead, its writes and syncs. The
// lanes of a journal do the same at the same time (lanes.ts); one that fails is left by the others.

import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import { type OpenFile, isFullError, syncData, syncNames } from './file-system.ts';
import type { FileJournalSettings } from './options.ts';
import { type OpenSegment, Preallocator, writeZeros } from './preallocator.ts';
import { isZero } from './segment-codec.ts';

/** The range that a group of entries takes. */
export type Group = {
  readonly buffers: readonly Uint8Array[];
  readonly start: number;
  readonly end: number;
};

export class Lane {
  readonly directory: string;
  readonly #settings: FileJournalSettings;
  readonly #preallocator: Preallocator;
  #segment: OpenSegment | undefined;
  /** The segment before: its zeros are cut off once the new one holds a durable entry. */
  #sealed: OpenSegment | undefined;
  #failure: unknown;

  constructor(
    settings: FileJournalSettings,
    directory: string,
    parts: {
      readonly segment: OpenSegment | undefined;
      /** Something in the background failed: the lane can make nothing durable any more. */
      readonly onFailure: () => void;
    },
  ) {
    this.#settings = settings;
    this.directory = directory;
    this.#segment = parts.segment;
    this.#preallocator = new Preallocator(settings, directory, (error) => {
      this.#failure ??= error;
      parts.onFailure();
    });
  }

  /** Why nothing of it can be believed from here on. */
  get failure(): unknown {
    return this.#failure;
  }

  async start(): Promise<void> {
    await this.#preallocator.takeOver();
  }

  /** Leaves the open segment and makes the one of this name. All of the old one is synced. */
  async begin(name: string): Promise<void> {
    const left = this.#segment;
    this.#segment = undefined;
    if (left !== undefined) await this.#leave(left);
    this.#segment = await this.#preallocator.create(name);
    this.#preallocator.segmentBegun();
  }

  /** Writes the group and syncs it. When the disk is full, nothing of it stays. */
  async commit({ buffers, start, end }: Group): Promise<void> {
    const segment = this.#segment;
    assert(segment?.endByteOffset === start, 'a group follows the one before');
    if (!this.#preallocator.hasRoom(segment, end)) {
      await this.#preallocator.makeRoom(segment, end);
    }
    if (this.#failure !== undefined) throw this.#failure;
    await writeOrUndo(segment.file, { buffers, start, end });
    if (!segment.file.isWrittenThrough) await syncData(segment.file);
    // A sync in the background may have taken this one's error with it.
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Every lane has the group: it counts. */
  settled(end: number): void {
    if (this.#segment !== undefined) this.#segment.endByteOffset = end;
  }

  /** After a group: what can be done ahead, or can be given back. */
  async tidy(): Promise<void> {
    await this.#trimSealed();
    if (this.#segment !== undefined) this.#preallocator.workAhead(this.#segment);
  }

  async close(): Promise<void> {
    await this.#preallocator.close();
    await this.#sealed?.file.close();
    await this.#segment?.file.close();
    this.#sealed = undefined;
    this.#segment = undefined;
  }

  /**
   * One that never took an entry (the disk was full) goes: an empty file inside the log is a gap.
   */
  async #leave(segment: OpenSegment): Promise<void> {
    if (segment.endByteOffset > 0) {
      this.#sealed = segment;
      return;
    }
    await segment.file.close();
    await this.#settings.fileSystem.remove(join(this.directory, segment.name));
    await syncNames(this.#settings.fileSystem, this.directory);
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
}

/** When the disk is full nothing of the group may stay: its callers hear "not executed". */
async function writeOrUndo(file: OpenFile, { buffers, start, end }: Group): Promise<void> {
  try {
    await file.write(buffers, start);
  } catch (error) {
    if (!isFullError(error)) throw error;
    try {
      // Most often nothing was written at all; then a disk without room need not take zeros.
      if (!(await isRangeZero(file, start, end))) {
        await writeZeros(file, start, end);
        await syncData(file);
      }
    } catch (undoError) {
      throw new Error('the disk is full and the part written could not be undone', {
        cause: undoError,
      });
    }
    throw error;
  }
}

async function isRangeZero(file: OpenFile, start: number, end: number): Promise<boolean> {
  const bytes = new Uint8Array(end - start);
  const count = await file.read(bytes, start);
  return isZero(bytes, 0, count);
}
