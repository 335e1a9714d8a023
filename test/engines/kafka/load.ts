// A writer as a leader is one: it appends without pause, several entries at a time, keeps account
// of what it was told of each, and, when it knows no more, opens the journal and the next epoch.

import assert from 'node:assert/strict';
import { type Entry, toHex } from '../../../src/base/entry.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { ReaderRule } from '../../../src/recovery/reader-rule.ts';
import { entryAfter, openingAfter, randomBody } from '../../conformance/journal/entries.ts';
import { acceptedOf, collect } from '../../conformance/journal/support.ts';
import { until } from '../../support/until.ts';

const IN_FLIGHT_MAX = 8;
/** Brokers that start again beside much other work take their time. */
const WITHIN_MS = 60_000;
const FOREVER = new AbortController().signal;

export class LoadedWriter implements AsyncDisposable {
  readonly #journal: Journal;
  readonly #bodyBytes: number;
  readonly #acked: Entry[] = [];
  /** In doubt when it was told so; each must be in the history once or not at all. */
  readonly #unknown: Entry[] = [];
  #fenced = 0;
  #opened = 0;
  #isStopping = false;
  #running: Promise<void> | undefined;

  constructor(journal: Journal, bodyBytes = 2000) {
    this.#journal = journal;
    this.#bodyBytes = bodyBytes;
  }

  get ackedCount(): number {
    return this.#acked.length;
  }

  get unknownCount(): number {
    return this.#unknown.length;
  }

  get fencedCount(): number {
    return this.#fenced;
  }

  /** Epochs that it opened. */
  get openedCount(): number {
    return this.#opened;
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
    await until(() => this.#acked.length >= wanted, `${more} more appends acknowledged`, WITHIN_MS);
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const opening = await this.#lead();
      if (opening !== undefined) await this.#appendAll(opening);
    }
    await this.#journal.close();
  }

  /** The own opening, read back; undefined when it was in vain. */
  async #lead(): Promise<Entry | undefined> {
    try {
      await this.#journal.open({ mode: 'write', signal: FOREVER });
      const rule = new ReaderRule({ kind: 'genesis' });
      const head = acceptedOf(await collect(this.#journal), rule).at(-1);
      this.#opened += 1;
      const opening = openingAfter(head, `attempt ${this.#opened}`);
      await this.#append(opening);
      return opening;
    } catch (error) {
      assert.ok(isOperationalError(error), String(error));
      return undefined;
    }
  }

  async #appendAll(opening: Entry): Promise<void> {
    let last = opening;
    const failed = new AbortController();
    const inFlight = new Set<Promise<void>>();
    while (!this.#isStopping && !failed.signal.aborted) {
      last = entryAfter(last, { body: randomBody(last.position, this.#bodyBytes) });
      const appended = this.#append(last)
        .catch(() => failed.abort())
        .finally(() => inFlight.delete(appended));
      inFlight.add(appended);
      if (inFlight.size >= IN_FLIGHT_MAX) await Promise.race(inFlight);
    }
    await Promise.all(inFlight);
  }

  async #append(entry: Entry): Promise<void> {
    try {
      await this.#journal.append(entry);
      this.#acked.push(entry);
    } catch (error) {
      if (isOperationalError(error, 'JOURNAL_UNKNOWN_OUTCOME')) this.#unknown.push(entry);
      if (isOperationalError(error, 'JOURNAL_FENCED')) this.#fenced += 1;
      throw error;
    }
  }

  /**
   * Nothing acknowledged is lost, nothing is there twice, and everything in the log was asked for.
   * Returns how many of those in doubt are in the history.
   */
  async verify(journal: Journal): Promise<number> {
    const stored = await collect(journal);
    const raw = stored.map(({ entry }) => toHex(entry.digest));
    assert.equal(new Set(raw).size, raw.length, 'nothing is in the log twice');
    const history = acceptedOf(stored, new ReaderRule({ kind: 'genesis' }));
    const accepted = new Set(history.map(({ digest }) => toHex(digest)));
    const lost = this.#acked.filter(({ digest }) => !accepted.has(toHex(digest)));
    assert.deepEqual(
      lost.map(({ position, epoch }) => ({ position, epoch })),
      [],
      'nothing acknowledged is lost',
    );
    const asked = new Set([...this.#acked, ...this.#unknown].map(({ digest }) => toHex(digest)));
    assert.deepEqual(
      raw.filter((digest) => !asked.has(digest)),
      [],
      'nothing is in the log that was refused',
    );
    return this.#unknown.filter(({ digest }) => accepted.has(toHex(digest))).length;
  }
}
