// When this node should try to lead: never while it hears or may yet hear a leader, while failover
// is paused, while the coordinator is away or while its own clock is off. Then the first in line
// goes at once and the others one after the other, each by challenge.

import type { Clock } from '../../ports/clock.ts';
import type { Coordinator } from '../../ports/coordinator.ts';
import type { Call, Peer, PeerNetwork } from '../contract.ts';
import type { Bell } from './bell.ts';
import type { Challenge } from './challenge.ts';
import type { HandOver } from './hand-over.ts';
import type { Hearing } from './hearing.ts';
import type { Line } from './line.ts';
import type { Own } from './own.ts';
import type { Pausing } from './pausing.ts';
import type { Roster } from './roster.ts';
import { FAR_AHEAD_POSITIONS, type LeadershipLog, type Times } from './settings.ts';

export type CandidacyParts = {
  readonly own: Own;
  readonly hearing: Hearing;
  readonly roster: Roster;
  readonly pausing: Pausing;
  readonly line: Line;
  readonly challenge: Challenge;
  readonly handOver: HandOver;
  readonly coordinator: Coordinator;
  readonly peers: PeerNetwork;
  readonly clock: Clock;
  readonly bell: Bell;
  readonly times: Times;
  readonly log: LeadershipLog;
  /** What is wrong with this node's own clock. */
  readonly clockFault: () => string | undefined;
};

export class Candidacy {
  readonly #parts: CandidacyParts;
  /** Since when nothing keeps this node from trying but its turn; undefined = something does. */
  #openMs: number | undefined;
  #nextMs = 0;
  #failures = 0;
  #told = '';

  constructor(parts: CandidacyParts) {
    this.#parts = parts;
  }

  async untilCalled(signal: AbortSignal): Promise<Call> {
    const { own, bell, clock, handOver, line, challenge, times } = this.#parts;
    this.#openMs = undefined;
    this.#failures = 0;
    for (;;) {
      signal.throwIfAborted();
      const ordered = handOver.takeOrder();
      if (ordered !== undefined) return this.#call(ordered);
      if (this.#hindrance() !== undefined || clock.monotonicMs() < this.#turnMs()) {
        await bell.wait(times.lookMs, signal);
        continue;
      }
      const { isFirst } = line;
      const { isAgreed, reason } = await challenge.ask(isFirst, signal);
      signal.throwIfAborted();
      // While it asked, everything may have become different.
      if (isAgreed && this.#hindrance() === undefined && !handOver.isOrdered) {
        own.giveWord(own.id, 0);
        return this.#call({ reason, depose: true });
      }
      if (!isAgreed) this.#backOff(reason);
    }
  }

  #call(call: Call): Call {
    const { own, log } = this.#parts;
    own.called();
    this.#told = '';
    if (own.failedFor === '') log('info', 'leadership', `This node tries to lead: ${call.reason}`);
    return call;
  }

  /** Why this node does not try now, whoever's turn it is: one sentence. */
  #hindrance(): string | undefined {
    const { own, clock, hearing, roster, line, handOver, times } = this.#parts;
    const found =
      this.#standing() ??
      (clock.monotonicMs() < own.notBeforeMs ? 'Its last attempt failed just now.' : undefined) ??
      handOver.holdsStill() ??
      this.#keepsWord();
    if (found !== undefined) return this.#closed(found);
    const patience = line.isFirst ? times.goneForFirst : times.gone;
    const suspect = hearing.suspects(patience)[0];
    if (suspect !== undefined) return this.#closed(`${suspect.id} leads or may lead.`);
    const unheard = roster.unheard()[0];
    if (unheard !== undefined) return this.#closed(`${unheard} has not been heard yet.`);
    this.#openMs ??= clock.monotonicMs();
    return undefined;
  }

  /** Why this node could not lead however much it was needed: one sentence. */
  #standing(): string | undefined {
    const { pausing, coordinator, own } = this.#parts;
    // It may be building its books anew: until it could come, all others would wait for it.
    if (own.role !== 'following') return `It is ${own.role}.`;
    if (own.heldBack !== undefined) return own.heldBack;
    if (pausing.isPaused) return 'Failover is paused.';
    if (!coordinator.health().connected) return 'The coordinator is not connected.';
    return this.#parts.clockFault();
  }

  #closed(why: string): string {
    this.#openMs = undefined;
    this.#failures = 0;
    this.#nextMs = 0;
    return why;
  }

  /** It has agreed to another one, who is still there. */
  #keepsWord(): string | undefined {
    const { own, peers } = this.#parts;
    const word = own.word();
    if (word === undefined) return undefined;
    if (peers.peer(word)?.isLinked === true) return `${word} is about to lead.`;
    own.takeBackWord();
    return undefined;
  }

  /** When it is this node's turn: those who are further go first. */
  #turnMs(): number {
    const { own, hearing, line, times } = this.#parts;
    const standbys = hearing.live().filter(({ state }) => state?.role === 'following');
    const openMs = this.#openMs ?? 0;
    const ahead = (peer: Peer): number => (peer.state?.position ?? 0) - own.position;
    if (line.isFirst) {
      const isFar = standbys.some((peer) => ahead(peer) > FAR_AHEAD_POSITIONS);
      return Math.max(this.#nextMs, isFar ? openMs + times.promiseMs : openMs);
    }
    const before = standbys.filter(
      (peer) => ahead(peer) > 0 || (ahead(peer) === 0 && peer.id < own.id),
    );
    return Math.max(this.#nextMs, openMs + before.length * times.lookMs);
  }

  #backOff(reason: string): void {
    const { clock, log, times, own, hearing } = this.#parts;
    this.#failures += 1;
    const rank = hearing.live().filter(({ id }) => id < own.id).length + 1;
    const waitMs = Math.min(times.promiseMs, times.lookMs * (rank + this.#failures));
    this.#nextMs = clock.monotonicMs() + waitMs;
    if (reason !== this.#told) log('info', 'leadership', `This node does not try: ${reason}`);
    this.#told = reason;
  }
}
