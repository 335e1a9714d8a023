// The planned change of the leader: the target is let come close, the old leader closes the
// journal, the target is asked to take over. Nobody else tries meanwhile: the old one says
// `draining` until the target leads, for a bounded time.

import { OperationalError, isOperationalError } from '../../base/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { type Call, PEER_QUESTIONS, type PeerNetwork, type SwitchoverDone } from '../contract.ts';
import type { Bell } from './bell.ts';
import type { Hearing } from './hearing.ts';
import type { Line } from './line.ts';
import {
  type TakeOver,
  decodeDone,
  decodeEpoch,
  decodeTakeOver,
  decodeTarget,
  encodeMessage,
} from './messages.ts';
import type { Own } from './own.ts';
import type { LeadershipLog, Times } from './settings.ts';
import { chooseTarget, refused, stillFit } from './target.ts';

export type HandOverParts = {
  readonly own: Own;
  readonly hearing: Hearing;
  readonly line: Line;
  readonly peers: PeerNetwork;
  readonly clock: Clock;
  readonly bell: Bell;
  readonly times: Times;
  readonly release: string;
  readonly log: LeadershipLog;
  /** What this node says of itself has changed. */
  readonly tell: () => void;
  /** Whether this node waits to be called, and may be. */
  readonly readiness: () => string | undefined;
};

type Act = (target: string, reason: string) => Promise<number>;
type Order = { readonly call: Call; readonly outcome: PromiseWithResolvers<number> };

export class HandOver {
  readonly #parts: HandOverParts;
  #act: Act | undefined;
  #isBusy = false;
  /** The journal is closed and the target has not led yet. */
  #given: { readonly to: string; readonly untilMs: number } | undefined;
  #order: Order | undefined;
  /** Of an order that is being carried out: to be told how it ends. */
  #pending: PromiseWithResolvers<number> | undefined;

