// Station 1, intake: admits commands into a bounded queue or refuses them at once. Backpressure
// lives here: beyond the bounds a caller hears OVERLOADED (429), and memory does not grow.

import { OperationalError } from '../base/errors.ts';
import { ENTRY_BYTES_MAX, ENTRY_HEADER_BYTES } from '../base/limits.ts';
import type { Command } from '../domain/commands.ts';
import type { SubmitResult } from './contract.ts';
import { Ticket } from './ticket.ts';

export type IntakeBounds = { readonly commandsMax: number; readonly bytesMax: number };

export class Intake {
  readonly #bounds: IntakeBounds;
  readonly #onArrival: () => void;
  /** Places before `#head` are empty: a ticket holds its payload, and must not outlive its turn. */
  #queue: (Ticket | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  #closedBy: OperationalError | undefined;

  constructor(bounds: IntakeBounds, onArrival: () => void) {
    this.#bounds = bounds;
    this.#onArrival = onArrival;
    this.#closedBy = new OperationalError('NOT_READY');
  }

  get commands(): number {
    return this.#queue.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  open(): void {
    this.#closedBy = undefined;
  }

  /** Refuses everything from now on with `error`; what is queued stays queued. */
  close(error: OperationalError): void {
    this.#closedBy = error;
  }

  submit(command: Command, signal: AbortSignal): Promise<SubmitResult> {
    if (this.#closedBy !== undefined) return Promise.reject(this.#closedBy);
    const ticket = new Ticket(command);
    if (ENTRY_HEADER_BYTES + ticket.bytes > ENTRY_BYTES_MAX) {
      return Promise.reject(
        new OperationalError('OVERLOADED', {
          detail: `A command of ${ticket.bytes} bytes does not fit an entry of ${ENTRY_BYTES_MAX}.`,
        }),
      );
    }
    if (
      this.commands >= this.#bounds.commandsMax ||
      this.#bytes + ticket.bytes > this.#bounds.bytesMax
    ) {
      return Promise.reject(
        new OperationalError('OVERLOADED', {
          detail: `${this.commands} commands (${this.#bytes} bytes) are waiting already.`,
        }),
      );
    }
    if (signal.aborted) {
      ticket.abandon();
      return ticket.promise;
    }
    this.#queue.push(ticket);
    this.#bytes += ticket.bytes;
    const abandon = (): void => ticket.abandon();
    signal.addEventListener('abort', abandon, { once: true });
    this.#onArrival();
    return ticket.promise.finally(() => signal.removeEventListener('abort', abandon));
  }

  /**
   * Takes queued tickets from the front whose commands fit `bytesMax` together. Tickets whose
   * callers left before they were numbered are dropped: they were told that nothing happens.
   */
  take(bytesMax: number): Ticket[] {
    const taken: Ticket[] = [];
    let bytes = 0;
    while (this.#head < this.#queue.length) {
      const ticket = this.#queue[this.#head]!;
      if (!ticket.settled && bytes + ticket.bytes > bytesMax) break;
      this.#queue[this.#head] = undefined;
      this.#head++;
      this.#bytes -= ticket.bytes;
      if (ticket.settled) continue;
      bytes += ticket.bytes;
      ticket.numbered = true;
      taken.push(ticket);
    }
    this.#compact();
    return taken;
  }

  /** Refuses everything that waits. */
  rejectAll(error: OperationalError): void {
    for (const ticket of this.#queue.slice(this.#head)) ticket?.reject(error);
    this.#queue = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  #compact(): void {
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head > 4096) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }
}
