// A transfer as it stands in a run: only the words that are not zero, between two words that let it
// be read from either end.
//
//   word
//      0            which of the record's 32 words follow, as bits
//      1 .. n       those words
//      n + 1        number in the run << 7 | side << 6 | n + 2
//
// Side is 0 where the account owes (debit), 1 for credit. Most records have 9 to 18 such words.

import { TRANSFER_WORDS } from '../base/transfer-record.ts';

export const PACKED_WORDS_MAX = TRANSFER_WORDS + 2;

/** Of the last word. */
export const SIDE_BIT = 1 << 6;

export const Side = { debit: 0, credit: 1 } as const;

/** Writes the record at `source[s]`; returns how many words it took. */
export function packRecord(
  source: Uint32Array,
  s: number,
  target: Uint32Array,
  t: number,
  numberAndSide: number,
): number {
  let bits = 0;
  let at = t + 1;
  for (let word = 0; word < TRANSFER_WORDS; word++) {
    const value = source[s + word]!;
    if (value === 0) continue;
    bits |= 1 << word;
    target[at] = value;
    at += 1;
  }
  target[t] = bits;
  const length = at + 1 - t;
  target[at] = (numberAndSide << 6) | length;
  return length;
}

/** How many words `packRecord` takes. */
export function packedLengthOf(source: Uint32Array, s: number): number {
  let length = 2;
  for (let word = 0; word < TRANSFER_WORDS; word++) if (source[s + word]! !== 0) length += 1;
  return length;
}

/** Writes the whole record at `target[t]`. */
export function unpackRecord(source: Uint32Array, s: number, target: Uint32Array, t: number): void {
  target.fill(0, t, t + TRANSFER_WORDS);
  let bits = source[s]!;
  let at = s + 1;
  while (bits !== 0) {
    target[t + 31 - Math.clz32(bits & -bits)] = source[at]!;
    bits &= bits - 1;
    at += 1;
  }
}

/** Length of the packed record that begins with this word. */
export function packedLength(first: number): number {
  let bits = first - ((first >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return (Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24) + 2;
}

/** What the last word says. */
export function lastLength(last: number): number {
  return last & 0x3f;
}

export function lastSide(last: number): number {
  return (last >>> 6) & 1;
}

export function lastNumber(last: number): number {
  return last >>> 7;
}
