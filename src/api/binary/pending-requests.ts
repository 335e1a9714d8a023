// The requests of one connection whose outcome is awaited, oldest first. A chain through the
// requests themselves: each comes and goes without an allocation. (A Set would rebuild its table
// every few requests, and each old table keeps the next one, with all that stands in it, through
// the young collections: that garbage is what collecting costs.)

import type { Asked, SubmitResult, Waiter } from '../../engine/contract.ts';
import type { Answer } from './request.ts';

export type PendingOwner = {
  readonly accepted: (pending: PendingRequest, result: SubmitResult) => void;
  readonly failed: (pending: PendingRequest, error: unknown) => void;
};

export type PendingFacts = {
  readonly kind: number;
  readonly request: number;
  readonly payloadBytes: number;
  readonly startedMs: number;
  readonly answer: (result: SubmitResult) => Answer;
};

export class PendingRequest implements Waiter {
  readonly kind: number;
  readonly request: number;
  readonly payloadBytes: number;
  readonly startedMs: number;
  readonly answer: (result: SubmitResult) => Answer;
  readonly #owner: PendingOwner;
  /** Not there yet while the engine is being asked. */
  asked: Asked | undefined;
  older: PendingRequest | undefined;
  newer: PendingRequest | undefined;

  constructor(owner: PendingOwner, facts: PendingFacts) {
    this.#owner = owner;
    this.kind = facts.kind;
    this.request = facts.request;
    this.payloadBytes = facts.payloadBytes;
    this.startedMs = facts.startedMs;
    this.answer = facts.answer;
  }

  accepted(result: SubmitResult): void {
    this.#owner.accepted(this, result);
  }

  failed(error: unknown): void {
    this.#owner.failed(this, error);
  }
}

export class PendingRequests {
  #oldest: PendingRequest | undefined;
  #newest: PendingRequest | undefined;

  get isEmpty(): boolean {
    return this.#oldest === undefined;
  }

  add(pending: PendingRequest): void {
    pending.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = pending;
    else this.#newest.newer = pending;
    this.#newest = pending;
  }

  /** The links of what leaves are cut: an old request must not keep younger ones. */
  remove(pending: PendingRequest): void {
    const { older, newer } = pending;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    pending.older = undefined;
    pending.newer = undefined;
  }

  /** Abandons what began at `startedMs` or before; its owner hears of each that had to be. */
  abandonThrough(startedMs: number): void {
    let pending = this.#oldest;
    while (pending !== undefined && pending.startedMs <= startedMs) {
      // Asked before: who is abandoned leaves the chain.
      const { newer }: PendingRequest = pending;
      pending.asked?.abandon();
      pending = newer;
    }
  }
}
