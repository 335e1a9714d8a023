// A writer as a leader is one: it appends without pause, several entries at a time, believes what
// it has read back in its place, keeps account of what it was told of each, and, when it knows no
// more, opens the journal and the next epoch.

import assert from 'node:assert/strict';
import { type Entry, equalBytes, toHex } from '../../../src/base/entry.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import { type Appender, createAppender } from '../../../src/engine/appender.ts';
import type { EngineOffset, Journal } from '../../../src/ports/journal.ts';
import { createClock } from '../../../src/drivers/system/clock.ts';
import { ReaderRule } from '../../../src/recovery/reader-rule.ts';
import { entryAfter, openingAfter, randomBody } from '../../conformance/journal/entries.ts';
import { acceptedOf, collect } from '../../conformance/journal/support.ts';
import { until } from '../../support/until.ts';

const IN_FLIGHT_MAX = 8;
/** Brokers that start again beside much other work take their time. */
const WITHIN_MS = 60_000;
const FOREVER = new AbortController().signal;

/** What it leads with: its opening, read back in its place. */
type Term = { readonly opening: Entry; readonly appender: Appender };

export class LoadedWriter implements AsyncDisposable {
  readonly #journal: Journal;
  readonly #bodyBytes: number;
  readonly #acked: Entry[] = [];
  /** Of the driver: in doubt, and certainly not written. */
  readonly #unknown: Entry[] = [];
  readonly #refused: Entry[] = [];
  #terms = 0;
  #isStopping = false;
  #running: Promise<void> | undefined;

  constructor(journal: Journal, bodyBytes = 2000) {
    this.#journal = journal;
    this.#bodyBytes = bodyBytes;
  }

  get unknownCount(): number {
    return this.#unknown.length;
  }

  /** Openings that it tried. */
  get termCount(): number {
    return this.#terms;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /** So many more have been acknowledged. */
  async untilAcked(more: number): Promise<void> {
    const wanted = this.#acked.length + more;
    const enough = (): boolean => this.#acked.length >= wanted;
    await until(enough, `${more} more appends acknowledged`, WITHIN_MS);
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const term = await this.#lead();
      if (term === undefined) continue;
      await this.#appendAll(term);
      term.appender.close();
    }
    await this.#journal.close();
  }

  /** Undefined when it was in vain. */
  async #lead(): Promise<Term | undefined> {
    try {
      await this.#journal.open({ mode: 'write', signal: FOREVER });
      const rule = new ReaderRule({ kind: 'genesis' });
      const stored = await collect(this.#journal);
      const head = acceptedOf(stored, rule).at(-1);
      this.#terms += 1;
      const opening = openingAfter(head, `term ${this.#terms}`);
      const openingOffset = await this.#append(opening);
      const behind = (await collect(this.#journal)).slice(stored.length);
      const first = acceptedOf(behind, rule)[0];
      if (first === undefined || !equalBytes(first.digest, opening.digest)) return undefined;
      this.#acked.push(opening);
      const journal = {
        ...delegating(this.#journal),
        append: (entry: Entry) => this.#append(entry),
      };
      const onLost = (): void => undefined;
      const appender = createAppender({
        journal,
        rule,
        opened: { entry: opening, offset: openingOffset },
        clock: createClock(),
        presence: { cannotRead: onLost, canRead: onLost },
        onLost,
      });
      return { opening, appender };
    } catch (error) {
      assert.ok(isOperationalError(error), String(error));
      return undefined;
    }
  }

  async #appendAll({ opening, appender }: Term): Promise<void> {
    let last = opening;
    const failed = new AbortController();
    const inFlight = new Set<Promise<void>>();
    while (!this.#isStopping && !failed.signal.aborted) {
      const entry = entryAfter(last, { body: randomBody(last.position, this.#bodyBytes) });
      last = entry;
      const appended = appender
        .append(entry)
        .then(() => void this.#acked.push(entry))
        .catch(() => failed.abort())
        .finally(() => inFlight.delete(appended));
      inFlight.add(appended);
      if (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight);
    }
    await Promise.all(inFlight);
  }

  async #append(entry: Entry): Promise<EngineOffset> {
    try {
      return await this.#journal.append(entry);
    } catch (error) {
      const isDoubtful = isOperationalError(error, 'JOURNAL_UNKNOWN_OUTCOME');
      (isDoubtful ? this.#unknown : this.#refused).push(entry);
      throw error;
    }
  }

  /**
   * Nothing acknowledged is lost, nothing is there twice, and nothing is there that was refused.
   * Returns how many of those in doubt are in the history.
   */
  async verify(journal: Journal): Promise<number> {
    const stored = await collect(journal);
    const raw = new Set(stored.map(({ entry }) => toHex(entry.digest)));
    assert.equal(raw.size, stored.length, 'nothing is in the log twice');
    const history = acceptedOf(stored, new ReaderRule({ kind: 'genesis' }));
    const accepted = new Set(history.map(({ digest }) => toHex(digest)));
    const isAccepted = ({ digest }: Entry): boolean => accepted.has(toHex(digest));
    const lost = this.#acked.filter((entry) => !isAccepted(entry));
    assert.deepEqual(placesOf(lost), [], 'nothing acknowledged is lost');
    const wrong = this.#refused.filter(({ digest }) => raw.has(toHex(digest)));
    assert.deepEqual(placesOf(wrong), [], 'nothing that was refused is in the log');
    return this.#unknown.filter(isAccepted).length;
  }
}

function placesOf(
  entries: readonly Entry[],
): { readonly position: number; readonly epoch: number }[] {
  return entries.map(({ position, epoch }) => ({ position, epoch }));
}

function delegating(journal: Journal): Journal {
  return {
    guarantees: journal.guarantees,
    open: (options) => journal.open(options),
    append: (entry) => journal.append(entry),
    read: (options) => journal.read(options),
    bounds: () => journal.bounds(),
    discardThrough: (position) => journal.discardThrough(position),
    readDiscarded: (signal) => journal.readDiscarded(signal),
    close: () => journal.close(),
  };
}
