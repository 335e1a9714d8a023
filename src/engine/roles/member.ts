// The life of a node that is one of several: recovering, following, and when it is called leading,
// until it hands over or loses the right to; then it follows again, in the same process. What keeps
// money safe in all of this is the journal; here it is only said who tries and who goes.

import { OperationalError, isOperationalError } from '../../base/errors.ts';
import type { Call, ClusterControl } from '../../cluster/contract.ts';
import type { ReadWish } from '../contract.ts';
import type { NodeLife } from '../node-life.ts';
import type { ClusterOptions } from '../node-options.ts';
import { catchUp } from '../catching-up.ts';
import type { Stations } from '../stations.ts';
import { ROOM_LOOK_MS } from './alone.ts';
import { answerPeers } from './answering.ts';
import { drainMember } from './draining.ts';
import { MemberParts } from './member-parts.ts';
import { StandingBy, isAway } from './standing-by.ts';
import { type TakenOver, takeOver } from './taking-over.ts';
import { type TermEnd, TermOfOffice } from './term-of-office.ts';

/** Another node was faster, there is no room, or the clock is wrong: not a fault of this node. */
const ATTEMPT_LOST: ReadonlySet<string> = new Set([
  'JOURNAL_LOCKED',
  'JOURNAL_FENCED',
  'JOURNAL_UNKNOWN_OUTCOME',
  'JOURNAL_CLOSED',
  'JOURNAL_DIVERGED',
  'JOURNAL_FULL',
  'CLOCK_JUMPED',
]);

/** The engine is away, or went while it was asked. */
const UNANSWERED: ReadonlySet<string> = new Set([
  'JOURNAL_UNAVAILABLE',
  'JOURNAL_UNSAFE',
  'JOURNAL_UNKNOWN_OUTCOME',
]);

/** The same text each time, so that the log tells it once. */
const AWAY_REASON = 'It could not lead: the engine of the journal takes no epoch.';

/** Before a node that is stopping is called again. */
const DECLINED_MS = 200;

export class Member implements NodeLife {
  readonly cluster: ClusterControl;
  readonly #parts: MemberParts;
  readonly #standingBy: StandingBy;
  readonly #ready = Promise.withResolvers<void>();
  #term: TermOfOffice | undefined;
  #joined: Promise<void> = Promise.resolve();
  #living: Promise<void> | undefined;

  constructor(stations: Stations, cluster: ClusterOptions) {
    const parts = new MemberParts(stations, cluster);
    this.#parts = parts;
    this.#standingBy = new StandingBy(parts);
    const { leadership } = cluster;
    this.cluster = {
      view: () => leadership.view(),
      terms: (limit) => parts.terms.newest(limit),
      switchover: (target, signal) => leadership.switchover(target, signal),
      pause: (why) => leadership.pause(why),
      resume: () => leadership.resume(),
    };
    answerPeers(parts);
    leadership.onHandOver((target, reason) => this.#handOver(target, reason));
    leadership.subscribe(() => this.#heard());
    parts.onProgress = () => this.#lookIfReady();
  }

  /** Resolves when it follows a leader with all of its books, or leads. */
  async start(): Promise<void> {
    const { stations } = this.#parts;
    stations.become('recovering', 'The journal is being read.');
    this.#living = this.#live();
    this.#living.catch((error: unknown) => {
      stations.halt(error);
      this.#ready.reject(error);
      // Who is with a leader, or waits for books that do not move any more.
      const gone = new OperationalError('NOT_READY', {
        detail: 'This node has ended.',
        cause: error,
      });
      this.#parts.forwarder.abandon(gone);
      stations.intake.rejectAll(gone);
    });
    await this.#ready.promise;
  }

  wake(): void {
    const { leading } = this.#parts.stations;
    if (leading === undefined) this.#parts.forwarder.wake();
    else leading.wake();
  }

