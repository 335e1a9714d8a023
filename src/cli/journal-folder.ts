// Where the journal is, and whose it should be, for the offline tools.

import { readdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { membersOf } from '../drivers/file/directories.ts';
import { readIfThere } from './connection.ts';
import { ExitCode } from './exit-codes.ts';
import { CliFailure } from './failure.ts';

export async function requireJournal(directory: string): Promise<void> {
  try {
    await readdir(directory);
  } catch (cause) {
    throw new CliFailure(
      {
        exitCode: ExitCode.notFound,
        code: 'journal_not_found',
        message: `There is no journal in ${directory}.`,
        money: 'Nothing was read or changed.',
        action: 'Name the data folder with --data.',
      },
      cause,
    );
  }
}

/**
 * The cluster id that stands beside the journal; undefined where the file is absent or unreadable.
 */
export async function clusterIdBeside(directory: string): Promise<string | undefined> {
  const text = await readIfThere(join(dirname(directory), 'cluster.json'));
  if (text === undefined) return undefined;
  try {
    const identity = JSON.parse(text) as { readonly cluster_id?: unknown } | null;
    return typeof identity?.cluster_id === 'string' ? identity.cluster_id : undefined;
  } catch {
    return undefined;
  }
}

/**
 * All directories that the journal has by its member record; the one beside the data folder first.
 */
export async function journalDirectories(directory: string): Promise<readonly string[]> {
  const others = (await membersOf(directory)).filter(({ state }) => state === 'active');
  const paths = others.map(({ path }) => path);
  const self = resolve(directory);
  const readable: string[] = [];
  for (const path of paths) if (path !== self && (await isReadable(path))) readable.push(path);
  // Of a directory that was dropped the others hold more.
  return others.length > 0 && !paths.includes(self) ? readable : [self, ...readable];
}

async function isReadable(path: string): Promise<boolean> {
  return await readdir(path).then(
    () => true,
    () => false,
  );
}
