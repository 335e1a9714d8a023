// Ids for imports that may be run again: from a manifest and the file itself. The manifest holds
// the file's SHA-256 and the time of its first import (the base time), and is durable before the
// first request leaves. So row 17 of one file has one id for ever, and a second run of it, also
// after a crash in the middle, is answered with `exists` all along: nothing is done twice.
//
//   id = base time in milliseconds (top 48 bits) + 80 bits of SHA-256(file digest || row number)

import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { transferIdFrom } from '../base/ids.ts';

export type ImportManifest = {
  readonly version: 1;
  /** SHA-256 of the file, 64 hex digits. */
  readonly fileSha256: string;
  readonly baseTimeMs: number;
};

export type ManifestReading = {
  readonly manifest: ImportManifest;
  readonly path: string;
  /** True when this run wrote it: nothing of the file was imported under it before. */
  readonly isNew: boolean;
};

const REST_BYTES = 10;
const UNIX_MS_MAX = 2 ** 48 - 1;

export class ManifestUnusable extends Error {
  override readonly name = 'ManifestUnusable';
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The id of a row, counted from 1. The row number enters as 8 bytes, big-endian. */
export function rowTransferId(manifest: ImportManifest, rowNumber: number): bigint {
  const row = Buffer.alloc(8);
  row.writeBigUInt64BE(BigInt(rowNumber));
  const digest = createHash('sha256')
    .update(Buffer.from(manifest.fileSha256, 'hex'))
    .update(row)
    .digest();
  const rest = BigInt(`0x${digest.subarray(0, REST_BYTES).toString('hex')}`);
  return transferIdFrom(manifest.baseTimeMs, rest);
}

export function manifestPath(dataFolder: string, fileSha256: string): string {
  return join(dataFolder, 'imports', `${fileSha256}.json`);
}

/**
 * Reads the manifest at `path`, or writes it now: whole, synced, and only then under its name. Of
 * two runs that begin at once one writes it and both use it.
 */
export async function openManifest(path: string, fileSha256: string): Promise<ManifestReading> {
  const existing = await readManifest(path);
  if (existing !== undefined)
    return { manifest: ofFile(existing, path, fileSha256), path, isNew: false };
  const manifest: ImportManifest = { version: 1, fileSha256, baseTimeMs: Date.now() };
  if (await writeDurably(path, `${JSON.stringify(manifest)}\n`)) {
    return { manifest, path, isNew: true };
  }
  return openManifest(path, fileSha256);
}

function ofFile(manifest: ImportManifest, path: string, fileSha256: string): ImportManifest {
  if (manifest.fileSha256 === fileSha256) return manifest;
  throw new ManifestUnusable(
    `The manifest ${path} belongs to another file (SHA-256 ${manifest.fileSha256}). ` +
      'Nothing was sent. Give this file a manifest of its own.',
  );
}

async function readManifest(path: string): Promise<ImportManifest | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  const manifest = parseManifest(text);
  if (manifest !== undefined) return manifest;
  throw new ManifestUnusable(
    `The manifest ${path} is damaged. Nothing was sent. Restore it from a copy: with a new one the ` +
      'rows would get new ids, and what was imported before would be done again.',
  );
}

export function parseManifest(text: string): ImportManifest | undefined {
  try {
    const value = JSON.parse(text) as Partial<ImportManifest> | null;
    if (value?.version !== 1) return undefined;
    const { fileSha256, baseTimeMs } = value;
    if (typeof fileSha256 !== 'string' || !/^[0-9a-f]{64}$/.test(fileSha256)) return undefined;
    if (typeof baseTimeMs !== 'number' || !Number.isSafeInteger(baseTimeMs)) return undefined;
    if (baseTimeMs <= 0 || baseTimeMs > UNIX_MS_MAX) return undefined;
    return { version: 1, fileSha256, baseTimeMs };
  } catch {
    return undefined;
  }
}

/** False when somebody else has written it meanwhile. */
async function writeDurably(path: string, text: string): Promise<boolean> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  const temporary = `${path}.${randomUUID()}.new`;
  const file = await open(temporary, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(temporary, path);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await unlink(temporary);
  }
  await syncFolder(folder);
  return true;
}

async function syncFolder(folder: string): Promise<void> {
  const directory = await open(folder, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
