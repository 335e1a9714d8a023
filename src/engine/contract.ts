// What the doors (api, later the binary protocol) see of the engine: submit a command, read the
// state that has been applied, ask how the node is. They know nothing of stations or journals.

import type { OperationalCode } from '../base/errors.ts';
import type { Command } from '../domain/commands.ts';
import type { DomainState } from '../domain/domain.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { History } from '../history/contract.ts';

export type NodeRole =
  | 'starting'
  | 'recovering'
  | 'following'
  | 'leading'
  | 'draining'
  | 'halted'
  | 'stopped';

export type SubmitResult = {
  readonly outcome: Outcome;
  /** Position of the entry that carries the command. */
  readonly position: number;
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
  /** Set while new payments cannot be taken: JOURNAL_FULL and the like. */
  readonly impediment: OperationalCode | undefined;
  /** Torn bytes cut when this process opened the journal. */
  readonly tornBytesCut: number;
};

export interface Engine {
  /**
   * The applied state: read-only for everybody but the applier. Throws NOT_READY while the node
   * recovers and after it has halted: half a history is nobody's books.
   */
  readonly state: DomainState;

  /**
   * Admits a command and resolves when its entry is durable and has been applied here. Rejects with
   * an OperationalError: OVERLOADED, NOT_READY, SHUTTING_DOWN, JOURNAL_FULL (all: not executed) or
   * OUTCOME_UNKNOWN (admitted; ask again with the same ids). When `signal` aborts first, the
   * command may still happen: OUTCOME_UNKNOWN.
   */
  submit(command: Command, signal: AbortSignal): Promise<SubmitResult>;

  /** Every accepted transfer since the first, whether or not its id is remembered. */
  readonly history: History;

  status(): NodeStatus;
}
