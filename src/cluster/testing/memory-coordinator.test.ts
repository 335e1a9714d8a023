// What the nodes' own tests rely on in the coordinator of one process.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClock } from '../../drivers/system/clock.ts';
import { MemoryCoordination } from './memory-coordinator.ts';

test('who is closed in the moment in which it becomes first is not left with a place', async () => {
  const coordination = new MemoryCoordination(createClock(), 100);
  const { signal } = new AbortController();
  // A different number of turns between the word that it is first and the close.
  for (let turns = 0; turns < 6; turns++) {
    const [first, second] = [coordination.member(), coordination.member()];
    await first.open({ id: 'first', detail: '' }, signal);
    await second.open({ id: 'second', detail: '' }, signal);
    const place = await first.campaign(signal);
    const campaign = second.campaign(signal);
    await Promise.resolve();
    const resigned = place.resign();
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await second.close();
    await resigned;
    const granted = await campaign.catch(() => undefined);
    if (granted !== undefined) assert.ok(await granted.lost);
    await first.close();
  }
});
