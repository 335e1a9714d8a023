// Asking the others whether they, too, miss the leader, before this node tries to lead; and
// answering them. Agreement keeps healthy leaders from being disturbed by a node that is merely cut
// off, and lets one of several who miss it go first. It is not what keeps money safe.

import { isOperationalError } from '../../base/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { PEER_QUESTIONS, type PeerNetwork } from '../contract.ts';
import type { Hearing } from './hearing.ts';
import {
  type ChallengeAnswer,
  type ChallengeQuestion,
  type Claim,
  decodeAnswer,
  decodeQuestion,
  encodeMessage,
} from './messages.ts';
import type { Own } from './own.ts';
import type { Pausing } from './pausing.ts';
import type { Roster } from './roster.ts';
import type { Times } from './settings.ts';

export type ChallengeParts = {
  readonly own: Own;
  readonly hearing: Hearing;
  readonly roster: Roster;
  readonly pausing: Pausing;
  readonly peers: PeerNetwork;
  readonly clock: Clock;
  readonly times: Times;
};

/** One sentence, either way. */
export type ChallengeResult = { readonly isAgreed: boolean; readonly reason: string };

export class Challenge {
  readonly #parts: ChallengeParts;
  #claim: Claim | undefined;
  /** Who has agreed lately, and until when they hold still for this node. */
  readonly #bound = new Map<string, number>();

  constructor(parts: ChallengeParts) {
    this.#parts = parts;
    parts.peers.answer(PEER_QUESTIONS.challenge, async (from, payload) =>
      encodeMessage(this.#answer(from, decodeQuestion(payload))),
    );
  }

  /** Asks everybody who is there. Never rejects. */
  async ask(isFirst: boolean, signal: AbortSignal): Promise<ChallengeResult> {
    const { own } = this.#parts;
    this.#claim = { id: own.id, isFirst, position: own.position };
    try {
      return await this.#round(this.#claim, signal);
    } finally {
      this.#claim = undefined;
    }
  }

  async #round(claim: Claim, signal: AbortSignal): Promise<ChallengeResult> {
    const { own, hearing, roster, clock, times } = this.#parts;
    const live = hearing.live().map(({ id }) => id);
    const lost = this.#lostLeader(live);
    const others = new Set([...roster.counted(), ...live, own.id]);
    if (lost !== undefined) others.delete(lost);
    const needed = Math.floor(others.size / 2) + 1;
    const asked = live.filter((id) => id !== lost);
    const votes = new Votes(needed, asked.length);
    const end = new AbortController();
    const stop = (): void => end.abort();
    signal.addEventListener('abort', stop, { once: true });
    const question = { claim, epoch: hearing.epoch, agreed: this.#stillBound() };
    for (const id of asked) void this.#askOne(id, question, votes, end.signal);
    await Promise.race([votes.decided, clock.sleep(times.askMs, end.signal)]);
    if (!votes.isComplete) {
      await Promise.race([votes.complete, clock.sleep(times.objectionMs, end.signal)]);
    }
    end.abort();
    signal.removeEventListener('abort', stop);
    const word = own.word();
    if (word !== undefined) return { isAgreed: false, reason: `This node lets ${word} go first.` };
    // The first place tells that the leader is lost only where the leader has left the line for it,
    // and not where the line itself began anew.
    const isLostThere = lost === undefined || !(roster.isMember(lost) || roster.isBackLately);
    return votes.result(claim.isFirst && isLostThere, lost);
  }

  async #askOne(
    id: string,
    question: ChallengeQuestion,
    votes: Votes,
    signal: AbortSignal,
  ): Promise<void> {
    const { peers, clock, times } = this.#parts;
    try {
      const bytes = encodeMessage(question);
      const answer = decodeAnswer(await peers.ask(id, PEER_QUESTIONS.challenge, bytes, signal));
      if (answer.verdict === 'yes') this.#bound.set(id, clock.monotonicMs() + times.promiseMs);
      votes.count(id, answer);
    } catch (error) {
      votes.count(id, undefined);
      if (!isOperationalError(error)) throw error;
    }
  }

  #stillBound(): string[] {
    const nowMs = this.#parts.clock.monotonicMs();
    return [...this.#bound].filter(([, untilMs]) => nowMs < untilMs).map(([id]) => id);
  }

