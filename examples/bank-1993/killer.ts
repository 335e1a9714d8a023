// Kills the node at points spread over the replay, while requests are in flight, and starts it
// again at once. The client goes on by itself: the same requests, the same ids, at the node's new
// address.

import { setTimeout as sleep } from 'node:timers/promises';
import { Prng } from '../../src/base/prng.ts';
import type { Client } from '../../src/client/http-client.ts';
import type { NodeProcess } from './node-process.ts';

export type KillerOptions = {
  readonly kills: number;
  readonly movementCount: number;
  readonly client: Client;
  readonly node: NodeProcess;
  readonly onKill: (kill: number, isInFlight: boolean) => void;
};

/** So long at most after a request has left: before, within and after its sync to disk. */
const DELAY_MS_MAX = 6;

export class Killer {
  readonly #options: KillerOptions;
  readonly #random = new Prng(1993);
  #sentMovements = 0;
  #unanswered = 0;
  #kills = 0;
  #killsInFlight = 0;
  #strike: Promise<void> | undefined;
  #failure: unknown;

  constructor(options: KillerOptions) {
    this.#options = options;
  }

  get kills(): number {
    return this.#kills;
  }

  get killsInFlight(): number {
    return this.#killsInFlight;
  }

  /** Sends a request of so many movements, and strikes when their number makes a kill due. */
  async send<T>(movements: number, request: () => Promise<T>): Promise<T> {
    this.#unanswered++;
    try {
      const answer = request();
      this.#sentMovements += movements;
      this.#strikeWhenDue();
      return await answer;
    } finally {
      this.#unanswered--;
    }
  }

  #strikeWhenDue(): void {
    if (!this.#isDue() || this.#strike !== undefined) return;
    this.#strike = this.#strikeInFlight()
      .catch((error: unknown) => {
        this.#failure = error;
      })
      .finally(() => {
        this.#strike = undefined;
      });
  }

  /** Resolves when the node is up again. */
  async settled(): Promise<void> {
    await this.#strike;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Kills that found no request in flight are done at the end all the same. */
  async finish(): Promise<void> {
    await this.settled();
    while (this.#kills < this.#options.kills) await this.#killAndRestart();
  }

  #isDue(): boolean {
    const { kills, movementCount } = this.#options;
    const next = ((this.#kills + 1) * movementCount) / (kills + 1);
    return this.#kills < kills && this.#sentMovements >= next;
  }

  /** Several kills can be due at once: each waits until requests are on the wire again. */
  async #strikeInFlight(): Promise<void> {
    while (this.#isDue() && this.#unanswered > 0) {
      await sleep(this.#random.below(DELAY_MS_MAX));
      if (this.#options.client.counters.inFlight > 0) await this.#killAndRestart();
    }
  }

  async #killAndRestart(): Promise<void> {
    const { client, node, onKill } = this.#options;
    const isInFlight = client.counters.inFlight > 0;
    this.#kills++;
    if (isInFlight) this.#killsInFlight++;
    onKill(this.#kills, isInFlight);
    await node.kill();
    await node.start();
    await client.connectTo(node.url);
  }
}
