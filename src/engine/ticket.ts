// A ticket: one admitted command and whoever waits for its outcome. It passes through all stations
// of the leader and is settled exactly once, by the responder or by a station that gives up on it.

import { OperationalError } from '../base/errors.ts';
import { type Command, commandBytes } from '../domain/commands.ts';
import type { Asked, SubmitResult, Waiter } from './contract.ts';

export class Ticket implements Asked {
  readonly command: Command;
  /** Bytes that the command takes in an entry. */
  readonly bytes: number;
  /** Whoever has been answered is let go at once; nobody is told twice. */
  #waiter: Waiter | undefined;
  /** Set by the sequencer: from now on the command may happen. */
  numbered = false;

  constructor(command: Command, waiter: Waiter) {
    this.command = command;
    this.bytes = commandBytes(command);
    this.#waiter = waiter;
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

  /** Settles with an error; a ticket that is settled already (its caller left) stays as it is. */
  reject(error: OperationalError): void {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.failed(error);
  }

  /** The caller waits no longer. What he may conclude depends on how far the command came. */
  abandon(): void {
    if (this.settled) return;
    this.reject(
      this.numbered
        ? new OperationalError('OUTCOME_UNKNOWN', {
            detail: 'The time to wait ended after the command had been numbered.',
          })
        : new OperationalError('OVERLOADED', {
            detail: 'The time to wait ended before the command was numbered; it will not happen.',
          }),
    );
  }
}
