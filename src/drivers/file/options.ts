// Options of the file driver.

import { join, resolve } from 'node:path';
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../ports/clock.ts';
import { type FileSystem, realFileSystem } from './file-system.ts';

export type FileJournalLog = (level: 'info' | 'warning', text: string) => void;

/** Something that a person must know of soon: the journal goes on with less than it should have. */
export type JournalAlarm = {
  readonly kind: 'directory_dropped' | 'directory_repaired' | 'directory_ignored';
  readonly directory: string;
  readonly text: string;
};

export type FileJournalOptions = {
  /** The journal's own directory; made when it is missing. Short for one in `directories`. */
  readonly directory?: string;
  /**
   * Directories that each hold the whole journal, best on disks of their own: every append is
   * durable in all of them before it resolves. A new one is filled at opening.
   */
  readonly directories?: readonly string[];
  /**
   * Start without these, though they may hold later payments than the others: they are recorded as
   * dropped.
   */
  readonly withoutDirectories?: readonly string[];
  /** Where the first directory's discarded segments go; default: `discarded` in each directory. */
  readonly discardedDirectory?: string;
  /** Size of a segment, zeros included; rounded up to 4 KiB. An entry may exceed it alone. */
  readonly segmentBytes?: number;
  /** How long to wait for the lock: a killed process may still be ending. */
  readonly lockWaitMs?: number;
  readonly log?: FileJournalLog;
  /** Called once for each; must not throw. */
  readonly onAlarm?: (alarm: JournalAlarm) => void;
  /** Another operating system, for tests and simulations. */
  readonly fileSystem?: FileSystem;
  /** For the pace of polling and of looking for room; the system's monotonic one by default. */
  readonly clock?: Pick<Clock, 'monotonicMs' | 'sleep'>;
};

export type FileJournalSettings = {
  /** Absolute, at least one, none twice. */
  readonly directories: readonly string[];
  readonly withoutDirectories: readonly string[];
  readonly discardedDirectory: string | undefined;
} & Required<
  Pick<
    FileJournalOptions,
    'segmentBytes' | 'lockWaitMs' | 'log' | 'onAlarm' | 'fileSystem' | 'clock'
  >
>;

export const SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024;
export const SEGMENT_BYTES_MIN = 8192;
const LOCK_WAIT_MS_DEFAULT = 5000;
const PAGE_BYTES = 4096;

/** Where a directory keeps the segments that it has discarded. */
export function discardedDirectoryOf(
  { directories, discardedDirectory }: FileJournalSettings,
  directory: string,
): string {
  const isFirst = directory === directories[0];
  return isFirst && discardedDirectory !== undefined
    ? resolve(discardedDirectory)
    : join(directory, 'discarded');
}

export function settingsFrom(options: FileJournalOptions): FileJournalSettings {
  const segmentBytes = Math.max(SEGMENT_BYTES_MIN, options.segmentBytes ?? SEGMENT_BYTES_DEFAULT);
  const named = options.directory === undefined ? [] : [options.directory];
  const directories = [...named, ...(options.directories ?? [])].map((path) => resolve(path));
  assert(directories.length > 0, 'a file journal has a directory');
  return {
    directories: [...new Set(directories)],
    withoutDirectories: (options.withoutDirectories ?? []).map((path) => resolve(path)),
    discardedDirectory: options.discardedDirectory,
    segmentBytes: Math.ceil(segmentBytes / PAGE_BYTES) * PAGE_BYTES,
    lockWaitMs: options.lockWaitMs ?? LOCK_WAIT_MS_DEFAULT,
    log: options.log ?? (() => undefined),
    onAlarm: options.onAlarm ?? (() => undefined),
    fileSystem: options.fileSystem ?? realFileSystem,
    clock: options.clock ?? SYSTEM_CLOCK,
  };
}

const SYSTEM_CLOCK: Pick<Clock, 'monotonicMs' | 'sleep'> = {
  monotonicMs: () => performance.now(),
  sleep(ms, signal) {
    return new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
    });
  },
};
