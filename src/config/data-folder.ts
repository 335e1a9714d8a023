// The data folder of a node and the small files in it that are not the journal:
//
//   cluster.json   who this cluster is; written once, before the first entry
//   api-key        the key that callers show; readable by its owner only
//   node.json      where the running node listens; for the command line on the same machine
//   journal/       the journal's segments and its lock
//
// Small files are replaced whole (write aside, sync, rename, sync the folder), so that a crash
// leaves the old one or the new one.

import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { readFileSync, readdirSync, renameSync, rmSync, writeSync } from 'node:fs';
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
  readonly cluster: ClusterIdentity;
  readonly apiKey: string;
  readonly apiKeyFile: string;
  /** True when this start created the folder's identity. */
  readonly isNew: boolean;
};

const KEY_PREFIX = 'hk_';

/** Opens the folder, and creates identity and key where there is no journal yet. */
export function openDataFolder(folder: string): DataFolder {
  const journalFolder = join(folder, 'journal');
  try {
    mkdirSync(journalFolder, { recursive: true });
  } catch (error) {
    throw new OperationalError('DATA_FOLDER_UNUSABLE', {
      detail: `The folder ${folder} cannot be created or written.`,
      wayOut: 'Nothing was started. Give another folder with --data, or mend its permissions.',
      cause: error,
    });
  }
  const { cluster, isNew } = openIdentity(folder, journalFolder);
  const apiKeyFile = join(folder, 'api-key');
  if (!existsSync(apiKeyFile)) {
    replaceFile(apiKeyFile, `${KEY_PREFIX}${randomBytes(24).toString('base64url')}\n`, 0o600);
  }
  const apiKey = readFileSync(apiKeyFile, 'utf8').trim();
  if (!apiKey.startsWith(KEY_PREFIX) || apiKey.length < 20) {
    throw new OperationalError('DATA_FOLDER_UNUSABLE', {
      detail: `${apiKeyFile} does not hold a key.`,
      wayOut: 'Nothing was started. Remove the file: a new key is made at the next start.',
    });
  }
  return { folder, journalFolder, cluster, apiKey, apiKeyFile, isNew };
}

function openIdentity(
  folder: string,
  journalFolder: string,
): { readonly cluster: ClusterIdentity; readonly isNew: boolean } {
  const file = join(folder, 'cluster.json');
  if (existsSync(file)) return { cluster: readIdentity(file), isNew: false };
  if (readdirSync(journalFolder).some((name) => name.endsWith('.journal'))) {
    throw new OperationalError('DATA_FOLDER_UNUSABLE', {
      detail: `${file} is missing, but there is a journal beside it.`,
      wayOut:
        'Nothing was started or changed. Put the file back from a copy: a journal without its ' +
        'identity could be mixed up with another one.',
    });
  }
  const clusterId = new Uint8Array(randomBytes(16));
  const content = { cluster_id: toHex(clusterId), timeline: 1, format: 1 };
  replaceFile(file, `${JSON.stringify(content, undefined, 2)}\n`, 0o644);
  return { cluster: { clusterId, timeline: 1 }, isNew: true };
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
  readonly url: string;
  readonly binary_url: string;
  readonly pid: number;
};

export function writeRunningNode(folder: string, node: RunningNode): void {
  replaceFile(join(folder, 'node.json'), `${JSON.stringify(node)}\n`, 0o644);
}

export function removeRunningNode(folder: string): void {
  rmSync(join(folder, 'node.json'), { force: true });
}

/** Writes aside, syncs, renames, syncs the folder. */
export function replaceFile(file: string, content: string, mode: number): void {
  const aside = `${file}.new`;
  const descriptor = openSync(aside, 'w', mode);
  try {
    writeSync(descriptor, content);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(aside, file);
  const folder = openSync(dirname(file), 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
