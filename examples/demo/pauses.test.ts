import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pausesOf, percentile } from './pauses.ts';

test('a pause is the longest time between two answers from a blow to the next one', () => {
  const answered = [1, 2, 3, 53, 54, 60, 61, 161, 162];
  assert.deepEqual(pausesOf(answered, [3.5, 100]), [50, 100]);
  assert.deepEqual(pausesOf(answered, [3.5, 60.5]), [50, 100]);
  assert.deepEqual(pausesOf(answered, [0.5]), [100]);
  assert.deepEqual(pausesOf([], [1]), [0]);
  assert.deepEqual(pausesOf([5], [2]), [3]);
});

test('percentiles are values that were seen', () => {
  const values = [5, 1, 4, 2, 3];
  assert.equal(percentile(values, 0.5), 3);
  assert.equal(percentile(values, 0.99), 5);
  assert.equal(percentile([], 0.5), 0);
});