  #lostLeader(live: readonly string[]): string | undefined {
    const lost = this.#parts.hearing.lastLeader()?.id;
    return lost === undefined || live.includes(lost) ? undefined : lost;
  }

  #answer(from: string, question: ChallengeQuestion): ChallengeAnswer {
    const { own, hearing, roster, pausing, clock, times } = this.#parts;
    if (own.leads !== undefined && own.leads >= question.epoch) {
      return { verdict: 'leads', who: own.id };
    }
    if (pausing.isPaused) return { verdict: 'paused', who: own.id };
    const heard = hearing.suspects(times.goneForAsked).find(({ id }) => id !== from);
    if (heard !== undefined) return { verdict: 'hears', who: heard.id };
    const unheard = roster.unheard().find((id) => id !== from);
    if (unheard !== undefined) return { verdict: 'hears', who: unheard };
    if (own.isTrying(times.attemptMs)) return { verdict: 'tries', who: own.id };
    const word = own.word();
    const isBound = word !== undefined && word !== from && !question.agreed.includes(word);
    if (isBound) return { verdict: 'tries', who: word };
    if (this.#claim !== undefined && isBetter(this.#claim, question.claim)) {
      return { verdict: 'better', who: own.id };
    }
    own.giveWord(from, clock.monotonicMs() + times.promiseMs);
    return { verdict: 'yes', who: own.id };
  }
}

/** Whether `one` goes before `other`. */
export function isBetter(one: Claim, other: Claim): boolean {
  if (one.isFirst !== other.isFirst) return one.isFirst;
  if (one.position !== other.position) return one.position > other.position;
  return one.id < other.id;
}

class Votes {
  readonly agreed: string[] = [];
  readonly #needed: number;
  readonly #asked: number;
  readonly #against: ChallengeAnswer[] = [];
  readonly #decided = Promise.withResolvers<void>();
  readonly #complete = Promise.withResolvers<void>();
  #answered = 0;

  constructor(needed: number, asked: number) {
    this.#needed = needed;
    this.#asked = asked;
    this.#look();
  }

  /** Enough have agreed, or all have answered. */
  get decided(): Promise<void> {
    return this.#decided.promise;
  }

  get complete(): Promise<void> {
    return this.#complete.promise;
  }

  get isComplete(): boolean {
    return this.#answered >= this.#asked;
  }

  count(id: string, answer: ChallengeAnswer | undefined): void {
    this.#answered += 1;
    if (answer?.verdict === 'yes') this.agreed.push(id);
    else if (answer !== undefined) this.#against.push(answer);
    this.#look();
  }

  /** This node itself counts as one that agrees. */
  #look(): void {
    if (this.isComplete) this.#complete.resolve();
    if (this.isComplete || this.agreed.length + 1 >= this.#needed) this.#decided.resolve();
  }

  result(isFirst: boolean, lost: string | undefined): ChallengeResult {
    const leader = lost === undefined ? 'Nobody leads' : `The leader ${lost} is not heard`;
    const about = this.#against.find(({ verdict }) =>
      ['leads', 'tries', 'better', 'paused'].includes(verdict),
    );
    if (about !== undefined) return { isAgreed: false, reason: objection(about) };
    const agreeing = this.agreed.length + 1;
    if (agreeing >= this.#needed) {
      const who =
        this.agreed.length === 0 ? '' : `; agreed by ${this.agreed.toSorted().join(', ')}`;
      return { isAgreed: true, reason: `${leader}${who}.` };
    }
    const hears = this.#against.find(({ verdict }) => verdict === 'hears');
    if (hears !== undefined) return { isAgreed: false, reason: objection(hears) };
    if (isFirst) return { isAgreed: true, reason: `${leader}; this node is first in line.` };
    const reason = `${agreeing} of the ${this.#needed} nodes that must agree miss the leader.`;
    return { isAgreed: false, reason };
  }
}

function objection({ verdict, who }: ChallengeAnswer): string {
  if (verdict === 'leads') return `${who} says that it leads.`;
  if (verdict === 'tries') return `${who} is about to lead.`;
  if (verdict === 'better') return `${who} goes first: it is further or before in line.`;
  if (verdict === 'paused') return `Failover is paused, says ${who}.`;
  return `${who} is still heard by others, or may be.`;
}
