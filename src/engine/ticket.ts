// A ticket: one admitted command and whoever waits for its outcome. It passes through all stations
// of the leader, or from a standby's forwarder to the leader and back, and is settled exactly once:
// by the responder, the forwarder, or a station that gives up on it.

import { OPERATIONAL_ERRORS, OperationalError } from '../base/errors.ts';
import { type Command, commandBytes } from '../domain/commands.ts';
import type { Asked, SubmitResult, Waiter } from './contract.ts';

/** The queue, as its tickets know it. */
export type TicketQueue = {
  /** Why nothing of it is numbered now; undefined = nothing keeps it. */
  readonly heldUpBy: OperationalError | undefined;
  /** One that may wait in it has been abandoned. */
  left(): void;
};

export class Ticket implements Asked {
  readonly command: Command;
  readonly #queue: TicketQueue;
  /** Bytes that the command takes in an entry. */
  readonly bytes: number;
  /** It came from another node, whose forwarder sends it again when this node cannot take it. */
  readonly isForwarded: boolean;
  /** Whoever has been answered is let go at once; nobody is told twice. */
  #waiter: Waiter | undefined;
  /** Taken from the queue, by the sequencer or the forwarder: the command may happen. */
  numbered = false;
  /** It was with a leader that was lost and may have happened there, whatever happens now. */
  #isInDoubt = false;

  constructor(command: Command, waiter: Waiter, queue: TicketQueue, isForwarded = false) {
    this.command = command;
    this.#queue = queue;
    this.bytes = commandBytes(command);
    this.#waiter = waiter;
    this.isForwarded = isForwarded;
  }

  get settled(): boolean {
    return this.#waiter === undefined;
  }

  /** As `reject`: nothing happens where the caller left. */
  resolve(result: SubmitResult): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.accepted(result);
  }

  /**
   * Settles with an error; a ticket that is settled already (its caller left) stays as it is. Where
   * the command may have happened before, no error says that it did not: OUTCOME_UNKNOWN.
   */
  reject(error: OperationalError): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.failed(this.#isInDoubt ? inDoubt(error) : error);
  }

  /**
   * It is about to go back to the queue. `mayHaveHappened`: whoever had it was lost before saying
   * whether he carried it out; that holds from now on.
   */
  unnumber(mayHaveHappened: boolean): void {
    this.#isInDoubt ||= mayHaveHappened;
    this.numbered = this.#isInDoubt;
  }

  /** The caller waits no longer. What he may conclude depends on how far the command came. */
  abandon(): void {
    if (this.settled) return;
    this.reject(this.numbered ? tooLate() : notNumbered(this.#queue.heldUpBy));
    this.#queue.left();
  }
}

function tooLate(): OperationalError {
  return new OperationalError('OUTCOME_UNKNOWN', {
    detail: 'The time to wait ended after the command had been numbered, or sent to the leader.',
  });
}

function notNumbered(heldUpBy: OperationalError | undefined): OperationalError {
  const detail = 'The time to wait ended before the command was numbered; it will not happen.';
  if (heldUpBy === undefined) return new OperationalError('OVERLOADED', { detail });
  return new OperationalError('JOURNAL_UNAVAILABLE', {
    // Hosts and settings of the engine are for the log, not for callers.
    detail: `${detail} ${OPERATIONAL_ERRORS[heldUpBy.code].text}`,
    cause: heldUpBy,
  });
}

function inDoubt(error: OperationalError): OperationalError {
  if (OPERATIONAL_ERRORS[error.code].outcome === 'unknown') return error;
  return new OperationalError('OUTCOME_UNKNOWN', {
    detail:
      'The command was with a leader that was lost and may have been carried out there; ' +
      `another attempt ended with ${error.code}: ${error.detail}`,
    wayOut: 'Ask again with the same ids.',
    cause: error,
  });
}
