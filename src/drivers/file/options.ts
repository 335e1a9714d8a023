// Options of the file driver.

import type { Clock } from '../../ports/clock.ts';
import { type FileSystem, realFileSystem } from './file-system.ts';

export type FileJournalLog = (level: 'info' | 'warning', text: string) => void;

export type FileJournalOptions = {
  /** The journal's own directory; made when it is missing. */
  readonly directory: string;
  /** Size of a segment, zeros included; rounded up to 4 KiB. An entry may exceed it alone. */
  readonly segmentBytes?: number;
  /** How long to wait for the lock: a killed process may still be ending. */
  readonly lockWaitMs?: number;
  readonly log?: FileJournalLog;
  /** Another operating system, for tests and simulations. */
  readonly fileSystem?: FileSystem;
  /** For the pace of polling and of looking for room; the system's monotonic one by default. */
  readonly clock?: Pick<Clock, 'monotonicMs' | 'sleep'>;
};

export type FileJournalSettings = Required<FileJournalOptions>;

export const SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024;
export const SEGMENT_BYTES_MIN = 8192;
const LOCK_WAIT_MS_DEFAULT = 5000;
const PAGE_BYTES = 4096;

export function settingsFrom(options: FileJournalOptions): FileJournalSettings {
  const segmentBytes = Math.max(SEGMENT_BYTES_MIN, options.segmentBytes ?? SEGMENT_BYTES_DEFAULT);
  return {
    directory: options.directory,
    segmentBytes: Math.ceil(segmentBytes / PAGE_BYTES) * PAGE_BYTES,
    lockWaitMs: options.lockWaitMs ?? LOCK_WAIT_MS_DEFAULT,
    log: options.log ?? (() => undefined),
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
