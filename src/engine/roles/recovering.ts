// The role "recovering": from the journal's bytes to the state. Everything that must survive is a
// function of what is read here; the reader rule decides what counts, the replica applies it.

import { type Entry, equalBytes } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import type { Outcome } from '../../domain/outcome.ts';
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
  /**
   * What is not known to be durable is left out: beside a leader in another process the last
   * entries can be read before they are. Otherwise the journal has made all of it durable.
   */
  readonly durableOnly?: boolean;
  /** Called now and then with the last applied position. */
  readonly onProgress: (position: number) => void;
  /** Fed by the replica; a replay is not faster than it. */
  readonly derived: Pick<NodeHistory, 'hasRoom' | 'untilRoom'>;
  /** After each entry, for a replica that others look at while it catches up. */
  readonly onApplied?: (stored: StoredEntry, outcomes: readonly Outcome[]) => void;
  readonly signal: AbortSignal;
};

/**
 * Reads the journal to its present end and applies what the rule accepts. From genesis it begins
 * with what has been discarded, when the journal itself does not reach back to position 1.
 */
export async function recover(options: RecoverOptions): Promise<Recovered> {
  const { journal, rule, replica, from, proven, onProgress, derived, signal } = options;
  const tip = new Tip(options);
  let voidCount = 0;
  for await (const batch of batches(journal, from, signal)) {
    for (const stored of batch) {
      if (journal.guarantees.fencing === 'native') assertNoGap(rule, stored.entry);
      const verdict = rule.decide(stored);
      if (verdict.kind === 'void') {
        voidCount++;
        continue;
      }
      assertProven(stored.entry, proven);
      if (verdict.kind === 'head') {
        tip.reached(stored);
        continue;
      }
      if (!derived.hasRoom) await derived.untilRoom();
      tip.accepted(stored);
    }
    onProgress(replica.position);
  }
  // A read that was told to stop ends like one that came to the end: half a history is no state.
  signal.throwIfAborted();
  const { last, offset, bytesApplied } = tip;
  if (rule.head === undefined && voidCount > 0) throw allVoid(voidCount);
  assertNothingMissing(last, proven);
  return { last, offset, voidCount, bytesApplied };
}

/** Applies accepted entries in order, each as soon as it may be. */
class Tip {
  readonly #options: RecoverOptions;
  /** What a checkpoint proves was acknowledged once. */
  readonly #proven: number;
  #waiting: StoredEntry[] = [];
  last: Entry | undefined;
  offset: EngineOffset | null = null;
  bytesApplied = 0;

  constructor(options: RecoverOptions) {
    this.#options = options;
    this.#proven = Math.max(0, ...options.proven.keys());
  }

  accepted(stored: StoredEntry): void {
    this.#waiting.push(stored);
    const { rule, durableOnly } = this.#options;
    const through = durableOnly === true ? Math.max(rule.durable, this.#proven) : Infinity;
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || next.entry.position > through) return;
      this.#waiting.shift();
      this.#apply(next);
    }
  }

  reached({ entry, offset }: StoredEntry): void {
    this.last = entry;
    this.offset = offset;
  }

  #apply(stored: StoredEntry): void {
    const { replica, onApplied } = this.#options;
    const outcomes = replica.apply(stored.entry);
    this.bytesApplied += stored.entry.bytes.byteLength;
    this.reached(stored);
    onApplied?.(stored, outcomes);
  }
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
