// The data folder and the small files in it that are not the journal:
//
//   cluster.json   who this cluster is; written once, before the first entry
//   api-key        the key that callers show; readable by its owner only
//   journal-begun  there once was an entry: an empty journal is then a loss, not a start. Holds the
//                  place of a journal on an engine
//   cluster-key    the secret of its nodes among themselves; readable by its owner only
//   journal/       the journal's segments and its lock; all nodes of the folder have the same
//   coordinator/   who is there and who is first in line (drivers/local)
//   nodes/<name>/  what is a named node's own: node.json, checkpoints/, history/, views/,
//                  node.sqlite
//   node.json      where the running node listens; for the command line on the same machine
//   alone.sqlite   held by the node that runs alone, which has node.json, checkpoints/,
//                  history/ and views/ in the folder itself
//
// Small files are replaced whole (write aside, sync, rename, sync the folder), so that a crash
// leaves the old one or the new one.

import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync } from 'node:fs';
import { readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { toHex } from '../base/entry.ts';
import { OperationalError } from '../base/errors.ts';

export type ClusterIdentity = {
  /** 16 bytes. */
  readonly clusterId: Uint8Array;
  readonly timeline: number;
};

export type DataFolder = {
  readonly folder: string;
  readonly journalFolder: string;
  /** The node's own: `folder` itself where it runs alone. */
  readonly nodeFolder: string;
  readonly checkpointFolder: string;
  readonly historyFolder: string;
  readonly viewsFolder: string;
  readonly cluster: ClusterIdentity;
  readonly apiKey: string;
  readonly apiKeyFile: string;
  /** 32 bytes that nodes of the cluster prove to each other to know; none for a node alone. */
  readonly clusterKey: Uint8Array;
  /** True when this start created the folder's identity. */
  readonly isNew: boolean;
  /** The cluster has had a journal: one that is empty now is a loss. */
  readonly hasBegun: boolean;
};

const KEY_PREFIX = 'hk_';
const KEY_LENGTH_MIN = 20;
const CLUSTER_KEY_BYTES = 32;
const BEGUN = 'journal-begun';

type OpeningOptions = {
  /** Other directories that hold the journal too. */
  readonly otherJournalFolders?: readonly string[] | undefined;
  /** It is not in files: whoever reads it looks whether it is empty. */
  readonly isJournalElsewhere?: boolean;
  /** The node's name; '' = it runs alone. */
  readonly node?: string;
};

/** Opens the folder, and creates identity and keys where there is no journal yet. */
export function openDataFolder(folder: string, options: OpeningOptions = {}): DataFolder {
  const { otherJournalFolders = [], isJournalElsewhere = false, node = '' } = options;
  const journalFolder = join(folder, 'journal');
  const nodeFolder = node === '' ? folder : join(folder, 'nodes', node);
  try {
    mkdirSync(journalFolder, { recursive: true });
    mkdirSync(nodeFolder, { recursive: true });
  } catch (error) {
    throw new OperationalError('DATA_FOLDER_UNUSABLE', {
      detail: `The folder ${folder} cannot be created or written.`,
      wayOut: 'Nothing was started. Give another folder with --data, or mend its permissions.',
      cause: error,
    });
  }
  const isHere = readdirSync(journalFolder).some(isSegment);
  const hasJournal = isHere || otherJournalFolders.some(holdsJournal);
  const hasBegun = existsSync(join(folder, BEGUN));
  if (isJournalElsewhere && hasJournal) throw journalInFiles(journalFolder);
  if (!isJournalElsewhere && !hasJournal && hasBegun) throw journalGone(journalFolder, folder);
  const { cluster, isNew } = openIdentity({ folder, hasJournal });
  const apiKeyFile = join(folder, 'api-key');
  if (!existsSync(apiKeyFile)) {
    createFile(apiKeyFile, `${KEY_PREFIX}${randomBytes(24).toString('base64url')}\n`, 0o600);
  }
  const apiKey = readKey(apiKeyFile);
  return {
    folder,
    journalFolder,
    nodeFolder,
    checkpointFolder: join(nodeFolder, 'checkpoints'),
    historyFolder: join(nodeFolder, 'history'),
    viewsFolder: join(nodeFolder, 'views'),
    cluster,
    apiKey,
    apiKeyFile,
    clusterKey: node === '' ? new Uint8Array(0) : openClusterKey(folder),
    isNew,
    hasBegun,
  };
}

function openClusterKey(folder: string): Uint8Array {
  const file = join(folder, 'cluster-key');
  if (!existsSync(file)) {
    createFile(file, `${randomBytes(CLUSTER_KEY_BYTES).toString('hex')}\n`, 0o600);
  }
  let text = '';
  try {
    text = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw keyFault(file, error);
  }
  if (!/^[0-9a-f]{64}$/.test(text)) throw keyFault(file, undefined);
  return new Uint8Array(Buffer.from(text, 'hex'));
}

function readKey(file: string): string {
  let key = '';
  try {
    key = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw keyFault(file, error);
  }
  if (!key.startsWith(KEY_PREFIX) || key.length < KEY_LENGTH_MIN) throw keyFault(file, undefined);
  return key;
}

function keyFault(file: string, cause: unknown): OperationalError {
  const why = cause instanceof Error ? `: ${cause.message}` : '';
  return new OperationalError('DATA_FOLDER_UNUSABLE', {
    detail: `${file} does not hold a key${why}.`,
    wayOut: 'Nothing was started. Remove the file: a new key is made at the next start.',
    cause,
  });
}

function isSegment(name: string): boolean {
  return name.endsWith('.journal');
}

/** One that cannot be read holds nothing for now; the driver asks for it and says why. */
function holdsJournal(folder: string): boolean {
  try {
    return readdirSync(folder).some(isSegment);
  } catch {
    return false;
  }
}

type Finding = { readonly folder: string; readonly hasJournal: boolean };

function openIdentity({ folder, hasJournal }: Finding): {
  readonly cluster: ClusterIdentity;
  readonly isNew: boolean;
} {
  const file = join(folder, 'cluster.json');
  if (existsSync(file)) return { cluster: readIdentity(file), isNew: false };
  if (hasJournal) {
    throw new OperationalError('DATA_FOLDER_UNUSABLE', {
      detail: `${file} is missing, but there is a journal beside it.`,
      wayOut:
        'Nothing was started or changed. Put the file back from a copy: a journal without its ' +
        'identity could be mixed up with another one.',
    });
  }
  const clusterId = new Uint8Array(randomBytes(16));
  const content = { cluster_id: toHex(clusterId), timeline: 1, format: 1 };
  createFile(file, `${JSON.stringify(content, undefined, 2)}\n`, 0o644);
  // Read back: another process may have been first.
  return { cluster: readIdentity(file), isNew: true };
}

/**
 * Called when the journal has its first entry, before anything is answered from it. `place`: where
 * it is, as in HOLDFAST_JOURNAL, for people.
 */
export function noteJournalBegun(folder: string, place: string): void {
  const file = join(folder, BEGUN);
  if (!existsSync(file)) createFile(file, place === 'file' ? '' : `${place}\n`, 0o644);
}

/** What `noteJournalBegun` has noted; '' = nothing, or a journal in files. */
function placeBegun(folder: string): string {
  try {
    return readFileSync(join(folder, BEGUN), 'utf8').trim();
  } catch {
    return '';
  }
}

/**
 * A disk that is not mounted, most often: new books under the old name would be the worst answer.
 */
function journalGone(journalFolder: string, folder: string): OperationalError {
  const place = placeBegun(folder);
  if (place !== '') {
    return new OperationalError('DATA_FOLDER_UNUSABLE', {
      detail: `${journalFolder} holds no journal: this cluster's began on an engine, ${place}.`,
      wayOut: 'Nothing was started or changed. Start with that HOLDFAST_JOURNAL.',
    });
  }
  return new OperationalError('DATA_FOLDER_UNUSABLE', {
    detail: `${journalFolder} holds no journal, but this cluster has one.`,
    wayOut:
      'Nothing was started or changed. Mount its disk or put the journal back. Only if all of it ' +
      'may be lost: start on a new data folder.',
  });
}

/** Two journals of one cluster: what was paid in one is not in the other. */
function journalInFiles(journalFolder: string): OperationalError {
  return new OperationalError('DATA_FOLDER_UNUSABLE', {
    detail: `This cluster's journal is in files, in ${journalFolder}.`,
    wayOut:
      'Nothing was started or changed. Start with HOLDFAST_JOURNAL=file, or on a new data folder.',
  });
}

function readIdentity(file: string): ClusterIdentity {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof value === 'object' && value !== null) {
      const { cluster_id: id, timeline } = value as { cluster_id?: unknown; timeline?: unknown };
      if (typeof id === 'string' && /^[0-9a-f]{32}$/.test(id) && Number.isSafeInteger(timeline)) {
        return { clusterId: new Uint8Array(Buffer.from(id, 'hex')), timeline: Number(timeline) };
      }
    }
  } catch (error) {
    throw identityFault(file, error);
  }
  throw identityFault(file, undefined);
}

