// The role "recovering": from the journal's bytes to the state. Everything that must survive is a
// function of what is read here; the reader rule decides what counts, the replica applies it.

import type { Entry } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import type { NodeHistory } from '../../history/contract.ts';
import type { EngineOffset, Journal } from '../../ports/journal.ts';
import type { ReaderRule } from '../../recovery/reader-rule.ts';
import type { Replica } from '../../recovery/replica.ts';

export type Recovered = {
  /** Last accepted entry and where it stands; undefined when the journal is empty. */
  readonly last: Entry | undefined;
  readonly offset: EngineOffset | null;
  /** Entries that the reader rule passed over. */
  readonly voidCount: number;
};

export type RecoverOptions = {
  readonly journal: Journal;
  readonly rule: ReaderRule;
  readonly replica: Replica;
  /** Called now and then with the last applied position. */
  readonly onProgress: (position: number) => void;
  /** Fed by the replica; a replay is not faster than it. */
  readonly history: NodeHistory;
  readonly signal: AbortSignal;
};

/** Reads the journal from its start to its present end and applies what the rule accepts. */
export async function recover(options: RecoverOptions): Promise<Recovered> {
  const { journal, rule, replica, onProgress, history, signal } = options;
  let last: Entry | undefined;
  let offset: EngineOffset | null = null;
  let voidCount = 0;
  for await (const batch of journal.read({ from: null, follow: false, signal })) {
    for (const stored of batch) {
      if (rule.decide(stored).kind === 'void') {
        voidCount++;
        continue;
      }
      if (!history.hasRoom) await history.untilRoom();
      replica.apply(stored.entry);
      last = stored.entry;
      offset = stored.offset;
    }
    onProgress(replica.position);
  }
  // A read that was told to stop ends like one that came to the end: half a history is no state.
  signal.throwIfAborted();
  if (last === undefined && voidCount > 0) throw allVoid(voidCount);
  return { last, offset, voidCount };
}

function allVoid(voidCount: number): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail: `The journal holds ${voidCount} entries and none is of this cluster and timeline.`,
    wayOut: 'Nothing was changed. Check that cluster.json and the journal belong together.',
  });
}
