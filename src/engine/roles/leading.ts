// The role "leading": the pump that moves commands along the road, from the queue through the
// journal to those who wait. It decides when to number (group commit) and what to do when the
// journal refuses; each station does its own work.
//
// Group commit: an idle journal gets what is there at once; a busy one gets the next entry when it
// is free again, when half an entry has gathered (size), or after `groupCommitMs` (time).

import { assert } from '../../base/assert.ts';
import { entryBody } from '../../base/entry.ts';
import { OperationalError, isOperationalError } from '../../base/errors.ts';
import { APPENDS_IN_FLIGHT_MAX, ENTRY_BYTES_MAX } from '../../base/limits.ts';
import { readCommands } from '../../domain/commands.ts';
import { lookAhead } from '../../domain/domain.ts';
import type { NodeHistory } from '../../history/contract.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Replica } from '../../recovery/replica.ts';
import type { Appender } from '../appender.ts';
import { giveBackRoom } from '../entry-room.ts';
import type { Intake } from '../intake.ts';
import type { EngineObserver } from '../observer.ts';
import type { Publisher } from '../publisher.ts';
import { respond, respondWithError } from '../responder.ts';
import type { Batch, Sequencer } from '../sequencer.ts';
import type { Ticket } from '../ticket.ts';

/** How often a leader looks for due holds, and tries again after it was impeded. */
const IDLE_LOOK_MS = 250;

/** Smaller batches are not worth a look of their own. */
const LOOKED_AHEAD_MIN = 256;

export type LeadingOptions = {
  readonly appender: Appender;
  readonly intake: Intake;
  readonly sequencer: Sequencer;
  readonly replica: Replica;
  readonly publisher: Publisher;
  readonly observer: EngineObserver;
  /** Nothing is numbered while it has no room for what would be accepted. */
  readonly history: NodeHistory;
  readonly clock: Clock;
  readonly groupCommitMs: number;
  /** The node cannot go on: fenced, failed storage, a broken invariant. */
  readonly onFatal: (error: unknown) => void;
};

/** `barriers`: who waits for anything that was numbered after he asked. */
type InFlight = Batch & {
  readonly startedMs: number;
  readonly barriers: readonly PromiseWithResolvers<number>[];
};

export class Leading {
  readonly #options: LeadingOptions;
  readonly #inFlight: InFlight[] = [];
  #barriers: PromiseWithResolvers<number>[] = [];
  #suspended = false;
  #onSettled: (() => void) | undefined;
  #impediment: OperationalError | undefined;
  #pumpScheduled = false;
  #delayed: NodeJS.Timeout | undefined;
  #looking: NodeJS.Timeout | undefined;
  #stopped = false;
  #onIdle: (() => void) | undefined;

  constructor(options: LeadingOptions) {
    this.#options = options;
  }

  get impediment(): OperationalError | undefined {
    return this.#impediment;
  }

  /** What is queued already (held while nobody led) is numbered, too: nothing else may arrive. */
  start(): void {
    this.#looking = setInterval(() => this.#look(), IDLE_LOOK_MS);
    this.wake();
  }

