// A ticket: one admitted command and whoever waits for its outcome. It passes through all stations
// of the leader and is settled exactly once, by the responder or by a station that gives up on it.

import { OperationalError } from '../base/errors.ts';
import { type Command, commandBytes } from '../domain/commands.ts';
import type { SubmitResult } from './contract.ts';

export class Ticket {
  readonly command: Command;
  /** Bytes that the command takes in an entry. */
  readonly bytes: number;
  readonly promise: Promise<SubmitResult>;
  readonly #resolve: (result: SubmitResult) => void;
  readonly #reject: (error: OperationalError) => void;
  #settled = false;
  /** Set by the sequencer: from now on the command may happen. */
  numbered = false;

  constructor(command: Command) {
    this.command = command;
    this.bytes = commandBytes(command);
    const { promise, resolve, reject } = Promise.withResolvers<SubmitResult>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get settled(): boolean {
    return this.#settled;
  }

  resolve(result: SubmitResult): void {
    this.#settled = true;
    this.#resolve(result);
  }

  /** Settles with an error; a ticket that is settled already (its caller left) stays as it is. */
  reject(error: OperationalError): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#reject(error);
  }

  /** The caller waits no longer. What he may conclude depends on how far the command came. */
  abandon(): void {
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
