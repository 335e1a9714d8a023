// From "following" to "leading": the journal is closed and opened for writing behind the own head,
// what is there and was not applied yet is applied, and an epoch is opened. All that a caller waits
// for when a leader is lost happens here, so nothing here looks at the whole of the books.

import type { Call } from '../../cluster/contract.ts';
import type { Outcome } from '../../domain/outcome.ts';
import type { StoredEntry } from '../../ports/journal.ts';
import { ReaderRule } from '../../recovery/reader-rule.ts';
import type { AppliedHead } from '../applied-head.ts';
import type { ClockGuard } from '../clock-guard.ts';
import type { Stations } from '../stations.ts';
import { openEpoch } from './candidate.ts';
import { recover } from './recovering.ts';

export type TakingOver = {
  readonly stations: Stations;
  readonly call: Call;
  /** No leader is heard at this moment either. */
  readonly isSilent: () => boolean;
  /** This node's name. */
  readonly node: string;
  readonly head: AppliedHead | undefined;
  readonly clockGuard: ClockGuard;
  /** After each entry that was not applied here before. */
  readonly onApplied: (stored: StoredEntry, outcomes: readonly Outcome[]) => void;
};

export type TakenOver = { readonly rule: ReaderRule; readonly opened: StoredEntry };

/** The journal is closed. Rejects as `open`, `recover` and `openEpoch` do; it may be open then. */
export async function takeOver(taking: TakingOver): Promise<TakenOver> {
  const { stations, call, isSilent, head, node, clockGuard, onApplied } = taking;
  const { journal, replica, history, options, ending } = stations;
  const { clusterId, timeline, clock, entropy, release } = options;
  const { signal } = ending;
  const from = head?.offset ?? null;
  const startMs = clock.monotonicMs();
  await journal.open({
    mode: 'write',
    ...(call.depose ? { depose: isSilent } : {}),
    ...(from === null ? {} : { from, isReadThrough: true }),
    signal,
  });
  const lockedMs = clock.monotonicMs();
  const rule = new ReaderRule(
    head === undefined
      ? { kind: 'genesis', clusterId, timeline }
      : { kind: 'at-head', head: head.entry },
  );
  const recovered = await recover({
    journal,
    rule,
    replica,
    from,
    proven: new Map(),
    onProgress: () => undefined,
    derived: history,
    onApplied,
    signal,
  });
  const readMs = clock.monotonicMs();
  const opened = await openEpoch({
    journal,
    rule,
    replica,
    clusterId,
    timeline,
    last: recovered.last,
    offset: recovered.offset,
    clockGuard,
    entropy,
    release,
    node,
    reason: call.reason,
    signal,
  });
  onApplied(opened, []);
  options.observer.tookOver({
    epoch: opened.entry.epoch,
    lockMs: lockedMs - startMs,
    restMs: readMs - lockedMs,
    openingMs: clock.monotonicMs() - readMs,
  });
  return { rule, opened };
}
