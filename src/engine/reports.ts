// What this node says of itself to the others, through the leadership: at once when its role
// changes, soon after its position has (a leader's followers wait for it, others only look at it).

import type { Leadership, PeerState } from '../cluster/contract.ts';
import type { ConfigurationDigest } from './configuration-digest.ts';
import type { Stations } from './stations.ts';

/** A follower's progress is for people and for comparing; heartbeats carry it too. */
const FOLLOWER_PAUSE_MS = 20;

export type OwnState = Omit<PeerState, 'clockNs' | 'pause' | 'release'>;

export type ReportsOptions = {
  readonly stations: Stations;
  readonly leadership: Pick<Leadership, 'report'>;
  readonly configuration: ConfigurationDigest;
  /** The highest position that is known to be durable. */
  readonly durable: () => number;
  readonly neededFrom: () => number;
};

export class Reports {
  readonly #options: ReportsOptions;
  #isScheduled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReportsOptions) {
    this.#options = options;
  }

  /** The role has changed, or what keeps the node from taking payments. */
  now(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { stations, leadership, configuration, durable, neededFrom } = this.#options;
    const { role, reason, replica, epoch, checkpointing } = stations;
    leadership.report({
      role,
      reason,
      epoch,
      position: replica.position,
      durable: durable(),
      neededFrom: neededFrom(),
      checkpoint: checkpointing?.newest ?? 0,
      configuration: configuration.look(replica.state, replica.position),
      impediment: stations.status().impediment ?? '',
    });
  }

  /** The position has changed: once for all entries of this turn of the loop. */
  soon(): void {
    if (this.#isScheduled || this.#timer !== undefined) return;
    if (this.#options.stations.role === 'leading') {
      this.#isScheduled = true;
      setImmediate(() => {
        this.#isScheduled = false;
        this.now();
      });
    } else {
      this.#timer = setTimeout(() => this.now(), FOLLOWER_PAUSE_MS);
    }
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isScheduled = true;
  }
}
