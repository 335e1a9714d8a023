// What the engine tells those who measure and log it. Telemetry implements it; tests count with it.

import type { OperationalError } from '../base/errors.ts';
import type { NodeRole } from './contract.ts';
import type { AppliedEntry } from './publisher.ts';

export type RoleChange = {
  readonly from: NodeRole;
  readonly to: NodeRole;
  readonly reason: string;
  readonly epoch: number;
  readonly position: number;
};

/** What a change of the leader has taken at the one that leads now. */
export type TakeOverSteps = {
  readonly epoch: number;
  /** Until the journal was open for writing: the lock, and what the last writer left. */
  readonly lockMs: number;
  /** For what was in the journal and not applied here yet. */
  readonly restMs: number;
  /** Until the opening of the epoch was durable and read back. */
  readonly openingMs: number;
};

export interface EngineObserver {
  roleChanged(change: RoleChange): void;
  tookOver(steps: TakeOverSteps): void;
  /** An entry became durable `durationMs` after it was handed to the journal. */
  appended(entryBytes: number, commandCount: number, durationMs: number): void;
  applied(applied: AppliedEntry): void;
  /** New commands cannot be taken; undefined = they can again. */
  impeded(error: OperationalError | undefined): void;
  /**
   * The engine of the journal is away, or is set up so that it may not be used; undefined = it is
   * back after so many seconds. Once for an outage, and again when it shows another side.
   */
  journalAway(error: OperationalError | undefined, awaySeconds: number): void;
  /** While recovering: entries applied so far. */
  replayed(position: number): void;
}
