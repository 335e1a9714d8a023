// What a node is made of: its journal, clock and chance, and, where it is one of several, what it
// knows of the others.

import type { Leadership, PeerNetwork } from '../cluster/contract.ts';
import type { NodeHistory } from '../history/contract.ts';
import type { NodeViews } from '../views/contract.ts';
import type { Clock } from '../ports/clock.ts';
import type { Entropy } from '../ports/entropy.ts';
import type { Journal } from '../ports/journal.ts';
import type { CheckpointSettings } from './checkpointing.ts';
import type { IntakeBounds } from './intake.ts';
import type { EngineObserver } from './observer.ts';
import type { TermLines } from './terms.ts';

export type ClusterOptions = {
  /** This node's name, as the others know it. */
  readonly id: string;
  readonly leadership: Leadership;
  readonly peers: PeerNetwork;
  /** Where the terms that this node has seen are written down; left out = in memory only. */
  readonly terms?: TermLines;
};

export type NodeOptions = {
  readonly journal: Journal;
  readonly clusterId: Uint8Array;
  readonly timeline: number;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly observer: EngineObserver;
  /** Fed with every accepted transfer; left out = the node keeps no history. */
  readonly history?: NodeHistory;
  /** Fed beside the payments; left out = the node makes no reports. */
  readonly views?: NodeViews;
  readonly intakeBounds: IntakeBounds;
  readonly groupCommitMs: number;
  readonly release: string;
  /** The cluster's journal has had entries: an empty one has lost payments, and is refused. */
  readonly hasBegun?: boolean;
  /** Take memory before it is needed (memory-ahead.ts). */
  readonly memoryAhead?: boolean;
  /** Without them every start reads the journal from its beginning. */
  readonly checkpoints?: CheckpointSettings;
  /** Left out = the node runs alone: it leads, or waits for the journal. */
  readonly cluster?: ClusterOptions;
  /** The node has halted and cannot go on; the process should end. Called once. */
  readonly onHalted: (error: unknown) => void;
};
