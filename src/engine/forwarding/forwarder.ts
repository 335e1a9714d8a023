// A standby's end of forwarding: takes what its own intake has admitted, sends it to the leader in
// batches, and tells the callers when the leader has answered and the own books hold it too.
//
//   intake --take--> question --answer--> waiting for the own replica --applied--> caller
//     ^                 |
//     +----putBack------+  the leader was lost, or leads no more: held, and sent to the next one
//
// What was sent to a leader that was lost may have happened there. Sending it again is safe: ids
// and versions are part of commands. But no later refusal may say that it did not happen
// (Ticket.unnumber). The order of one intake is kept: after a failure nothing new is sent until the
// other questions have settled too, and what is unanswered returns to the front together.

import { OperationalError, isOperationalError } from '../../base/errors.ts';
import { QUEUE_BYTES_MAX, QUEUE_COMMANDS_MAX } from '../../base/limits.ts';
import { PEER_QUESTIONS, type PeerNetwork } from '../../cluster/contract.ts';
import type { Intake } from '../intake.ts';
import type { Ticket } from '../ticket.ts';
import { ForwardedFailure, decodeAnswers } from './forwarded-answers.ts';
import {
  FORWARDED_BYTES_MAX,
  FORWARDED_COMMANDS_MAX,
  encodeForwarded,
  giveBackQuestion,
} from './forwarded-commands.ts';
import { WaitingAnswers } from './waiting-answers.ts';

/** Small questions at a time: enough to have one ready for each entry that the leader begins. */
const SMALL_QUESTIONS_MAX = 3;
/** Questions at a time: with 1 MiB each, what one link carries. The rest waits in the intake. */
const QUESTIONS_MAX = 8;
/** As much is not small: it goes although others are under way. */
const LARGE_BYTES = 128 * 1024;
const LARGE_COMMANDS = 512;

/** Before the same leader is asked again that has just refused: doubled each time. */
const PAUSE_MS_MIN = 5;
const PAUSE_MS_MAX = 200;

/** The leader's word for the caller. Everything else says that it does not lead (any more). */
const FOR_CALLERS: ReadonlySet<string> = new Set([
  'OVERLOADED',
  'JOURNAL_FULL',
  'JOURNAL_UNAVAILABLE',
  'CLOCK_JUMPED',
]);

/** Said before anything was queued or numbered: it did not happen there. */
const NOT_BEGUN: ReadonlySet<string> = new Set(['NOT_READY', 'SHUTTING_DOWN']);

export type ForwarderOptions = {
  readonly intake: Intake;
  readonly peers: Pick<PeerNetwork, 'ask'>;
  /** Last position that has been applied here. */
  readonly position: () => number;
  /** A leader was lost or refused, and commands are held: once for each time. */
  readonly onTrouble: (leaderId: string, error: OperationalError) => void;
};

