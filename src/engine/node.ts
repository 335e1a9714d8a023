// The node: one process's part in the cluster, as its doors see it. Holds the stations and one of
// two lives: alone, or a member of a cluster. The work of each role stands in roles/.

import { OperationalError } from '../base/errors.ts';
import type { ClusterControl } from '../cluster/contract.ts';
import type { Command } from '../domain/commands.ts';
import type { DomainState } from '../domain/domain.ts';
import type { History } from '../history/contract.ts';
import type { Views } from '../views/contract.ts';
import type { CheckpointTaken } from '../recovery/checkpointer.ts';
import type { Checkpointing } from './checkpointing.ts';
import type {
  Asked,
  CheckpointControl,
  Engine,
  NodeRole,
  NodeStatus,
  ReadWish,
  StoredCheckpoints,
  SubmitResult,
  Waiter,
} from './contract.ts';
import type { NodeLife } from './node-life.ts';
import type { NodeOptions } from './node-options.ts';
import { submitByAsking } from './promised.ts';
import type { AppliedListener } from './publisher.ts';
import { Alone } from './roles/alone.ts';
import { Member } from './roles/member.ts';
import { Stations } from './stations.ts';

/** Roles in which the state is the books at a position (DESIGN 8). */
const READABLE_ROLES: ReadonlySet<NodeRole> = new Set(['following', 'leading', 'draining']);

export class HoldfastNode implements Engine, CheckpointControl {
  readonly #stations: Stations;
  readonly #life: NodeLife;
  #stopping: Promise<void> | undefined;

  constructor(options: NodeOptions) {
    this.#stations = new Stations(options, () => this.#life.wake());
    const { cluster } = options;
    this.#life =
      cluster === undefined ? new Alone(this.#stations) : new Member(this.#stations, cluster);
  }

  /** Throws NOT_READY where the state is not (any more) the state of the books. */
  get state(): DomainState {
    const { role, reason, replica } = this.#stations;
    if (READABLE_ROLES.has(role)) return replica.state;
    throw new OperationalError('NOT_READY', { detail: `This node is ${role}: ${reason}` });
  }

  get history(): History {
    return this.#stations.history;
  }

  get views(): Views | undefined {
    return this.#stations.options.views;
  }

  get cluster(): ClusterControl | undefined {
    return this.#life.cluster;
  }

  submit(command: Command, signal: AbortSignal): Promise<SubmitResult> {
    return submitByAsking(this, command, signal);
  }

  ask(command: Command, waiter: Waiter): Asked {
    return this.#stations.intake.ask(command, waiter);
  }

  async catchUp(wish: ReadWish, signal: AbortSignal): Promise<void> {
    if (this.state !== undefined) await this.#life.catchUp(wish, signal);
  }

  subscribe(listener: AppliedListener): () => void {
    return this.#stations.publisher.subscribe(listener);
  }

  status(): NodeStatus {
    return this.#stations.status();
  }

  /** Rejects with NOT_READY or CHECKPOINT_FAILED; payments are not concerned. */
  async takeCheckpoint(): Promise<CheckpointTaken> {
    return await this.#checkpointsOf().take();
  }

  /** The checkpoints that are there; rejects with NOT_READY. */
  async storedCheckpoints(): Promise<StoredCheckpoints> {
    return await this.#checkpointsOf().stored();
  }

  #checkpointsOf(): Checkpointing {
    const { checkpointing, role, reason, options } = this.#stations;
    const isServing = role === 'leading' || role === 'following';
    if (checkpointing !== undefined && isServing) return checkpointing;
    const why = options.checkpoints === undefined ? 'it has no place for checkpoints' : reason;
    throw new OperationalError('NOT_READY', { detail: `This node is ${role}: ${why}` });
  }

  /**
   * Recovers, and leads or follows with the books of its leader. On a full disk it can be read
   * meanwhile and waits for room. Rejects, and the node is halted, when it cannot.
   */
  async start(): Promise<void> {
    try {
      await this.#life.start();
    } catch (error) {
      this.#stations.halt(error);
      throw error;
    }
  }

  /** Answers what was admitted, within `drainMs`, and closes the journal. Idempotent. */
  stop(drainMs: number): Promise<void> {
    this.#stopping ??= this.#life.drain(drainMs).then(() => this.#life.close());
    return this.#stopping;
  }
}
