// What the disk gives a plain Node program: blocks of 1 MiB, each written with writev and made
// durable with fdatasync before the next, into a file that was filled with zeros before. The
// journal of a node writes one such block for a full batch.

import { closeSync, fdatasyncSync, fsyncSync, openSync, writeSync, writevSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

const BLOCK_BYTES = 2 ** 20;
const PIECES = 4;
/** A longer run goes over the same file again: it is preallocated either way. */
const FILE_BLOCKS_MAX = 1024;

export async function rawWriteBlocksPerSecond(folder: string, blocks: number): Promise<number> {
  const path = join(folder, 'raw-write');
  const file = openSync(path, 'w');
  try {
    const fileBlocks = Math.min(blocks, FILE_BLOCKS_MAX);
    const zeros = new Uint8Array(BLOCK_BYTES);
    for (let block = 0; block < fileBlocks; block++) writeSync(file, zeros);
    fsyncSync(file);
    const pieces = Array.from({ length: PIECES }, (_, piece) =>
      new Uint8Array(BLOCK_BYTES / PIECES).fill(piece + 1),
    );
    const startedMs = performance.now();
    for (let block = 0; block < blocks; block++) {
      writevSync(file, pieces, (block % fileBlocks) * BLOCK_BYTES);
      fdatasyncSync(file);
    }
    return blocks / ((performance.now() - startedMs) / 1000);
  } finally {
    closeSync(file);
    await rm(path);
  }
}
