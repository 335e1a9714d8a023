// A writer that appends one entry after the other and remembers what was acknowledged, and how it
// goes on elsewhere: reading what is there, as the reader rule has it, and opening the next epoch.

import assert from 'node:assert/strict';
import type { Entry } from '../../src/base/entry.ts';
import type { Journal } from '../../src/ports/journal.ts';
import { ReaderRule } from '../../src/recovery/reader-rule.ts';
import { chainAfter, openingAfter } from '../conformance/journal/entries.ts';
import { until } from './until.ts';

const BODY_BYTES = 2048;

export class Payments {
  readonly acknowledged: Entry[] = [];
  #journal: Journal | undefined;
  #last: Entry | undefined;
  #isStopped = false;
  /** Why the last run ended; undefined = it was stopped. */
  failure: unknown;

  /** Opens the journal and an epoch of its own; waits for an engine that takes writes. */
  async begin(journal: Journal): Promise<void> {
    const signal = new AbortController().signal;
    await until(async () => {
      return await journal.open({ mode: 'write', signal }).then(
        () => true,
        () => false,
      );
    }, 'the journal is open for writing');
    this.#last = (await readAll(journal)).at(-1);
    this.#journal = journal;
    await this.#append(openingAfter(this.#last, `${Math.random()}`));
  }

  /** Resolves when it is stopped, has appended so many, or fails. */
  async run(count = Infinity): Promise<void> {
    this.#isStopped = false;
    this.failure = undefined;
    try {
      for (let index = 0; index < count && !this.#isStopped; index++) {
        await this.#append(chainAfter(this.#last, 1, BODY_BYTES)[0]!);
      }
    } catch (error) {
      this.failure = error;
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  async #append(entry: Entry): Promise<void> {
    await this.#journal!.append(entry);
    this.#last = entry;
    this.acknowledged.push(entry);
  }
}

/** What a reader accepts, from the first entry on. */
export async function readAll(journal: Journal): Promise<Entry[]> {
  const rule = new ReaderRule({ kind: 'genesis' });
  const entries: Entry[] = [];
  const signal = new AbortController().signal;
  for await (const batch of journal.read({ from: null, follow: false, signal })) {
    for (const stored of batch) {
      if (rule.decide(stored).kind !== 'void') entries.push(stored.entry);
    }
  }
  return entries;
}

/** Every acknowledged entry is in its place, byte for byte. Returns how many there are. */
export async function assertKept(
  journal: Journal,
  acknowledged: readonly Entry[],
): Promise<number> {
  const entries = await readAll(journal);
  for (const entry of acknowledged) {
    assert.deepEqual(
      entries[entry.position - 1]?.digest,
      entry.digest,
      `${entry.position} is lost`,
    );
  }
  return entries.length;
}
