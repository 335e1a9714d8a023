// Port: the journal. One totally ordered, append-only log of entries that the engine behind it
// makes durable. Drivers move opaque, sealed entries; they never look into a body.
//
// What keeps money safe does not depend on a driver's fencing: every reader applies the reader rule
// (recovery/reader-rule.ts), which voids late records and stops on a fork. A driver promises less:
//
//   order        entries become readable in the order in which they were appended; a reader never
//                sees entry n + 1 of a log before entry n
//   durability   an append resolves only when `guarantees.durability` holds for the entry and for
//                all entries before it
//   honesty      an append that may or may not have happened rejects with JOURNAL_UNKNOWN_OUTCOME,
//                one that certainly did not with JOURNAL_FULL, JOURNAL_CLOSED or (native fencing)
//                JOURNAL_FENCED; a driver never retries by itself
//   presence     an engine that cannot be reached rejects `open` and `read` with
//                JOURNAL_UNAVAILABLE within a bounded time, and the caller tries again; an append
//                that had been sent then has an unknown outcome
//   bytes        what is read is what was appended, byte for byte

import type { Entry } from '../base/entry.ts';

/** Where an entry stands in the engine: opaque text, comparable only for equality. */
export type EngineOffset = string;

export type JournalGuarantees = {
  /**
   * `native`: the append itself compares position, epoch and previous digest, so that an
   * acknowledged append is in its place. `reader`: a deposed writer's records can reach the log and
   * are voided by readers, so that a writer must read back before it believes.
   */
  readonly fencing: 'native' | 'reader';
  readonly durability: 'none' | 'local-fsync' | 'replicated' | 'fsync-quorum';
  /**
   * While this process has it open for writing nobody else can append, however long the process
   * was paused: reads at the leader need nobody's confirmation. False = they need a barrier.
   */
  readonly exclusive: boolean;
};

/** First and last position that can be read; both 0 when the journal is empty. */
export type JournalBounds = { readonly first: number; readonly last: number };

export type StoredEntry = { readonly entry: Entry; readonly offset: EngineOffset };

/** What opening found and mended, for the log and for metrics. */
export type JournalOpening = {
  readonly bounds: JournalBounds;
  /** Bytes of a torn, never acknowledged tail that were cut. */
  readonly tornBytes: number;
  /** Human sentences: what was cut, rewritten, removed. */
  readonly notes: readonly string[];
};

/** Places that each hold the whole journal (directories, replicas of an engine), for people. */
export type JournalHealth = {
  readonly places: readonly {
    readonly name: string;
    /** `joining`: being filled. `dropped`: failed or left out; it is not written any more. */
    readonly state: 'active' | 'joining' | 'dropped';
    /** Why it was dropped and since when; otherwise empty. */
    readonly detail: string;
  }[];
};

export type ReadOptions = {
  /**
   * The entry to start with, inclusive, so that the reader can check its digest; null = the first
   * entry of the journal. An offset that does not exist (any more) rejects with JOURNAL_DIVERGED.
   */
  readonly from: EngineOffset | null;
  /** true = wait at the end for more; false = end there. */
  readonly follow: boolean;
  readonly signal: AbortSignal;
};

export type JournalOpenOptions = {
  readonly mode: 'write' | 'read';
  /**
   * The entry of a checkpoint's head: what stands before it need not be looked at, so that opening
   * takes no longer as the history grows. Nothing = everything is verified. An offset that is not
   * there rejects with JOURNAL_DIVERGED.
   */
  readonly from?: EngineOffset;
  /**
   * The caller has just read the journal through `from`: what stands before it need not be looked
   * at again even where a driver otherwise would (the rest of the same file).
   */
  readonly isReadThrough?: boolean;
  /**
   * With `write`: whoever has the write authority is silent, and the caller is to succeed him. A
   * driver that can puts him out of action first (ends a frozen process on this machine; his number
   * and start time checked) instead of waiting for him; one that cannot says so in its refusal. It
   * is asked at the last moment, since he may have been heard again: then JOURNAL_LOCKED.
   */
  readonly depose?: () => boolean;
  readonly signal: AbortSignal;
};

export interface Journal {
  readonly guarantees: JournalGuarantees;

  /**
   * Recovers the tail and finds the bounds. As writer it takes the engine's write authority first
   * (JOURNAL_LOCKED when another process has it), makes the possibly unsynced tail durable before
   * it returns, and cuts what is torn; a reader changes nothing. JOURNAL_CORRUPT names file,
   * position and way out. JOURNAL_UNSAFE names each setting of the engine under which what is
   * acknowledged could be lost. After JOURNAL_UNAVAILABLE it may be called again.
   */
  open(options: JournalOpenOptions): Promise<JournalOpening>;

  /**
   * Appends one sealed entry; resolves with its offset when it is durable. Calls may overlap: they
   * are carried out in call order, and a driver makes many durable at once. After one append has
   * rejected, all that were called after it reject too, until the caller appends again at the
   * position after the last success (JOURNAL_FULL) or opens anew (everything else).
   *
   * A driver looks at `entry.bytes` until the append has settled, and never after: their memory is
   * given back then. What it keeps (a cache, a copy in memory) it copies; the header and the digest
   * may be kept as they are.
   */
  append(entry: Entry): Promise<EngineOffset>;

  /**
   * Batches of entries in log order, digests checked. It may yield entries that are not durable
   * yet and, with fencing `reader`, entries that the reader rule must void. Ends without error when
   * `signal` aborts.
   */
  read(options: ReadOptions): AsyncIterable<readonly StoredEntry[]>;

  /** As far as they are known: a status asks before the journal is open and while it is closed. */
  bounds(): JournalBounds;

  /**
   * Entries up to and including `position` are not needed any more to recover; a driver moves whole
   * units (segments) to where `readDiscarded` finds them, or leaves that to the archive where the
   * engine frees them. Never takes the last entry. Idempotent.
   */
  discardThrough(position: number): Promise<void>;

  /**
   * What was discarded and is still kept, in log order, digests checked, up to where `read` begins;
   * nothing where the engine keeps none. Whether it is complete is for the caller to see (it begins
   * at position 1 and has no gap).
   */
  readDiscarded(signal: AbortSignal): AsyncIterable<readonly StoredEntry[]>;

  /**
   * There may be more to read than the last look of `read` found: who follows another process's
   * appends need not wait for its next look. Absent where nobody polls.
   */
  look?(): void;

  /** What the driver knows of its places; absent where there is nothing to tell. Never throws. */
  health?(): JournalHealth;

  /** Ends appends in flight (they settle), releases locks and files. Idempotent. */
  close(): Promise<void>;
}
