// What a coordinator driver brings to the conformance suite: fresh clusters, nothing else.

import type {
  CoordinatorDriverName,
  CoordinatorDriverOptions,
} from '../../../src/drivers/index.ts';
import type { Coordinator } from '../../../src/ports/coordinator.ts';

type Sendable<Options> = Omit<Options, 'log'>;

/** A driver and its settings, as they can be handed to another process. */
export type DriverChoice = {
  [Name in CoordinatorDriverName]: {
    readonly driver: Name;
    readonly options: Sendable<CoordinatorDriverOptions[Name]>;
  };
}[CoordinatorDriverName];

/** One cluster of its own; its members meet nobody else. */
export type ClusterUnderTest = AsyncDisposable & {
  readonly choice: DriverChoice;
  /** A coordinator in this process, not opened yet. */
  create(): Coordinator;
};

export type CoordinatorHarness = {
  make(): Promise<ClusterUnderTest>;
  /** One whose coordinator is not there before `comeBack`. */
  makeAway(): Promise<{ readonly cluster: ClusterUnderTest; comeBack(): Promise<void> }>;
};
