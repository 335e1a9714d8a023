// Kernel and model on a large seeded load: tables grow, fill and empty, and the state is written
// down and read back on the way.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Pair } from './pair.ts';
import { SeededLoad } from './seeded-load.ts';

test('kernel and model agree on thousands of accounts, ids and holds', () => {
  const load = new SeededLoad(1993, 1500);
  const pair = new Pair({ opened: false });
  for (const sent of load.commands(60)) {
    pair.send(sent);
    if (sent.stamp.position % 25 !== 0) continue;
    const restored = pair.kernel.restored();
    assert.equal(restored.imageDigest(), pair.kernel.imageDigest());
    pair.kernel = restored;
  }
  const { accounts, holds, remembered } = pair.kernel.counts();
  assert(accounts === 1500 && holds > 500 && remembered > 200, 'the load is large');
  for (const { id } of load.sent) pair.player.ids.add(id);
  pair.compare('at the end');
  for (const [id, account] of pair.model.accounts) {
    assert.deepEqual(pair.kernel.account(id), account);
  }
  pair.kernel.assertBalanced();
});
