// Two things that every writer of files needs.

import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';

/** A write may be cut short, as on a disk that is about to be full. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.byteLength; ) {
    written += writeSync(fd, bytes, written, bytes.byteLength - written);
  }
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
