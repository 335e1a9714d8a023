// What must be read from the journal again: runs that are missing or damaged, and the beginning of
// the chunk that is being filled. How it is read is not known here (a replay needs replicas and
// drivers): main.ts hands in who does it.

import type { RunEntry } from './run-format.ts';

export type RepairJob = {
  readonly folder: string;
  /** Transfers of a run. */
  readonly size: number;
  /** Runs to write. */
  readonly wanted: readonly number[] | 'all';
  /** The beginning of a run to put into its chunk; undefined = nothing but runs is wanted. */
  readonly fill: RepairFill | undefined;
  /** Only commands of an earlier time count: later ones were taken in as they were applied. */
  readonly beforeNs: bigint;
};

export type RepairFill = {
  readonly run: number;
  readonly buffer: SharedArrayBuffer;
  /** The first number that is there already. */
  readonly until: number;
};

export type RepairResult =
  | {
      readonly kind: 'done';
      readonly entries: readonly RunEntry[];
      /** Ids of holds that expired in the part that was put in. */
      readonly expired: Uint32Array;
    }
  | {
      readonly kind: 'failed';
      readonly why: string;
      /** The journal does not reach back to its beginning: trying again is of no use. */
      readonly forGood: boolean;
    };

export type Repair = {
  readonly result: Promise<RepairResult>;
  stop(): Promise<void>;
};

export type StartRepair = (job: RepairJob) => Repair;
