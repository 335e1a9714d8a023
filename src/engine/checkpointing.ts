// When checkpoints are taken: after so many bytes of journal, after a period in which something
// changed, when somebody asks, and when the node is stopped. It follows the publisher to know the
// head; taking one is recovery/checkpointer.ts. Whatever fails here is told and tried again:
// payments never wait for it and never fail by it.

import type { Entry } from '../base/entry.ts';
import { OperationalError, isOperationalError } from '../base/errors.ts';
import type { CheckpointStore } from '../ports/checkpoint-store.ts';
import type { Clock } from '../ports/clock.ts';
import type { Journal, StoredEntry } from '../ports/journal.ts';
import type { Manifest } from '../recovery/checkpoint-codec.ts';
import {
  type CheckpointHead,
  type CheckpointPace,
  type CheckpointTaken,
  Checkpointer,
  checkpointHeadOf,
} from '../recovery/checkpointer.ts';
import { type ChunkHasher, createChunkHasher } from '../recovery/chunk-hasher.ts';
import { type OwnHistory, findCheckpoints, reasonOf } from '../recovery/load-checkpoint.ts';
import type { Replica } from '../recovery/replica.ts';
import type { StoredCheckpoints } from './contract.ts';
import type { OffsetNotes } from './offset-notes.ts';

/** After a failure: how long until the next attempt, doubled with each failure in a row. */
const RETRY_MS_MIN = 10_000;
const RETRY_MS_MAX = 300_000;

/** A disk that hangs must not keep the node from ending. */
const CLOSE_MS_MAX = 1000;

/** Told and measured by telemetry. */
export interface CheckpointObserver {
  taken(taken: CheckpointTaken): void;
  /** None could be taken: an alarm, no impediment. */
  failed(error: OperationalError): void;
  /**
   * The node has its state: from the checkpoint of this position (0 = from genesis), and so many
   * entries behind it.
   */
  restored(position: number, createdMs: number, entriesReplayed: number): void;
  /** A sentence: what was found at the start, or could not be tidied up. */
  noted(text: string): void;
}

export type CheckpointSettings = {
  readonly store: CheckpointStore;
  /** One is taken after so many bytes of journal. */
  readonly journalBytes: number;
  /** And after this time, when anything has changed since the last. */
  readonly periodMs: number;
  /** How many are kept. */
  readonly kept: number;
  readonly observer: CheckpointObserver;
  /**
   * What else is derived from the journal (the history) makes itself durable through this position,
   * so that no checkpoint is ahead of it.
   */
  readonly beforePublish?: (position: number) => Promise<void>;
  readonly createHasher?: () => ChunkHasher;
};

export type CheckpointingOptions = {
  readonly settings: CheckpointSettings;
  readonly replica: Replica;
  readonly journal: Journal;
  readonly offsets: OffsetNotes;
  readonly history: OwnHistory;
  readonly clock: Clock;
  readonly release: string;
  /** The checkpoint that the state was loaded from. */
  readonly restored: Manifest | undefined;
  /** Bytes of journal that were applied since. */
  readonly bytesApplied: number;
  /** How many times as rarely as the settings say; 1 where it is left out. */
  readonly slowness?: () => number;
  /**
   * Entries through this position are not needed by this node any more. Left out = the journal
   * discards them.
   */
  readonly discard?: (position: number) => Promise<void>;
  /** Position of the oldest checkpoint that is there, after one was taken. */
  readonly onKept?: (oldest: number) => void;
};

export class Checkpointing {
  readonly #options: CheckpointingOptions;
  readonly #checkpointer: Checkpointer;
  readonly #ending = new AbortController();
  #head: CheckpointHead;
  /** Bytes of journal behind the last checkpoint, as far as this process has seen them. */
  #bytesBehind: number;
  #due = new AbortController();
  #failures = 0;
  #lastTaken: CheckpointTaken | undefined;
  /** What was asked for before has ended; never rejects. */
  #earlier: Promise<unknown> = Promise.resolve();
  #running: Promise<void> = Promise.resolve();

