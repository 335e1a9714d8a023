// Station 3, appender: Journal.append, and the right to believe it. A journal with native fencing
// compares position, epoch and digest itself: its answer is enough. On any other engine a deposed
// leader's append succeeds as well, so an entry counts only when it has been read back in its place
// through the reader rule (DESIGN 7, "Acknowledged").

import { type Entry, toHex } from '../base/entry.ts';
import { OperationalError } from '../base/errors.ts';
import type { EngineOffset, Journal } from '../ports/journal.ts';
import type { ReaderRule } from '../recovery/reader-rule.ts';

export interface Appender {
  /** Resolves when the entry is durable and in its place; calls settle in call order. */
  append(entry: Entry): Promise<void>;
  /** Ends the reading back; appends that wait for it reject. */
  close(): void;
}

export type AppenderOptions = {
  readonly journal: Journal;
  /** The rule whose head is the opening of this epoch. */
  readonly rule: ReaderRule;
  readonly openingOffset: EngineOffset;
  /** The right to append is gone, whether or not an append was under way. */
  readonly onLost: (error: OperationalError) => void;
};

export function createAppender(options: AppenderOptions): Appender {
  return options.journal.guarantees.fencing === 'native'
    ? new TrustingAppender(options.journal)
    : new ReadingAppender(options);
}

class TrustingAppender implements Appender {
  readonly #journal: Journal;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  async append(entry: Entry): Promise<void> {
    await this.#journal.append(entry);
  }

  close(): void {}
}

class ReadingAppender implements Appender {
  readonly #journal: Journal;
  readonly #rule: ReaderRule;
  readonly #ending = new AbortController();
  /** By digest: entries that have been appended and not been read back yet. */
  readonly #expected = new Map<string, PromiseWithResolvers<void>>();
  #failure: OperationalError | undefined;
  /** The append before has settled; never rejects. */
  #earlier: Promise<unknown> = Promise.resolve();

  constructor({ journal, rule, openingOffset, onLost }: AppenderOptions) {
    this.#journal = journal;
    this.#rule = rule;
    this.#follow(openingOffset)
      .then(() => {
        throw new OperationalError('JOURNAL_CLOSED', { detail: 'The reading back ended.' });
      })
      .catch((error: unknown) => {
        const isLost = !this.#ending.signal.aborted;
        const failure = this.#fail(error);
        if (isLost) onLost(failure);
      });
  }

  append(entry: Entry): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const appended = this.#appendAndSee(entry, this.#earlier);
    this.#earlier = appended.catch(() => undefined);
    return appended;
  }

  async #appendAndSee(entry: Entry, earlier: Promise<unknown>): Promise<void> {
    const seen = Promise.withResolvers<void>();
    const key = toHex(entry.digest);
    this.#expected.set(key, seen);
    // The append may reject before anybody waits for the reading: that is not an unhandled
    // rejection.
    seen.promise.catch(() => undefined);
    try {
      await this.#journal.append(entry);
      await seen.promise;
    } finally {
      this.#expected.delete(key);
      // A refusal needs no reading back and would overtake an entry that still waits for its own.
      await earlier;
    }
  }

  close(): void {
    this.#ending.abort();
    this.#fail(new OperationalError('JOURNAL_CLOSED'));
  }

  async #follow(openingOffset: EngineOffset): Promise<void> {
    const signal = this.#ending.signal;
    const reading = this.#journal.read({ from: openingOffset, follow: true, signal });
    for await (const batch of reading) {
      for (const stored of batch) {
        if (stored.offset === openingOffset) continue;
        if (this.#rule.decide(stored).kind === 'void') continue;
        this.#accepted(stored.entry);
      }
    }
  }

  #accepted(entry: Entry): void {
    const seen = this.#expected.get(toHex(entry.digest));
    if (seen !== undefined) {
      seen.resolve();
      return;
    }
    throw new OperationalError('JOURNAL_FENCED', {
      detail: `Position ${entry.position} was taken by another writer (epoch ${entry.epoch}).`,
    });
  }

  #fail(error: unknown): OperationalError {
    this.#failure ??=
      error instanceof OperationalError
        ? error
        : new OperationalError('JOURNAL_UNKNOWN_OUTCOME', { cause: error });
    for (const seen of this.#expected.values()) seen.reject(this.#failure);
    this.#ending.abort();
    return this.#failure;
  }
}
