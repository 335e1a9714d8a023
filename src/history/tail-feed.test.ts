// The pool of chunks: what is taken ahead is what is used, and it is never more than its bound.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { chunkBytes } from './layout.ts';
import { TailFeed } from './tail-feed.ts';

const CHUNKS = 4;
/** Their chunks take one turn and three. */
const [SMALL, LARGE] = [2 ** 10, 2 ** 14];

describe('the pool of a tail', () => {
  it('is taken ahead up to its bound, and again what was given up', () => {
    const { feed, opened } = poolOf(SMALL);
    assert.equal(turnsOf(feed), CHUNKS);
    feed.beginAt(0, 0n);
    assert.equal(turnsOf(feed), 0);
    feed.release(0);
    assert.equal(turnsOf(feed), 0);
    feed.beginAt(SMALL, 0n);
    feed.dropAll();
    assert.equal(turnsOf(feed), 1);
    assert.deepEqual(opened, [chunkBytes(SMALL), chunkBytes(SMALL)]);
  });

  it('gives what is half taken to a payment that needs it', () => {
    const { feed, opened } = poolOf(LARGE);
    assert.ok(feed.takeAhead());
    feed.beginAt(0, 0n);
    assert.deepEqual(opened, [chunkBytes(LARGE)]);
    assert.equal(turnsOf(feed), 3 * (CHUNKS - 1));
    assert.ok(feed.hasRoom);
  });
});

function poolOf(size: number) {
  const opened: number[] = [];
  const nothing = () => undefined;
  const feed = new TailFeed(size, CHUNKS * size, {
    opened: ({ buffer }) => opened.push(buffer.byteLength),
    expired: nothing,
    filled: nothing,
    overflowed: () => assert.fail('a chunk was free'),
    began: nothing,
  });
  return { feed, opened };
}

/** Turns until all of the pool is there. */
function turnsOf(feed: TailFeed): number {
  let turns = 0;
  while (feed.takeAhead()) turns += 1;
  return turns;
}
