// The stations of one node and its role: what all roles share, and hand to each other. The work of
// each role stands in roles/; which follows which is said by roles/alone.ts and roles/member.ts.

import { toHex } from '../base/entry.ts';
import { OperationalError } from '../base/errors.ts';
import { createState } from '../domain/domain.ts';
import { AbsentHistory } from '../history/absent-history.ts';
import type { NodeHistory } from '../history/contract.ts';
import type { Journal, StoredEntry } from '../ports/journal.ts';
import type { ReaderRule } from '../recovery/reader-rule.ts';
import { type CommandListener, Replica } from '../recovery/replica.ts';
import { createAppender } from './appender.ts';
import { type CheckpointingOptions, Checkpointing } from './checkpointing.ts';
import type { ClockGuard } from './clock-guard.ts';
import type { NodeRole, NodeStatus } from './contract.ts';
import { Intake } from './intake.ts';
import { markOf } from './view-marks.ts';
import { MemoryAhead } from './memory-ahead.ts';
import { JournalPresence } from './journal-presence.ts';
import type { NodeOptions } from './node-options.ts';
import { OffsetNotes } from './offset-notes.ts';
import { Publisher } from './publisher.ts';
import { Leading } from './roles/leading.ts';
import { type RestoreOptions, type Restored, restoreFromNewest } from './roles/restoring.ts';
import { Sequencer } from './sequencer.ts';

type LeadOptions = {
  readonly rule: ReaderRule;
  readonly opened: StoredEntry;
  readonly clockGuard: ClockGuard;
  readonly reason: string;
  /** The right to append is gone, the storage has failed, or there is a bug. */
  readonly onFatal: (error: unknown) => void;
};

export class Stations {
  readonly options: NodeOptions;
  readonly history: NodeHistory;
  /** The journal, with a note of where the last entries stand. */
  readonly journal: Journal;
  readonly offsets = new OffsetNotes();
  readonly intake: Intake;
  readonly publisher = new Publisher();
  /** Aborted when the node ends. */
  readonly ending = new AbortController();
  replica: Replica;
  leading: Leading | undefined;
  checkpointing: Checkpointing | undefined;
  epoch = 0;
  readonly presence: JournalPresence;
  /** What keeps this node from opening its epoch; later ones are the leader's. */
  impediment: OperationalError | undefined;
  /** After each change of role. */
  onRole: () => void = () => undefined;
  /** The journal went away, or is back. */
  onPresence: () => void = () => undefined;
  readonly #onCommand: CommandListener;
  #memory: MemoryAhead | undefined;
  #historyOpening: Promise<void> | undefined;
  #role: NodeRole = 'starting';
  #reason = 'The process has started.';
  #roleSinceMs: number;
  #tornBytesCut = 0;
  /** While recovering: the last position applied. */
  #replayed = 0;

  /** `onWork`: a command waits in the queue, or there is room for more. */
  constructor(options: NodeOptions, onWork: () => void) {
    this.options = options;
    this.journal = this.offsets.noting(options.journal);
    this.#roleSinceMs = Number(options.clock.nowNs() / 1_000_000n);
    this.history = options.history ?? new AbsentHistory();
    this.#onCommand = (command, outcome, position, state) => {
      this.history.feed(command, outcome, position, state);
    };
    this.replica = new Replica(createState(), this.#onCommand);
    this.history.attach(() => this.replica.state, onWork);
    this.intake = new Intake(options.intakeBounds, onWork);
    this.presence = new JournalPresence({
      clock: options.clock,
      onChange: (error, awaySeconds) => {
        this.intake.holdUp(error);
        options.observer.journalAway(error, awaySeconds);
        this.onPresence();
      },
    });
    this.publisher.subscribe((applied) => options.observer.applied(applied));
    this.publisher.subscribe(({ entry }) => this.checkpointing?.applied(entry));
    this.publisher.subscribe(() => this.#memory?.look());
    this.#attachViews();
  }

  #attachViews(): void {
    const { views } = this.options;
    if (views === undefined) return;
    const { history } = this;
    views.attach({
      state: () => this.replica.state,
      recordsFrom: (number, limit, signal) => history.recordsFrom(number, limit, signal),
    });
    this.publisher.subscribe(() => views.applied(markOf(this.replica)));
  }

  get role(): NodeRole {
    return this.#role;
  }

  get reason(): string {
    return this.#reason;
  }

  status(): NodeStatus {
    const bounds = this.journal.bounds();
    return {
      role: this.#role,
      reason: this.#reason,
      roleSinceMs: this.#roleSinceMs,
      clusterId: toHex(this.options.clusterId),
      timeline: this.options.timeline,
      epoch: this.epoch,
      position: this.#role === 'recovering' ? this.#replayed : this.replica.position,
      journalFirst: bounds.first,
      journalLast: bounds.last,
      queuedCommands: this.intake.commands,
      queuedBytes: this.intake.bytes,
      impediment: (this.leading?.impediment ?? this.impediment ?? this.presence.error)?.code,
      journal: this.presence.figures,
      tornBytesCut: this.#tornBytesCut,
    };
  }

