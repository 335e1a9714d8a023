// The file driver: a journal in one directory of this machine, fenced natively (the lock, and the
// comparison on append) and durable by fdatasync. One directory for now; what knows about it is
// kept to `directory` in the settings, so that several can be written at once later.

import { join } from 'node:path';
import { assert } from '../../base/assert.ts';
import type { Entry } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import type {
  EngineOffset,
  Journal,
  JournalBounds,
  JournalOpenOptions,
  JournalOpening,
  ReadOptions,
  StoredEntry,
} from '../../ports/journal.ts';
import type { DirectoryLock } from './lock.ts';
import { checkFileSystemType } from './network-guard.ts';
import { type FileJournalOptions, type FileJournalSettings, settingsFrom } from './options.ts';
import { type LogView, readJournal } from './reader.ts';
import { errorCodeOf, syncNames } from './file-system.ts';
import { type SegmentName, segmentsAmong } from './segment-name.ts';
import { type NamedSegment, SegmentWriter } from './segment-writer.ts';
import { type RecoveredJournal, recoverForWriting } from './tail-recovery.ts';

/** How often a reader beside another process's writer looks again. */
const POLL_MS = 20;

export function createJournal(options: FileJournalOptions): Journal {
  return new FileJournal(settingsFrom(options));
}

/** A segment of the open journal and where its durable entries end. */
type Extent = { readonly segment: SegmentName; endByteOffset: number };

class FileJournal implements Journal {
  readonly guarantees = { fencing: 'native', durability: 'local-fsync' } as const;
  readonly #settings: FileJournalSettings;
  #lock: DirectoryLock | undefined;
  #writer: SegmentWriter | undefined;
  #mode: 'closed' | 'read' | 'write' = 'closed';
  /** As writer: all segments, in log order. */
  #extents: Extent[] = [];
  #bounds: JournalBounds = { first: 0, last: 0 };
  readonly #waiting = new Set<() => void>();
  /** Counts what readers wait for, so that nothing is missed between looking and waiting. */
  #version = 0;
  #discarding: Promise<void> = Promise.resolve();

  constructor(settings: FileJournalSettings) {
    this.#settings = settings;
  }

  async open(options: JournalOpenOptions): Promise<JournalOpening> {
    assert(this.#mode === 'closed', 'a journal is closed before it is opened anew');
    try {
      return options.mode === 'write'
        ? await this.#openForWriting(options.signal)
        : await this.#openForReading(options.signal);
    } catch (error) {
      await this.close();
      throw isSystemError(error) ? unusable(this.#settings.directory, error) : error;
    }
  }

  async append(entry: Entry): Promise<EngineOffset> {
    if (this.#writer === undefined) {
      throw new OperationalError('JOURNAL_CLOSED', { wayOut: 'Open the journal for writing.' });
    }
    return await this.#writer.append(entry);
  }

  async *read(options: ReadOptions): AsyncIterable<readonly StoredEntry[]> {
    if (this.#mode === 'closed') throw new OperationalError('JOURNAL_CLOSED');
    for await (const batch of readJournal(this.#view(), options)) {
      if (this.#mode === 'read') this.#seen(batch);
      yield batch;
    }
  }

  bounds(): JournalBounds {
    return this.#bounds;
  }

  async discardThrough(position: number): Promise<void> {
    assert(this.#mode === 'write', 'only the writer discards');
    // One after another: the oldest goes first, or a crash leaves a gap.
    const before = this.#discarding.catch(() => undefined);
    this.#discarding = before.then(() => this.#discardNow(position));
    await this.#discarding;
  }

  async #discardNow(position: number): Promise<void> {
    const { fileSystem, directory } = this.#settings;
    for (;;) {
      const [first, second] = this.#extents;
      if (first === undefined || second === undefined) return;
      if (second.segment.position - 1 > position) return;
      // Oldest first, each durably, so that a crash never leaves a gap.
      await fileSystem.remove(join(directory, first.segment.name));
      await syncNames(fileSystem, directory);
      this.#extents.shift();
      this.#bounds = { first: second.segment.position, last: this.#bounds.last };
    }
  }

  async *readDiscarded(): AsyncIterable<readonly StoredEntry[]> {}

  async close(): Promise<void> {
    try {
      await this.#writer?.close();
    } finally {
      this.#writer = undefined;
      this.#mode = 'closed';
      this.#wake();
      await this.#lock?.release();
      this.#lock = undefined;
    }
  }

  async #openForWriting(signal: AbortSignal): Promise<JournalOpening> {
    const { fileSystem, directory, lockWaitMs } = this.#settings;
    await fileSystem.makeDirectory(directory);
    const warning = await checkFileSystemType(this.#settings);
    this.#lock = await fileSystem.lock(directory, lockWaitMs, signal);
    this.#discarding = Promise.resolve();
    const recovered = await recoverForWriting(fileSystem, directory, signal);
    await this.#startWriter(recovered);
    for (const note of recovered.notes) this.#settings.log('info', note);
    this.#mode = 'write';
    const notes = warning === undefined ? recovered.notes : [warning, ...recovered.notes];
    return { bounds: this.#bounds, tornBytes: recovered.tornBytes, notes };
  }

  async #startWriter(recovered: RecoveredJournal): Promise<void> {
    this.#extents = recovered.segments.map(({ segment, endByteOffset }) => {
      return { segment, endByteOffset };
    });
    this.#bounds = {
      first: recovered.segments[0]?.segment.position ?? 0,
      last: recovered.last?.position ?? 0,
    };
    const tail = await this.#openTail(recovered);
    this.#writer = new SegmentWriter(this.#settings, recovered.last, tail, {
      durable: (segment, endByteOffset, last) => {
        this.#extend(segment, endByteOffset, last);
      },
    });
    await this.#writer.start();
  }

