// Reads one segment forward, in whichever directory has it whole: when a place cannot be read, or
// no right entry stands where one must, the other directories are tried before anybody fails.

import { join } from 'node:path';
import type { Entry } from '../../base/entry.ts';
import { type CursorStep, EntryCursor } from './entry-cursor.ts';
import { type FileSystem, type OpenFile, errorCodeOf } from './file-system.ts';
import type { SegmentName } from './segment-name.ts';

type Place = {
  /** Where the segment may be now: directories come and go while it is read. */
  readonly directories: () => Promise<readonly string[]>;
  readonly segment: SegmentName;
  readonly byteOffset: number;
};

export class CopiesCursor {
  readonly #fileSystem: FileSystem;
  readonly #place: Place;
  #file: OpenFile | undefined;
  #cursor: EntryCursor;
  #directory: string;
  /** Directories that have failed at the present place. */
  #tried = new Set<string>();

  private constructor(fileSystem: FileSystem, place: Place, file: OpenFile, directory: string) {
    this.#fileSystem = fileSystem;
    this.#place = place;
    this.#file = file;
    this.#directory = directory;
    this.#cursor = new EntryCursor(file, place.byteOffset);
  }

  /** Rejects with ENOENT when no directory has the segment. */
  static async open(fileSystem: FileSystem, place: Place): Promise<CopiesCursor> {
    let failure: unknown;
    for (const directory of await place.directories()) {
      try {
        const file = await fileSystem.open(join(directory, place.segment.name), 'read');
        return new CopiesCursor(fileSystem, place, file, directory);
      } catch (error) {
        // What is worse than an absence is told: somebody must know of it.
        if (failure === undefined || errorCodeOf(error) !== 'ENOENT') failure = error;
      }
    }
    throw failure;
  }

  get byteOffset(): number {
    return this.#cursor.byteOffset;
  }

  /** Of the copy that is read. */
  get directory(): string {
    return this.#directory;
  }

  /** As `EntryCursor.next`; what cannot be read here is read elsewhere. */
  async next(limit: number | undefined): Promise<CursorStep> {
    for (;;) {
      try {
        const step = await this.#cursor.next(limit);
        if (step.kind === 'entries') this.#tried.clear();
        return step;
      } catch (error) {
        if (!(await this.goElsewhere())) throw error;
      }
    }
  }

  /** The entry at the present place, without going on; tried in every directory. */
  async peek(limit: number | undefined): Promise<Entry | undefined> {
    for (;;) {
      const { byteOffset } = this.#cursor;
      const file = this.#file;
      if (file === undefined) return undefined;
      const step = await new EntryCursor(file, byteOffset).next(limit).catch(() => undefined);
      if (step?.kind === 'entries') return step.entries[0]?.entry;
      if (!(await this.goElsewhere())) return undefined;
    }
  }

  /** Goes on with another directory's copy at the same place; false when all have been tried. */
  async goElsewhere(): Promise<boolean> {
    const { byteOffset } = this.#cursor;
    const { directories, segment } = this.#place;
    this.#tried.add(this.#directory);
    for (const directory of await directories()) {
      if (this.#tried.has(directory)) continue;
      this.#tried.add(directory);
      try {
        const file = await this.#fileSystem.open(join(directory, segment.name), 'read');
        await this.#file?.close();
        this.#file = file;
        this.#directory = directory;
        this.#cursor = new EntryCursor(file, byteOffset);
        return true;
      } catch {
        // It is not there either: the next one.
      }
    }
    return false;
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
  }
}
