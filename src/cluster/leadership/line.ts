// The place in the coordinator's line: stood in all the time, so that somebody is always first, and
// given away by whoever is first while another one leads, so that in the end the leader is first
// and losing its place means something.

import type { Clock } from '../../ports/clock.ts';
import type { Candidacy, Coordinator } from '../../ports/coordinator.ts';
import type { LeadershipLog, Times } from './settings.ts';

/** A place that is lost as soon as it is won must not make the node spin. */
const AGAIN_MS = 10;

export class Line {
  readonly #coordinator: Coordinator;
  readonly #clock: Clock;
  readonly #times: Times;
  readonly #log: LeadershipLog;
  readonly #onChange: () => void;
  #candidacy: Candidacy | undefined;
  #firstMs = 0;
  #standAgainMs = 0;

  constructor(parts: {
    readonly coordinator: Coordinator;
    readonly clock: Clock;
    readonly times: Times;
    readonly log: LeadershipLog;
    readonly onChange: () => void;
  }) {
    this.#coordinator = parts.coordinator;
    this.#clock = parts.clock;
    this.#times = parts.times;
    this.#log = parts.log;
    this.#onChange = parts.onChange;
  }

  get isFirst(): boolean {
    return this.#candidacy !== undefined;
  }

  /** Stands in line until `signal` aborts. Never rejects. */
  async stand(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const asideMs = this.#standAgainMs - this.#clock.monotonicMs();
      await this.#clock.sleep(Math.max(AGAIN_MS, asideMs), signal);
      try {
        await this.#holdPlace(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#log('warn', 'coordinator', `Standing in line failed: ${String(error)}`);
        await this.#clock.sleep(this.#times.asideMs, signal);
      }
    }
  }

  async #holdPlace(signal: AbortSignal): Promise<void> {
    const candidacy = await this.#coordinator.campaign(signal);
    this.#candidacy = candidacy;
    this.#firstMs = this.#clock.monotonicMs();
    this.#log('info', 'coordinator', 'This node is first in line.');
    this.#onChange();
    const why = await candidacy.lost;
    this.#candidacy = undefined;
    this.#log('info', 'coordinator', `This node is not first in line any more: ${why}`);
    this.#onChange();
  }

  /** Goes to the end of the line, after a while in which others may pass. */
  async stepAside(): Promise<void> {
    const candidacy = this.#candidacy;
    if (candidacy === undefined) return;
    this.#standAgainMs = this.#clock.monotonicMs() + this.#times.asideMs;
    this.#candidacy = undefined;
    await candidacy.resign();
  }

  /** For a node that hears another one leading that is a member: see above. */
  yieldToLeader(): void {
    const heldMs = this.#clock.monotonicMs() - this.#firstMs;
    if (this.isFirst && heldMs >= this.#coordinator.guarantees.sessionMs) void this.stepAside();
  }
}
