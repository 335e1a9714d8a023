// What the fault tests of this engine share: a journal of its own for each, and what is believed of
// it afterwards.

import assert from 'node:assert/strict';
import type { Entry } from '../../../src/base/entry.ts';
import { equalBytes } from '../../../src/base/entry.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { ReaderRule } from '../../../src/recovery/reader-rule.ts';
import { openingAfter } from '../../conformance/journal/entries.ts';
import { acceptedOf, collect } from '../../conformance/journal/support.ts';
import { until } from '../../support/until.ts';
import type { JournalChoice, MySqlCluster } from './cluster.ts';

export const FOREVER = new AbortController().signal;

/** A database of its own, and drivers on it that are closed at the end. */
export class Rig implements AsyncDisposable {
  readonly cluster: MySqlCluster;
  readonly database: string;
  readonly #journals: Journal[] = [];

  constructor(cluster: MySqlCluster) {
    this.cluster = cluster;
    this.database = cluster.newDatabase();
  }

  attach(choice: Partial<JournalChoice> = {}): Journal {
    const journal = this.cluster.journal({ database: this.database, ...choice });
    this.#journals.push(journal);
    return journal;
  }

  async open(mode: 'write' | 'read', choice: Partial<JournalChoice> = {}): Promise<Journal> {
    const journal = this.attach(choice);
    await journal.open({ mode, signal: FOREVER });
    return journal;
  }

  /** Open for writing, with the opening of epoch 1 in it. */
  async begin(choice: Partial<JournalChoice> = {}): Promise<{ journal: Journal; opening: Entry }> {
    const journal = await this.open('write', choice);
    const opening = openingAfter(undefined, 'begin');
    await journal.append(opening);
    return { journal, opening };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const journal of this.#journals) await journal.close();
    await this.cluster.mend();
    await this.cluster.dropDatabase(this.database);
  }
}

/** What the reader rule believes of what can be read now. */
export async function historyOf(journal: Journal): Promise<Entry[]> {
  return acceptedOf(await collect(journal), new ReaderRule({ kind: 'genesis' }));
}

/** A new leader: opens when it can, reads, and opens the next epoch behind what it read. */
export async function succeed(rig: Rig, choice: Partial<JournalChoice> = {}): Promise<Entry[]> {
  const journal = rig.attach(choice);
  await until(async () => {
    return await journal.open({ mode: 'write', signal: FOREVER }).then(
      () => true,
      () => false,
    );
  }, 'a successor opens the journal');
  const before = await historyOf(journal);
  await journal.append(openingAfter(before.at(-1), 'successor'));
  return await historyOf(journal);
}

/** Everything acknowledged is in the history once and in its place; nothing that nobody sent is. */
export function assertKept(
  history: readonly Entry[],
  acknowledged: readonly Entry[],
  sent: readonly Entry[],
): void {
  for (const entry of acknowledged) {
    const found = history[entry.position - 1];
    assert.ok(found !== undefined, `position ${entry.position} was acknowledged and is gone`);
    assert.ok(equalBytes(found.bytes, entry.bytes), `position ${entry.position} is another entry`);
  }
  for (const found of history.slice(0, -1)) {
    assert.ok(
      sent.some((entry) => equalBytes(entry.digest, found.digest)),
      `nobody sent what stands at position ${found.position}`,
    );
  }
}
