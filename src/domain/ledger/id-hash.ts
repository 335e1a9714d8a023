// Hashes of 128-bit ids, for tables that are derived and that nothing observable depends on. Ids
// are chosen by whoever sends, so the hashes have keys: a node draws them when its process starts,
// or ids could be made up that all hash to one place, and each look-up would take as long as there
// are ids. Without that, as in tests, the keys are always the same.
//
// Each word is multiplied by a secret odd number. Changes in the upper bits of a word stay in upper
// bits whatever the number is, so the four products are turned by different amounts: otherwise such
// changes in two words could undo each other under every key.

import { assert } from '../../base/assert.ts';

export const HASH_KEY_BYTES = 32;

const keys = new Int32Array([
  0x9e37_79b1, 0x85eb_ca77, 0xc2b2_ae3d, 0x27d4_eb2f, 0x243f_6a88, 0x85a3_08d3, 0x1319_8a2f,
  0x0370_7345,
]);
let isInUse = false;

/** Every index of ids says so: from then on the keys stay. */
export function useIdHashes(): void {
  isInUse = true;
}

/**
 * Draws the keys from 32 random bytes, once and before there is any state. Does nothing once there
 * is one, whose tables stand where the keys of then put the ids; returns whether it did.
 */
export function seedIdHashes(random: Uint8Array): boolean {
  assert(random.byteLength === HASH_KEY_BYTES, 'the keys of hashes take 32 bytes');
  if (isInUse) return false;
  const words = new DataView(random.buffer, random.byteOffset, random.byteLength);
  for (let key = 0; key < keys.length; key++) keys[key] = words.getUint32(4 * key, true) | 1;
  return true;
}

/**
 * Hash of the id whose four words begin at `i`, as a signed integer. The four products do not wait
 * for each other; the end is the finalizer of MurmurHash3, which spreads them over all bits.
 */
export function hashId(words: Uint32Array, i: number): number {
  const a = Math.imul(words[i]!, keys[0]!);
  const b = Math.imul(words[i + 1]!, keys[1]!);
  const c = Math.imul(words[i + 2]!, keys[2]!);
  const d = Math.imul(words[i + 3]!, keys[3]!);
  let hash = a ^ ((b << 8) | (b >>> 24)) ^ ((c << 16) | (c >>> 16)) ^ ((d << 24) | (d >>> 8));
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}

/** Another hash of the same id, for the few that need one: each word waits for the last. */
export function hashIdAgain(words: Uint32Array, i: number): number {
  let hash = keys[4]!;
  for (let word = 0; word < 4; word++) {
    hash = Math.imul(hash ^ words[i + word]!, keys[5]!);
    hash = Math.imul(hash ^ (hash >>> 15), keys[6]!);
    hash ^= hash >>> 13;
  }
  hash = Math.imul(hash, keys[7]!);
  return hash ^ (hash >>> 16);
}
