// The tail on disk: what a checkpoint needs of the history that no run holds yet. One file for each
// run that is being filled, a block for each time it was written down; gone when the run stands.
//
//   tail-<run>.history: blocks, each
//   offset bytes field
//        0     8 magic
//        8     4 run
//       12     4 first place in the run
//       16     4 transfers
//       20     4 ids of expired holds
//       24     8 position through which the history was fed
//       32     8 transfers of the whole history at that position
//       40     4 zero
//       44     4 CRC-32 of the block, with zero here
//       48       records, 128 bytes each; debit accounts, credit accounts, 4 each; ids, 16 each

import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { TRANSFER_BYTES, TRANSFER_WORDS } from '../base/transfer-record.ts';
import { writeSynced } from './files.ts';
import { type Chunk, chunkBytes, viewChunk } from './layout.ts';

const MAGIC = 0x3154_5448_5344_4c48n;
const HEADER_BYTES = 48;
const CRC_OFFSET = 44;

export function tailName(run: number): string {
  return `tail-${String(run).padStart(8, '0')}.history`;
}

/** What stands in the file of one run. */
export type TailState = {
  readonly run: number;
  readonly count: number;
  readonly expired: number;
  /** Bytes that count; what follows was never finished. */
  readonly bytes: number;
  readonly position: number;
  readonly through: number;
};

export type TailLoaded = {
  readonly state: TailState;
  readonly buffer: SharedArrayBuffer;
  readonly expiredIds: Uint32Array;
};

/** Undefined = there is no such file, or its first block is not whole. */
export function loadTail(folder: string, run: number, size: number): TailLoaded | undefined {
  let file: Buffer;
  try {
    file = readFileSync(join(folder, tailName(run)));
  } catch {
    return undefined;
  }
  const buffer = new SharedArrayBuffer(chunkBytes(size));
  const chunk = viewChunk(buffer, size);
  const expired: number[] = [];
  let state: TailState = { run, count: 0, expired: 0, bytes: 0, position: 0, through: 0 };
  while (state.bytes < file.byteLength) {
    const next = readBlock(Uint8Array.from(file.subarray(state.bytes)), state, chunk, expired);
    if (next === undefined) break;
    state = next;
  }
  if (state.bytes === 0) return undefined;
  return { state, buffer, expiredIds: Uint32Array.from(expired) };
}

function readBlock(
  file: Uint8Array<ArrayBuffer>,
  before: TailState,
  chunk: Chunk,
  expired: number[],
): TailState | undefined {
  if (file.byteLength < HEADER_BYTES) return undefined;
  const view = new DataView(file.buffer);
  const first = view.getUint32(12, true);
  const count = view.getUint32(16, true);
  const ids = view.getUint32(20, true);
  const length = HEADER_BYTES + count * (TRANSFER_BYTES + 8) + ids * 16;
  if (view.getBigUint64(0, true) !== MAGIC || view.getUint32(8, true) !== before.run) {
    return undefined;
  }
  if (length > file.byteLength || first !== before.count) return undefined;
  if (first + count > chunk.size) return undefined;
  const crc = view.getUint32(CRC_OFFSET, true);
  view.setUint32(CRC_OFFSET, 0, true);
  if (crc32(file.subarray(0, length)) !== crc) return undefined;
  const words = new Uint32Array(file.buffer, HEADER_BYTES, (length - HEADER_BYTES) / 4);
  const accounts = count * TRANSFER_WORDS;
  chunk.records.set(words.subarray(0, accounts), first * TRANSFER_WORDS);
  chunk.debits.set(words.subarray(accounts, accounts + count), first);
  chunk.credits.set(words.subarray(accounts + count, accounts + 2 * count), first);
  for (const word of words.subarray(accounts + 2 * count)) expired.push(word);
  return {
    run: before.run,
    count: first + count,
    expired: before.expired + ids,
    bytes: before.bytes + length,
    position: Number(view.getBigUint64(24, true)),
    through: Number(view.getBigUint64(32, true)),
  };
}

export type TailPart = {
  readonly chunk: Chunk;
  /** Transfers that are there. */
  readonly count: number;
  readonly expiredIds: readonly Uint32Array[];
  readonly position: number;
  readonly through: number;
};

/** Appends what is new since `before` and syncs it. Throws what the file system says. */
export function appendTail(folder: string, before: TailState, part: TailPart): TailState {
  const { chunk, position, through } = part;
  const first = before.count;
  const count = part.count - first;
  const ids = joined(part.expiredIds).subarray(before.expired * 4);
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  view.setBigUint64(0, MAGIC, true);
  view.setUint32(8, before.run, true);
  view.setUint32(12, first, true);
  view.setUint32(16, count, true);
  view.setUint32(20, ids.length / 4, true);
  view.setBigUint64(24, BigInt(position), true);
  view.setBigUint64(32, BigInt(through), true);
  const records = chunk.records.subarray(first * TRANSFER_WORDS, part.count * TRANSFER_WORDS);
  const debits = chunk.debits.subarray(first, part.count);
  const credits = chunk.credits.subarray(first, part.count);
  const body = [records, debits, credits, ids].map(bytesOf);
  let crc = crc32(header);
  for (const bytes of body) crc = crc32(bytes, crc);
  view.setUint32(CRC_OFFSET, crc, true);
  const fd = openSync(join(folder, tailName(before.run)), before.bytes === 0 ? 'w' : 'r+', 0o600);
  let at = before.bytes;
  try {
    ftruncateSync(fd, at);
    for (const bytes of [header, ...body]) at = writeSynced(fd, bytes, at);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  const expired = before.expired + ids.length / 4;
  return { run: before.run, count: part.count, expired, bytes: at, position, through };
}

function bytesOf(words: Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

function joined(parts: readonly Uint32Array[]): Uint32Array {
  const words = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    words.set(part, at);
    at += part.length;
  }
  return words;
}
