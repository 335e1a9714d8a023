// Outcomes that the leader has told and that the own books do not hold yet. They are given in the
// order of positions, each when its position has been applied here: who is answered reads at this
// node what he was told.

import { assert } from '../../base/assert.ts';
import type { SubmitResult } from '../contract.ts';
import type { Ticket } from '../ticket.ts';

type Waiting = { readonly ticket: Ticket; readonly result: SubmitResult };

export class WaitingAnswers {
  /** By position, those of one position as they came; places before `#head` are empty. */
  #queue: (Waiting | undefined)[] = [];
  #head = 0;
  #bytes = 0;

  get count(): number {
    return this.#queue.length - this.#head;
  }

  /** Of the commands that were answered: their payloads are held as long. */
  get bytes(): number {
    return this.#bytes;
  }

  add(ticket: Ticket, result: SubmitResult): void {
    let place = this.#queue.length;
    // Answers come almost in order: those of one leader do, but for ids looked up in the history.
    while (place > this.#head && this.#queue[place - 1]!.result.position > result.position) place--;
    if (place === this.#queue.length) this.#queue.push({ ticket, result });
    else this.#queue.splice(place, 0, { ticket, result });
    this.#bytes += ticket.bytes;
  }

  /** The books hold everything through `position`. */
  give(position: number): void {
    while (this.#head < this.#queue.length) {
      const { ticket, result } = this.#queue[this.#head]!;
      if (result.position > position) break;
      this.#queue[this.#head] = undefined;
      this.#head++;
      this.#bytes -= ticket.bytes;
      ticket.resolve(result);
    }
    this.#compact();
  }

  /** Nothing will be applied here any more. */
  takeAll(): Ticket[] {
    const tickets = this.#queue.slice(this.#head).map((waiting) => waiting!.ticket);
    this.#queue = [];
    this.#head = 0;
    this.#bytes = 0;
    return tickets;
  }

  #compact(): void {
    if (this.#head === this.#queue.length) {
      assert(this.#bytes === 0, 'who has been answered holds nothing');
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head > 4096) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }
}