  async catchUp(wish: ReadWish, signal: AbortSignal): Promise<void> {
    await catchUp(this.#parts, wish, signal);
  }

  async drain(drainMs: number): Promise<void> {
    await drainMember(this.#parts, { drainMs, isLeading: () => this.#term !== undefined });
    const { stations, forwarder } = this.#parts;
    stations.ending.abort();
    const refusal = new OperationalError('SHUTTING_DOWN');
    // From now on nobody answers: what comes is told at once, whatever the role.
    stations.intake.close(refusal);
    forwarder.abandon(refusal);
    stations.leading?.abandon(refusal);
    stations.intake.rejectAll(refusal);
    this.#term?.end({ kind: 'stopped' });
    await this.#living?.catch(() => undefined);
  }

  /** The journal first: whoever is called then finds it free. */
  async close(): Promise<void> {
    await this.#parts.stations.close();
    this.#parts.reports.stop();
    await this.#parts.cluster.leadership.close();
  }

  async #live(): Promise<void> {
    const { cluster, stations, terms } = this.#parts;
    const { signal } = stations.ending;
    this.#joined = cluster.leadership.open(signal);
    this.#joined.catch(() => undefined);
    await terms.load();
    await this.#standingBy.restore();
    for (;;) {
      const called = this.#called(signal);
      // It can end while the books are built anew and nobody waits for it.
      called.catch(() => undefined);
      const call = await this.#standingBy.untilCalled(called);
      const taken = await this.#tryToLead(call);
      if (taken === undefined) continue;
      const end = await this.#lead(taken, call);
      if (end.kind === 'stopped') return;
      // At once: as long as it is called leading the others wait for it, whatever its disk does.
      if (stations.role === 'leading') stations.become('following', end.reason);
      await this.#resign(end.reason);
      await this.#standingBy.reopen();
    }
  }

  /**
   * A lock has to be free before another one is called. Where appends are compared or read back the
   * next leader needs not wait for an engine that does not answer this node.
   */
  async #resign(reason: string): Promise<void> {
    const { stations, cluster } = this.#parts;
    const { journal } = stations;
    const closed = journal.close();
    if (journal.guarantees.exclusive) await closed;
    await Promise.all([closed, cluster.leadership.resigned(reason)]);
  }

  /** One that is stopping leads no more, though it follows to answer what it holds. */
  async #called(signal: AbortSignal): Promise<Call> {
    const { cluster, stations } = this.#parts;
    await this.#joined;
    for (;;) {
      const call = await cluster.leadership.untilCalled(signal);
      if (stations.role !== 'draining') return call;
      await cluster.leadership.resigned('This node is stopping.');
      await stations.options.clock.sleep(DECLINED_MS, signal);
    }
  }

  async #tryToLead(call: Call): Promise<TakenOver | undefined> {
    const { stations, cluster, forwarder, head, clockGuard, publish } = this.#parts;
    forwarder.stop();
    stations.because(`It tries to lead: ${call.reason}`);
    try {
      await stations.journal.close();
      return await takeOver({
        stations,
        call,
        isSilent: () => cluster.leadership.leader() === undefined,
        head,
        clockGuard,
        node: cluster.id,
        onApplied: publish,
      });
    } catch (error) {
      if (!isOperationalError(error) || !this.#isLost(error)) throw error;
      stations.ending.signal.throwIfAborted();
      await stations.journal.close();
      const isUnanswered = UNANSWERED.has(error.code);
      const why = isUnanswered ? AWAY_REASON : `It could not lead: ${error.message}`;
      if (isUnanswered) this.#parts.journalWasAway(error);
      if (error.code === 'JOURNAL_FULL') {
        await this.#standingBy.reopen();
        await this.#waitForRoom(error);
        await cluster.leadership.resigned(why);
      } else {
        // The others wait for whoever tries: not also for his reading.
        await Promise.all([cluster.leadership.resigned(why), this.#standingBy.reopen()]);
      }
      return undefined;
    }
  }

  #isLost(error: OperationalError): boolean {
    const { stations, hasServed } = this.#parts;
    // The lock of an exclusive journal that has failed ends with its process.
    const isFailed = error.code === 'JOURNAL_FAILED' && !stations.journal.guarantees.exclusive;
    return isFailed || ATTEMPT_LOST.has(error.code) || isAway(error, hasServed);
  }

  /** It can be read meanwhile; whoever is called next finds the same disk. */
  async #waitForRoom(error: OperationalError): Promise<void> {
    const { stations } = this.#parts;
    stations.impede(error);
    stations.because('There is no room in the journal to open an epoch.');
    await stations.options.clock.sleep(ROOM_LOOK_MS, stations.ending.signal);
  }

  async #lead(taken: TakenOver, call: Call): Promise<TermEnd> {
    const { cluster } = this.#parts;
    const term = new TermOfOffice(this.#parts, taken, call);
    this.#term = term;
    cluster.leadership.won(taken.opened.entry.epoch);
    this.#parts.journalIsWritten();
    this.#isReady();
    try {
      return await term.untilEnd;
    } finally {
      this.#term = undefined;
    }
  }

  async #handOver(target: string, reason: string): Promise<number> {
    if (this.#term !== undefined) return await this.#term.handOver(target, reason);
    throw new OperationalError('SWITCHOVER_REFUSED', { detail: 'This node does not lead.' });
  }

  #heard(): void {
    const { following, clockGuard, isStandingBy } = this.#parts;
    clockGuard.look();
    if (this.#term !== undefined) {
      this.#term.look();
      return;
    }
    if (!isStandingBy) return;
    following?.look();
    this.#parts.lookForLeader();
    this.#parts.compareConfiguration();
    this.#lookIfReady();
  }

  #lookIfReady(): void {
    const { stations, cluster } = this.#parts;
    const leader = cluster.leadership.leader();
    if (stations.role !== 'following' || leader === undefined) return;
    if (stations.replica.position >= leader.durable) this.#isReady();
  }

  #isReady(): void {
    this.#parts.hasServed = true;
    this.#ready.resolve();
  }
}
