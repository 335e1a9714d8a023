// Takes memory for the books and their history before they need it, a slice at a time between the
// turns of the event loop: so no payment waits for a page of memory, and what the process takes
// does not grow with its history. Begins when the node has its state, and looks again after every
// entry.

import { type DomainState, growAhead } from '../domain/domain.ts';
import type { NodeHistory } from '../history/contract.ts';

export class MemoryAhead {
  readonly #state: DomainState;
  readonly #history: Pick<NodeHistory, 'takeAhead'>;
  #isScheduled = false;
  #isStopped = false;

  constructor(state: DomainState, history: Pick<NodeHistory, 'takeAhead'>) {
    this.#state = state;
    this.#history = history;
  }

  /** An entry was applied, or the node begins: some of what is ahead may be used up. */
  look(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (this.#isStopped) return;
      if (growAhead(this.#state) || this.#history.takeAhead()) this.look();
    });
  }

  stop(): void {
    this.#isStopped = true;
  }
}
