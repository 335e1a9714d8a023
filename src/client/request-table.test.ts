import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestTable } from './request-table.ts';

test('each item has a number of its own and is taken once', () => {
  const table = new RequestTable<string>();
  const [a, b] = [table.add('a'), table.add('b')];
  assert.deepEqual([a, b, table.size], [1, 2, 2]);
  assert.deepEqual(
    [table.take(b), table.take(b), table.take(7), table.take(0)],
    ['b', undefined, undefined, undefined],
  );
  assert.deepEqual([table.take(a), table.size], ['a', 0]);
});

test('what stays long keeps its number while thousands pass by', () => {
  const table = new RequestTable<number>();
  const stays = [-1, -2, -3].map((item) => ({ item, number: table.add(item) }));
  const seen = new Set(stays.map(({ number }) => number));
  for (let item = 0; item < 5000; item++) {
    const number = table.add(item);
    assert.ok(!seen.has(number));
    seen.add(number);
    assert.equal(table.take(number), item);
  }
  for (const { item, number } of stays) assert.equal(table.take(number), item);
  assert.equal(table.size, 0);
});

test('more than there are places for is taken in, and all come out oldest first', () => {
  const table = new RequestTable<number>();
  const items = Array.from({ length: 1000 }, (_, index) => index);
  const numbers = items.map((item) => table.add(item));
  assert.equal(table.take(numbers[10]!), 10);
  const even = table.takeAll((item) => item % 2 === 0);
  assert.deepEqual(
    even,
    items.filter((item) => item % 2 === 0 && item !== 10),
  );
  assert.deepEqual([table.size, table.takeAll(() => true).length, table.size], [500, 500, 0]);
});
