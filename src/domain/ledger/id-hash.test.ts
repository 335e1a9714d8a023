import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../base/prng.ts';
import { HASH_KEY_BYTES, hashId, hashIdAgain, seedIdHashes, useIdHashes } from './id-hash.ts';

/** What to multiply by, modulo 2^32, to undo multiplying by an odd number. */
function inverse(odd: number): number {
  let inverted = odd;
  for (let round = 0; round < 5; round++) {
    inverted = Math.imul(inverted, 2 - Math.imul(odd, inverted));
  }
  return inverted;
}

/** How many different values the hash has for these ids. */
function hashesOf(ids: readonly Uint32Array[], hash: typeof hashId): number {
  return new Set(ids.map((id) => hash(id, 0))).size;
}

/** Ids that differ only in the `bits` upper bits of each word. */
function upperBits(bits: number): Uint32Array[] {
  return Array.from({ length: 1 << (4 * bits) }, (_, number) =>
    Uint32Array.from([0, 1, 2, 3], (word) => (number >>> (bits * word)) << (32 - bits)),
  );
}

test('ids made up to collide do so no longer once the keys are drawn, and keys are drawn once', () => {
  // The third and the fourth word undo each other under the keys that everybody can read.
  const [third, fourth] = [0xc2b2_ae3d, 0x27d4_eb2f];
  const ids = Array.from({ length: 5000 }, (_, number) => {
    const product = Math.imul(number, third);
    const turned = (product << 24) | (product >>> 8);
    return Uint32Array.of(1, 2, number, Math.imul(turned, inverse(fourth)));
  });
  const before = hashesOf(ids, hashId);
  assert.equal(before, 1);
  assert.ok(hashesOf(ids, hashIdAgain) > 4900);
  for (let seed = 1; seed <= 5; seed++) {
    const prng = new Prng(seed);
    const random = Uint8Array.from({ length: HASH_KEY_BYTES }, () => prng.below(256));
    assert.equal(seedIdHashes(random), true);
    assert.ok(hashesOf(ids, hashId) > 4900);
    assert.ok(hashesOf(ids, hashIdAgain) > 4900);
    // Whatever the keys are.
    assert.equal(hashesOf(upperBits(3), hashId), 4096);
    assert.ok(hashesOf(upperBits(3), hashIdAgain) > 4000);
  }
  const [id] = ids;
  const hash = hashId(id!, 0);
  useIdHashes();
  assert.equal(seedIdHashes(new Uint8Array(HASH_KEY_BYTES).fill(7)), false);
  assert.equal(hashId(id!, 0), hash);
});