  async #openTail(recovered: RecoveredJournal): Promise<NamedSegment | undefined> {
    const tail = recovered.segments.at(-1);
    if (tail === undefined) return undefined;
    const { fileSystem, directory } = this.#settings;
    const { segment, endByteOffset, sizeBytes } = tail;
    const file = await fileSystem.open(join(directory, segment.name), 'write');
    const open = { name: segment.name, file, endByteOffset, allocatedBytes: sizeBytes };
    return { name: segment, open };
  }

  #extend(segment: SegmentName, endByteOffset: number, last: Entry): void {
    const extent = this.#extents.at(-1);
    if (extent?.segment.name === segment.name) extent.endByteOffset = endByteOffset;
    else this.#extents.push({ segment, endByteOffset });
    const first = this.#bounds.first === 0 ? segment.position : this.#bounds.first;
    this.#bounds = { first, last: last.position };
    this.#wake();
  }

  async #openForReading(signal: AbortSignal): Promise<JournalOpening> {
    this.#mode = 'read';
    this.#bounds = { first: 0, last: 0 };
    const all = readJournal(this.#view(), { from: null, follow: false, signal });
    for await (const batch of all) this.#seen(batch);
    return { bounds: this.#bounds, tornBytes: 0, notes: [] };
  }

  #seen(batch: readonly StoredEntry[]): void {
    const { first } = this.#bounds;
    const positions = batch.map(({ entry }) => entry.position);
    this.#bounds = {
      first: first === 0 ? (positions[0] ?? 0) : first,
      last: Math.max(this.#bounds.last, positions.at(-1) ?? 0),
    };
  }

  #view(): LogView {
    const { fileSystem, directory } = this.#settings;
    return {
      fileSystem,
      directory,
      segments: async () => {
        if (this.#mode === 'write') return this.#extents.map(({ segment }) => segment);
        return segmentsAmong(await fileSystem.list(directory));
      },
      endOf: (segment) => {
        if (this.#mode !== 'write') return undefined;
        return this.#extents.find((extent) => extent.segment.name === segment.name)?.endByteOffset;
      },
      version: () => this.#version,
      changed: (seen, signal) => this.#changed(seen, signal),
      isClosed: () => this.#mode === 'closed',
    };
  }

  /**
   * As writer: an append became durable. As reader: some time has passed. Either way: or closed.
   */
  async #changed(seen: number, signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const woken = new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      if (signal.aborted || this.#mode === 'closed' || this.#version !== seen) {
        resolve();
        return;
      }
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake);
      if (this.#mode === 'read') {
        this.#settings.clock.sleep(POLL_MS, stop.signal).then(wake, wake);
      }
    });
    await woken;
    stop.abort();
  }

  #wake(): void {
    this.#version += 1;
    for (const wake of this.#waiting) wake();
  }
}

/** Of the operating system (ENOENT, EACCES, ...) or of the lock's SQLite; no bug, no abort. */
function isSystemError(error: unknown): boolean {
  const code = errorCodeOf(error);
  return code === 'ERR_SQLITE_ERROR' || /^E[A-Z0-9]+$/.test(code);
}

function unusable(directory: string, cause: unknown): OperationalError {
  return new OperationalError('DATA_FOLDER_UNUSABLE', {
    detail: `The journal in ${directory} cannot be opened: ${String(cause)}. Nothing was changed.`,
    wayOut: 'Check that the folder exists, is writable by this user and its disk is well.',
    cause,
  });
}
