// A writer that notes what it was told of each of its entries, and the judgement afterwards: what
// was acknowledged stands in its place, what is unknown has exactly one outcome, and nothing else
// is there.

import assert from 'node:assert/strict';
import { type Entry, equalBytes, toHex } from '../../../src/base/entry.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { ReaderRule } from '../../../src/recovery/reader-rule.ts';
import { entryAfter, openingAfter, randomBody } from '../../conformance/journal/entries.ts';
import { acceptedOf, collect, hasCode } from '../../conformance/journal/support.ts';
import { until } from '../../support/until.ts';

export const FOREVER = new AbortController().signal;

const IN_FLIGHT_MAX = 4;
const BODY_BYTES = 4096;
const UNAVAILABLE_MAX = 40;

/** Codes that say: this certainly did not happen. */
const NOT_EXECUTED = hasCode('JOURNAL_FENCED', 'JOURNAL_CLOSED', 'JOURNAL_FULL');

export class Writing {
  readonly #journal: Journal;
  readonly acknowledged: Entry[] = [];
  readonly unknown: Entry[] = [];
  readonly refused: Entry[] = [];
  #last: Entry;
  #isOver = false;
  readonly #settled: Promise<void>[] = [];

  private constructor(journal: Journal, opening: Entry) {
    this.#journal = journal;
    this.#last = opening;
  }

  /** Opens the next epoch behind `last`. */
  static async begin(journal: Journal, last?: Entry, nonce = 'writing'): Promise<Writing> {
    const opening = openingAfter(last, nonce);
    await journal.append(opening);
    const writing = new Writing(journal, opening);
    writing.acknowledged.push(opening);
    return writing;
  }

  /** The next entry of the chain, handed in and not waited for. */
  send(bodyBytes = BODY_BYTES): Promise<void> {
    const position = this.#last.position + 1;
    const entry = entryAfter(this.#last, { body: randomBody(position, bodyBytes) });
    this.#last = entry;
    const settled = this.#journal.append(entry).then(
      () => void this.acknowledged.push(entry),
      (error: unknown) => {
        this.#isOver = true;
        if (isOperationalError(error, 'JOURNAL_UNKNOWN_OUTCOME')) this.unknown.push(entry);
        else if (NOT_EXECUTED(error)) this.refused.push(entry);
        else throw error;
      },
    );
    this.#settled.push(settled);
    return settled;
  }

  /** Sends one after the other until an append fails. */
  async run(): Promise<void> {
    await Promise.all(
      Array.from({ length: IN_FLIGHT_MAX }, async () => {
        while (!this.#isOver) await this.send();
      }),
    );
  }

  async untilAcknowledged(count: number): Promise<void> {
    const goal = this.acknowledged.length + count;
    await until(() => this.acknowledged.length >= goal, `${count} more are acknowledged`);
  }

  /** What the journal holds now, and that it is what was told. */
  async judge(journal: Journal): Promise<Entry[]> {
    await Promise.all(this.#settled);
    const history = await historyOf(journal);
    for (const entry of this.acknowledged) {
      const found = history[entry.position - 1];
      assert.ok(found !== undefined, `acknowledged position ${entry.position} is lost`);
      assert.ok(equalBytes(found.digest, entry.digest), `position ${entry.position} is another`);
    }
    const known = new Set(
      [...this.acknowledged, ...this.unknown].map(({ digest }) => toHex(digest)),
    );
    for (const { position, digest } of history) {
      assert.ok(known.has(toHex(digest)), `position ${position} was refused, and is there`);
    }
    // A successor's opening settles it: what is not there now never will be.
    await journal.append(openingAfter(history.at(-1), 'successor'));
    for (const entry of [...this.unknown, ...this.refused]) {
      await assert.rejects(journal.append(copyOf(entry)), hasCode('JOURNAL_FENCED'));
    }
    assert.equal((await historyOf(journal)).length, history.length + 1);
    return history;
  }
}

function copyOf(entry: Entry): Entry {
  return { ...entry, bytes: entry.bytes.slice() };
}

export async function historyOf(journal: Journal): Promise<Entry[]> {
  const stored = await collect(journal);
  const history = acceptedOf(stored, new ReaderRule({ kind: 'genesis' }));
  assert.equal(history.length, stored.length);
  return history;
}

/** As a node does: again while the engine is not available. */
export async function openPatiently(journal: Journal, mode: 'write' | 'read'): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await journal.open({ mode, signal: FOREVER });
      return;
    } catch (error) {
      const isPassing = isOperationalError(error, 'JOURNAL_UNAVAILABLE');
      if (!isPassing || attempt === UNAVAILABLE_MAX) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
