// The file driver against the journal conformance suite, on the real file system of this machine;
// only failing and filling disks are put in front of it.

import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createJournal } from '../../../src/drivers/file/driver.ts';
import {
  type FileSystem,
  type OpenFile,
  realFileSystem,
} from '../../../src/drivers/file/file-system.ts';
import type { JournalHarness } from './harness.ts';
import { journalConformance } from './suite.ts';
import { systemError } from './simulated-file-system.ts';

/**
 * `lost`: the next write to a segment fails, before or behind it; `full`: there is no room once.
 */
type Plan = 'lost-now' | 'lost-never' | 'full';

/** Plans count for the next write in each directory: all of the disks fail at once. */
class PlannedFileSystem {
  readonly #directoryCount: number;
  #plans: Plan[] = [];

  constructor(directoryCount: number) {
    this.#directoryCount = directoryCount;
  }

  next(plan: Plan): void {
    this.#plans = Array.from({ length: this.#directoryCount }, () => plan);
  }

  fileSystem(): FileSystem {
    return {
      ...realFileSystem,
      open: async (path, mode) => {
        const file = await realFileSystem.open(path, mode);
        return path.endsWith('.journal') && mode === 'through' ? this.#planned(file) : file;
      },
    };
  }

  #planned(file: OpenFile): OpenFile {
    let failsSync = false;
    return {
      sizeBytes: () => file.sizeBytes(),
      read: (target, offset) => file.read(target, offset),
      truncate: (sizeBytes) => file.truncate(sizeBytes),
      isWrittenThrough: false,
      close: () => file.close(),
      write: async (buffers, offset) => {
        const plan = this.#plans.pop();
        if (plan === 'full') throw systemError('ENOSPC');
        if (plan === 'lost-never') throw systemError('EIO');
        failsSync = plan === 'lost-now';
        await file.write(buffers, offset);
      },
      datasync: async () => {
        if (failsSync) {
          failsSync = false;
          throw systemError('EIO');
        }
        await file.datasync();
      },
    };
  }
}

/** The journal in so many directories, all on the same planned disk. */
function harnessWith(directoryCount: number): JournalHarness {
  return {
    async create() {
      const folder = await mkdtemp(join(tmpdir(), 'holdfast-journal-'));
      const planned = new PlannedFileSystem(directoryCount);
      const directories = Array.from({ length: directoryCount }, (_, i) => join(folder, `${i}`));
      const [directory = folder] = directories;
      return {
        fencing: 'native',
        secondWriter: 'locked',
        hasUnits: true,
        attach: ({ unitBytes = 256 * 1024 } = {}) =>
          createJournal({
            directories,
            segmentBytes: unitBytes,
            lockWaitMs: 0,
            fileSystem: planned.fileSystem(),
          }),
        loseNextAnswer: (written) => {
          planned.next(written === 'now' ? 'lost-now' : 'lost-never');
        },
        fillUpOnce: () => {
          planned.next('full');
        },
        unitNames: async () =>
          (await readdir(directory)).filter((name) => name.endsWith('.journal')),
        dispose: () => rm(folder, { recursive: true, force: true }),
      };
    },
  };
}

journalConformance('file', harnessWith(1));
journalConformance('file, two directories', harnessWith(2));
journalConformance('file, three directories', harnessWith(3));
