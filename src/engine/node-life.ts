// A node's life, from its start to its end: alone (roles/alone.ts) or as one of several
// (roles/member.ts). The node itself only holds the doors' side of it.

import type { ClusterControl } from '../cluster/contract.ts';
import type { ReadWish } from './contract.ts';

export interface NodeLife {
  /** Undefined where the node runs alone. */
  readonly cluster: ClusterControl | undefined;
  /** Rejects when the node cannot serve; it has halted then. */
  start(): Promise<void>;
  /** A command waits, or there is room for more. */
  wake(): void;
  catchUp(wish: ReadWish, signal: AbortSignal): Promise<void>;
  /** Takes nothing new, and answers what was admitted within `drainMs`. */
  drain(drainMs: number): Promise<void>;
  /** After that: nothing is written any more. */
  close(): Promise<void>;
}
