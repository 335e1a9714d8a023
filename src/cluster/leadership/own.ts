// What this node is itself: its last report, whether it leads or is about to try, and to whom it
// has given its word.

import type { Clock } from '../../ports/clock.ts';
import type { NodeRole, PeerState } from '../contract.ts';

export type Report = Omit<PeerState, 'clockNs' | 'pause' | 'release'>;

/** Configurations that are remembered for comparison. */
const TRAIL_MAX = 16;

export class Own {
  readonly id: string;
  readonly #clock: Clock;
  #report: Report | undefined;
  /** The epoch that it has won; undefined while it does not lead. */
  leads: number | undefined;
  /** Called, and neither won nor given up since. */
  #calledMs: number | undefined;
  #word: { readonly to: string; readonly untilMs: number } | undefined;
  /** Why it could not lead, by the engine's word; undefined = it could. */
  heldBack: string | undefined;
  /** Why its last attempt failed, since nobody has led: attempts that repeat are told once. */
  failedFor = '';
  /** Not to be called before this time of the monotonic clock. */
  notBeforeMs = 0;
  readonly #trail: { fromPosition: number; readonly configuration: string }[] = [];

  constructor(id: string, clock: Clock) {
    this.id = id;
    this.#clock = clock;
  }

  get report(): Report | undefined {
    return this.#report;
  }

  get role(): NodeRole {
    return this.#report?.role ?? 'starting';
  }

  get position(): number {
    return this.#report?.position ?? 0;
  }

  take(report: Report): void {
    this.#report = report;
    const last = this.#trail.at(-1);
    if (last?.configuration === report.configuration) return;
    this.#trail.push({ fromPosition: report.position, configuration: report.configuration });
    if (this.#trail.length > TRAIL_MAX) this.#trail.shift();
  }

  /**
   * Whether `configuration` at `position` is not what this node had there. What happened between
   * two reports or before the first one it cannot tell.
   */
  contradicts(position: number, configuration: string): boolean {
    if (position > this.position) return false;
    const index = this.#trail.findLastIndex(({ fromPosition }) => fromPosition <= position);
    const had = this.#trail[index];
    if (had === undefined || had.configuration === configuration) return false;
    // Between two reports the next configuration may have been in force already.
    return this.#trail[index + 1]?.configuration !== configuration;
  }

  get isCalled(): boolean {
    return this.#calledMs !== undefined;
  }

  /** Whether it is about to lead, and has not been so for too long. */
  isTrying(attemptMs: number): boolean {
    const sinceMs = this.#calledMs;
    return sinceMs !== undefined && this.#clock.monotonicMs() - sinceMs < attemptMs;
  }

  called(): void {
    this.#calledMs = this.#clock.monotonicMs();
  }

  /** The attempt is over, either way. */
  settled(): void {
    this.#calledMs = undefined;
  }

  /** This node holds still for `to`, who is about to lead. */
  giveWord(to: string, untilMs: number): void {
    this.#word = { to, untilMs };
  }

  takeBackWord(): void {
    this.#word = undefined;
  }

  /** For whom it holds still; undefined = for nobody (any more). */
  word(): string | undefined {
    if (this.#word !== undefined && this.#clock.monotonicMs() >= this.#word.untilMs) {
      this.#word = undefined;
    }
    return this.#word?.to;
  }
}
