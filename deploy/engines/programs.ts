// Runs a program to its end as the user whom the servers run as: what sets a server up before it is
// started (initdb, a copy of another server).

import { spawn } from 'node:child_process';
import { chown, mkdir } from 'node:fs/promises';
import { EngineProblem } from './problem.ts';
import { serverUser } from './user.ts';

const TOLD_CHARACTERS_MAX = 600;

/** The folder, and that it belongs to the servers' user. */
export async function makeServerFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const user = await serverUser();
  if (user !== undefined) await chown(folder, user.uid, user.gid);
}

/** Rejects with the program's own last words where it fails. */
export async function runAsServer(
  program: string,
  parameters: readonly string[],
  { folder, input = '' }: { readonly folder: string; readonly input?: string },
): Promise<void> {
  const child = spawn(program, parameters, {
    cwd: folder,
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', HOME: folder },
    ...(await serverUser()),
  });
  let told = '';
  child.stderr.on('data', (chunk: Buffer) => {
    told = (told + chunk.toString('utf8')).slice(-TOLD_CHARACTERS_MAX);
  });
  // A program that ends without reading says by its status why.
  child.stdin.on('error', () => undefined).end(input);
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  if (status !== 0) throw new EngineProblem(`${program} ended with ${status}: ${told.trim()}`);
}
