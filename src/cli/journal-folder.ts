// Where the journal is, and whose it should be, for the offline tools.

import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
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
