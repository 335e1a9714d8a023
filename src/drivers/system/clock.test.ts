import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { createClock } from './clock.ts';

test('a sleep ends with its time or its signal, and leaves nothing behind on the signal', async () => {
  const clock = createClock();
  const ending = new AbortController();
  for (let count = 0; count < 20; count++) await clock.sleep(0, ending.signal);
  assert.equal(getEventListeners(ending.signal, 'abort').length, 0);
  const asleep = clock.sleep(1e9, ending.signal);
  ending.abort();
  await asleep;
  assert.equal(getEventListeners(ending.signal, 'abort').length, 0);
  await clock.sleep(1e9, ending.signal);
});
