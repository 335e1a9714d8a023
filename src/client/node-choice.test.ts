import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NodeChoice } from './node-choice.ts';

const URLS = ['http://a', 'http://b', 'http://c'];
const NONE = new Set<never>();

function choiceOf(): { choice: NodeChoice; clock: { ms: number }; next: () => string } {
  const clock = { ms: 0 };
  const choice = new NodeChoice(URLS, { restMs: 1_000, restMsMax: 3_000, now: () => clock.ms });
  return { choice, clock, next: () => choice.next(NONE).url };
}

test('the first is asked until it fails, then the next, and at the worst whoever failed first', () => {
  const { choice, clock, next } = choiceOf();
  for (const url of [...URLS, 'http://a', 'http://b']) {
    const place = choice.next(NONE);
    assert.equal(place.url, url);
    choice.failed(place, clock.ms);
    clock.ms++;
  }
  choice.worked(choice.next(NONE));
  assert.equal(next(), 'http://c');
});

test('a node that failed is tried again after its rest, by one alone; each rest is longer', () => {
  const { choice, clock, next } = choiceOf();
  const first = choice.next(NONE);
  for (const restMs of [1_000, 2_000, 3_000, 3_000]) {
    choice.failed(first, clock.ms);
    clock.ms += restMs - 1;
    assert.equal(next(), 'http://b');
    clock.ms++;
    assert.deepEqual([next(), next()], ['http://a', 'http://b']);
  }
  choice.worked(first);
  assert.deepEqual([next(), next()], ['http://a', 'http://a']);
});

test('attempts that were under way when a node failed do not make its rest longer', () => {
  const { choice, clock, next } = choiceOf();
  const first = choice.next(NONE);
  clock.ms = 5;
  for (const sinceMs of [0, 1, 4]) choice.failed(first, sinceMs);
  assert.equal(first.failures, 1);
  clock.ms += 1_000;
  assert.equal(next(), 'http://a');
});

test('of those that were tried none is asked again before the others', () => {
  const { choice, clock } = choiceOf();
  const tried = new Set([choice.next(NONE)]);
  tried.add(choice.next(tried));
  assert.equal(choice.left(tried), 1);
  const third = choice.next(tried);
  choice.failed(third, clock.ms);
  assert.equal(choice.next(tried), third);
  tried.add(third);
  assert.deepEqual([choice.left(tried), choice.next(tried).url], [0, 'http://a']);
});

test('an address is known once, and there must be one', () => {
  const { choice } = choiceOf();
  choice.add(['http://c/', 'http://d']);
  assert.deepEqual(choice.urls, [...URLS, 'http://d']);
  choice.replace(['http://e']);
  assert.deepEqual(choice.urls, ['http://e']);
  assert.throws(() => new NodeChoice([]), RangeError);
});

test('clients that are spread begin at every node, and keep the order behind it', () => {
  const firsts = new Set<string>();
  for (let client = 0; client < 100; client++) {
    const { urls } = new NodeChoice(URLS, { spread: true });
    const at = URLS.indexOf(urls[0]!);
    assert.deepEqual(urls, [...URLS.slice(at), ...URLS.slice(0, at)]);
    firsts.add(urls[0]!);
  }
  assert.equal(firsts.size, 3);
});
