// Who waits hears inside the station that settles: what it may see of the node at that moment, and
// what the promise makes of it for those who await.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { isOperationalError } from '../base/errors.ts';
import { MemoryLog } from '../drivers/memory/memory-log.ts';
import { openBooks, pay, refusalOf, startNode, transfer } from '../../test/support/engine-rig.ts';
import { until } from '../../test/support/until.ts';

test('who hears of a halt sees no books any more', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  log.planNext({ kind: 'failed' });
  const seen: unknown[] = [];
  const look = (): void => {
    try {
      assert.ok(rig.node.state);
      seen.push('the books');
    } catch (error) {
      seen.push(isOperationalError(error) ? error.code : error);
    }
  };
  rig.node.ask(pay(transfer()), { accepted: () => seen.push('accepted'), failed: look });
  await until(() => seen.length > 0, 'the waiter has heard');
  assert.deepEqual([seen, rig.node.status().role], [['NOT_READY'], 'halted']);
});

test('a signal that outlives its requests collects no listeners', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  const { signal } = new AbortController();
  const submitted = [rig.node.submit(pay(transfer()), signal)];
  submitted.push(rig.node.submit(pay(transfer()), signal));
  assert.equal(getEventListeners(signal, 'abort').length, 2);
  await Promise.all(submitted);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('a signal that has aborted before leaves nothing that could happen', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  const { end } = log;
  const refusal = await refusalOf(rig.node.submit(pay(transfer()), AbortSignal.abort()));
  assert.equal(refusal.code, 'OVERLOADED');
  await rig.node.stop(1000);
  assert.equal(log.end, end);
});
