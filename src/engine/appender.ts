// Station 3, appender: Journal.append, and the right to believe it. A journal with native fencing
// compares position, epoch and digest itself: its answer is enough. On any other engine a deposed
// leader's append succeeds as well, so an entry counts only when it has been read back in its place
// through the reader rule (DESIGN 7, "Acknowledged").

import { type Entry, equalBytes, toHex } from '../base/entry.ts';
import { OperationalError, isOperationalError } from '../base/errors.ts';
import type { Clock } from '../ports/clock.ts';
import type { EngineOffset, Journal, StoredEntry } from '../ports/journal.ts';
import type { ReaderRule } from '../recovery/reader-rule.ts';
import { GrowingPause } from './growing-pause.ts';
import type { JournalPresence } from './journal-presence.ts';

/** Between two attempts to go on reading back. */
const AWAY_MS_MIN = 20;
const AWAY_MS_MAX = 500;
const AWAY: ReadonlySet<string> = new Set(['JOURNAL_UNAVAILABLE', 'JOURNAL_UNSAFE']);

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
  readonly opened: StoredEntry;
  readonly clock: Pick<Clock, 'sleep'>;
  /** Is told when what was appended cannot be read back for now. */
  readonly presence: Pick<JournalPresence, 'cannotRead' | 'canRead'>;
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

type Seen = {
  readonly offset: EngineOffset;
  readonly position: number;
  readonly digest: Uint8Array;
};

class ReadingAppender implements Appender {
  readonly #journal: Journal;
  readonly #rule: ReaderRule;
  readonly #clock: Pick<Clock, 'sleep'>;
  readonly #presence: AppenderOptions['presence'];
  readonly #ending = new AbortController();
  /** By digest: entries that have been appended and not been read back yet. */
  readonly #expected = new Map<string, PromiseWithResolvers<void>>();
  #failure: OperationalError | undefined;
  /** The append before has settled; never rejects. */
  #earlier: Promise<unknown> = Promise.resolve();

  /** The last entry that was read back, at first the opening: where reading goes on. */
  #seen: Seen;

  constructor({ journal, rule, opened, clock, presence, onLost }: AppenderOptions) {
    this.#journal = journal;
    this.#rule = rule;
    this.#clock = clock;
    this.#presence = presence;
    const { position, digest } = opened.entry;
    this.#seen = { offset: opened.offset, position, digest: digest.slice() };
    this.#follow()
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

  /**
   * An engine that cannot be read for a while keeps what was appended waiting: what is not read
   * back is not believed, and what can still be read is not given up. Who waits too long steps
   * down.
   */
  async #follow(): Promise<void> {
    const pause = new GrowingPause(AWAY_MS_MIN, AWAY_MS_MAX);
    for (;;) {
      const { position } = this.#seen;
      try {
        await this.#followOnce();
        return;
      } catch (error) {
        if (!isOperationalError(error) || !AWAY.has(error.code)) throw error;
        this.#presence.cannotRead(error);
      }
      if (this.#seen.position > position) pause.reset();
      await pause.wait(this.#clock, this.#ending.signal);
    }
  }

  async #followOnce(): Promise<void> {
    const signal = this.#ending.signal;
    const from = this.#seen;
    const reading = this.#journal.read({ from: from.offset, follow: true, signal });
    for await (const batch of reading) {
      this.#presence.canRead();
      for (const stored of batch) {
        if (stored.offset === from.offset) {
          if (!equalBytes(stored.entry.digest, from.digest)) throw rewritten(stored);
          continue;
        }
        if (this.#rule.decide(stored).kind === 'void') continue;
        const { position, digest } = stored.entry;
        this.#seen = { offset: stored.offset, position, digest: digest.slice() };
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

function rewritten({ entry, offset }: StoredEntry): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail: `At offset ${offset} another entry (position ${entry.position}) stands than was read back there.`,
    wayOut: 'The engine has rewritten what it had acknowledged: this node leads no more.',
  });
}
