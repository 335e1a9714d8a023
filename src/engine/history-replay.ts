// Reads a journal from its first entry and makes of it what the history lacks. The rules are those
// of every replay: the reader rule says what counts, a replica applies it.

import { createState } from '../domain/domain.ts';
import type { RepairJob, RepairResult } from '../history/repair.ts';
import { RunBuilder } from '../history/run-builder.ts';
import type { Journal, StoredEntry } from '../ports/journal.ts';
import { ReaderRule } from '../recovery/reader-rule.ts';
import { Replica } from '../recovery/replica.ts';

/** `journal` must be open. */
export async function replayForHistory(
  journal: Journal,
  job: RepairJob,
  signal: AbortSignal,
): Promise<RepairResult> {
  const builder = new RunBuilder(job);
  const state = createState();
  const rule = new ReaderRule({ kind: 'genesis' });
  let isDone = false;
  const replica = new Replica(state, (command, outcome) => {
    if (!isDone) isDone = !builder.take(state.ledger, command, outcome);
  });
  let last: StoredEntry | undefined;
  for await (const batch of everything(journal, signal)) {
    for (const stored of batch) {
      if (last === undefined && stored.entry.position !== 1) return beginsLate(stored);
      // The last entry of one part may be the first of the next.
      if (stored.entry.position <= replica.position) continue;
      if (rule.decide(stored).kind === 'void') continue;
      last = stored;
      replica.apply(stored.entry);
      if (isDone) break;
    }
    if (isDone) break;
  }
  signal.throwIfAborted();
  if (job.fill !== undefined && builder.transfers !== job.fill.until) {
    const why = `the journal gives ${builder.transfers} transfers, not ${job.fill.until}`;
    return { kind: 'failed', why, forGood: false };
  }
  if (job.wanted !== 'all' && builder.entries.length < job.wanted.length) {
    const why = `the journal ends after ${builder.transfers} transfers`;
    return { kind: 'failed', why, forGood: false };
  }
  return { kind: 'done', entries: builder.entries, expired: builder.finish() };
}

async function* everything(
  journal: Journal,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredEntry[]> {
  yield* journal.readDiscarded(signal);
  yield* journal.read({ from: null, follow: false, signal });
}

function beginsLate({ entry }: StoredEntry): RepairResult {
  const why = `the journal that is kept begins at position ${entry.position}, not at 1`;
  return { kind: 'failed', why, forGood: true };
}
