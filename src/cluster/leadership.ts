// Leadership: who leads, and whether it should be this node. Joins what the coordinator knows
// (members, the line) with what is heard of the peers. Nothing here keeps money safe: the journal
// lets only one opening of an epoch stand, however many nodes are called.

import { assert } from '../base/assert.ts';
import { OperationalError } from '../base/errors.ts';
import type {
  Call,
  ClusterView,
  Leadership,
  LeaderSeen,
  Peer,
  SwitchoverDone,
} from './contract.ts';
import { Bell } from './leadership/bell.ts';
import { Candidacy } from './leadership/candidacy.ts';
import { Challenge } from './leadership/challenge.ts';
import { clockFault } from './leadership/clocks.ts';
import { HandOver } from './leadership/hand-over.ts';
import { Hearing } from './leadership/hearing.ts';
import { Line } from './leadership/line.ts';
import { encodeDetail } from './leadership/messages.ts';
import { Own, type Report } from './leadership/own.ts';
import { Pausing } from './leadership/pausing.ts';
import { Roster } from './leadership/roster.ts';
import { type LeadershipOptions, type Times, timesOf } from './leadership/settings.ts';
import { clusterView } from './leadership/view.ts';

/** Answers peers from now on, so it is made before they are opened. */
export function createLeadership(options: LeadershipOptions): Leadership {
  return new ClusterLeadership(options);
}

class ClusterLeadership implements Leadership {
  readonly #options: LeadershipOptions;
  readonly #times: Times;
  readonly #bell: Bell;
  readonly #own: Own;
  readonly #hearing: Hearing;
  readonly #roster: Roster;
  readonly #pausing: Pausing;
  readonly #line: Line;
  readonly #handOver: HandOver;
  readonly #candidacy: Candidacy;
  readonly #listeners = new Set<() => void>();
  /** What each peer said last that others may act on. */
  readonly #said = new Map<string, string>();
  readonly #end = new AbortController();
  /** Of the present term: ends what is done in the background for it. */
  #term = new AbortController();
  #isWaiting = false;
  #background: Promise<unknown> = Promise.resolve();
  #unsubscribe: (() => void)[] = [];
  #leaderTold = '';
  #closed: Promise<void> | undefined;

