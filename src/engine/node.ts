// The node: one process's part in the cluster. Holds the stations and the role, and passes from one
// role to the next: starting, recovering, leading, draining, stopped, or halted. The work of each
// role stands in roles/.

import { toHex } from '../base/entry.ts';
import { OperationalError, isOperationalError } from '../base/errors.ts';
import type { Command } from '../domain/commands.ts';
import { createState } from '../domain/domain.ts';
import type { DomainState } from '../domain/domain.ts';
import type { Clock } from '../ports/clock.ts';
import type { Entropy } from '../ports/entropy.ts';
import { AbsentHistory } from '../history/absent-history.ts';
import type { History, NodeHistory } from '../history/contract.ts';
import type { Journal, StoredEntry } from '../ports/journal.ts';
import type { CheckpointTaken } from '../recovery/checkpointer.ts';
import { type CommandListener, Replica } from '../recovery/replica.ts';
import { type Appender, createAppender } from './appender.ts';
import { type CheckpointSettings, Checkpointing } from './checkpointing.ts';
import { ClockGuard } from './clock-guard.ts';
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
import { Intake, type IntakeBounds } from './intake.ts';
import type { EngineObserver } from './observer.ts';
import { MemoryAhead } from './memory-ahead.ts';
import { OffsetNotes } from './offset-notes.ts';
import { submitByAsking } from './promised.ts';
import { type AppliedListener, Publisher } from './publisher.ts';
import { type CandidateOptions, openEpoch } from './roles/candidate.ts';
import { Leading } from './roles/leading.ts';
import { type Restored, restoreFromNewest } from './roles/restoring.ts';
import { Sequencer } from './sequencer.ts';

/** Roles in which the state is the books at a position (DESIGN 8). */
const READABLE_ROLES: ReadonlySet<NodeRole> = new Set(['following', 'leading', 'draining']);

/** How often a node that found no room to open its epoch looks again. */
const ROOM_LOOK_MS = 250;

export type NodeOptions = {
  readonly journal: Journal;
  readonly clusterId: Uint8Array;
  readonly timeline: number;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly observer: EngineObserver;
  /** Fed with every accepted transfer; left out = the node keeps no history. */
  readonly history?: NodeHistory;
  readonly intakeBounds: IntakeBounds;
  readonly groupCommitMs: number;
  readonly release: string;
  /** Take memory before it is needed (memory-ahead.ts). */
  readonly memoryAhead?: boolean;
  /** Without them every start reads the journal from its beginning. */
  readonly checkpoints?: CheckpointSettings;
  /** The node has halted and cannot go on; the process should end. Called once. */
  readonly onHalted: (error: unknown) => void;
};

