// Wrong clocks: while running, on an idle night, and at a start. What a wrong clock must never do
// is refuse payments for good; that it keeps them waiting for a while is the price.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TransferFlag } from '../base/transfer-record.ts';
import { findAccount } from '../domain/queries.ts';
import { CREATED } from '../domain/refusals.ts';
import { MemoryLog } from '../drivers/memory/memory-log.ts';
import {
  BOB,
  DAY_MS,
  FOREVER,
  HandClock,
  START_MS,
  codesOf,
  openBooks,
  pay,
  refusalOf,
  startNode,
  transfer,
} from '../../test/support/engine-rig.ts';
import { until } from '../../test/support/until.ts';

function clockAt(wallMs: number): HandClock {
  const clock = new HandClock();
  clock.wallMs = wallMs;
  return clock;
}

test('after a start under a clock that was ahead, payments wait and are not refused for good', async () => {
  const log = new MemoryLog();
  {
    await using rig = await startNode(log);
    await openBooks(rig.node);
  }
  {
    await using ahead = await startNode(log, { clock: clockAt(START_MS + 8 * DAY_MS) });
    assert.equal(ahead.node.status().role, 'leading');
  }
  await using rig = await startNode(log);
  const payment = pay(transfer());
  assert.equal((await refusalOf(rig.node.submit(payment, FOREVER))).code, 'CLOCK_JUMPED');
  assert.equal(rig.node.status().impediment, 'CLOCK_JUMPED');
  assert.equal(findAccount(rig.node.state, BOB)?.creditsPosted, 0n);
  rig.clock.pass(8 * DAY_MS);
  await until(() => rig.node.status().impediment === undefined, 'the time to have come');
  const later = transfer({}, START_MS + 8 * DAY_MS);
  assert.deepEqual(codesOf([await rig.node.submit(pay(later), FOREVER)]), [CREATED]);
});

test('a start under a clock that is behind numbers nothing, and goes on when it is right', async () => {
  const log = new MemoryLog();
  {
    await using rig = await startNode(log);
    await openBooks(rig.node);
    const hold = transfer({ flags: TransferFlag.pending, timeoutSeconds: 60 });
    await rig.node.submit(pay(hold), FOREVER);
  }
  await using rig = await startNode(log, { clock: clockAt(START_MS - DAY_MS) });
  assert.equal((await refusalOf(rig.node.submit(pay(transfer()), FOREVER))).code, 'CLOCK_JUMPED');
  assert.equal(findAccount(rig.node.state, BOB)?.creditsPending, 5n);
  rig.clock.pass(DAY_MS + 60_001);
  await until(() => findAccount(rig.node.state, BOB)?.creditsPending === 0n, 'the release');
  assert.deepEqual(codesOf([await rig.node.submit(pay(transfer()), FOREVER)]), [CREATED]);
});

test('small steps of the clock on an idle node never add up to a jump', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  for (let hour = 1; hour <= 3; hour++) {
    rig.clock.pass(3600 * 1000);
    rig.clock.wallMs += 600;
    const { looks } = rig.clock;
    await until(() => rig.clock.looks > looks, 'the node to look at the clock');
  }
  const payment = transfer({}, rig.clock.wallMs);
  assert.deepEqual(codesOf([await rig.node.submit(pay(payment), FOREVER)]), [CREATED]);
  assert.equal(rig.node.status().impediment, undefined);
});
