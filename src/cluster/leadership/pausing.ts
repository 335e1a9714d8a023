// Failover switched off by people. The word goes from node to node with their heartbeats, the
// younger one wins everywhere, and each node remembers it over restarts.

import type { Clock } from '../../ports/clock.ts';
import type { LeadershipLog, Pause, PauseStore } from './settings.ts';

export class Pausing {
  readonly #store: PauseStore;
  readonly #clock: Clock;
  readonly #log: LeadershipLog;
  readonly #onChange: () => void;
  #pause: Pause;

  constructor(parts: {
    readonly store: PauseStore;
    readonly clock: Clock;
    readonly log: LeadershipLog;
    readonly onChange: () => void;
  }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
    this.#log = parts.log;
    this.#onChange = parts.onChange;
    this.#pause = parts.store.read() ?? { isPaused: false, sinceMs: 0, why: '' };
  }

  get now(): Pause {
    return this.#pause;
  }

  get isPaused(): boolean {
    return this.#pause.isPaused;
  }

  /** A person's word at this node: younger than everything heard, whatever clocks say. */
  say(isPaused: boolean, why: string): void {
    const sinceMs = Math.max(Number(this.#clock.nowNs() / 1_000_000n), this.#pause.sinceMs + 1);
    this.#take({ isPaused, sinceMs, why });
  }

  /** Another node's word. */
  hear(pause: Pause): void {
    const mine = this.#pause;
    if (pause.sinceMs < mine.sinceMs) return;
    const isYounger = pause.sinceMs > mine.sinceMs;
    // Of two words of the same millisecond the careful one wins.
    if (isYounger || (pause.isPaused && !mine.isPaused)) this.#take(pause);
  }

  #take(pause: Pause): void {
    this.#pause = pause;
    const told = pause.isPaused ? `Failover is paused: ${pause.why}` : 'Failover is on again.';
    this.#log(pause.isPaused ? 'warn' : 'info', 'failover', told);
    try {
      this.#store.write(pause);
    } catch (error) {
      const note = `Whether failover is paused could not be written down: ${String(error)}`;
      this.#log('warn', 'failover', note);
    }
    this.#onChange();
  }
}