export class HoldfastNode implements Engine, CheckpointControl {
  readonly #options: NodeOptions;
  readonly cluster = undefined;
  readonly #history: NodeHistory;
  /** The journal, with a note of where the last entries stand. */
  readonly #journal: Journal;
  readonly #offsets = new OffsetNotes();
  readonly #onCommand: CommandListener;
  #replica: Replica;
  readonly #intake: Intake;
  readonly #publisher = new Publisher();
  readonly #ending = new AbortController();
  #leading: Leading | undefined;
  #checkpointing: Checkpointing | undefined;
  #role: NodeRole = 'starting';
  #reason = 'The process has started.';
  #roleSinceMs: number;
  #epoch = 0;
  #tornBytesCut = 0;
  /** While recovering: the last position applied. */
  #replayed = 0;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;
  /** What keeps this node from opening its epoch; later ones are the leader's. */
  #impediment: OperationalError | undefined;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#journal = this.#offsets.noting(options.journal);
    this.#roleSinceMs = Number(options.clock.nowNs() / 1_000_000n);
    this.#history = options.history ?? new AbsentHistory();
    this.#onCommand = (command, outcome, position, state) => {
      this.#history.feed(command, outcome, position, state);
    };
    this.#replica = new Replica(createState(), this.#onCommand);
    this.#history.attach(
      () => this.#replica.state,
      () => this.#leading?.wake(),
    );
    this.#intake = new Intake(options.intakeBounds, () => this.#leading?.wake());
    this.#publisher.subscribe((applied) => options.observer.applied(applied));
  }

  /** Throws NOT_READY where the state is not (any more) the state of the books. */
  get state(): DomainState {
    if (!READABLE_ROLES.has(this.#role)) {
      throw new OperationalError('NOT_READY', {
        detail: `This node is ${this.#role}: ${this.#reason}`,
      });
    }
    return this.#replica.state;
  }

  get history(): History {
    return this.#history;
  }

  submit(command: Command, signal: AbortSignal): Promise<SubmitResult> {
    return submitByAsking(this, command, signal);
  }

  ask(command: Command, waiter: Waiter): Asked {
    return this.#intake.ask(command, waiter);
  }

  /** A lone leader has everything that was acknowledged. */
  async catchUp({ position }: ReadWish): Promise<void> {
    if (this.state !== undefined && position <= this.#replica.position) return;
    throw new OperationalError('CATCH_UP_TIMEOUT', {
      detail: `Position ${position} was asked for; the journal ends at ${this.#replica.position}.`,
    });
  }

  subscribe(listener: AppliedListener): () => void {
    return this.#publisher.subscribe(listener);
  }

  status(): NodeStatus {
    const bounds = this.#journal.bounds();
    return {
      role: this.#role,
      reason: this.#reason,
      roleSinceMs: this.#roleSinceMs,
      clusterId: toHex(this.#options.clusterId),
      timeline: this.#options.timeline,
      epoch: this.#epoch,
      position: this.#role === 'recovering' ? this.#replayed : this.#replica.position,
      journalFirst: bounds.first,
      journalLast: bounds.last,
      queuedCommands: this.#intake.commands,
      queuedBytes: this.#intake.bytes,
      impediment: (this.#leading?.impediment ?? this.#impediment)?.code,
      tornBytesCut: this.#tornBytesCut,
    };
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
    if (this.#checkpointing !== undefined && this.#role === 'leading') return this.#checkpointing;
    const why =
      this.#options.checkpoints === undefined ? 'it has no place for checkpoints' : this.#reason;
    throw new OperationalError('NOT_READY', { detail: `This node is ${this.#role}: ${why}` });
  }

  /**
   * Recovers, opens an epoch and leads; on a full disk it can be read meanwhile and waits for room.
   * Rejects, and the node is halted, when it cannot.
   */
  async start(): Promise<void> {
    this.#starting = this.#recoverAndLead();
    try {
      await this.#starting;
    } catch (error) {
      this.#becomeHalted(error);
      throw error;
    }
  }

  /** Answers what was admitted, within `drainMs`, and closes the journal. Idempotent. */
  stop(drainMs: number): Promise<void> {
    this.#stopping ??= this.#stop(drainMs);
    return this.#stopping;
  }

  async #stop(drainMs: number): Promise<void> {
    if (this.#role !== 'leading') {
      // A start that is under way ends first: nobody closes a journal that is being opened.
      this.#ending.abort();
      await this.#starting?.catch(() => undefined);
    }
    const { clock } = this.#options;
    const untilMs = clock.monotonicMs() + drainMs;
    if (this.#leading !== undefined && this.#role === 'leading') {
      this.#become('draining', 'The node was asked to stop.');
      this.#intake.close(new OperationalError('SHUTTING_DOWN'));
      await Promise.race([this.#leading.drain(), clock.sleep(drainMs, this.#ending.signal)]);
      this.#leading.abandon(new OperationalError('SHUTTING_DOWN'));
      if (!this.#isHalted()) await this.#checkpointing?.finish(untilMs - clock.monotonicMs());
    }
    this.#ending.abort();
    await this.#checkpointing?.close();
    await this.#journal.close();
    await this.#history.close();
    if (this.#role !== 'halted') this.#become('stopped', 'The node was asked to stop.');
  }

  /** A drain can end by a halt; nobody takes a checkpoint of what has halted. */
  #isHalted(): boolean {
    return this.#role === 'halted';
  }

  async #recoverAndLead(): Promise<void> {
    const { clock, clusterId, timeline, checkpoints } = this.#options;
    const journal = this.#journal;
    const signal = this.#ending.signal;
    this.#become('recovering', 'The journal is being read.');
    let opening: Promise<void> | undefined;
    const restored = await restoreFromNewest({
      journal,
      store: checkpoints?.store,
      history: { clusterId, timeline },
      onCommand: this.#onCommand,
      derived: this.#history,
      onOwned: () => (opening ??= this.#history.open()),
      onNote: (text) => checkpoints?.observer.noted(text),
      onProgress: (position) => {
        this.#replayed = position;
        this.#options.observer.replayed(position);
      },
      signal,
    });
    const { rule, recovered } = restored;
    this.#replica = restored.replica;
    this.#tornBytesCut = restored.tornBytes;
    const begun = restored.manifest;
    const behind = restored.replica.position - (begun?.place.position ?? 0);
    checkpoints?.observer.restored(begun?.place.position ?? 0, begun?.createdMs ?? 0, behind);
    this.#history.settle(this.#replica.position);
    const clockGuard = new ClockGuard(clock);
    const opened = await this.#openEpoch({
      journal,
      rule,
      replica: this.#replica,
      clusterId,
      timeline,
      last: recovered.last,
      offset: recovered.offset,
      clockGuard,
      entropy: this.#options.entropy,
      release: this.#options.release,
      signal,
    });
    this.#epoch = opened.entry.epoch;
    const appender = createAppender({
      journal,
      rule,
      openingOffset: opened.offset,
      onLost: (error) => this.#becomeHalted(error),
    });
    const sequencer = new Sequencer({
      intake: this.#intake,
      replica: this.#replica,
      clockGuard,
      opening: opened.entry,
    });
    this.#beginCheckpoints(restored, opened);
    this.#lead(sequencer, appender);
  }

  #beginCheckpoints(restored: Restored, head: StoredEntry): void {
    const { checkpoints, clock, clusterId, timeline, release } = this.#options;
    if (checkpoints === undefined) return;
    const checkpointing = new Checkpointing(
      {
        settings: checkpoints,
        replica: this.#replica,
        journal: this.#journal,
        offsets: this.#offsets,
        history: { clusterId, timeline },
        clock,
        release,
        restored: restored.manifest,
        bytesApplied: restored.recovered.bytesApplied,
      },
      head,
    );
    this.#publisher.subscribe(({ entry }) => checkpointing.applied(entry));
    checkpointing.start();
    this.#checkpointing = checkpointing;
  }

  /** A full disk keeps a node from opening its epoch, not from being read. */
  async #openEpoch(options: CandidateOptions): Promise<StoredEntry> {
    for (;;) {
      try {
        return await openEpoch(options);
      } catch (error) {
        if (!isOperationalError(error, 'JOURNAL_FULL')) throw error;
        this.#waitForRoom(error);
      }
      await this.#options.clock.sleep(ROOM_LOOK_MS, options.signal);
      options.signal.throwIfAborted();
    }
  }

  #waitForRoom(error: OperationalError): void {
    if (this.#impediment !== undefined) return;
    this.#impediment = error;
    this.#intake.close(error);
    this.#become('following', 'There is no room in the journal to open an epoch.');
    this.#options.observer.impeded(error);
  }

  #lead(sequencer: Sequencer, appender: Appender): void {
    this.#leading = new Leading({
      appender,
      intake: this.#intake,
      sequencer,
      replica: this.#replica,
      publisher: this.#publisher,
      observer: this.#options.observer,
      history: this.#history,
      clock: this.#options.clock,
      groupCommitMs: this.#options.groupCommitMs,
      onFatal: (error) => this.#becomeHalted(error),
    });
    this.#leading.start();
    if (this.#impediment !== undefined) this.#options.observer.impeded(undefined);
    this.#impediment = undefined;
    this.#become('leading', `It opened epoch ${this.#epoch}.`);
    this.#intake.open();
    if (this.#options.memoryAhead === true) this.#takeMemoryAhead();
  }

  #takeMemoryAhead(): void {
    const memory = new MemoryAhead(this.#replica.state);
    this.#publisher.subscribe(() => memory.look());
    this.#ending.signal.addEventListener('abort', () => memory.stop(), { once: true });
    memory.look();
  }

  #becomeHalted(error: unknown): void {
    // Whoever was told to stop while starting is about to be stopped, and nothing is wrong.
    if (this.#role === 'halted' || this.#ending.signal.aborted) return;
    const reason = error instanceof Error ? error.message : String(error);
    const refusal = new OperationalError('NOT_READY', {
      detail: `This node has halted: ${reason}`,
      cause: error,
    });
    this.#intake.close(refusal);
    void this.#checkpointing?.close();
    // Before anybody hears of it: who hears may look at the books at once.
    this.#become('halted', reason);
    this.#leading?.abandon(refusal);
    this.#options.onHalted(error);
  }

  #become(role: NodeRole, reason: string): void {
    const from = this.#role;
    this.#role = role;
    this.#reason = reason;
    this.#roleSinceMs = Number(this.#options.clock.nowNs() / 1_000_000n);
    const change = { from, to: role, reason, epoch: this.#epoch, position: this.#replica.position };
    this.#options.observer.roleChanged(change);
  }
}
