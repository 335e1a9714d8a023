// The file driver: a journal in one or several directories of this machine, each of which holds all
// of it; fenced natively (the locks, and the comparison on append) and durable by fdatasync in all.
// Start: roster.ts (who belongs), tail-recovery.ts (verify, repair, cut). Then: segment-writer.ts
// over lanes.ts, reader.ts, discard.ts, add-directory.ts.

import { join, resolve } from 'node:path';
import { assert } from '../../base/assert.ts';
import type { Entry } from '../../base/entry.ts';
import { OperationalError, isOperationalError } from '../../base/errors.ts';
import type {
  EngineOffset,
  Journal,
  JournalBounds,
  JournalHealth,
  JournalOpenOptions,
  JournalOpening,
  ReadOptions,
  StoredEntry,
} from '../../ports/journal.ts';
import { addDirectory } from './add-directory.ts';
import { discardedThrough, finishDiscards, moveSegment } from './discard.ts';
import { errorCodeOf } from './file-system.ts';
import { Lane } from './lane.ts';
import { Lanes } from './lanes.ts';
import { believedDirectories, discardedView, listedSegments } from './log-views.ts';
import {
  type FileJournalOptions,
  type FileJournalSettings,
  type JournalAlarm,
  discardedDirectoryOf,
  settingsFrom,
} from './options.ts';
import type { OpenSegment } from './preallocator.ts';
import { type LogView, readJournal } from './reader.ts';
import { Roster } from './roster.ts';
import type { SegmentName } from './segment-name.ts';
import { SegmentWriter } from './segment-writer.ts';
import {
  type KnownSegment,
  type RecoveredJournal,
  planRecovery,
  recoverForWriting,
} from './tail-recovery.ts';

/** How often a reader beside another process's writer looks again. */
const POLL_MS = 20;

/** A reason of its own: without one each look would make an exception with its stack. */
const OVER = new Error('The wait is over.');

/** What the file driver offers besides the port. */
export interface FileJournal extends Journal {
  /**
   * Fills a directory that is new or was dropped, while payments go on, and makes it one of the
   * journal's. Resolves when it is. Only while open for writing.
   */
  addDirectory(path: string, signal: AbortSignal): Promise<void>;
  health(): JournalHealth;
}

export function createJournal(options: FileJournalOptions): FileJournal {
  return new FileJournalDriver(settingsFrom(options));
}

/** A segment of the open journal and where its durable entries end, if that was looked at. */
type Extent = { readonly segment: SegmentName; endByteOffset: number | undefined };

class FileJournalDriver implements FileJournal {
  readonly guarantees = { fencing: 'native', durability: 'local-fsync', exclusive: true } as const;
  readonly #settings: FileJournalSettings;
  #roster: Roster;
  #lanes: Lanes | undefined;
  #writer: SegmentWriter | undefined;
  #mode: 'closed' | 'read' | 'write' = 'closed';
  /** As writer: all segments, in log order. */
  #extents: Extent[] = [];
  #bounds: JournalBounds = { first: 0, last: 0 };
  readonly #waiting = new Set<() => void>();
  /** Counts what readers wait for, so that nothing is missed between looking and waiting. */
  #version = 0;
  /** What moves or copies whole segments, one after another. */
  #moving: Promise<void> = Promise.resolve();
  #closing = new AbortController();

  constructor(settings: FileJournalSettings) {
    this.#settings = settings;
    this.#roster = new Roster(settings);
  }

