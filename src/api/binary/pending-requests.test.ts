import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PendingRequest, PendingRequests } from './pending-requests.ts';

/** Requests 1 to `count`, request n begun at n ms; each leaves the chain when it is abandoned. */
function chainOf(count: number) {
  const chain = new PendingRequests();
  const abandoned: number[] = [];
  const all = Array.from({ length: count }, (_, index) => {
    const owner = {
      accepted: (): void => undefined,
      failed: (failed: PendingRequest): void => {
        chain.remove(failed);
        abandoned.push(failed.request);
      },
    };
    const pending = new PendingRequest(owner, {
      kind: 16,
      request: index + 1,
      payloadBytes: 128,
      startedMs: index + 1,
      answer: () => new Uint8Array(0),
    });
    pending.asked = { abandon: () => pending.failed(undefined) };
    chain.add(pending);
    return pending;
  });
  return { chain, all, abandoned };
}

test('what is old enough is abandoned, oldest first, and the rest stays', () => {
  const { chain, abandoned } = chainOf(5);
  chain.abandonThrough(3);
  assert.deepEqual(abandoned, [1, 2, 3]);
  chain.abandonThrough(3);
  assert.equal(abandoned.length, 3);
  chain.abandonThrough(Number.POSITIVE_INFINITY);
  assert.deepEqual([abandoned, chain.isEmpty], [[1, 2, 3, 4, 5], true]);
});

test('answers may come in any order, and what has left keeps nobody', () => {
  for (const order of [
    [1, 2, 3],
    [3, 2, 1],
    [2, 1, 3],
    [2, 3, 1],
  ]) {
    const { chain, all, abandoned } = chainOf(4);
    for (const request of order) chain.remove(all[request - 1]!);
    const links = all.flatMap(({ older, newer }) => [older, newer]);
    assert.ok(links.every((link) => link === undefined));
    chain.abandonThrough(Number.POSITIVE_INFINITY);
    assert.deepEqual([abandoned, chain.isEmpty], [[4], true]);
  }
});
