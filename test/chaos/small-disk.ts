// A disk of a limited size for one program: a tmpfs in a mount namespace of its own. Root may have
// one, and so may anybody where unprivileged user namespaces are allowed.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Ways to a mount namespace in which a tmpfs may be mounted: as root, and as anybody else. */
const WAYS = [
  ['unshare', '--mount'],
  ['unshare', '--user', '--map-root-user', '--mount'],
] as const;

/** Runs the program with `--disk FOLDER` before its parameters; resolves with its exit status. */
export async function onSmallDisk(
  mib: number,
  program: URL,
  parameters: readonly string[],
): Promise<number> {
  const mount = `mount -t tmpfs -o size=${mib}m holdfast-small-disk "$0"`;
  const disk = mkdtempSync(join(tmpdir(), 'holdfast-small-disk-'));
  try {
    const way = WAYS.find(([unshare, ...options]) => {
      return spawnSync(unshare, [...options, 'sh', '-c', mount, disk]).status === 0;
    });
    if (way === undefined) {
      process.stderr.write(
        'No disk of a limited size could be made: neither `unshare --mount` nor `unshare --user ' +
          '--map-root-user --mount` may mount a tmpfs here. Nothing was proved. Run this as root, or ' +
          'where unprivileged user namespaces are allowed.\n',
      );
      return 1;
    }
    const [unshare, ...options] = way;
    const script = `${mount} && exec "$@"`;
    const self = [process.execPath, fileURLToPath(program), '--disk', disk, ...parameters];
    const child = spawn(unshare, [...options, 'sh', '-c', script, disk, ...self], {
      stdio: 'inherit',
    });
    const [exitCode] = (await once(child, 'close')) as [number | null];
    return exitCode ?? 1;
  } finally {
    await rm(disk, { recursive: true, force: true });
  }
}