  async open(options: JournalOpenOptions): Promise<JournalOpening> {
    assert(this.#mode === 'closed', 'a journal is closed before it is opened anew');
    try {
      return options.mode === 'write'
        ? await this.#openForWriting(options)
        : await this.#openForReading(options);
    } catch (error) {
      await this.close();
      throw isSystemError(error) ? unusable(this.#settings.directories, error) : error;
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
    await this.#afterMoves(() => this.#discardNow(position));
  }

  async *readDiscarded(signal: AbortSignal): AsyncIterable<readonly StoredEntry[]> {
    if (this.#mode === 'closed') throw new OperationalError('JOURNAL_CLOSED');
    const view = discardedView(this.#view(), this.#settings);
    yield* readJournal(view, { from: null, follow: false, signal });
  }

  async addDirectory(path: string, signal: AbortSignal): Promise<void> {
    const absolute = resolve(path);
    await this.#afterMoves(() => this.#addNow(absolute, { signal, isDecided: false }));
  }

  /** Somebody says that there is more: the reader beside another process's writer looks now. */
  look(): void {
    if (this.#mode === 'read') this.#wake();
  }

  health(): JournalHealth {
    const members = this.#mode === 'closed' ? [] : this.#roster.members;
    return {
      places: members.map(({ path, state, dropped }) => ({
        name: path,
        state,
        detail: dropped === null ? '' : `${dropped.why} (behind position ${dropped.position})`,
      })),
    };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    try {
      await this.#writer?.close();
      // What moves or fills must have ended before somebody else may have the directories.
      await this.#moving.catch(() => undefined);
    } finally {
      this.#writer = undefined;
      this.#lanes = undefined;
      this.#mode = 'closed';
      this.#wake();
      await this.#roster.close();
    }
  }

  async #afterMoves(act: () => Promise<void>): Promise<void> {
    const before = this.#moving.catch(() => undefined);
    this.#moving = before.then(act);
    await this.#moving;
  }

  async #discardNow(position: number): Promise<void> {
    for (;;) {
      const [first, second] = this.#extents;
      if (first === undefined || second === undefined) return;
      if (second.segment.position - 1 > position) return;
      // Oldest first, durably in every directory, so that a crash never leaves a gap.
      const moves = (this.#lanes?.all ?? []).map(({ directory }) =>
        moveSegment({
          fileSystem: this.#settings.fileSystem,
          name: first.segment.name,
          source: directory,
          target: discardedDirectoryOf(this.#settings, directory),
        }),
      );
      await Promise.all(moves);
      this.#extents.shift();
      this.#bounds = { first: second.segment.position, last: this.#bounds.last };
    }
  }

  async #addNow(
    path: string,
    how: { readonly signal: AbortSignal; readonly isDecided: boolean },
  ): Promise<void> {
    const writer = this.#writer;
    const lanes = this.#lanes;
    if (writer === undefined || lanes === undefined) throw new OperationalError('JOURNAL_CLOSED');
    const segments = (): readonly SegmentName[] => this.#extents.map(({ segment }) => segment);
    const parts = { settings: this.#settings, roster: this.#roster, lanes, writer, segments };
    const signal = AbortSignal.any([how.signal, this.#closing.signal]);
    await addDirectory({ ...parts, ...how, signal }, path);
  }

  async #openForWriting(options: JournalOpenOptions): Promise<JournalOpening> {
    const { signal, from, depose, isReadThrough } = options;
    const { fileSystem, log } = this.#settings;
    this.#roster = new Roster(this.#settings);
    this.#moving = Promise.resolve();
    this.#closing = new AbortController();
    const { active, joining, ignored } = await this.#roster.open(signal, depose);
    const directories = active.map(({ path }) => path);
    const places = directories.map((directory) => {
      return { directory, folder: discardedDirectoryOf(this.#settings, directory) };
    });
    const through = await discardedThrough(fileSystem, places);
    const recovery = {
      fileSystem,
      directories,
      signal,
      from,
      isReadThrough,
      discardedThrough: through,
    };
    const plan = await planRecovery(recovery);
    await this.#roster.writeWhereOld(directories);
    const moved = await finishDiscards(fileSystem, places, through);
    const recovered = await recoverForWriting(recovery, plan);
    await this.#startWriter(recovered, directories);
    this.#mode = 'write';
    await this.#fill(joining, signal);
    for (const { path, why } of ignored) {
      const text = `${path} was dropped (${why}) and is not used. To fill it again, empty it and start again.`;
      this.#alarm({ kind: 'directory_ignored', directory: path, text });
    }
    for (const text of recovered.repairs) {
      this.#alarm({ kind: 'directory_repaired', directory: directories.join(', '), text });
    }
    for (const note of [...moved, ...recovered.notes]) log('info', note);
    const notes = [...this.#roster.warnings, ...moved, ...recovered.repairs, ...recovered.notes];
    return { bounds: this.#bounds, tornBytes: recovered.tornBytes, notes };
  }

  /** One that cannot be filled is left out with an alarm: the others have everything. */
  async #fill(joining: readonly string[], signal: AbortSignal): Promise<void> {
    for (const path of joining) {
      try {
        await this.#addNow(path, { signal, isDecided: true });
      } catch (error) {
        if (signal.aborted || isOperationalError(error)) throw error;
        const text = `${path} could not be filled: ${String(error)}. The journal starts without it.`;
        this.#alarm({ kind: 'directory_dropped', directory: path, text });
      }
    }
  }

  #alarm(alarm: JournalAlarm): void {
    this.#settings.log('warning', alarm.text);
    this.#settings.onAlarm(alarm);
  }

  async #startWriter(recovered: RecoveredJournal, directories: readonly string[]): Promise<void> {
    this.#extents = recovered.segments.map(({ segment, endByteOffset }) => {
      return { segment, endByteOffset };
    });
    this.#bounds = {
      first: recovered.segments[0]?.segment.position ?? 0,
      last: recovered.last?.position ?? 0,
    };
    const onFailure = (): void => {
      this.#writer?.laneFailed();
    };
    const tail = recovered.segments.at(-1);
    const lanes: Lane[] = [];
    for (const directory of directories) {
      const segment = await this.#openTail(tail, directory);
      lanes.push(new Lane(this.#settings, directory, { segment, onFailure }));
    }
    this.#lanes = new Lanes(this.#settings, this.#roster, lanes);
    const segment = tail && { name: tail.segment, endByteOffset: tail.endByteOffset ?? 0 };
    this.#writer = new SegmentWriter(
      this.#settings,
      this.#lanes,
      { last: recovered.last, segment },
      {
        durable: (name, endByteOffset, last) => {
          this.#extend(name, endByteOffset, last);
        },
      },
    );
    for (const lane of lanes) await lane.start();
  }

  async #openTail(
    tail: KnownSegment | undefined,
    directory: string,
  ): Promise<OpenSegment | undefined> {
    if (tail === undefined) return undefined;
    const { segment, endByteOffset = 0, sizes } = tail;
    const { fileSystem } = this.#settings;
    const file = await fileSystem.open(join(directory, segment.name), 'through');
    const allocatedBytes = sizes.get(directory) ?? endByteOffset;
    return { name: segment.name, file, endByteOffset, allocatedBytes };
  }

  #extend(segment: SegmentName, endByteOffset: number, last: Entry): void {
    const extent = this.#extents.at(-1);
    if (extent?.segment.name === segment.name) extent.endByteOffset = endByteOffset;
    else this.#extents.push({ segment, endByteOffset });
    const first = this.#bounds.first === 0 ? segment.position : this.#bounds.first;
    this.#bounds = { first, last: last.position };
    this.#wake();
  }

  async #openForReading({ signal, ...options }: JournalOpenOptions): Promise<JournalOpening> {
    const from = options.from ?? null;
    this.#mode = 'read';
    this.#bounds = { first: 0, last: 0 };
    const view = this.#view();
    for await (const batch of readJournal(view, { from, follow: false, signal })) {
      this.#seen(batch);
    }
    const [first] = from === null ? [] : await view.segments();
    if (first !== undefined) this.#bounds = { first: first.position, last: this.#bounds.last };
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
    const { fileSystem, log } = this.#settings;
    return {
      fileSystem,
      directories: async () =>
        this.#lanes?.all.map(({ directory }) => directory) ??
        (await believedDirectories(this.#settings)),
      segments: async () => {
        if (this.#mode === 'write') return this.#extents.map(({ segment }) => segment);
        return await listedSegments(this.#settings);
      },
      endOf: (segment) => {
        if (this.#mode !== 'write') return undefined;
        return this.#extents.find((extent) => extent.segment.name === segment.name)?.endByteOffset;
      },
      version: () => this.#version,
      changed: (seen, signal) => this.#changed(seen, signal),
      isClosed: () => this.#mode === 'closed',
      endsBefore: () => Promise.resolve(false),
      readElsewhere: (path, byteOffset) => {
        const why = 'another directory could not be read there: the next start repairs it';
        log('warning', `Reading goes on in ${path}, byte ${byteOffset}; ${why}.`);
      },
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
    stop.abort(OVER);
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

function unusable(directories: readonly string[], cause: unknown): OperationalError {
  return new OperationalError('DATA_FOLDER_UNUSABLE', {
    detail: `The journal in ${directories.join(' and ')} cannot be opened: ${String(cause)}. Nothing was changed.`,
    wayOut: 'Check that the folder exists, is writable by this user and its disk is well.',
    cause,
  });
}
