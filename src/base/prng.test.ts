import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from './prng.ts';

test('one seed gives one sequence, another seed another', () => {
  const draw = (seed: number): number[] => {
    const prng = new Prng(seed);
    return Array.from({ length: 8 }, () => prng.uint32());
  };
  assert.deepEqual(draw(7), draw(7));
  assert.notDeepEqual(draw(7), draw(8));
});

test('draws below a bound are spread evenly', () => {
  const prng = new Prng(1);
  const counts = Array.from({ length: 10 }, () => 0);
  for (let round = 0; round < 100_000; round++) counts[prng.below(10)]!++;
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 600, String(count));
});

test('a fork does not depend on what its parent draws later', () => {
  const a = new Prng(3);
  const b = new Prng(3);
  const forkOfA = a.fork();
  const forkOfB = b.fork();
  a.uint32();
  assert.equal(forkOfA.uint32(), forkOfB.uint32());
});
