// The role "following": reads the journal behind its leader, believes what the reader rule accepts,
// and applies it as soon as it is known to be durable. What can be read is not yet durable (DESIGN
// 7, durable watermark): accepted entries wait here until an entry behind them, or a heartbeat of
// the leader of their epoch, says so.

import { toHex } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import type { LeaderSeen } from '../../cluster/contract.ts';
import type { Outcome } from '../../domain/outcome.ts';
import type { NodeHistory } from '../../history/contract.ts';
import type { Journal, StoredEntry } from '../../ports/journal.ts';
import { ReaderRule } from '../../recovery/reader-rule.ts';
import type { Replica } from '../../recovery/replica.ts';
import type { AppliedHead } from '../applied-head.ts';

/** Accepted and not applied yet: beyond this reading waits. */
const WAITING_BYTES_MAX = 32 * 1024 * 1024;

/** Then others have their turn: answers, heartbeats. */
const SLICE_MS = 5;

export type FollowingOptions = {
  readonly journal: Journal;
  readonly replica: Replica;
  /** The last applied entry; undefined = the books are empty. */
  readonly head: AppliedHead | undefined;
  readonly clusterId: Uint8Array;
  readonly timeline: number;
  readonly derived: Pick<NodeHistory, 'hasRoom' | 'untilRoom'>;
  /** What is heard of the leader. */
  readonly leader: () => LeaderSeen | undefined;
  /** After each entry. */
  readonly onApplied: (stored: StoredEntry, outcomes: readonly Outcome[]) => void;
};

/** Why it came to its end. */
export type FollowingEnd =
  | { readonly kind: 'stopped' }
  /** What was read cannot follow what is applied here, or cannot be read. */
  | { readonly kind: 'reading'; readonly error: unknown }
  /** What is durable cannot be applied: this replica computes other outcomes than the leader. */
  | { readonly kind: 'applying'; readonly error: unknown };

export class Following {
  readonly #options: FollowingOptions;
  readonly #rule: ReaderRule;
  readonly #ending = new AbortController();
  #waiting: StoredEntry[] = [];
  #waitingBytes = 0;
  #applying: Promise<void> | undefined;
  #onLess: (() => void) | undefined;
  #end: FollowingEnd = { kind: 'stopped' };
  #running: Promise<FollowingEnd> | undefined;

  constructor(options: FollowingOptions) {
    this.#options = options;
    const { head, clusterId, timeline } = options;
    this.#rule = new ReaderRule(
      head === undefined
        ? { kind: 'genesis', clusterId, timeline }
        : { kind: 'at-head', head: head.entry },
    );
  }

  /** The highest position that is known to be durable. */
  get durable(): number {
    const { replica, leader } = this.#options;
    const seen = leader();
    const epoch = this.#rule.head?.epoch;
    // Of another epoch it says nothing about what was accepted here.
    const told = seen !== undefined && seen.epoch === epoch ? seen.durable : 0;
    return Math.max(replica.position, this.#rule.durable, told);
  }

  /** Follows until it is stopped or cannot. Never rejects. */
  run(): Promise<FollowingEnd> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /** The leader may have said that more is durable. */
  look(): void {
    if (this.#applying === undefined && this.#next() !== undefined) {
      this.#applying = this.#applyAll().finally(() => {
        this.#applying = undefined;
      });
    }
    this.#options.journal.look?.();
  }

  /** What was applied here is wrong, though the journal does not say so. */
  condemn(error: OperationalError): void {
    this.#fail({ kind: 'applying', error });
  }

  /** Resolves when nothing is read or applied here any more. What waits is dropped. */
  async stop(): Promise<void> {
    this.#ending.abort();
    this.#onLess?.();
    await this.#running;
    await this.#applying;
  }

  async #run(): Promise<FollowingEnd> {
    try {
      await this.#read();
    } catch (error) {
      this.#fail({ kind: 'reading', error });
    }
    await this.#applying;
    return this.#end;
  }

  async #read(): Promise<void> {
    const { journal, head } = this.#options;
    const { signal } = this.#ending;
    const from = head?.offset ?? null;
    for await (const batch of journal.read({ from, follow: true, signal })) {
      for (const stored of batch) {
        if (signal.aborted) return;
        if (this.#rule.decide(stored).kind !== 'accept') continue;
        this.#waiting.push(stored);
        this.#waitingBytes += stored.entry.bytes.byteLength;
      }
      this.look();
      while (this.#waitingBytes > WAITING_BYTES_MAX && !signal.aborted) await this.#untilLess();
    }
  }

  #untilLess(): Promise<void> {
    return new Promise((resolve) => {
      this.#onLess = resolve;
    });
  }

  /** The next entry that may be applied. */
  #next(): StoredEntry | undefined {
    const first = this.#waiting[0];
    if (this.#ending.signal.aborted || first === undefined) return undefined;
    return first.entry.position <= this.durable ? first : undefined;
  }

  /** Never rejects. */
  async #applyAll(): Promise<void> {
    const { derived, replica, onApplied } = this.#options;
    let sinceMs = performance.now();
    try {
      for (let next = this.#next(); next !== undefined; next = this.#next()) {
        if (!derived.hasRoom) {
          await derived.untilRoom();
          continue;
        }
        this.#waiting.shift();
        this.#waitingBytes -= next.entry.bytes.byteLength;
        onApplied(next, replica.apply(next.entry));
        if (performance.now() - sinceMs < SLICE_MS) continue;
        await turn();
        sinceMs = performance.now();
      }
    } catch (error) {
      this.#fail({ kind: 'applying', error });
    }
    this.#onLess?.();
  }

  #fail(end: FollowingEnd): void {
    if (this.#end.kind !== 'stopped') return;
    // Stopping a read can make it fail: that is no fault of the journal.
    if (this.#ending.signal.aborted) return;
    this.#end = end;
    this.#ending.abort();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** What two nodes say when they differ; also the payload of the question `diverged`. */
export function divergedAt(replica: Replica, error: unknown): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail: `At position ${replica.position} (outcome digest ${toHex(replica.outcomeDigest.subarray(0, 8))}) this node's books are not the journal's, also after they were built again.`,
    wayOut:
      'It follows no more and answers nothing. Keep its data folder for analysis, test its memory, and start it with an empty folder of its own.',
    cause: error,
  });
}
