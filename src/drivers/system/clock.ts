// The machine's own clock.

import type { Clock } from '../../ports/clock.ts';

export function createClock(): Clock {
  return {
    // Date.now follows steps of the clock, as the clock guard needs; performance.timeOrigin does
    // not. Milliseconds are enough: the sequencer makes every stamp unique.
    nowNs: () => BigInt(Date.now()) * 1_000_000n,
    monotonicMs: () => performance.now(),
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) {
          resolve();
          return;
        }
        // Signals live as long as the node: what is over leaves nothing behind on them.
        const done = (): void => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener('abort', done);
      }),
  };
}
