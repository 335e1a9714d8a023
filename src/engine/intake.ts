// Station 1, intake: admits commands into a bounded queue or refuses them at once. Backpressure
// lives here: beyond the bounds a caller hears OVERLOADED (429), and memory does not grow.

import { OPERATIONAL_ERRORS, OperationalError } from '../base/errors.ts';
import { ENTRY_BYTES_MAX, ENTRY_HEADER_BYTES } from '../base/limits.ts';
import type { Command } from '../domain/commands.ts';
import type { Waiter } from './contract.ts';
import { Ticket, type TicketQueue } from './ticket.ts';

export type IntakeBounds = { readonly commandsMax: number; readonly bytesMax: number };

/** Of those that wait: then it is worth looking through all of them for those that left. */
const LEFT_SHARE = 1 / 8;

export class Intake implements TicketQueue {
  readonly #bounds: IntakeBounds;
  readonly #onArrival: () => void;
  /** Places before `#head` are empty: a ticket holds its payload, and must not outlive its turn. */
  #queue: (Ticket | undefined)[] = [];
  #head = 0;
  #bytes = 0;
  #closedBy: OperationalError | undefined;
  #heldUpBy: OperationalError | undefined;
  /** How many may have left while they waited; they keep their places until somebody looks. */
  #left = 0;

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

  get heldUpBy(): OperationalError | undefined {
    return this.#heldUpBy;
  }

  /**
   * What waits is not numbered before this is over (undefined = it is); more is queued meanwhile,
   * as far as the bounds allow, and who is refused or gives up hears why.
   */
  holdUp(error: OperationalError | undefined): void {
    this.#heldUpBy = error;
  }

  left(): void {
    this.#left += 1;
  }

  /** Queues the command or refuses it: then `waiter` has heard of it when this returns. */
  ask(command: Command, waiter: Waiter): Ticket {
    return this.#admit(new Ticket(command, waiter, this));
  }

  /** The same for a command that another node has admitted and sent here. */
  askForwarded(command: Command, waiter: Waiter): Ticket {
    return this.#admit(new Ticket(command, waiter, this, true));
  }

  #admit(ticket: Ticket): Ticket {
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
    if (this.#hasRoomFor(bytes)) return undefined;
    if (this.#left >= this.commands * LEFT_SHARE) this.#dropThoseWhoLeft();
    if (this.#hasRoomFor(bytes)) return undefined;
    const detail = `${this.commands} commands (${this.#bytes} bytes) are waiting already.`;
    const cause = this.#heldUpBy;
    if (cause === undefined) return new OperationalError('OVERLOADED', { detail });
    const why = `${detail} ${OPERATIONAL_ERRORS[cause.code].text}`;
    return new OperationalError('JOURNAL_UNAVAILABLE', { detail: why, cause });
  }

  #hasRoomFor(bytes: number): boolean {
    const { commandsMax, bytesMax } = this.#bounds;
    return this.commands < commandsMax && this.#bytes + bytes <= bytesMax;
  }

  /** Nobody takes them while nobody leads, and they must not keep others out for ever. */
  #dropThoseWhoLeft(): void {
    const waiting: Ticket[] = [];
    for (let index = this.#head; index < this.#queue.length; index++) {
      const ticket = this.#queue[index]!;
      if (ticket.settled) this.#bytes -= ticket.bytes;
      else waiting.push(ticket);
    }
    this.#queue = waiting;
    this.#head = 0;
    this.#left = 0;
  }

  /**
   * Takes queued tickets from the front whose commands fit `bytesMax` together, at most
   * `commandsMax`. Tickets whose callers left before they were numbered are dropped: they were told
   * that nothing happens.
   */
  take(bytesMax: number, commandsMax = Number.POSITIVE_INFINITY): Ticket[] {
    const taken: Ticket[] = [];
    let bytes = 0;
    while (this.#head < this.#queue.length && taken.length < commandsMax) {
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

  /**
   * Back to the front, in this order: they were taken, and whoever took them could not carry them
   * out (`Ticket.unnumber` first). What is put back was admitted before: no bound refuses it.
   */
  putBack(tickets: readonly Ticket[]): void {
    const waiting = tickets.filter((ticket) => !ticket.settled);
    if (waiting.length === 0) return;
    for (const ticket of waiting) this.#bytes += ticket.bytes;
    this.#queue = [...waiting, ...this.#queue.slice(this.#head)];
    this.#head = 0;
    this.#onArrival();
  }

  /**
   * Refuses what other nodes have sent, when this node leads no more: they send it to the next
   * leader themselves. What was admitted here stays.
   */
  rejectForwarded(error: OperationalError): void {
    const forwarded: Ticket[] = [];
    const own: Ticket[] = [];
    for (let index = this.#head; index < this.#queue.length; index++) {
      const ticket = this.#queue[index]!;
      (ticket.isForwarded ? forwarded : own).push(ticket);
    }
    this.#queue = own;
    this.#head = 0;
    for (const ticket of forwarded) this.#bytes -= ticket.bytes;
    for (const ticket of forwarded) ticket.reject(error);
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
