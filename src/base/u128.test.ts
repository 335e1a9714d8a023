import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  U128_MAX,
  add128,
  compare128,
  equal128,
  isMax128,
  isZero128,
  read128,
  subtract128,
  write128,
} from './u128.ts';

const u128 = fc.oneof(
  fc.bigInt({ min: 0n, max: U128_MAX }),
  fc.constantFrom(
    0n,
    1n,
    U128_MAX,
    U128_MAX - 1n,
    1n << 32n,
    (1n << 32n) - 1n,
    1n << 64n,
    1n << 96n,
  ),
);

function words(...values: bigint[]): Uint32Array {
  const array = new Uint32Array(values.length * 4);
  for (const [index, value] of values.entries()) write128(array, index * 4, value);
  return array;
}

test('sums and differences are those of BigInt modulo 2^128, with the carry told', () => {
  fc.assert(
    fc.property(u128, u128, (a, b) => {
      const sum = words(a, b);
      assert.equal(add128(sum, 0, sum, 4), a + b > U128_MAX);
      assert.equal(read128(sum, 0), BigInt.asUintN(128, a + b));
      const difference = words(a, b);
      assert.equal(subtract128(difference, 0, difference, 4), b > a);
      assert.equal(read128(difference, 0), BigInt.asUintN(128, a - b));
    }),
  );
});

test('comparisons are those of BigInt', () => {
  fc.assert(
    fc.property(u128, u128, (a, b) => {
      const pair = words(a, b);
      assert.equal(compare128(pair, 0, pair, 4), a < b ? -1 : a > b ? 1 : 0);
      assert.equal(equal128(pair, 0, pair, 4), a === b);
      assert.equal(isZero128(pair, 0), a === 0n);
      assert.equal(isMax128(pair, 0), a === U128_MAX);
    }),
  );
});
