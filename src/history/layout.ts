// Sizes and views that all parts of the history share. A chunk is memory for the transfers of one
// run while they are young: full records, and between which accounts each one is.
//
//   chunk of n transfers          n * 136 bytes, shared between threads
//   +--------------------+---------------------+----------------------+
//   | n records          | n debit accounts    | n credit accounts    |
//   | 128 bytes each     | numbers, 4 bytes    | numbers, 4 bytes     |
//   +--------------------+---------------------+----------------------+

import { TRANSFER_BYTES, TRANSFER_WORDS } from '../base/transfer-record.ts';

/** Transfers of one run. */
export const RUN_TRANSFERS = 2 ** 19;

/** The most that an entry of a run can number: 19 bits are used, 25 fit. */
export const RUN_TRANSFERS_MAX = 2 ** 25;

/** What is checked and read at once. */
export const PAGE_BYTES = 16 * 1024;
export const PAGE_WORDS = PAGE_BYTES / 4;

/** No account, no run, no place. */
export const NONE = 0xffff_ffff;

export type Chunk = {
  /** Transfers that fit. */
  readonly size: number;
  readonly records: Uint32Array;
  readonly debits: Uint32Array;
  readonly credits: Uint32Array;
};

export function chunkBytes(size: number): number {
  return size * (TRANSFER_BYTES + 8);
}

export function viewChunk(buffer: SharedArrayBuffer | ArrayBuffer, size: number): Chunk {
  const words = size * TRANSFER_WORDS;
  return {
    size,
    records: new Uint32Array(buffer, 0, words),
    debits: new Uint32Array(buffer, words * 4, size),
    credits: new Uint32Array(buffer, (words + size) * 4, size),
  };
}

/** Order of the bytes as they stand in a record: that of ids. */
export function swapped(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}

/** -1, 0 or 1 as the id at `a[i]` is smaller than, equal to or larger than that at `b[j]`. */
export function compareIds(a: Uint32Array, i: number, b: Uint32Array, j: number): -1 | 0 | 1 {
  for (let word = 0; word < 4; word++) {
    const x = a[i + word]!;
    const y = b[j + word]!;
    if (x !== y) return swapped(x) < swapped(y) ? -1 : 1;
  }
  return 0;
}

/** Hash of an id that stands in a record. */
export function hashOfId(words: Uint32Array, i: number): number {
  const first = Math.imul(words[i]!, 0x9e37_79b1) + Math.imul(words[i + 1]!, 0x85eb_ca77);
  const second = Math.imul(words[i + 2]!, 0xc2b2_ae3d) + Math.imul(words[i + 3]!, 0x27d4_eb2f);
  return mixed(first ^ ((second << 15) | (second >>> 17)));
}

/** Hash of a field of user data and its value, as the section `terms` has it. */
export function hashOfTerm(field: number, words: Uint32Array, i: number, count: number): number {
  let hash = Math.imul(field + 1, 0x9e37_79b1);
  for (let word = 0; word < count; word++) {
    hash = Math.imul(hash ^ words[i + word]!, 0x85eb_ca77);
    hash = (hash << 13) | (hash >>> 19);
  }
  return mixed(hash) >>> 0;
}

function mixed(word: number): number {
  let hash = Math.imul(word ^ (word >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}
