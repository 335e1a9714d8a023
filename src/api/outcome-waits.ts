// The requests of the short road that wait for their outcomes, oldest first. One clock for all of
// them instead of a timer, a signal and promises for each: they all wait equally long, so whoever
// began first is the first whose time is over. A chain through the waits themselves, because each
// comes and goes thousands of times a second.
//
// The engine tells outcomes from inside its station, which has the next entry to send on its way;
// the answers are written right after that, all of one entry together.

import type { FastifyReply } from 'fastify';
import type { Command } from '../domain/commands.ts';
import type { Asked, Engine, SubmitResult, Waiter } from '../engine/contract.ts';
import { type JsonAnswer, sendJsonBare } from './context.ts';
import type { Signature } from './signature.ts';

type Outcome =
  | { readonly kind: 'accepted'; readonly result: SubmitResult }
  | { readonly kind: 'failed'; readonly error: unknown };

export type OutcomeWaitsOptions = {
  readonly engine: Engine;
  /** A request waits so long; then it hears that the outcome is unknown. */
  readonly outcomeWaitMs: number;
  readonly signature: Signature;
  /** The answer; what it throws is sent as a problem. */
  readonly answer: (record: Uint8Array<ArrayBuffer>, result: SubmitResult) => JsonAnswer;
};

export class OutcomeWaits {
  readonly #options: OutcomeWaitsOptions;
  #oldest: Wait | undefined;
  #newest: Wait | undefined;
  #timer: NodeJS.Timeout | undefined;
  #told: Wait[] = [];
  readonly #answerAll = (): void => {
    const told = this.#told;
    this.#told = [];
    const signature = this.#options.signature();
    for (const wait of told) this.#answer(wait, signature);
  };

  constructor(options: OutcomeWaitsOptions) {
    this.#options = options;
  }

  /** Has the command carried out and answers: up to the deadline, or until the client has gone. */
  begin(reply: FastifyReply, record: Uint8Array<ArrayBuffer>, command: Command): void {
    const wait = new Wait(this, reply, record);
    this.#add(wait);
    try {
      const asked = this.#options.engine.ask(command, wait);
      if (wait.outcome !== undefined) return;
      wait.asked = asked;
    } catch (error) {
      this.tell(wait, { kind: 'failed', error });
      return;
    }
    // Also emitted when all has been answered: then nothing is left to abandon.
    reply.raw.on('close', () => wait.asked?.abandon());
  }

  tell(wait: Wait, outcome: Outcome): void {
    wait.outcome = outcome;
    wait.asked = undefined;
    this.#remove(wait);
    if (this.#told.length === 0) queueMicrotask(this.#answerAll);
    this.#told.push(wait);
  }

  #answer({ reply, record, outcome }: Wait, signature: readonly string[]): void {
    try {
      if (outcome?.kind === 'accepted') {
        sendJsonBare(reply, this.#options.answer(record, outcome.result), signature);
      } else {
        reply.send(outcome?.error);
      }
    } catch (error) {
      reply.send(error);
    }
  }

  #add(wait: Wait): void {
    wait.older = this.#newest;
    if (this.#newest === undefined) {
      this.#oldest = wait;
      this.#timer = setTimeout(() => this.#look(), this.#options.outcomeWaitMs);
    } else {
      this.#newest.newer = wait;
    }
    this.#newest = wait;
  }

  /** The links of what leaves are cut: an old wait must not keep younger ones. */
  #remove(wait: Wait): void {
    const { older, newer } = wait;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    wait.older = undefined;
    wait.newer = undefined;
    if (this.#oldest === undefined) clearTimeout(this.#timer);
  }

  /** Abandons what has waited long enough, and looks again when the next one has. */
  #look(): void {
    const throughMs = performance.now() - this.#options.outcomeWaitMs;
    let wait = this.#oldest;
    while (wait !== undefined && wait.startedMs <= throughMs) {
      // Asked before: who is abandoned leaves the chain.
      const { newer }: Wait = wait;
      wait.asked?.abandon();
      wait = newer;
    }
    if (this.#oldest === undefined) return;
    const restMs = Math.max(1, this.#oldest.startedMs - throughMs);
    this.#timer = setTimeout(() => this.#look(), restMs);
  }
}

class Wait implements Waiter {
  readonly #waits: OutcomeWaits;
  readonly reply: FastifyReply;
  readonly record: Uint8Array<ArrayBuffer>;
  readonly startedMs = performance.now();
  asked: Asked | undefined;
  outcome: Outcome | undefined;
  older: Wait | undefined;
  newer: Wait | undefined;

  constructor(waits: OutcomeWaits, reply: FastifyReply, record: Uint8Array<ArrayBuffer>) {
    this.#waits = waits;
    this.reply = reply;
    this.record = record;
  }

  accepted(result: SubmitResult): void {
    this.#waits.tell(this, { kind: 'accepted', result });
  }

  failed(error: unknown): void {
    this.#waits.tell(this, { kind: 'failed', error });
  }
}