type Question = {
  readonly tickets: readonly Ticket[];
  isSettled: boolean;
  /** Those that are to be sent again, once it has settled. */
  unanswered: Ticket[];
};

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #waiting = new WaitingAnswers();
  /** Whom to send to; undefined = hold everything. */
  #leaderId: string | undefined;
  /** Whom the questions are with, or were with last. */
  #askedId = '';
  #asking = new AbortController();
  /** In the order of sending: those under way, and those that failed while others are. */
  #questions: Question[] = [];
  #unsettled = 0;
  /** Why nothing is sent until all questions have settled. */
  #trouble: OperationalError | undefined;
  #pauseMs = 0;
  #pausing: NodeJS.Timeout | undefined;
  #isScheduled = false;
  #onIdle: (() => void) | undefined;
  readonly #onTurnEnd = (): void => {
    this.#isScheduled = false;
    this.#send();
  };

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /** Commands that were sent and whose callers have not been answered. */
  get unanswered(): number {
    let count = this.#waiting.count;
    for (const { tickets, isSettled, unanswered } of this.#questions) {
      count += isSettled ? unanswered.length : tickets.length;
    }
    return count;
  }

  /**
   * Sends to `leaderId` from now on; undefined = to nobody, everything waits. Questions that are
   * with another leader are given up, and their commands go to this one.
   */
  toward(leaderId: string | undefined): void {
    this.#leaderId = leaderId;
    if (leaderId === undefined) return;
    if (leaderId !== this.#askedId) {
      this.#giveUp();
      this.#endPause();
      this.#pauseMs = 0;
      this.#askedId = leaderId;
    }
    this.wake();
  }

  /** Something arrived. It is sent at the end of this turn of the loop: more may arrive. */
  wake(): void {
    if (this.#isScheduled || !this.#maySend()) return;
    this.#isScheduled = true;
    setImmediate(this.#onTurnEnd);
  }

  /** The own books hold everything through `position`: whose answer that is hears it now. */
  applied(position: number): void {
    if (this.#waiting.count === 0) return;
    this.#waiting.give(position);
    this.#signalIdle();
    this.wake();
  }

  /**
   * Sends no more. What has no answer is back in the intake when this returns; what has one waits
   * on for `applied`. `toward` begins again.
   */
  stop(): void {
    this.#leaderId = undefined;
    this.#giveUp();
    this.#endPause();
    this.#askedId = '';
  }

  /** As `stop`; and answers that the own books will not come to hold are unknown: a halt. */
  abandon(error: OperationalError): void {
    this.stop();
    for (const ticket of this.#waiting.takeAll()) {
      ticket.reject(new OperationalError('OUTCOME_UNKNOWN', { cause: error }));
    }
    this.#signalIdle();
  }

  /** Resolves when everything that the intake holds has been answered. Intake must be closed. */
  async drain(): Promise<void> {
    if (this.#isIdle()) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onIdle = resolve;
    this.wake();
    await promise;
  }

  #isIdle(): boolean {
    const { intake } = this.#options;
    return this.#questions.length + this.#waiting.count + intake.commands === 0;
  }

  #signalIdle(): void {
    if (this.#onIdle === undefined || !this.#isIdle()) return;
    this.#onIdle();
    this.#onIdle = undefined;
  }

  #maySend(): boolean {
    const { intake } = this.#options;
    if (this.#leaderId === undefined || intake.commands === 0) return false;
    if (this.#trouble !== undefined || this.#pausing !== undefined) return false;
    if (this.#waiting.count >= QUEUE_COMMANDS_MAX || this.#waiting.bytes >= QUEUE_BYTES_MAX) {
      return false;
    }
    if (this.#unsettled < SMALL_QUESTIONS_MAX) return true;
    const isLarge = intake.bytes >= LARGE_BYTES || intake.commands >= LARGE_COMMANDS;
    return isLarge && this.#unsettled < QUESTIONS_MAX;
  }

  #send(): void {
    while (this.#maySend()) {
      const tickets = this.#options.intake.take(FORWARDED_BYTES_MAX, FORWARDED_COMMANDS_MAX);
      if (tickets.length > 0) this.#ask(tickets);
    }
    this.#signalIdle();
  }

  #ask(tickets: readonly Ticket[]): void {
    const question: Question = { tickets, isSettled: false, unanswered: [] };
    this.#questions.push(question);
    this.#unsettled++;
    const bytes = encodeForwarded(tickets);
    this.#options.peers.ask(this.#askedId, PEER_QUESTIONS.forward, bytes, this.#asking.signal).then(
      (answer) => {
        giveBackQuestion(bytes);
        this.#answered(question, answer);
      },
      (error: unknown) => this.#failed(question, error),
    );
  }

  #answered(question: Question, answer: Uint8Array): void {
    if (question.isSettled) return; // given up meanwhile
    const { tickets } = question;
    const parts = decodeAnswers(answer, tickets.length);
    if (parts === undefined) return this.#failed(question, unreadable(this.#askedId));
    const position = this.#options.position();
    let trouble: OperationalError | undefined;
    for (let index = 0; index < tickets.length; index++) {
      const [ticket, part] = [tickets[index]!, parts[index]!];
      if (part instanceof ForwardedFailure) {
        if (this.#reject(question, ticket, part)) continue;
        trouble ??= part.error;
      } else if (ticket.settled) {
        continue; // the caller left
      } else if (part.position <= position) {
        ticket.resolve(part);
      } else {
        this.#waiting.add(ticket, part);
      }
    }
    this.#settled(question, trouble);
  }

  #failed(question: Question, cause: unknown): void {
    if (question.isSettled) return;
    const error = isOperationalError(cause)
      ? cause
      : new OperationalError('OUTCOME_UNKNOWN', { cause });
    const failure = new ForwardedFailure(error, false);
    let trouble: OperationalError | undefined;
    for (const ticket of question.tickets) {
      if (!this.#reject(question, ticket, failure)) trouble = error;
    }
    this.#settled(question, trouble);
  }

  /** Tells the caller, if it is for him; otherwise (false) the command is to be sent again. */
  #reject(question: Question, ticket: Ticket, { error, isLastWord }: ForwardedFailure): boolean {
    if (isLastWord || FOR_CALLERS.has(error.code)) {
      // This attempt is over, and the ticket knows of earlier ones.
      ticket.reject(error);
      return true;
    }
    ticket.unnumber(!NOT_BEGUN.has(error.code));
    question.unanswered.push(ticket);
    return false;
  }

  #settled(question: Question, trouble: OperationalError | undefined): void {
    question.isSettled = true;
    this.#unsettled--;
    this.#trouble ??= trouble;
    if (trouble === undefined) {
      this.#pauseMs = 0;
      this.#questions.splice(this.#questions.indexOf(question), 1);
    }
    if (this.#trouble !== undefined && this.#unsettled === 0) this.#hold(this.#trouble);
    else this.wake();
    this.#signalIdle();
  }

  /** All questions have settled, one of them badly. */
  #hold(error: OperationalError): void {
    this.#pauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, 2 * this.#pauseMs));
    this.#pausing = setTimeout(() => {
      this.#pausing = undefined;
      this.wake();
    }, this.#pauseMs);
    this.#putBack();
    this.#options.onTrouble(this.#askedId, error);
  }

  #giveUp(): void {
    const { signal } = this.#asking;
    for (const question of this.#questions) {
      if (question.isSettled) continue;
      question.isSettled = true;
      for (const ticket of question.tickets) ticket.unnumber(true);
      question.unanswered = [...question.tickets];
    }
    this.#unsettled = 0;
    this.#putBack();
    if (signal.aborted) return;
    this.#asking.abort();
    this.#asking = new AbortController();
  }

  #putBack(): void {
    const tickets = this.#questions.flatMap(({ unanswered }) => unanswered);
    this.#questions = [];
    this.#trouble = undefined;
    this.#options.intake.putBack(tickets);
  }

  #endPause(): void {
    clearTimeout(this.#pausing);
    this.#pausing = undefined;
  }
}

function unreadable(leaderId: string): OperationalError {
  return new OperationalError('OUTCOME_UNKNOWN', {
    detail: `The answer of node ${leaderId} to forwarded commands cannot be read.`,
    wayOut: 'They are sent again; run the same release on all nodes.',
  });
}
