// Pauses between attempts that fail because something is away: short first, so that a moment's
// absence costs a moment, then longer, so that nobody spins.

import type { Clock } from '../ports/clock.ts';

export class GrowingPause {
  readonly #minMs: number;
  readonly #maxMs: number;
  #nextMs: number;

  constructor(minMs: number, maxMs: number) {
    this.#minMs = minMs;
    this.#maxMs = maxMs;
    this.#nextMs = minMs;
  }

  /** How long to wait now; the next time it is twice as long. */
  next(): number {
    const ms = this.#nextMs;
    this.#nextMs = Math.min(this.#maxMs, 2 * ms);
    return ms;
  }

  async wait(clock: Pick<Clock, 'sleep'>, signal: AbortSignal): Promise<void> {
    await clock.sleep(this.next(), signal);
  }

  /** It has succeeded. */
  reset(): void {
    this.#nextMs = this.#minMs;
  }
}
