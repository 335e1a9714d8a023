// The local driver against the coordinator conformance suite, on the real file system of this
// machine.

import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCoordinator } from '../../../src/drivers/local/driver.ts';
import type { ClusterUnderTest } from './harness.ts';
import { coordinatorConformance } from './suite.ts';

/** Not too short: a process that gets no processor for so long is ended as a frozen one. */
const SESSION_MS = 1000;

function clusterIn(top: string, folder: string): ClusterUnderTest {
  const options = { folder, sessionMs: SESSION_MS };
  return {
    choice: { driver: 'local', options },
    create: () => createCoordinator({ ...options, log: () => undefined }),
    [Symbol.asyncDispose]: () => rm(top, { recursive: true, force: true }),
  };
}

coordinatorConformance('local', {
  make: async () => {
    const top = await mkdtemp(join(tmpdir(), 'holdfast-local-'));
    return clusterIn(top, join(top, 'cluster'));
  },
  makeAway: async () => {
    // A path that leads nowhere for now, as where a disk is not mounted yet.
    const top = await mkdtemp(join(tmpdir(), 'holdfast-local-'));
    const disk = join(top, 'disk');
    await symlink(disk, disk);
    return {
      cluster: clusterIn(top, join(disk, 'cluster')),
      comeBack: async () => {
        await rm(disk);
        await mkdir(disk);
      },
    };
  },
});
