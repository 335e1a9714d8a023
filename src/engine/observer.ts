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

export interface EngineObserver {
  roleChanged(change: RoleChange): void;
  /** An entry became durable `durationMs` after it was handed to the journal. */
  appended(entryBytes: number, commandCount: number, durationMs: number): void;
  applied(applied: AppliedEntry): void;
  /** New commands cannot be taken; undefined = they can again. */
  impeded(error: OperationalError | undefined): void;
  /** While recovering: entries applied so far. */
  replayed(position: number): void;
}
