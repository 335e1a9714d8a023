// Takes memory for the books before they need it, a slice at a time between the turns of the event
// loop: so no payment waits for a page of memory, and what the process takes does not grow with its
// history. Begins when the node has its state, and looks again after every entry.

import { type DomainState, growAhead } from '../domain/domain.ts';

export class MemoryAhead {
  readonly #state: DomainState;
  #isScheduled = false;
  #isStopped = false;

  constructor(state: DomainState) {
    this.#state = state;
  }

  /** An entry was applied, or the node begins: some of what is ahead may be used up. */
  look(): void {
    if (this.#isScheduled || this.#isStopped) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      if (!this.#isStopped && growAhead(this.#state)) this.look();
    });
  }

  stop(): void {
    this.#isStopped = true;
  }
}
