// Station 5, publisher: tells everybody who follows the books, after an entry has been applied and
// before its caller is answered. Listeners get flat facts, in position order, each position once.
// They must not throw and must not wait: slow consumers keep their own queue. The bytes of an
// entry are theirs only until they return, so what they queue is a copy.

import type { Entry } from '../base/entry.ts';
import type { Outcome } from '../domain/outcome.ts';

export type AppliedEntry = {
  readonly entry: Entry;
  readonly outcomes: readonly Outcome[];
};

export type AppliedListener = (applied: AppliedEntry) => void;

export class Publisher {
  readonly #listeners = new Set<AppliedListener>();

  /** Returns the function that ends the subscription. */
  subscribe(listener: AppliedListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  publish(applied: AppliedEntry): void {
    for (const listener of this.#listeners) listener(applied);
  }
}