function identityFault(file: string, cause: unknown): OperationalError {
  return new OperationalError('DATA_FOLDER_UNUSABLE', {
    detail: `${file} cannot be read as the identity of a cluster.`,
    wayOut: 'Nothing was started or changed. Put the file back from a copy.',
    cause,
  });
}

export type RunningNode = {
  /** Its name; left out where it runs alone. */
  readonly node?: string;
  readonly url: string;
  readonly binary_url: string;
  readonly pid: number;
};

/** `nodeFolder`: as in DataFolder. */
export function writeRunningNode(nodeFolder: string, node: RunningNode): void {
  replaceFile(join(nodeFolder, 'node.json'), `${JSON.stringify(node)}\n`, 0o644);
}

/** Only one's own: a successor may be running already. */
export function removeRunningNode(nodeFolder: string, pid: number): void {
  const file = join(nodeFolder, 'node.json');
  try {
    const note: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if ((note as { readonly pid?: unknown } | null)?.pid === pid) rmSync(file, { force: true });
  } catch {
    // There is none, or none that anybody could use.
  }
}

/** Names of the nodes that ever had a part in the folder, in order. */
export function namedNodes(folder: string): string[] {
  try {
    return readdirSync(join(folder, 'nodes')).sort();
  } catch {
    return [];
  }
}

