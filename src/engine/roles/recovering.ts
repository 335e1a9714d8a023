// The role "recovering": from the journal's bytes to the state. Everything that must survive is a
// function of what is read here; the reader rule decides what counts, the replica applies it.

import { type Entry, equalBytes } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import type { NodeHistory } from '../../history/contract.ts';
import type { EngineOffset, Journal, StoredEntry } from '../../ports/journal.ts';
import type { ReaderRule } from '../../recovery/reader-rule.ts';
import type { Replica } from '../../recovery/replica.ts';

export type Recovered = {
  /** Last accepted entry and where it stands; undefined when the journal is empty. */
  readonly last: Entry | undefined;
  readonly offset: EngineOffset | null;
  /** Entries that the reader rule passed over. */
  readonly voidCount: number;
  /** Of the entries that were applied. */
  readonly bytesApplied: number;
};

export type RecoverOptions = {
  readonly journal: Journal;
  readonly rule: ReaderRule;
  readonly replica: Replica;
  /** Where to begin: at the head of the checkpoint that the replica is at; null = at genesis. */
  readonly from: EngineOffset | null;
  /** Digests of entries that checkpoints prove, by position. */
  readonly proven: ReadonlyMap<number, Uint8Array>;
  /** Called now and then with the last applied position. */
  readonly onProgress: (position: number) => void;
  /** Fed by the replica; a replay is not faster than it. */
  readonly derived: Pick<NodeHistory, 'hasRoom' | 'untilRoom'>;
  readonly signal: AbortSignal;
};

/**
 * Reads the journal to its present end and applies what the rule accepts. From genesis it begins
 * with what has been discarded, when the journal itself does not reach back to position 1.
 */
export async function recover(options: RecoverOptions): Promise<Recovered> {
  const { journal, rule, replica, from, onProgress, derived, signal } = options;
  let last: Entry | undefined;
  let offset: EngineOffset | null = null;
  let voidCount = 0;
  let bytesApplied = 0;
  for await (const batch of batches(journal, from, signal)) {
    for (const stored of batch) {
      if (journal.guarantees.fencing === 'native') assertNoGap(rule, stored.entry);
      const verdict = rule.decide(stored);
      if (verdict.kind === 'void') {
        voidCount++;
        continue;
      }
      assertProven(stored.entry, options.proven);
      if (verdict.kind === 'accept') {
        if (!derived.hasRoom) await derived.untilRoom();
        replica.apply(stored.entry);
        bytesApplied += stored.entry.bytes.byteLength;
      }
      last = stored.entry;
      offset = stored.offset;
    }
    onProgress(replica.position);
  }
  // A read that was told to stop ends like one that came to the end: half a history is no state.
  signal.throwIfAborted();
  if (last === undefined && voidCount > 0) throw allVoid(voidCount);
  assertNothingMissing(last, options.proven);
  return { last, offset, voidCount, bytesApplied };
}

async function* batches(
  journal: Journal,
  from: EngineOffset | null,
  signal: AbortSignal,
): AsyncGenerator<readonly StoredEntry[]> {
  if (from === null && journal.bounds().first > 1) yield* journal.readDiscarded(signal);
  yield* journal.read({ from, follow: false, signal });
}

/**
 * The rule voids what is out of place: late records. A journal with native fencing has none of
 * them; there something is missing.
 */
function assertNoGap({ head }: ReaderRule, entry: Entry): void {
  const next = (head?.position ?? 0) + 1;
  const isCurrent = head === undefined || entry.epoch === head.epoch;
  if (entry.position <= next || !isCurrent) return;
  throw new OperationalError('JOURNAL_DIVERGED', {
    detail: `The journal goes on at position ${entry.position}, but what stands before ends at ${next - 1}.`,
    wayOut:
      'Nothing was answered. Put back an intact checkpoint, or what was discarded from the journal, from a backup.',
  });
}

function assertProven(entry: Entry, proven: RecoverOptions['proven']): void {
  const digest = proven.get(entry.position);
  if (digest === undefined || equalBytes(digest, entry.digest)) return;
  throw new OperationalError('JOURNAL_DIVERGED', {
    detail: `At position ${entry.position} the journal holds another entry than the checkpoint of that position was taken after.`,
    wayOut:
      'Nothing was answered. Journal and checkpoints are of two histories: find out which is yours, and move the other away.',
  });
}

/** Checkpoints are taken of what was acknowledged: a journal that ends before has lost payments. */
function assertNothingMissing(last: Entry | undefined, proven: RecoverOptions['proven']): void {
  const position = last?.position ?? 0;
  const newest = Math.max(0, ...proven.keys());
  if (newest <= position) return;
  throw new OperationalError('JOURNAL_DIVERGED', {
    detail: `The journal ends at position ${position}, but a checkpoint proves that it went on to ${newest}: acknowledged payments are missing.`,
    wayOut:
      'Nothing was answered. Put back the end of the journal from a backup or another directory. Only if it is lost for ever: move the checkpoints of later positions away; the payments behind are then gone.',
  });
}

function allVoid(voidCount: number): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail: `The journal holds ${voidCount} entries and none is of this cluster and timeline.`,
    wayOut: 'Nothing was changed. Check that cluster.json and the journal belong together.',
  });
}
