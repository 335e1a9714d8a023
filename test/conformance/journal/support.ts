// Small things that the journal suites share.

import type { Entry } from '../../../src/base/entry.ts';
import type { OperationalCode } from '../../../src/base/errors.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import type { EngineOffset, Journal, StoredEntry } from '../../../src/ports/journal.ts';
import type { ReaderRule } from '../../../src/recovery/reader-rule.ts';
import type { AttachOptions, JournalHarness, JournalUnderTest } from './harness.ts';

/** Runs `test` on a fresh journal, open for writing, and cleans up. */
export async function withJournal(
  harness: JournalHarness,
  test: (under: JournalUnderTest, journal: Journal) => Promise<void>,
  options: AttachOptions = {},
): Promise<void> {
  const under = await harness.create();
  const journal = under.attach(options);
  try {
    await journal.open({ mode: 'write', signal: new AbortController().signal });
    await test(under, journal);
  } finally {
    await journal.close();
    await under.dispose();
  }
}

/** Everything from `from` to the present end. */
export async function collect(
  journal: Journal,
  from: EngineOffset | null = null,
): Promise<StoredEntry[]> {
  const stored: StoredEntry[] = [];
  const { signal } = new AbortController();
  for await (const batch of journal.read({ from, follow: false, signal })) stored.push(...batch);
  return stored;
}

/** What the reader rule accepts of it. */
export function acceptedOf(stored: readonly StoredEntry[], rule: ReaderRule): Entry[] {
  const accepted: Entry[] = [];
  for (const record of stored) {
    if (rule.decide(record).kind === 'accept') accepted.push(record.entry);
  }
  return accepted;
}

export function hasCode(...codes: readonly OperationalCode[]): (error: unknown) => boolean {
  return (error) => codes.some((code) => isOperationalError(error, code));
}
