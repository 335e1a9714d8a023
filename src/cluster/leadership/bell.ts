// Waiting for a time or for something to change, whichever is first.

import type { Clock } from '../../ports/clock.ts';

/** A reason of its own: without one each ring would make an exception with its stack. */
const RUNG = new Error('Something has changed.');

export class Bell {
  readonly #clock: Clock;
  readonly #waiting = new Set<AbortController>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Wakes everybody who waits now. */
  ring(): void {
    for (const controller of this.#waiting) controller.abort(RUNG);
  }

  /** Resolves after `ms`, at the next ring, or when `signal` aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const controller = new AbortController();
    const wake = (): void => controller.abort(RUNG);
    signal.addEventListener('abort', wake, { once: true });
    if (signal.aborted) wake();
    this.#waiting.add(controller);
    try {
      await this.#clock.sleep(ms, controller.signal);
    } finally {
      this.#waiting.delete(controller);
      signal.removeEventListener('abort', wake);
    }
  }
}
