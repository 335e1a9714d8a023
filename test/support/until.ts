// Waiting for a condition, with a deadline; the only kind of waiting that tests do.

import { setTimeout as pause } from 'node:timers/promises';

const DEADLINE_MS = 20_000;
const LOOK_MS = 10;

export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  withinMs = DEADLINE_MS,
): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`not in time: ${what}`);
    await pause(LOOK_MS);
  }
}