  /** Something arrived. Numbering waits for the end of this turn of the loop: more may arrive. */
  wake(): void {
    if (this.#pumpScheduled || this.#stopped) return;
    this.#pumpScheduled = true;
    setImmediate(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  /** Resolves when everything admitted has been answered. Intake must be closed. */
  async drain(): Promise<void> {
    if (this.#isIdle()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    this.wake();
    await promise;
  }

  /** How long the oldest entry has been on its way to the journal; 0 = none is. */
  get stalledMs(): number {
    const [oldest] = this.#inFlight;
    return oldest === undefined ? 0 : this.#options.clock.monotonicMs() - oldest.startedMs;
  }

  /**
   * Resolves with the position of an entry that was numbered after this was called and is durable:
   * whoever got it was the leader then. Rejects with NOT_READY.
   */
  barrier(): Promise<number> {
    if (this.#stopped) return Promise.reject(leadsNoMore());
    const barrier = Promise.withResolvers<number>();
    this.#barriers.push(barrier);
    this.wake();
    return barrier.promise;
  }

  /** Numbers nothing more; resolves when nothing is on its way. What is queued stays queued. */
  async suspend(): Promise<void> {
    this.#suspended = true;
    if (this.#inFlight.length === 0) return;
    await new Promise<void>((resolve) => {
      this.#onSettled = resolve;
    });
  }

  resume(): void {
    this.#suspended = false;
    this.wake();
  }

  /** Leads no more: gives back what was numbered and not answered, in order. It may happen yet. */
  withdraw(): Ticket[] {
    this.stop();
    const batches = this.#inFlight.splice(0);
    this.#rejectBarriers(batches);
    this.#signalSettled();
    return batches.flatMap(({ tickets }) => tickets);
  }

  /** No more timers, no more numbering; what is in flight still settles. */
  stop(): void {
    this.#stopped = true;
    clearInterval(this.#looking);
    clearTimeout(this.#delayed);
    this.#options.appender.close();
  }

  /** Everything in flight or queued is answered with `error` (a halt). */
  abandon(error: OperationalError): void {
    this.stop();
    const batches = this.#inFlight.splice(0);
    for (const batch of batches) {
      respondWithError(batch, new OperationalError('OUTCOME_UNKNOWN', { cause: error }));
    }
    this.#rejectBarriers(batches);
    this.#signalSettled();
    this.#options.intake.rejectAll(error);
    this.#signalIdle();
  }

  #rejectBarriers(batches: readonly InFlight[]): void {
    const waiting = [...batches.flatMap(({ barriers }) => barriers), ...this.#barriers];
    this.#barriers = [];
    for (const { reject } of waiting) reject(leadsNoMore());
  }

  #signalSettled(): void {
    if (this.#inFlight.length > 0) return;
    this.#onSettled?.();
    this.#onSettled = undefined;
  }

  #isIdle(): boolean {
    return this.#inFlight.length === 0 && this.#options.intake.commands === 0;
  }

  #signalIdle(): void {
    if (!this.#isIdle()) return;
    this.#onIdle?.();
    this.#onIdle = undefined;
  }

  #look(): void {
    if (this.#inFlight.length > 0 || this.#stopped || this.#suspended) return;
    try {
      if (this.#impediment !== undefined || this.#options.sequencer.tickIsDue()) {
        this.#number({ probe: true });
      }
    } catch (error) {
      this.#refuseNumbering(error);
    }
  }

  #pump(): void {
    try {
      while (!this.#stopped && this.#mayNumber() && this.#number({ probe: false })) {
        // Each turn numbers one entry, as long as there is a reason to.
      }
      if (this.#mayBar()) this.#number({ probe: true });
    } catch (error) {
      this.#refuseNumbering(error);
    }
    this.#signalIdle();
    this.#scheduleDelayed();
  }

  #mayNumber(): boolean {
    const { intake } = this.#options;
    if (intake.commands === 0 || this.#suspended) return false;
    if (this.#inFlight.length === 0) return true;
    if (this.#impediment !== undefined) return false;
    return this.#inFlight.length < APPENDS_IN_FLIGHT_MAX && intake.bytes >= ENTRY_BYTES_MAX / 2;
  }

  /**
   * Whoever waits for a barrier gets a bare tick where nothing else is to be numbered: one at a
   * time, which all who ask meanwhile share the next of. So reading writes an entry for each round
   * trip to the journal at most, however many read.
   */
  #mayBar(): boolean {
    if (this.#barriers.length === 0 || this.#stopped || this.#suspended) return false;
    if (this.#inFlight.some(({ barriers }) => barriers.length > 0)) return false;
    return this.#inFlight.length < APPENDS_IN_FLIGHT_MAX;
  }

  /**
   * The time half of group commit: what has waited `groupCommitMs` goes although others are under
   * way.
   */
  #scheduleDelayed(): void {
    const { intake, groupCommitMs } = this.#options;
    if (this.#delayed !== undefined || this.#stopped || intake.commands === 0) return;
    this.#delayed = setTimeout(() => {
      this.#delayed = undefined;
      const hasRoom = this.#inFlight.length < APPENDS_IN_FLIGHT_MAX;
      if (this.#stopped || this.#suspended) return;
      if (this.#impediment !== undefined || !hasRoom) return;
      try {
        this.#number({ probe: false });
      } catch (error) {
        this.#refuseNumbering(error);
      }
      this.#scheduleDelayed();
    }, groupCommitMs);
  }

  #number(options: { readonly probe: boolean }): boolean {
    if (!this.#options.history.hasRoom) return false;
    const sealed = this.#options.sequencer.next(options);
    if (sealed === undefined) return false;
    const startedMs = this.#options.clock.monotonicMs();
    const batch: InFlight = { ...sealed, startedMs, barriers: this.#barriers };
    this.#barriers = [];
    this.#inFlight.push(batch);
    this.#options.appender
      .append(batch.entry)
      .then(
        () => this.#acknowledged(batch),
        (error: unknown) => this.#rejected(batch, error),
      )
      // A broken invariant in there halts the node; it must not end as an unhandled rejection.
      .catch((error: unknown) => this.#options.onFatal(error));
    this.#lookAhead(batch);
    return true;
  }

  /** The time of the sync is free: what the batch will touch is looked up in it. */
  #lookAhead({ entry }: Batch): void {
    if (this.#inFlight.length > 1 || entry.eventCount < LOOKED_AHEAD_MIN) return;
    for (const command of readCommands(entryBody(entry), entry.commandCount)) {
      if (command.eventCount >= LOOKED_AHEAD_MIN) lookAhead(this.#options.replica.state, command);
    }
  }

  #acknowledged(batch: InFlight): void {
    const { observer, clock, replica, publisher, sequencer } = this.#options;
    const index = this.#inFlight.indexOf(batch);
    if (index < 0) return; // abandoned meanwhile: nobody waits any more
    assert(index === 0, 'appends settle in order');
    this.#inFlight.shift();
    try {
      observer.appended(
        batch.entry.bytes.byteLength,
        batch.entry.commandCount,
        clock.monotonicMs() - batch.startedMs,
      );
      const outcomes = replica.apply(batch.entry);
      sequencer.acknowledged(batch.entry);
      publisher.publish({ entry: batch.entry, outcomes });
      respond(batch, outcomes, this.#options.history);
      for (const { resolve } of batch.barriers) resolve(batch.entry.position);
      // Durable, applied, told and answered: nobody looks at the bytes any more.
      giveBackRoom(batch.entry.bytes);
    } catch (error) {
      // The batch stays first in line, so that its callers hear "unknown" when the node halts.
      this.#inFlight.unshift(batch);
      this.#options.onFatal(error);
      return;
    }
    this.#setImpediment(undefined);
    this.#signalSettled();
    this.#pump();
  }

  #rejected(batch: InFlight, error: unknown): void {
    const index = this.#inFlight.indexOf(batch);
    if (index < 0) return;
    if (!isOperationalError(error, 'JOURNAL_FULL')) {
      this.#options.onFatal(error);
      return;
    }
    assert(index === 0, 'appends settle in order');
    this.#inFlight.shift();
    respondWithError(batch, error);
    for (const { reject } of batch.barriers) reject(error);
    this.#setImpediment(error);
    this.#signalSettled();
    if (this.#inFlight.length > 0) return;
    this.#options.sequencer.rewind();
    this.#options.intake.rejectAll(error);
    this.#signalIdle();
  }

  /** Nothing was taken from the queue; whoever waits hears it now and may come again. */
  #refuseNumbering(error: unknown): void {
    if (!isOperationalError(error)) {
      this.#options.onFatal(error);
      return;
    }
    this.#setImpediment(error);
    this.#options.intake.rejectAll(error);
  }

  #setImpediment(error: OperationalError | undefined): void {
    if (this.#impediment?.code === error?.code) return;
    this.#impediment = error;
    this.#options.observer.impeded(error);
  }
}

function leadsNoMore(): OperationalError {
  return new OperationalError('NOT_READY', { detail: 'This node leads no more.' });
}
