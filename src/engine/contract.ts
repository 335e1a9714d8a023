// What the doors (api, later the binary protocol) see of the engine: submit a command, read the
// state that has been applied, ask how the node is. They know nothing of stations or journals.

import type { OperationalCode, OperationalError } from '../base/errors.ts';
import type { ClusterControl, NodeRole } from '../cluster/contract.ts';
import type { Command } from '../domain/commands.ts';
import type { DomainState } from '../domain/domain.ts';
import type { CheckpointTaken } from '../recovery/checkpointer.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { History } from '../history/contract.ts';
import type { Views } from '../views/contract.ts';

export type { NodeRole } from '../cluster/contract.ts';

export type SubmitResult = {
  readonly outcome: Outcome;
  /** Position of the entry that carries the command. */
  readonly position: number;
};

/** What is known of the engine that the journal stands on; a journal in files is always there. */
export type JournalFigures = {
  /** Why it cannot be read or appended to now; undefined = it can. */
  readonly error: OperationalError | undefined;
  /** Since when it is away; 0 = it is there. */
  readonly awaySeconds: number;
  /** Since the process started, with the present outage. */
  readonly awaySecondsTotal: number;
  readonly outages: number;
};

export type NodeStatus = {
  readonly role: NodeRole;
  /** Why the node has this role since when: one sentence. */
  readonly reason: string;
  /** Unix milliseconds. */
  readonly roleSinceMs: number;
  /** 32 hex digits. */
  readonly clusterId: string;
  readonly timeline: number;
  readonly epoch: number;
  /** Last applied position; all of it is durable. */
  readonly position: number;
  readonly journalFirst: number;
  readonly journalLast: number;
  readonly queuedCommands: number;
  readonly queuedBytes: number;
  /** Set while new payments cannot be taken, or wait: JOURNAL_FULL and the like. */
  readonly impediment: OperationalCode | undefined;
  readonly journal: JournalFigures;
  /** Torn bytes cut when this process opened the journal. */
  readonly tornBytesCut: number;
};

/**
 * Who waits for a command. It hears one of the two, once: as soon as there is something to hear,
 * from inside the station that settles it, so it must not throw and should be quick.
 */
export interface Waiter {
  accepted(result: SubmitResult): void;
  failed(error: OperationalError): void;
}

/** What a caller holds of a command that he waits for. */
export interface Asked {
  /**
   * Waits no longer: the waiter hears OUTCOME_UNKNOWN, or OVERLOADED where the command had not been
   * numbered and so will not happen. Nothing where it has heard already.
   */
  abandon(): void;
}

type StoredCheckpoint = {
  readonly position: number;
  readonly epoch: number;
  /** Unix milliseconds. */
  readonly createdMs: number;
  readonly release: string;
  /** Manifest and chunks; chunks may be shared with others. */
  readonly bytes: number;
  readonly chunks: number;
  readonly transfersAccepted: number;
};

export type StoredCheckpoints = {
  /** Newest first. */
  readonly checkpoints: readonly StoredCheckpoint[];
  /** What is wrong with others. */
  readonly notes: readonly string[];
};

/** Checkpoints by hand. Both reject with NOT_READY on a node that does not lead. */
export interface CheckpointControl {
  /** Also rejects with CHECKPOINT_FAILED; payments are not concerned. */
  takeCheckpoint(): Promise<CheckpointTaken>;
  storedCheckpoints(): Promise<StoredCheckpoints>;
}

/** How fresh what is read must be. */
export type ReadWish = {
  /** Everything that was acknowledged anywhere before the question. */
  readonly isStrong: boolean;
  /** At least this position (0 = whatever there is): what the reader has been told of already. */
  readonly position: number;
};

export interface Engine {
  /**
   * The applied state: read-only for everybody but the applier. Throws NOT_READY while the node
   * recovers and after it has halted: half a history is nobody's books.
   */
  readonly state: DomainState;

  /** Every accepted transfer since the first. */
  readonly history: History;

  /** Reports and tables for people; undefined on a node that keeps none. */
  readonly views?: Views | undefined;

  /**
   * Admits a command and resolves when its entry is durable and has been applied here. Rejects with
   * an OperationalError: OVERLOADED, NOT_READY, SHUTTING_DOWN, JOURNAL_FULL (all: not executed) or
   * OUTCOME_UNKNOWN (admitted; ask again with the same ids). When `signal` aborts first, the
   * command may still happen: OUTCOME_UNKNOWN.
   */
  submit(command: Command, signal: AbortSignal): Promise<SubmitResult>;

  /**
   * The same for those who ask very often: no promise and no signal are made. `waiter` may hear
   * before this returns.
   */
  ask(command: Command, waiter: Waiter): Asked;

  /**
   * Resolves when the state here holds what `wish` says. Rejects with NOT_READY where this node has
   * no books or cannot ask the leader, and with CATCH_UP_TIMEOUT when `signal` aborts first.
   */
  catchUp(wish: ReadWish, signal: AbortSignal): Promise<void>;

  /** Undefined on a node that runs alone. */
  readonly cluster: ClusterControl | undefined;

  status(): NodeStatus;
}
