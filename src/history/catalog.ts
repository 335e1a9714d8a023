// The catalog: which runs there are, and the digest of each. One line a run, added when its file is
// durable; a line that is not as it was written counts for nothing, and its run is looked at anew.
//
//   <first 16 hex digits of the SHA-256 of what follows the space> <canonical JSON>
//
// The first line says how many transfers a run has. Later lines of one run replace earlier ones.

import { createHash, hash } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  readdirSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { syncFolder, writeAll } from './files.ts';
import { canonicalText } from '../base/canonical-json.ts';
import { PageCache } from './page-cache.ts';

import { type RunEntry, runName } from './run-format.ts';
import { RunDamaged, RunReader, inspectRun } from './run-reader.ts';

export const CATALOG_NAME = 'catalog';
const RUN_FILE = /^run-(\d{8})\.history$/;

export type Catalog = {
  readonly entries: Map<number, RunEntry>;
  /** Runs that are in it and whose files are missing or of another length. */
  readonly damaged: Map<number, string>;
  /** Sentences for the log. */
  readonly notes: readonly string[];
};

type Lines = { readonly entries: Map<number, RunEntry>; readonly whole: boolean };

/**
 * Reads the catalog and takes in what stands beside it. Where it was not whole it is written anew,
 * unless whoever asks is only looking.
 */
export function loadCatalog(folder: string, size: number, isLooking = false): Catalog {
  const { entries, whole } = readLines(join(folder, CATALOG_NAME), size);
  const notes: string[] = [];
  const damaged = new Map<number, string>();
  const files = new Set<number>();
  for (const name of readdirSync(folder)) {
    const run = RUN_FILE.exec(name)?.[1];
    if (run !== undefined) files.add(Number(run));
  }
  for (const run of [...files].sort((a, b) => a - b)) {
    if (entries.has(run)) continue;
    const found = adopt(folder, run, size);
    if (typeof found === 'string') notes.push(found);
    else entries.set(run, found);
  }
  for (const { run, bytes } of entries.values()) {
    if (!files.has(run)) damaged.set(run, `${runName(run)} is missing`);
    else if (statSync(join(folder, runName(run))).size !== bytes) {
      damaged.set(run, `${runName(run)} has another length than when it was written`);
    }
  }
  if (!whole) {
    if (!isLooking) writeCatalog(folder, size, entries);
    if (entries.size > 0) notes.push('The catalog was not whole; the runs say what it said.');
  }
  return { entries, damaged, notes };
}

function readLines(path: string, size: number): Lines {
  const entries = new Map<number, RunEntry>();
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return { entries, whole: false };
  }
  const [head, ...lines] = text.split('\n');
  if (head !== headLine(size) || lines.pop() !== '') return { entries, whole: false };
  let whole = true;
  for (const line of lines) {
    const json = line.slice(17);
    if (line !== lineOf(json)) {
      whole = false;
      continue;
    }
    const entry = JSON.parse(json) as RunEntry;
    entries.set(entry.run, entry);
  }
  return { entries, whole };
}

function headLine(size: number): string {
  return lineOf(canonicalText({ format: 1, run_transfers: size }));
}

function lineOf(json: string): string {
  return `${hash('sha256', json, 'hex').slice(0, 16)} ${json}`;
}

export function writeCatalog(
  folder: string,
  size: number,
  entries: ReadonlyMap<number, RunEntry>,
): void {
  const path = join(folder, CATALOG_NAME);
  const sorted = [...entries.values()].sort((a, b) => a.run - b.run);
  const lines = sorted.map((entry) => `${lineOf(canonicalText(entry))}\n`);
  writeFileSync(`${path}.partial`, `${headLine(size)}\n${lines.join('')}`, { mode: 0o600 });
  const fd = openSync(`${path}.partial`, 'r');
  fsyncSync(fd);
  closeSync(fd);
  renameSync(`${path}.partial`, path);
  syncFolder(folder);
}

/** The run's file must be durable. */
export function addToCatalog(folder: string, entry: RunEntry): void {
  const fd = openSync(join(folder, CATALOG_NAME), 'a');
  try {
    writeAll(fd, new TextEncoder().encode(`${lineOf(canonicalText(entry))}\n`));
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The entry of a run that is not in the catalog; a sentence when its file is not whole. */
function adopt(folder: string, run: number, size: number): RunEntry | string {
  try {
    const entry = inspectRun(folder, run, digestOf(join(folder, runName(run))));
    if (entry.transfers !== size || entry.run !== run) return `${runName(run)} is another's.`;
    const fault = faultOf(folder, entry);
    return fault === undefined ? entry : `${fault}.`;
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)}.`;
  }
}

/** Reads all of a run; undefined = every byte is as it was written. */
export function faultOf(folder: string, entry: RunEntry): string | undefined {
  const path = join(folder, runName(entry.run));
  try {
    const { bytes, digest } = digestOf(path);
    if (bytes !== entry.bytes) return `${runName(entry.run)}: it has another length`;
    if (digest !== entry.digest) {
      return `${runName(entry.run)}: its SHA-256 is not that of the catalog`;
    }
    const reader = RunReader.open(folder, entry, new PageCache(1));
    reader.checkPages();
    reader.close();
    return undefined;
  } catch (error) {
    if (error instanceof RunDamaged) return error.message;
    return `${runName(entry.run)}: ${String(error)}`;
  }
}

export type FileDigest = { readonly bytes: number; readonly digest: string };

function digestOf(path: string): FileDigest {
  const fd = openSync(path, 'r');
  try {
    const { size } = fstatSync(fd);
    const sha256 = createHash('sha256');
    const buffer = new Uint8Array(1024 * 1024);
    for (let at = 0; at < size; ) {
      const read = readSync(fd, buffer, 0, buffer.byteLength, at);
      if (read === 0) break;
      sha256.update(buffer.subarray(0, read));
      at += read;
    }
    return { bytes: size, digest: sha256.digest('hex') };
  } finally {
    closeSync(fd);
  }
}

/** A digest of all runs from the first to the one before the first that is missing. */
export function historyDigest(entries: ReadonlyMap<number, RunEntry>): {
  readonly runs: number;
  readonly digest: string;
} {
  let digest = '0'.repeat(64);
  let run = 0;
  for (let entry = entries.get(0); entry !== undefined; entry = entries.get(run)) {
    digest = hash('sha256', `${digest}${entry.digest}`, 'hex');
    run += 1;
  }
  return { runs: run, digest };
}