  constructor(options: LeadershipOptions) {
    this.#options = options;
    const { coordinator, peers, clock, log, release } = options;
    const times = timesOf(options.heartbeatMs, options.challengeMs);
    const bell = new Bell(clock);
    const own = new Own(options.self.id, clock);
    const hearing = new Hearing(peers, clock, times);
    const roster = new Roster({ self: own.id, coordinator, peers, clock, times });
    const onChange = (): void => this.#changed();
    const tell = (): void => this.#tell();
    const pausing = new Pausing({
      store: options.pauseStore,
      clock,
      log,
      onChange: () => {
        this.#tell();
        this.#changed();
      },
    });
    const line = new Line({ coordinator, clock, times, log, onChange });
    const readiness = (): string | undefined => this.#readiness();
    const common = { own, hearing, line, peers, clock, bell, times, log };
    const handOver = new HandOver({ ...common, release, tell, readiness });
    const challenge = new Challenge({ own, hearing, roster, pausing, peers, clock, times });
    this.#candidacy = new Candidacy({
      ...common,
      roster,
      pausing,
      challenge,
      handOver,
      coordinator,
      clockFault: () => this.#clockFault(),
    });
    [this.#times, this.#bell, this.#own, this.#hearing] = [times, bell, own, hearing];
    [this.#roster, this.#pausing, this.#line, this.#handOver] = [roster, pausing, line, handOver];
    this.#unsubscribe.push(
      peers.subscribe((peer) => {
        hearing.hear(peer);
        if (peer.state !== undefined) pausing.hear(peer.state.pause);
        this.#heard(peer);
      }),
    );
  }

  async open(signal: AbortSignal): Promise<void> {
    const { coordinator, self, release, log } = this.#options;
    const detail = encodeDetail({ addresses: self.addresses(), release });
    await coordinator.open({ id: self.id, detail }, signal);
    if (this.#end.signal.aborted) return;
    this.#unsubscribe.push(
      coordinator.subscribe(() => {
        this.#roster.look();
        this.#changed();
      }),
    );
    this.#roster.look();
    this.#hearing.look();
    if (this.#pausing.isPaused) {
      const { why } = this.#pausing.now;
      log('warn', 'failover', `Failover is paused (${why}): this node leads only by hand-over.`);
    }
    this.#background = Promise.all([this.#line.stand(this.#end.signal), this.#lookOn()]);
  }

  report(state: Report): void {
    this.#own.take(state);
    this.#hearing.knowEpoch(state.epoch);
    this.#tell();
  }

  async untilCalled(signal: AbortSignal): Promise<Call> {
    assert(!this.#isWaiting, 'one at a time waits to be called');
    assert(this.#own.leads === undefined, 'who leads is not called');
    this.#own.settled();
    this.#isWaiting = true;
    try {
      return await this.#candidacy.untilCalled(AbortSignal.any([signal, this.#end.signal]));
    } finally {
      this.#isWaiting = false;
    }
  }

  won(epoch: number): void {
    const { log } = this.#options;
    this.#own.settled();
    this.#own.leads = epoch;
    this.#own.notBeforeMs = 0;
    this.#own.failedFor = '';
    this.#hearing.knowEpoch(epoch);
    this.#handOver.settled(epoch, '');
    log('info', 'leadership', `This node leads since it opened epoch ${epoch}.`);
    this.#term.abort();
    this.#term = new AbortController();
    void this.#note(epoch, AbortSignal.any([this.#term.signal, this.#end.signal]));
    this.#changed();
  }

  async resigned(reason: string): Promise<void> {
    const { log, clock, challengeMs } = this.#options;
    const wasUp = this.#own.leads !== undefined || this.#own.isCalled;
    const isRepeated = this.#own.isCalled && this.#own.failedFor === reason;
    if (this.#own.isCalled) this.#own.failedFor = reason;
    this.#term.abort();
    this.#own.leads = undefined;
    this.#own.settled();
    this.#handOver.settled(undefined, reason);
    // Others go first, unless this one handed over: then it holds still by itself.
    if (wasUp) this.#own.notBeforeMs = clock.monotonicMs() + challengeMs;
    if (wasUp && !isRepeated) log('info', 'leadership', `This node does not lead: ${reason}`);
    await this.#line.stepAside();
    this.#changed();
  }

  holdBack(why: string | undefined): void {
    if (this.#own.heldBack === why) return;
    this.#own.heldBack = why;
    this.#changed();
  }

  leader(): LeaderSeen | undefined {
    const peer = this.#hearing.leader();
    const { state } = peer ?? {};
    if (peer === undefined || state === undefined) return undefined;
    return { id: peer.id, epoch: state.epoch, durable: state.durable };
  }

  subscribe(listener: () => void): () => void {
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  onHandOver(act: (target: string, reason: string) => Promise<number>): void {
    this.#handOver.onHandOver(act);
  }

  view(): ClusterView {
    const { coordinator, peers, clock } = this.#options;
    return clusterView({
      own: this.#own,
      hearing: this.#hearing,
      roster: this.#roster,
      peers,
      coordinator,
      clock,
      options: this.#options,
      pause: this.#pausing.now,
      clockFault: this.#clockFault(),
    });
  }

  switchover(target: string | undefined, signal: AbortSignal): Promise<SwitchoverDone> {
    return this.#handOver.switchover(target, signal);
  }

  pause(why: string): void {
    this.#pausing.say(true, why);
  }

  resume(): void {
    this.#pausing.say(false, '');
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const detail = 'This node leaves the cluster.';
    this.#end.abort(new OperationalError('SHUTTING_DOWN', { detail }));
    for (const end of this.#unsubscribe) end();
    this.#handOver.settled(undefined, detail);
    await this.#options.coordinator.close();
    await this.#background;
    await this.#options.peers.close();
  }

  /** Silence and time are changes that nobody tells of. */
  async #lookOn(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#end;
    while (!signal.aborted) {
      await clock.sleep(this.#times.lookMs, signal);
      this.#hearing.look();
      this.#roster.look();
      const leader = this.#hearing.leader();
      if (leader !== undefined) this.#own.failedFor = '';
      const isElsewhere = leader !== undefined && this.#own.leads === undefined;
      if (isElsewhere && !this.#own.isCalled && this.#roster.isMember(leader.id)) {
        this.#line.yieldToLeader();
      }
      const told = leader === undefined ? '' : `${leader.id} ${leader.state!.epoch}`;
      if (told !== this.#leaderTold) this.#changed();
    }
  }

  /** Writes down who leads, as soon as the coordinator takes it. */
  async #note(epoch: number, signal: AbortSignal): Promise<void> {
    const { coordinator, self, release, clock, log } = this.#options;
    const detail = encodeDetail({ addresses: self.addresses(), release });
    while (!signal.aborted) {
      try {
        const isNoted = await coordinator.noteLeader({ epoch, memberId: self.id, detail }, signal);
        if (!isNoted) log('warn', 'coordinator', `A higher epoch than ${epoch} is noted.`);
        return;
      } catch (error) {
        if (signal.aborted) return;
        log('warn', 'coordinator', `The leader's note was not written: ${String(error)}`);
        await clock.sleep(coordinator.guarantees.sessionMs, signal);
      }
    }
  }

  /** Why it could not carry out an order to lead. */
  #readiness(): string | undefined {
    const isStandby = this.#isWaiting && this.#own.role === 'following';
    if (!isStandby) return `${this.#own.id} is ${this.#own.role} and cannot lead now.`;
    return this.#own.heldBack ?? this.#clockFault();
  }

  #clockFault(): string | undefined {
    const { peers } = this.#options;
    const compared = peers
      .peers()
      .filter((peer) => this.#hearing.isLive(peer) || this.#roster.isMember(peer.id));
    return clockFault(compared);
  }

  #tell(): void {
    const { report } = this.#own;
    if (report === undefined) return;
    const { clock, release, peers } = this.#options;
    const role = this.#handOver.isGiven ? 'draining' : report.role;
    const clockNs = clock.nowNs().toString();
    peers.tell({ ...report, role, clockNs, release, pause: this.#pausing.now });
  }

  /**
   * Most states, thousands a second beside a busy leader, only say how far somebody is: no decision
   * hangs on that but a hand-over's, which looks by itself.
   */
  #heard({ id, isLinked, state }: Peer): void {
    const said = `${isLinked} ${state?.role} ${state?.epoch} ${state?.impediment}`;
    if (this.#said.get(id) !== said) {
      this.#said.set(id, said);
      this.#changed();
      return;
    }
    for (const listener of this.#listeners) listener();
  }

  #changed(): void {
    const leader = this.#hearing.leader();
    this.#leaderTold = leader === undefined ? '' : `${leader.id} ${leader.state!.epoch}`;
    this.#bell.ring();
    for (const listener of this.#listeners) listener();
  }
}
