// Installs an engine's programs from the machine's own Debian packages, when run as root.

import { spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { EngineProblem } from './problem.ts';
import { isRoot } from './user.ts';

/** The program's path; undefined where PATH does not hold it. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder !== '' && (await isThere(path))) return path;
  }
  return undefined;
}

export async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

export async function installPackages(packages: readonly string[]): Promise<void> {
  const command = `apt-get install ${packages.join(' ')}`;
  if (!isRoot()) throw new EngineProblem(`Only root may install packages: sudo ${command}`);
  if ((await findProgram('apt-get')) === undefined) {
    throw new EngineProblem(
      `This machine has no apt-get; install by its own means: ${packages.join(', ')}`,
    );
  }
  await run('apt-get', ['update']);
  await run('apt-get', ['install', '-y', '--no-install-recommends', ...packages]);
}

export async function run(program: string, parameters: readonly string[]): Promise<void> {
  const child = spawn(program, parameters, {
    // Their talk is for people: standard output may be JSON.
    stdio: ['ignore', 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  if (status !== 0) {
    throw new EngineProblem(`${program} ${parameters.join(' ')} ended with ${status}.`);
  }
}
