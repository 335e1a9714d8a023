// What the rest of the house sees of the history (DESIGN 6.4): every accepted transfer since the
// first, by id, by account, by what its maker wrote into it, by time. It is derived from the
// journal, kept in files of its own and not part of the state: it can be thrown away and built
// again. Records are those of base/transfer-record.ts, as the ledger keeps them (accounts, ledger,
// code and amount resolved, timestamp set). A transfer's number is its place in the order in which
// transfers were accepted, from 0.

import type { HoldState } from '../base/answers.ts';
import type { ListQuery } from '../base/list-query.ts';
import type { Command } from '../domain/commands.ts';
import type { DomainState } from '../domain/domain.ts';
import type { Outcome } from '../domain/outcome.ts';

export type TransferPage = {
  /** `count` records of 128 bytes, in the order asked for. */
  readonly records: Uint8Array;
  readonly count: number;
  /** For each record what became of the hold that it is: index into HOLD_STATES. */
  readonly holds: Uint8Array;
  /**
   * Where to go on; undefined = there is nothing more. A page may be short, even empty, and still
   * have a next one: a filter without an account or user data looks at a bounded number of records
   * at a time.
   */
  readonly next: number | undefined;
  /** The answer holds everything through this position of the journal. */
  readonly position: number;
};

export type FoundTransfer = {
  readonly record: Uint8Array;
  readonly hold: HoldState;
  readonly number: number;
};

export type HistoryStatus = {
  /** False while older parts are missing or being rebuilt; what is there is answered. */
  readonly complete: boolean;
  /** One sentence when it is not complete. */
  readonly reason: string | undefined;
  /** Transfers that it holds, and the last position that it has seen. */
  readonly transfers: number;
  readonly position: number;
  /** Immutable runs on disk, and all bytes on disk. */
  readonly runs: number;
  readonly bytes: number;
  /**
   * A digest of the first `digestRuns` runs, 64 hex digits, chained: two nodes with as many runs of
   * one journal have the same.
   */
  readonly digestRuns: number;
  readonly digest: string;
};

export interface History {
  /**
   * An accepted transfer by its id; undefined = certainly there is none. Rejects with
   * HISTORY_INCOMPLETE when that cannot be said.
   */
  find(id: bigint): Promise<FoundTransfer | undefined>;

  /** Rejects with HISTORY_INCOMPLETE where a part that the answer needs is missing. */
  query(query: ListQuery, signal: AbortSignal): Promise<TransferPage>;

  status(): HistoryStatus;
}

/** Whole records, in memory of their own. */
export type Records = Uint8Array<ArrayBuffer>;

/** How far the history on disk reaches: a checkpoint of this position can rely on it. */
export type Persisted = { readonly position: number; readonly number: number };

/** What the node does with the history that it keeps. */
export interface NodeHistory extends History {
  /**
   * Reads what is on disk and clears away what a crash left: before the journal is replayed, and
   * not before it has been locked. Where the files cannot be read, or not in a minute, it resolves
   * and the history is incomplete until they can be: payments do not wait for a disk of their past.
   */
  open(): Promise<void>;

  /** `onRoom` is called when `hasRoom` has become true again. */
  attach(state: () => DomainState, onRoom: () => void): void;

  /**
   * A command has just been applied and the state still knows what it accepted. What the history
   * has already is passed over. Never throws and never waits.
   */
  feed(command: Command, outcome: Outcome, position: number, state: DomainState): void;

  /**
   * False while nothing should be numbered, because memory for what it would accept has to become
   * free first. That lasts a second at most; then the tail is given up and read again later.
   */
  readonly hasRoom: boolean;
  untilRoom(): Promise<void>;

  /**
   * Takes some of the memory for what will be fed, for less than a millisecond; returns whether
   * more is left.
   */
  takeAhead(): boolean;

  /** Some of what was fed was wrong (a sentence): `settle` discards all. */
  doubt(why: string): void;

  /**
   * The journal has been replayed to its end, which is this position. What is missing now is read
   * again in the background; what knows more than the journal is of another one and is discarded.
   */
  settle(position: number): void;

  /**
   * Makes everything that was fed durable, so that a checkpoint of this position may be published.
   * Where the history is incomplete anyway it resolves without doing anything.
   */
  persist(): Promise<Persisted>;

  /**
   * Up to `limit` records from this number on, in the order of their numbers, as long as there are
   * any. Rejects with HISTORY_INCOMPLETE where one of them is missing.
   */
  recordsFrom(number: number, limit: number, signal: AbortSignal): Promise<Records>;

  /** Ends its threads. Idempotent. */
  close(): Promise<void>;
}
