// The servers of an engine as processes: each has `process.json` (number and start time) and
// `output.log` in its folder. They are spawned directly, in sessions of their own, so that they
// survive whoever started them and a freeze stops no one else; and never as root.

import { spawn } from 'node:child_process';
import {
  chown,
  mkdir,
  open,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Place, folderOf } from './place.ts';
import { EngineProblem } from './problem.ts';
import { type ProcessMark, type ProcessState, markOf, stateOf } from './processes.ts';
import { serverUser } from './user.ts';

const OTHERS_MAY_ENTER = 0o001;

export type ServerCommand = {
  readonly program: string;
  readonly parameters: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
};

/** The process that was started last; undefined where none was. */
export async function processOf(place: Place, server: string): Promise<ProcessMark | undefined> {
  try {
    const text = await readFile(join(folderOf(place, server), 'process.json'), 'utf8');
    const { pid, startTime } = JSON.parse(text) as ProcessMark;
    return typeof pid === 'number' && typeof startTime === 'number'
      ? { pid, startTime }
      : undefined;
  } catch {
    return undefined;
  }
}

export async function serverState(place: Place, server: string): Promise<ProcessState> {
  const mark = await processOf(place, server);
  return mark === undefined ? 'ended' : await stateOf(mark);
}

/** Does nothing when it runs. Returns when the process is there, not when it answers. */
export async function startServer(
  place: Place,
  server: string,
  command: ServerCommand,
): Promise<void> {
  if ((await serverState(place, server)) !== 'ended') return;
  const folder = folderOf(place, server);
  await mkdir(folder, { recursive: true });
  const user = await serverUser();
  if (user !== undefined) await giveTo(folder, user);
  if (user !== undefined) await checkReach(folder);
  const output = await open(join(folder, 'output.log'), 'a');
  try {
    const child = spawn(command.program, command.parameters, {
      cwd: folder,
      detached: true,
      stdio: ['ignore', output.fd, output.fd],
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...command.environment },
      ...user,
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve).once('error', reject);
    });
    // Reaped by Node as long as this process lives, which need not wait for it.
    child.unref();
    const { pid } = child;
    const mark = pid === undefined ? undefined : await markOf(pid);
    if (mark === undefined) throw new Error(`${server} ended at once; see ${folder}/output.log.`);
    const path = join(folder, 'process.json');
    await writeFile(`${path}.partial`, `${JSON.stringify(mark)}\n`);
    await rename(`${path}.partial`, path);
  } finally {
    await output.close();
  }
}

export async function forgetServer(place: Place, server: string): Promise<void> {
  await rm(join(folderOf(place, server), 'process.json'), { force: true });
}

/** Another user must be able to walk to the folder: a server that cannot only says "not found". */
async function checkReach(folder: string): Promise<void> {
  for (let above = dirname(folder); ; above = dirname(above)) {
    const { mode } = await stat(above);
    if ((mode & OTHERS_MAY_ENTER) === 0) {
      throw new EngineProblem(
        `The servers run as nobody, who may not enter ${above}: name another folder by --dir.`,
      );
    }
    if (above === dirname(above)) return;
  }
}

/** The folder and all in it, so that the server may write there. */
export async function giveTo(
  folder: string,
  user: { readonly uid: number; readonly gid: number },
): Promise<void> {
  await chown(folder, user.uid, user.gid);
  for (const item of await readdir(folder, { withFileTypes: true, recursive: true })) {
    await chown(join(item.parentPath, item.name), user.uid, user.gid);
  }
}
