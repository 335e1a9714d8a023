// Checkpoints of another node on the same disk, taken over without a copy of their bytes: the files
// never change, so a second name for each is enough. For a node that continues what another one did
// on the same journal, whose beginning may have been discarded meanwhile.

import { copyFile, link, mkdir, open, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';

const MANIFEST_NAME = /^[0-9]{20}\.checkpoint$/;
const CHUNK_NAME = /^[0-9a-f]{64}\.chunk$/;

/**
 * Adopts what stands in `from` when its newest checkpoint is newer than that in `to`; returns its
 * position then, otherwise 0. Nothing may write to either meanwhile.
 */
export async function adoptCheckpoints(from: string, to: string): Promise<number> {
  const manifests = await namesIn(from, MANIFEST_NAME);
  const newest = positionOf(manifests.at(-1));
  if (newest <= positionOf((await namesIn(to, MANIFEST_NAME)).at(-1))) return 0;
  const chunks = { from: join(from, 'chunks'), to: join(to, 'chunks') };
  await mkdir(chunks.to, { recursive: true });
  for (const name of await namesIn(chunks.from, CHUNK_NAME)) {
    await adopt(join(chunks.from, name), join(chunks.to, name));
  }
  // What a manifest names is there before the manifest is.
  await sync(chunks.to);
  for (const name of manifests) await adopt(join(from, name), join(to, name));
  await sync(to);
  return newest;
}

async function adopt(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    // Some file systems have no second names, and a folder may be on another disk.
    await copyFile(from, `${to}.partial`);
    await sync(`${to}.partial`);
    await rename(`${to}.partial`, to);
  }
}

/** In order; nothing where there is no such folder. */
async function namesIn(folder: string, pattern: RegExp): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => pattern.test(name)).sort();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

function positionOf(manifest: string | undefined): number {
  return manifest === undefined ? 0 : Number(manifest.slice(0, 20));
}

function codeOf(error: unknown): unknown {
  return (error as { readonly code?: unknown }).code;
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
