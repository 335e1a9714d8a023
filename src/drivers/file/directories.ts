// What the journal's directories are and hold, for the command line: looked at offline, nothing is
// changed, no lock is needed.

import { join, resolve } from 'node:path';
import { isOperationalError } from '../../base/errors.ts';
import { type FileSystem, errorCodeOf, listIfThere, realFileSystem } from './file-system.ts';
import { scanJournal } from './journal-scan.ts';
import type { Member } from './members.ts';
import { believedAmong } from './membership.ts';
import { lookAt } from './roster.ts';
import { segmentsAmong } from './segment-name.ts';

/**
 * The directories that hold the journal of which one is named: those that are active by the newest
 * of their records. A copy of a directory stands for itself: it is elsewhere than its record says.
 */
export async function activeDirectories(
  named: string,
  fileSystem: FileSystem = realFileSystem,
): Promise<readonly string[]> {
  const found = [];
  for (const path of await directoriesBeside(fileSystem, resolve(named))) {
    const directory = await lookAt({ fileSystem }, path);
    if (directory.own !== undefined && directory.problem === undefined) found.push(directory);
  }
  return found.length === 0 ? [resolve(named)] : believedAmong(found);
}

/** It and those that its record names. */
async function directoriesBeside(fileSystem: FileSystem, path: string): Promise<readonly string[]> {
  const { own } = await lookAt({ fileSystem }, path);
  const members = own?.record.members ?? [];
  const isAtHome = members.some((member) => member.id === own?.self && member.path === path);
  return isAtHome ? [path, ...members.map((member) => member.path)] : [path];
}

export type DirectoryReport = {
  readonly path: string;
  /** By the newest record among those that were read; `alone` = there is no record. */
  readonly state: Member['state'] | 'alone' | 'unknown';
  /** Why it was dropped, or cannot be read; otherwise empty. */
  readonly detail: string;
  /** Number of the record that stands in it; 0 = none. */
  readonly record: number;
  readonly segments: number;
  readonly discarded: number;
  /** The last position that verifies in this directory alone; 0 = none. */
  readonly lastPosition: number;
};

export type DirectoriesReport = {
  readonly directories: readonly DirectoryReport[];
  /** What the next start would repair, or why it would not start. */
  readonly repairs: readonly string[];
  readonly halt: string | undefined;
};

/** Looks at the directories, at those that their records name, and at what repairs are due. */
export async function reportDirectories(
  named: readonly string[],
  fileSystem: FileSystem = realFileSystem,
): Promise<DirectoriesReport> {
  const paths = new Set(named);
  let newest: { readonly number: number; readonly members: readonly Member[] } | undefined;
  for (const path of paths) {
    const { own } = await lookAt({ fileSystem }, path);
    for (const beside of await directoriesBeside(fileSystem, path)) paths.add(beside);
    if (own !== undefined && own.record.number > (newest?.number ?? 0)) newest = own.record;
  }
  const directories: DirectoryReport[] = [];
  for (const path of paths) directories.push(await reportOne(fileSystem, path, newest?.members));
  const active = directories.filter(({ state }) => state === 'active' || state === 'alone');
  const readable = active.filter(({ segments }) => segments > 0).map(({ path }) => path);
  return { directories, ...(await dueRepairs(fileSystem, readable)) };
}

async function reportOne(
  fileSystem: FileSystem,
  path: string,
  members: readonly Member[] | undefined,
): Promise<DirectoryReport> {
  const { own, isDamaged, problem } = await lookAt({ fileSystem }, path);
  const member = members?.find(({ id, path: known }) =>
    own === undefined ? known === path : id === own.self,
  );
  const faults = [
    ...(isDamaged ? ['members.json is damaged'] : []),
    ...(problem === undefined ? [] : [`it cannot be read (${errorCodeOf(problem)})`]),
  ];
  const names = problem === undefined ? await listIfThere(fileSystem, path) : [];
  const folder = problem === undefined ? join(path, 'discarded') : undefined;
  const discarded = folder === undefined ? [] : await listIfThere(fileSystem, folder);
  return {
    path,
    state: members === undefined ? 'alone' : (member?.state ?? 'unknown'),
    detail: [...faults, ...(member?.dropped ? [member.dropped.why] : [])].join('; '),
    record: own?.record.number ?? 0,
    segments: segmentsAmong(names).length,
    discarded: segmentsAmong(discarded).length,
    lastPosition: names.length === 0 ? 0 : await lastPositionIn(fileSystem, path),
  };
}

async function lastPositionIn(fileSystem: FileSystem, path: string): Promise<number> {
  const { signal } = new AbortController();
  let last = 0;
  for await (const event of scanJournal(fileSystem, [path], { signal })) {
    if (event.kind === 'entries') last = event.entries.at(-1)?.entry.position ?? last;
  }
  return last;
}

async function dueRepairs(
  fileSystem: FileSystem,
  directories: readonly string[],
): Promise<{ readonly repairs: readonly string[]; readonly halt: string | undefined }> {
  const repairs: string[] = [];
  const { signal } = new AbortController();
  try {
    for await (const event of scanJournal(fileSystem, directories, { signal })) {
      if (event.kind === 'damage') {
        const { directory, source, byteOffset, endByteOffset, position } = event.damage;
        const path = join(directory, event.segment.name);
        repairs.push(
          `${path}, bytes ${byteOffset} to ${endByteOffset} (from position ${position} on), from ${source}`,
        );
      }
      if (event.kind !== 'end' || event.verdict.kind !== 'corrupt') continue;
      const path = join(event.directory, event.segment.name);
      const { byteOffset, position, verdict } = event;
      return {
        repairs,
        halt: `${path}, byte ${byteOffset}, position ${position}: ${verdict.found}`,
      };
    }
  } catch (error) {
    if (!isOperationalError(error)) throw error;
    return { repairs, halt: error.message };
  }
  return { repairs, halt: undefined };
}
