// An in-process log that several memory drivers share, as nodes share a broker. It keeps records in
// the order in which they reach it and believes nothing: fencing is the readers' (reader rule).
// Its hooks produce, on purpose, what engines do by chance: late records, lost answers, answers and
// records out of order, full and failing storage.

import { assert } from '../../base/assert.ts';
import { type Entry, equalBytes } from '../../base/entry.ts';
import type { JournalBounds } from '../../ports/journal.ts';
import { Outage } from './outage.ts';

/** What happens to one append that reaches the log. */
export type AppendPlan =
  /** The answer is lost. `written`: at once, never, or only when `releaseLate` is called. */
  | { readonly kind: 'unknown'; readonly written: 'now' | 'never' | 'late' }
  | { readonly kind: 'full' }
  | { readonly kind: 'failed' };

export type AppendFailure = AppendPlan['kind'];

export class MemoryLog {
  /** Hook: the engine is away, for all drivers of this log. */
  readonly outage = new Outage();
  readonly #records: Entry[] = [];
  /** Index of the first record that has not been discarded. */
  #first = 0;
  #last: Entry | undefined;
  readonly #plans: AppendPlan[] = [];
  readonly #late: Entry[] = [];
  #reorder: { countLeft: number; held: { entry: Entry; done: (index: number) => void }[] } | null =
    null;
  #heldAnswers: (() => void)[] | undefined;
  readonly #waiting = new Set<() => void>();

  get first(): number {
    return this.#first;
  }

  get end(): number {
    return this.#records.length;
  }

  at(index: number): Entry | undefined {
    return index < this.#first ? undefined : this.#records[index];
  }

  /** Last = the end of the chain; void records do not count. */
  bounds(): JournalBounds {
    const first = this.#records[this.#first];
    if (first === undefined || this.#last === undefined) return { first: 0, last: 0 };
    return { first: first.position, last: this.#last.position };
  }

  /** One append as the driver carries it out: in call order, failing at once when so planned. */
  append(entry: Entry): AppendFailure | Promise<number> {
    const plan = this.#plans.shift();
    if (plan === undefined) return this.#writePlanned(entry);
    if (plan.kind === 'unknown' && plan.written === 'now') this.write(entry);
    if (plan.kind === 'unknown' && plan.written === 'late') this.#late.push(entry);
    return plan.kind;
  }

  async #writePlanned(entry: Entry): Promise<number> {
    const index = this.#reorder === null ? this.write(entry) : await this.#writeReordered(entry);
    const answers = this.#heldAnswers;
    if (answers !== undefined) await new Promise<void>((resolve) => answers.push(resolve));
    return index;
  }

  /** A record reaches the log, whoever sent it: also the hook for an old leader's late record. */
  write(entry: Entry): number {
    // Bytes are the caller's again when the append has settled.
    const kept: Entry = { ...entry, bytes: entry.bytes.slice() };
    const index = this.#records.push(kept) - 1;
    const last = this.#last;
    const isNext =
      last === undefined ||
      (entry.position === last.position + 1 &&
        entry.epoch >= last.epoch &&
        equalBytes(entry.previousDigest, last.digest));
    if (isNext) this.#last = kept;
    this.wakeReaders();
    return index;
  }

  /** Waiting readers look again: there is a record, or their driver has been closed. */
  wakeReaders(): void {
    for (const wake of this.#waiting) wake();
  }

  /** Hook: the next appends meet these plans, in order. */
  planNext(...plans: readonly AppendPlan[]): void {
    this.#plans.push(...plans);
  }

  /** Hook: records of `unknown` appends planned as `late` arrive now. */
  releaseLate(): void {
    for (const entry of this.#late.splice(0)) this.write(entry);
  }

  /** Hook: the next `count` appends reach the log in reverse order, once all have been called. */
  reorderNext(count: number): void {
    assert(count >= 2, 'a reordering needs two records');
    this.#reorder = { countLeft: count, held: [] };
  }

  /** Hook: from now on records are written but their answers wait for `releaseAnswers`. */
  holdAnswers(): void {
    this.#heldAnswers ??= [];
  }

  releaseAnswers(order: 'in-order' | 'reversed' = 'in-order'): void {
    const answers = this.#heldAnswers ?? [];
    this.#heldAnswers = undefined;
    if (order === 'reversed') answers.reverse();
    for (const answer of answers) answer();
  }

  discardThrough(position: number): void {
    while (this.#first < this.#records.length - 1) {
      const entry = this.#records[this.#first];
      if (entry === undefined || entry.position > position || entry === this.#last) return;
      this.#first += 1;
    }
  }

  /** Resolves when there are records at or behind `index`, or the signal aborts. */
  async waitFor(index: number, signal: AbortSignal): Promise<void> {
    if (index < this.#records.length || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake);
    });
  }

  async #writeReordered(entry: Entry): Promise<number> {
    const reorder = this.#reorder;
    assert(reorder !== null, 'a reordering is under way');
    const written = new Promise<number>((resolve) => {
      reorder.held.push({ entry, done: resolve });
    });
    reorder.countLeft -= 1;
    if (reorder.countLeft === 0) {
      this.#reorder = null;
      for (const { entry: held, done } of reorder.held.reverse()) done(this.write(held));
    }
    return written;
  }
}
