// A writer as the engine is one: it opens an epoch over what it has read, appends several entries
// at a time, believes what was acknowledged, and begins anew after everything that it cannot know.
// Afterwards its memory is compared with the history.

import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { type Entry, toHex } from '../../../src/base/entry.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import { APPENDS_IN_FLIGHT_MAX } from '../../../src/base/limits.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { ReaderRule } from '../../../src/recovery/reader-rule.ts';
import { entryAfter, openingAfter, randomBody } from '../../conformance/journal/entries.ts';
import { acceptedOf, collect } from '../../conformance/journal/support.ts';

const OPEN_MS_MAX = 60_000;
const RETRY_MS = 50;
const BODY_BYTES = 2000;

export class Traffic {
  readonly #journal: Journal;
  readonly #acknowledged: Entry[] = [];
  readonly #doubtful: Entry[] = [];
  #head: Entry | undefined;
  #isEnding = false;
  #running: Promise<void> | undefined;
  #failure: unknown;
  /** Opened anew after an append of unknown outcome. */
  reopenedCount = -1;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** Throws what ended it, if anything has. */
  get acknowledgedCount(): number {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#acknowledged.length;
  }

  /** Goes on until `end`. */
  start(): void {
    this.#running = this.#run();
    this.#running.catch((error: unknown) => {
      this.#failure = error;
    });
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#running;
  }

  /** Everything acknowledged is there once, in order; everything doubtful once or not at all. */
  async verify(journal: Journal): Promise<void> {
    const history = acceptedOf(await collect(journal), new ReaderRule({ kind: 'genesis' }));
    const places = new Map(history.map(({ digest }, index) => [toHex(digest), index]));
    assert.equal(places.size, history.length, 'nothing is there twice');
    let before = -1;
    for (const { digest, position } of this.#acknowledged) {
      const place = places.get(toHex(digest));
      assert.ok(place !== undefined, `position ${position} was acknowledged and is gone`);
      assert.ok(place > before, 'in the order of the acknowledgements');
      before = place;
    }
    const known = new Set([...this.#acknowledged, ...this.#doubtful].map((e) => toHex(e.digest)));
    assert.ok(
      [...places.keys()].every((digest) => known.has(digest)),
      'nothing else is there',
    );
  }

  async #run(): Promise<void> {
    while (!this.#isEnding) {
      await this.#open();
      try {
        await this.#appendAll();
      } catch (error) {
        assert.ok(isOperationalError(error), String(error));
      }
    }
  }

  async #open(): Promise<void> {
    this.reopenedCount += 1;
    const deadlineMs = performance.now() + OPEN_MS_MAX;
    for (;;) {
      try {
        await this.#journal.open({ mode: 'write', signal: new AbortController().signal });
        const rule = new ReaderRule({ kind: 'genesis' });
        this.#head = acceptedOf(await collect(this.#journal), rule).at(-1);
        return;
      } catch (error) {
        if (!isOperationalError(error, 'JOURNAL_UNAVAILABLE')) throw error;
        if (performance.now() > deadlineMs) throw error;
        await pause(RETRY_MS);
      }
    }
  }

  async #appendAll(): Promise<void> {
    await this.#append(openingAfter(this.#head, `opening ${Math.random()}`));
    const underWay: Promise<void>[] = [];
    while (!this.#isEnding) {
      if (underWay.length >= APPENDS_IN_FLIGHT_MAX) await underWay.shift();
      const durable = this.#acknowledged.at(-1)?.position ?? 0;
      const body = randomBody((this.#head?.position ?? 0) + 1, BODY_BYTES);
      const appending = this.#append(entryAfter(this.#head, { durable, body }));
      appending.catch(() => undefined);
      underWay.push(appending);
    }
    await Promise.all(underWay);
  }

  async #append(entry: Entry): Promise<void> {
    this.#head = entry;
    try {
      await this.#journal.append(entry);
      this.#acknowledged.push(entry);
    } catch (error) {
      this.#doubtful.push(entry);
      throw error;
    }
  }
}