  /** From the newest checkpoint and the journal behind it; the journal is open then. */
  async restore(
    how: Pick<RestoreOptions, 'mode' | 'skip' | 'applied' | 'fetchCheckpoint' | 'openJournal'>,
  ): Promise<Restored> {
    const { clusterId, timeline, checkpoints, observer } = this.options;
    const restored = await restoreFromNewest({
      ...how,
      journal: this.journal,
      store: checkpoints?.store,
      history: { clusterId, timeline },
      onCommand: this.#onCommand,
      derived: this.history,
      onOwned: () => (this.#historyOpening ??= this.history.open()),
      onNote: (text) => checkpoints?.observer.noted(text),
      onProgress: (position) => {
        this.#replayed = position;
        observer.replayed(position);
      },
      signal: this.ending.signal,
    });
    if (restored.rule.head === undefined && this.options.hasBegun === true) throw journalEmpty();
    this.replica = restored.replica;
    this.#tornBytesCut = restored.tornBytes;
    const begun = restored.manifest;
    const behind = restored.replica.position - (begun?.place.position ?? 0);
    checkpoints?.observer.restored(begun?.place.position ?? 0, begun?.createdMs ?? 0, behind);
    this.history.settle(this.replica.position);
    this.options.views?.settle(markOf(this.replica));
    return restored;
  }

  beginCheckpoints(
    head: StoredEntry,
    restored: Pick<CheckpointingOptions, 'restored' | 'bytesApplied'>,
    shared: Pick<CheckpointingOptions, 'slowness' | 'discard' | 'onKept'> = {},
  ): void {
    const { checkpoints, clock, clusterId, timeline, release } = this.options;
    if (checkpoints === undefined) return;
    const { replica, journal, offsets } = this;
    const history = { clusterId, timeline };
    this.checkpointing = new Checkpointing(
      {
        settings: checkpoints,
        replica,
        journal,
        offsets,
        history,
        clock,
        release,
        ...restored,
        ...shared,
      },
      head,
    );
    this.checkpointing.start();
  }

  /** From an opening that was read back in its place to the pump. */
  lead({ rule, opened, clockGuard, reason, onFatal }: LeadOptions): Leading {
    const { journal, intake, replica, publisher, history } = this;
    const { observer, clock, groupCommitMs } = this.options;
    this.epoch = opened.entry.epoch;
    const appender = createAppender({
      journal,
      rule,
      opened,
      clock,
      presence: this.presence,
      onLost: onFatal,
    });
    const sequencer = new Sequencer({ intake, replica, clockGuard, opening: opened.entry });
    this.leading = new Leading({
      appender,
      intake,
      sequencer,
      replica,
      publisher,
      observer,
      history,
      clock,
      groupCommitMs,
      onFatal,
    });
    this.leading.start();
    // The opening has no commands, and is a position all the same.
    this.options.views?.applied(markOf(replica));
    this.unimpede();
    this.become('leading', reason);
    this.intake.open();
    this.takeMemoryAhead();
    return this.leading;
  }

  /** For the replica as it is now; may be asked again. */
  takeMemoryAhead(): void {
    if (this.options.memoryAhead !== true || this.ending.signal.aborted) return;
    this.#memory?.stop();
    this.#memory = new MemoryAhead(this.replica.state, this.history);
    this.#memory.look();
  }

  /** No room in the journal: callers hear it, and it is told once. */
  impede(error: OperationalError): void {
    this.intake.close(error);
    if (this.impediment !== undefined) return;
    this.impediment = error;
    this.options.observer.impeded(error);
  }

  /** There is room again, or somebody else takes the payments. */
  unimpede(): void {
    if (this.impediment === undefined) return;
    this.impediment = undefined;
    this.options.observer.impeded(undefined);
  }

  halt(error: unknown): void {
    // Whoever was told to stop while starting is about to be stopped, and nothing is wrong.
    if (this.#role === 'halted' || this.ending.signal.aborted) return;
    const reason = error instanceof Error ? error.message : String(error);
    const refusal = new OperationalError('NOT_READY', {
      detail: `This node has halted: ${reason}`,
      cause: error,
    });
    this.intake.close(refusal);
    void this.checkpointing?.close();
    // Before anybody hears of it: who hears may look at the books at once.
    this.become('halted', reason);
    this.leading?.abandon(refusal);
    this.intake.rejectAll(refusal);
    this.options.onHalted(error);
  }

  become(role: NodeRole, reason: string): void {
    const from = this.#role;
    this.#role = role;
    this.#reason = reason;
    this.#roleSinceMs = Number(this.options.clock.nowNs() / 1_000_000n);
    const change = { from, to: role, reason, epoch: this.epoch, position: this.replica.position };
    this.options.observer.roleChanged(change);
    this.onRole();
  }

  /** Looked at again after something was waited for. */
  isHalted(): boolean {
    return this.#role === 'halted';
  }

  /** The same role for another reason: nothing that is logged. */
  because(reason: string): void {
    this.#reason = reason;
  }

  /** The last acts: nothing is written any more. */
  async close(): Promise<void> {
    this.ending.abort();
    this.#memory?.stop();
    await this.checkpointing?.close();
    await this.journal.close();
    await this.options.views?.close();
    await this.history.close();
    if (this.#role !== 'halted') this.become('stopped', 'The node was asked to stop.');
  }
}

/** Of new books under the old name nobody would notice that payments are lost. */
function journalEmpty(): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail:
      'The journal is empty, but this cluster has begun one: acknowledged payments are missing.',
    wayOut:
      'Nothing was answered or written. Check HOLDFAST_JOURNAL: it may name another place than before ' +
      '(the file journal-begun in the data folder says which), or an engine that was set up anew. ' +
      'Only if all of it may be lost: start on a new data folder.',
  });
}