  constructor(parts: HandOverParts) {
    this.#parts = parts;
    const { peers } = parts;
    peers.answer(PEER_QUESTIONS.takeOver, async (from, payload, signal) => {
      const epoch = await this.#takeOver(from, decodeTakeOver(payload), signal);
      return encodeMessage({ epoch });
    });
    peers.answer(PEER_QUESTIONS.switchover, async (from, payload, signal) => {
      this.#parts.log('info', 'handover', `${from} passes on the wish for another leader.`);
      return encodeMessage(await this.#lead(decodeTarget(payload), signal));
    });
  }

  onHandOver(act: Act): void {
    this.#act = act;
  }

  /** At the leader, or at a standby, which passes the wish on. */
  async switchover(target: string | undefined, signal: AbortSignal): Promise<SwitchoverDone> {
    const { own, hearing, peers } = this.#parts;
    if (own.leads !== undefined) return this.#lead(target, signal);
    const leader = hearing.leader();
    if (leader === undefined) {
      throw refused(
        'Nobody leads now, as far as this node hears.',
        'Wait for a leader; if failover is paused: holdfast cluster resume.',
      );
    }
    const bytes = encodeMessage({ target });
    return decodeDone(await peers.ask(leader.id, PEER_QUESTIONS.switchover, bytes, signal));
  }

  /** Why this node lets another one go first; undefined = it does not. */
  holdsStill(): string | undefined {
    const given = this.#given;
    if (given === undefined) return undefined;
    const { clock, peers } = this.#parts;
    const isOver = clock.monotonicMs() >= given.untilMs || peers.peer(given.to)?.isLinked !== true;
    if (!isOver) return `It has handed over to ${given.to}.`;
    this.#end();
    return undefined;
  }

  /** It says `draining`, whatever its role is, so that nobody else tries. */
  get isGiven(): boolean {
    return this.#given !== undefined;
  }

  get isOrdered(): boolean {
    return this.#order !== undefined;
  }

  /** The order to lead, once. */
  takeOrder(): Call | undefined {
    const order = this.#order;
    this.#order = undefined;
    if (order === undefined) return undefined;
    this.#pending = order.outcome;
    return order.call;
  }

  /** The attempt that was ordered has ended: with an epoch, or not. */
  settled(epoch: number | undefined, reason: string): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending === undefined) return;
    if (epoch === undefined) pending.reject(new OperationalError('NOT_READY', { detail: reason }));
    else pending.resolve(epoch);
  }

  async #takeOver(from: string, order: TakeOver, signal: AbortSignal): Promise<number> {
    const { own, hearing, bell } = this.#parts;
    const hindrance =
      this.#parts.readiness() ??
      (order.epoch < hearing.epoch ? `${from} does not lead any more.` : undefined) ??
      (own.position > order.position ? `${own.id} is further than ${from}.` : undefined);
    if (hindrance !== undefined) throw new OperationalError('NOT_READY', { detail: hindrance });
    const outcome = Promise.withResolvers<number>();
    const reason = `Planned hand-over from ${from}: ${order.reason}`;
    this.#order = { call: { reason, depose: false }, outcome };
    const giveUp = (): void => {
      // An attempt that has begun goes on.
      if (this.#order?.outcome === outcome) this.#order = undefined;
      outcome.reject(new OperationalError('NOT_READY', { detail: `${from} gave up waiting.` }));
    };
    signal.addEventListener('abort', giveUp, { once: true });
    bell.ring();
    return outcome.promise.finally(() => signal.removeEventListener('abort', giveUp));
  }

  async #lead(target: string | undefined, signal: AbortSignal): Promise<SwitchoverDone> {
    const { own } = this.#parts;
    const act = this.#act;
    if (own.leads === undefined || act === undefined) {
      throw refused(`${own.id} does not lead any more.`, 'Ask again.');
    }
    if (this.#isBusy) throw refused('A hand-over is going on.', 'Wait for its end.');
    this.#isBusy = true;
    try {
      return await this.#handOver(own.leads, target, act, signal);
    } finally {
      this.#isBusy = false;
    }
  }

  async #handOver(
    epoch: number,
    wanted: string | undefined,
    act: Act,
    signal: AbortSignal,
  ): Promise<SwitchoverDone> {
    const { own, clock, log, line } = this.#parts;
    const target = await this.#approach(wanted, signal);
    const reason = wanted === undefined ? 'the standby that is furthest' : 'as asked for';
    log('info', 'handover', `Handing over to ${target}, ${reason}.`);
    const startedMs = clock.monotonicMs();
    const position = await this.#stop(target, reason, act);
    const stoppedMs = clock.monotonicMs() - startedMs;
    this.#given = { to: target, untilMs: clock.monotonicMs() + this.#parts.times.takeOverMs };
    own.leads = undefined;
    this.#parts.tell();
    void line.stepAside();
    try {
      const won = await this.#ask(target, { position, epoch, reason }, signal);
      const tookMs = clock.monotonicMs() - startedMs;
      const steps = `it took ${rounded(tookMs)} ms, ${rounded(stoppedMs)} of them here`;
      log('info', 'handover', `${target} leads since epoch ${won}; ${steps}.`);
      await this.#untilHeard(won, signal);
      return { from: own.id, to: target, epoch: won, tookMs };
    } finally {
      this.#end();
    }
  }

  /** From here on it says `draining`: nobody is to try in the moment in which nobody leads. */
  async #stop(target: string, reason: string, act: Act): Promise<number> {
    this.#given = { to: target, untilMs: Number.POSITIVE_INFINITY };
    this.#parts.tell();
    try {
      return await act(target, reason);
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  /** Waits until the target is close behind. */
  async #approach(wanted: string | undefined, signal: AbortSignal): Promise<string> {
    const { own, hearing, peers, clock, bell, times, release } = this.#parts;
    const target = chooseTarget(wanted, { own, hearing, peers, release });
    const isDraining = own.role === 'draining';
    const untilMs = clock.monotonicMs() + (isDraining ? times.promiseMs : times.approachMs);
    for (;;) {
      signal.throwIfAborted();
      if (own.leads === undefined) throw refused(`${own.id} does not lead any more.`, 'Ask again.');
      if (stillFit(target, { own, hearing, peers, release })) return target;
      if (clock.monotonicMs() >= untilMs) {
        throw refused(
          `${target} does not come close enough to the leader.`,
          'Ask again when there is less load, or name another node.',
        );
      }
      await bell.wait(times.lookMs, signal);
    }
  }

  async #ask(target: string, order: TakeOver, signal: AbortSignal): Promise<number> {
    const { peers, clock, times, log } = this.#parts;
    const end = new AbortController();
    void clock.sleep(times.takeOverMs, end.signal).then(() => end.abort());
    try {
      const bytes = encodeMessage(order);
      const either = AbortSignal.any([signal, end.signal]);
      return decodeEpoch(await peers.ask(target, PEER_QUESTIONS.takeOver, bytes, either));
    } catch (error) {
      const why = isOperationalError(error) ? error.detail : String(error);
      log('warn', 'handover', `${target} did not take over: ${why}`);
      throw new OperationalError('OUTCOME_UNKNOWN', {
        detail: `${target} was to take over and has not said that it leads: ${why}`,
        wayOut: 'Look who leads (holdfast cluster status); any node may have been called since.',
        cause: error,
      });
    } finally {
      end.abort();
    }
  }

  /** So that whoever asks this node next hears of the new leader. */
  async #untilHeard(epoch: number, signal: AbortSignal): Promise<void> {
    const { hearing, bell, times } = this.#parts;
    while ((hearing.leader()?.state?.epoch ?? 0) < epoch && this.holdsStill() !== undefined) {
      if (signal.aborted) return;
      await bell.wait(times.lookMs, signal);
    }
  }

  #end(): void {
    if (this.#given === undefined) return;
    this.#given = undefined;
    this.#parts.tell();
    this.#parts.bell.ring();
  }
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
