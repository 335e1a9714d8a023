// What every writer of files needs.

import {
  closeSync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** A write may be cut short, as on a disk that is about to be full. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.byteLength; ) {
    written += writeSync(fd, bytes, written, bytes.byteLength - written);
  }
}

/** At once; more keeps the syncs of the journal waiting behind it (see page-stream.ts). */
const STEP_BYTES = 1024 * 1024;
const BREATH_MS = 1;
const NEVER_WOKEN = new Int32Array(new SharedArrayBuffer(4));

/** Lets others have the disk for a moment, or for `ms`. In a thread that may block. */
export function breathe(ms = 0): void {
  Atomics.wait(NEVER_WOKEN, 0, 0, Math.max(BREATH_MS, ms));
}

/** Writes `bytes` at a place and syncs them, step by step. Returns where they end. */
export function writeSynced(fd: number, bytes: Uint8Array, from: number): number {
  for (let at = 0; at < bytes.byteLength; at += STEP_BYTES) {
    if (at > 0) breathe();
    const step = bytes.subarray(at, at + STEP_BYTES);
    for (let written = 0; written < step.byteLength; ) {
      written += writeSync(fd, step, written, step.byteLength - written, from + at + written);
    }
    fdatasyncSync(fd);
  }
  return from + bytes.byteLength;
}

/** A name that was given or taken away is durable only when its folder is. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The folder itself stays: it may be a disk of its own, or a link to one. */
export function emptyFolder(folder: string): void {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'ENOENT') return;
    throw error;
  }
  for (const name of names) rmSync(join(folder, name), { recursive: true, force: true });
}
