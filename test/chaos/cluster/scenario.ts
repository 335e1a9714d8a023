// What a scenario is: a cluster with certain settings, and a fault that is done to it again and
// again while payments flow. The runner (run-scenario.ts) makes the cluster whole between two
// rounds, and the judge looks at everything afterwards.

import type { Prng } from '../../../src/base/prng.ts';
import type { ClusterRecorder } from './cluster-recorder.ts';
import type { DiskFaults } from './disk-faults.ts';
import type { EngineSide } from './engine-side.ts';
import type { SpawnedCluster } from './spawned-cluster.ts';
import type { Coordination } from './coordination.ts';

export type Round = {
  readonly cluster: SpawnedCluster;
  readonly recorder: ClusterRecorder;
  readonly random: Prng;
  /** From 1 on. */
  readonly number: number;
  /** Of scenarios with `hasDiskFaults`. */
  readonly disk: DiskFaults | undefined;
  /** Of scenarios on ZooKeeper. */
  readonly coordination: Coordination | undefined;
  /** Where the journal stands on one. */
  readonly engine: EngineSide | undefined;
  /** How long what lasts shall last: shorter in the short run. */
  readonly lastsMs: number;
  /** Resolves when requests are under way: the fault begins now, callers feel it from here on. */
  readonly strike: () => Promise<void>;
};

export type Scenario = {
  readonly rounds: number;
  readonly isOnZooKeeper?: boolean;
  readonly hasDiskFaults?: boolean;
  /** The data folder is on a disk of so many MiB. */
  readonly diskMib?: number;
  /** Nodes may end by themselves with this exit status. */
  readonly mayEnd?: number;
  /** What fails is away for longer than callers wait. */
  readonly mayBeLate?: boolean;
  /** How long what lasts shall last. */
  readonly lastsMs?: number;
  /** One round: fault and what must follow. False = it did not hit. Throws = it is wrong. */
  readonly act: (round: Round) => Promise<boolean>;
};
