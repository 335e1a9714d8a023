import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { ID_RANGES_MAX, isInRanges, rangesOf } from './run-format.ts';
import { Sorter } from './sorting.ts';

test('ranges cover every time, are few, and part at the widest gaps', () => {
  const times = fc.array(fc.oneof(fc.nat(300), fc.nat(2 ** 47)), { maxLength: 200 });
  fc.assert(
    fc.property(times, (unsorted) => {
      const sorted = Float64Array.from(unsorted).sort();
      const ranges = rangesOf(sorted);
      assert.ok(ranges.length <= ID_RANGES_MAX);
      for (const time of sorted) assert.ok(isInRanges(ranges, time));
      const gaps = [...sorted].slice(1).map((time, index) => time - sorted[index]!);
      const widest = gaps.sort((a, b) => b - a)[ID_RANGES_MAX - 1] ?? 1;
      for (const [index, [from, until]] of ranges.entries()) {
        assert.ok(from <= until);
        const inside = [...sorted].filter((time) => time >= from && time <= until);
        for (const [place, time] of inside.entries()) {
          assert.ok(time - (inside[place - 1] ?? time) <= Math.max(widest, 1));
        }
        assert.ok(index === 0 || from > ranges[index - 1]![1]);
      }
    }),
  );
});

test('keys are sorted, equal ones stay in their order', () => {
  const keys = fc.array(fc.oneof(fc.nat(5), fc.integer({ min: 0, max: 0xffff_ffff })));
  fc.assert(
    fc.property(keys, (given) => {
      const order = new Sorter(Math.max(1, given.length)).byKey(
        Uint32Array.from(given),
        given.length,
      );
      const expected = given.map((_, item) => item).sort((a, b) => given[a]! - given[b]! || a - b);
      assert.deepEqual([...order], expected);
    }),
  );
});
