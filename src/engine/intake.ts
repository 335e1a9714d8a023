// Station 1, intake: admits commands into a bounded queue or refuses them at once. Backpressure
// lives here: beyond the bounds a caller hears OVERLOADED (429), and memory does not grow.

import { OperationalError } from '../base/errors.ts';
import { ENTRY_BYTES_MAX, ENTRY_HEADER_BYTES } from '../base/limits.ts';
import type { Command } from '../domain/commands.ts';
import type { Waiter } from './contract.ts';
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

  /** Queues the command or refuses it: then `waiter` has heard of it when this returns. */
  ask(command: Command, waiter: Waiter): Ticket {
    const ticket = new Ticket(command, waiter);
    const refusal = this.#refusal(ticket);
    if (refusal !== undefined) {
      ticket.reject(refusal);
      return ticket;
    }
    this.#queue.push(ticket);
    this.#bytes += ticket.bytes;
    this.#onArrival();
    return ticket;
  }

  #refusal({ bytes }: Ticket): OperationalError | undefined {
    if (this.#closedBy !== undefined) return this.#closedBy;
    if (ENTRY_HEADER_BYTES + bytes > ENTRY_BYTES_MAX) {
      return new OperationalError('OVERLOADED', {
        detail: `A command of ${bytes} bytes does not fit an entry of ${ENTRY_BYTES_MAX}.`,
      });
    }
    if (this.commands >= this.#bounds.commandsMax || this.#bytes + bytes > this.#bounds.bytesMax) {
      return new OperationalError('OVERLOADED', {
        detail: `${this.commands} commands (${this.#bytes} bytes) are waiting already.`,
      });
    }
    return undefined;
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
    const waiting = this.#queue.slice(this.#head);
    this.#queue = [];
    this.#head = 0;
    this.#bytes = 0;
    // Who hears the refusal may ask again at once: that one waits in the new queue.
    for (const ticket of waiting) ticket?.reject(error);
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
