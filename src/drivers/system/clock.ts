// The machine's own clock.

import type { Clock } from '../../ports/clock.ts';

export function createClock(): Clock {
  return {
    // Date.now follows steps of the clock, as the clock guard needs; performance.timeOrigin does
    // not. Milliseconds are enough: the sequencer makes every stamp unique.
    nowNs: () => BigInt(Date.now()) * 1_000_000n,
    monotonicMs: () => performance.now(),
    sleep: (ms, signal) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      if (signal.aborted) return Promise.resolve();
      const timer = setTimeout(resolve, ms);
      signal.addEventListener('abort', () => resolve(), { once: true });
      return promise.finally(() => clearTimeout(timer));
    },
  };
}
