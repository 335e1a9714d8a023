// Takes memory for the books and their history before they need it, a slice at a time between the
// turns of the event loop: so no payment waits for a page of memory, and what the process takes
// does not grow with its history. Begins when the node has its state, and looks again after every
// entry. Between two slices it rests: where several nodes of one machine take a gigabyte each, a
// slice takes 20 ms instead of a quarter, and a leader that is just opening needs the turns.

import { type DomainState, growAhead } from '../domain/domain.ts';
import type { NodeHistory } from '../history/contract.ts';

/** So many times as long as a slice took it rests after it. */
const REST_SHARE = 3;
const REST_MS_MIN = 1;

export class MemoryAhead {
  readonly #state: DomainState;
  readonly #history: Pick<NodeHistory, 'takeAhead'>;
  #timer: NodeJS.Timeout | undefined;
  #isStopped = false;
  #restMs = REST_MS_MIN;

  constructor(state: DomainState, history: Pick<NodeHistory, 'takeAhead'>) {
    this.#state = state;
    this.#history = history;
  }

  /** An entry was applied, or the node begins: some of what is ahead may be used up. */
  look(): void {
    if (this.#timer !== undefined || this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const startMs = performance.now();
      const isMore = growAhead(this.#state) || this.#history.takeAhead();
      this.#restMs = Math.max(REST_MS_MIN, REST_SHARE * (performance.now() - startMs));
      if (isMore) this.look();
    }, this.#restMs);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }
}
