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
import { journalConformance } from './suite.ts';
import { systemError } from './simulated-file-system.ts';

/**
 * `lost`: the next write to a segment fails, before or behind it; `full`: there is no room once.
 */
type Plan = 'lost-now' | 'lost-never' | 'full' | undefined;

class PlannedFileSystem {
  plan: Plan;
  #failsSync = false;

  fileSystem(): FileSystem {
    return {
      ...realFileSystem,
      open: async (path, mode) => {
        const file = await realFileSystem.open(path, mode);
        return path.endsWith('.journal') && mode === 'write' ? this.#planned(file) : file;
      },
    };
  }

  #planned(file: OpenFile): OpenFile {
    return {
      sizeBytes: () => file.sizeBytes(),
      read: (target, offset) => file.read(target, offset),
      truncate: (sizeBytes) => file.truncate(sizeBytes),
      close: () => file.close(),
      write: async (buffers, offset) => {
        const plan = this.plan;
        this.plan = undefined;
        if (plan === 'full') throw systemError('ENOSPC');
        if (plan === 'lost-never') throw systemError('EIO');
        this.#failsSync = plan === 'lost-now';
        await file.write(buffers, offset);
      },
      datasync: async () => {
        if (this.#failsSync) {
          this.#failsSync = false;
          throw systemError('EIO');
        }
        await file.datasync();
      },
    };
  }
}

journalConformance('file', {
  async create() {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-journal-'));
    const planned = new PlannedFileSystem();
    return {
      fencing: 'native',
      secondWriter: 'locked',
      hasUnits: true,
      attach: ({ unitBytes = 256 * 1024 } = {}) =>
        createJournal({
          directory,
          segmentBytes: unitBytes,
          lockWaitMs: 0,
          fileSystem: planned.fileSystem(),
        }),
      loseNextAnswer: (written) => {
        planned.plan = written === 'now' ? 'lost-now' : 'lost-never';
      },
      fillUpOnce: () => {
        planned.plan = 'full';
      },
      unitNames: async () => (await readdir(directory)).filter((name) => name.endsWith('.journal')),
      dispose: () => rm(directory, { recursive: true, force: true }),
    };
  },
});
