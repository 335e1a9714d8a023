// The time that entries get. It never goes back, and it does not believe a clock that jumps: one
// entry stamped eight days ahead would expire every hold (DESIGN 6). The wall clock is compared
// with the monotonic one; while their distance is more than a second from what it was, nothing is
// numbered.

import { OperationalError } from '../base/errors.ts';
import type { Clock } from '../ports/clock.ts';

/** More than NTP slews between two looks, less than anything that could expire a hold wrongly. */
export const CLOCK_JUMP_MS_MAX = 1000;

export class ClockGuard {
  readonly #clock: Clock;
  /** Wall clock minus monotonic clock, when last believed. */
  #distanceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#distanceMs = this.#measureMs();
  }

  /** Small steps are no jump: looked at often, also by who does not number, they do not add up. */
  look(): void {
    const distanceMs = this.#measureMs();
    if (Math.abs(distanceMs - this.#distanceMs) <= CLOCK_JUMP_MS_MAX) this.#distanceMs = distanceMs;
  }

  /** Nanoseconds since 1970, or throws CLOCK_JUMPED. The caller keeps it rising. */
  nowNs(): bigint {
    const distanceMs = this.#measureMs();
    const jumpMs = distanceMs - this.#distanceMs;
    if (Math.abs(jumpMs) > CLOCK_JUMP_MS_MAX) {
      throw new OperationalError('CLOCK_JUMPED', {
        detail: `The machine's clock jumped by ${Math.round(jumpMs)} ms; no payment is numbered.`,
        wayOut:
          'Set the clock right: the node goes on by itself within a second of it. Restart the node ' +
          'only if the new time is certainly right: what is written under a time that is ahead ' +
          'keeps every payment waiting until that time has come.',
      });
    }
    this.#distanceMs = distanceMs;
    return this.#clock.nowNs();
  }

  #measureMs(): number {
    return Number(this.#clock.nowNs() / 1_000_000n) - this.#clock.monotonicMs();
  }
}