  /** `head`: the last applied entry. */
  constructor(options: CheckpointingOptions, { entry, offset }: StoredEntry) {
    const { settings, replica, journal, history, clock, release, restored } = options;
    const discard = options.discard ?? ((position: number) => journal.discardThrough(position));
    this.#options = options;
    this.#head = checkpointHeadOf(entry, offset);
    this.#bytesBehind = options.bytesApplied;
    this.#checkpointer = new Checkpointer(
      {
        store: settings.store,
        replica,
        history,
        clock,
        release,
        kept: settings.kept,
        createHasher: settings.createHasher ?? createChunkHasher,
        beforePublish: settings.beforePublish ?? (() => Promise.resolve()),
        onKept: options.onKept ?? (() => undefined),
        // The head itself stays: a start looks for it where the checkpoint says that it stands.
        afterPublish: (oldest) => discard(oldest - 1),
        onTrouble: (text) => settings.observer.noted(text),
      },
      restored,
    );
  }

  /** Position of the newest checkpoint; 0 = none is known. */
  get newest(): number {
    return this.#checkpointer.lastPosition;
  }

  start(): void {
    // In front of the first one: what is being written must not be taken for a leftover.
    this.#earlier = this.#removeLeftovers();
    this.#running = this.#run();
  }

  /** An entry has been applied. Its offset was noted when it was appended. */
  applied(entry: Entry): void {
    const offset = this.#options.offsets.of(entry.position);
    if (offset === undefined) return;
    this.#head = checkpointHeadOf(entry, offset);
    this.#bytesBehind += entry.bytes.byteLength;
    this.#callIfDue();
  }

  #callIfDue(): void {
    const { settings, slowness } = this.#options;
    const wanted = settings.journalBytes * (slowness?.() ?? 1);
    if (this.#bytesBehind >= wanted) this.#due.abort();
  }

  /**
   * Takes one now, or after those that were asked for before; where nothing has happened since the
   * last, that one is the answer. Rejects with CHECKPOINT_FAILED.
   */
  take(
    signal: AbortSignal = this.#ending.signal,
    pace: CheckpointPace = 'beside',
  ): Promise<CheckpointTaken> {
    const taken = this.#earlier.then(() => this.#takeNow(signal, pace));
    this.#earlier = taken.catch(() => undefined);
    return taken;
  }

  async stored(): Promise<StoredCheckpoints> {
    const { settings, history } = this.#options;
    const { readable, notes } = await findCheckpoints(settings.store, history);
    const checkpoints = readable.map(({ manifest, head, bytes }) => ({
      position: head.position,
      epoch: head.epoch,
      createdMs: manifest.createdMs,
      release: manifest.release,
      bytes: bytes + manifest.chunks.reduce((sum, chunk) => sum + chunk.bytes, 0),
      chunks: manifest.chunks.length,
      transfersAccepted: manifest.transfersAccepted,
    }));
    return { checkpoints, notes };
  }

  /**
   * Nothing is taken any more; what is under way is given up. Resolves when it has ended, or does
   * not end within a second. Idempotent.
   */
  async close(): Promise<void> {
    this.#ending.abort();
    const ended = new AbortController();
    const ending = Promise.all([this.#running, this.#earlier]).then(() => ended.abort());
    await Promise.race([ending, this.#options.clock.sleep(CLOSE_MS_MAX, ended.signal)]);
    await this.#checkpointer.close();
  }

  /** At a clean stop: a last one, given up when it takes longer than `ms`. Then closed. */
  async finish(ms: number): Promise<void> {
    const { clock } = this.#options;
    const over = new AbortController();
    const done = new AbortController();
    const waiting = clock.sleep(ms, done.signal).then(() => over.abort());
    const signal = AbortSignal.any([over.signal, this.#ending.signal]);
    const taking = ms > 0 ? this.take(signal, 'alone') : waiting;
    // What keeps it from being taken has been told.
    await Promise.race([taking.catch(() => undefined), waiting]);
    done.abort();
    await waiting;
    await this.close();
  }

  async #removeLeftovers(): Promise<void> {
    const { store, observer } = this.#options.settings;
    try {
      await store.removeLeftovers();
    } catch (error) {
      observer.noted(`Leftovers could not be removed: ${reasonOf(error)}.`);
    }
  }

  async #run(): Promise<void> {
    const { settings, clock } = this.#options;
    while (!this.#ending.signal.aborted) {
      // Armed here: what is written while one is taken counts for the next, and does not call it.
      this.#due = new AbortController();
      this.#callIfDue();
      const isRetry = this.#failures > 0;
      const periodMs = settings.periodMs * (this.#options.slowness?.() ?? 1);
      const waitMs = isRetry ? retryMs(this.#failures) : periodMs;
      // After a failure the next attempt has its time, however much is written meanwhile.
      const early = isRetry ? [] : [this.#due.signal];
      await clock.sleep(waitMs, AbortSignal.any([this.#ending.signal, ...early]));
      if (this.#ending.signal.aborted) return;
      // Whatever fails is told there, and tried again here.
      await this.take().catch(() => undefined);
    }
  }

  async #takeNow(signal: AbortSignal, pace: CheckpointPace): Promise<CheckpointTaken> {
    const { settings } = this.#options;
    if (signal.aborted) throw stopped();
    const head = this.#head;
    if (this.#lastTaken?.position === head.position) return this.#lastTaken;
    const bytesBefore = this.#bytesBehind;
    try {
      const taken = await this.#checkpointer.take(head, signal, pace);
      this.#bytesBehind -= bytesBefore;
      this.#failures = 0;
      this.#lastTaken = taken;
      settings.observer.taken(taken);
      return taken;
    } catch (error) {
      const failure = isOperationalError(error)
        ? error
        : new OperationalError('CHECKPOINT_FAILED', { detail: reasonOf(error), cause: error });
      if (!this.#ending.signal.aborted) {
        this.#failures += 1;
        settings.observer.failed(failure);
      }
      throw failure;
    }
  }
}

function retryMs(failures: number): number {
  return Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failures - 1, 10));
}

function stopped(): OperationalError {
  return new OperationalError('CHECKPOINT_FAILED', { detail: 'The node was asked to stop.' });
}