/**
 * What nodes of this folder noted of themselves and whose process is there, as far as this process
 * sees: the one that runs alone first, then who led last. A killed node's note stays until its
 * successor writes one.
 */
export function runningNodes(folder: string): RunningNode[] {
  const folders = [folder, ...namedNodes(folder).map((name) => join(folder, 'nodes', name))];
  const running = folders.flatMap((nodeFolder) => {
    const note = readNote(join(nodeFolder, 'node.json'));
    return note !== undefined && isThere(note.pid) ? [note] : [];
  });
  const leader = readNote(leaderFile(folder))?.pid;
  return [
    ...running.filter(({ pid, node }) => node === undefined || pid === leader),
    ...running.filter(({ pid, node }) => node !== undefined && pid !== leader),
  ];
}

/** Where whoever begins to lead notes himself as he does in node.json. */
export function leaderFile(folder: string): string {
  return join(folder, 'leader.json');
}

function readNote(file: string): RunningNode | undefined {
  try {
    const note = JSON.parse(readFileSync(file, 'utf8')) as Partial<RunningNode> | null;
    if (typeof note?.url !== 'string' || typeof note.pid !== 'number') return undefined;
    return note as RunningNode;
  } catch {
    return undefined;
  }
}

/** Signal 0 asks and does nothing; a process of somebody else is there too. */
function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { readonly code?: unknown }).code === 'EPERM';
  }
}

/**
 * At the first start. Of several processes that start at once one creates the file (`link` fails
 * where it exists), and all of them read what stands there. The folder can be full or not ours, and
 * that is told by the file's name.
 */
function createFile(file: string, content: string, mode: number): void {
  const aside = `${file}.${process.pid}.new`;
  try {
    replaceFile(aside, content, mode);
    linkSync(aside, file);
    syncFolderOf(file);
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'EEXIST') return;
    throw new OperationalError('DATA_FOLDER_UNUSABLE', {
      detail: `${file} cannot be written: ${String(error)}.`,
      wayOut: 'Nothing was started. Make room on the disk, or mend the permissions of the folder.',
      cause: error,
    });
  } finally {
    rmSync(aside, { force: true });
  }
}

/** Writes aside, syncs, renames, syncs the folder; on failure what was written aside goes. */
export function replaceFile(file: string, content: string, mode: number): void {
  const aside = `${file}.new`;
  try {
    const descriptor = openSync(aside, 'w', mode);
    try {
      writeFileSync(descriptor, content);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(aside, file);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  }
  syncFolderOf(file);
}

function syncFolderOf(file: string): void {
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
