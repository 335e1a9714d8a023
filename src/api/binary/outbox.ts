// What leaves a connection. Frames gather until the end of the turn and go in one write: the
// answers to all requests of one journal entry come together. Bytes count against the memory budget
// until the network has taken them.

import type { Socket } from 'node:net';
import type { MemoryBudget } from './memory-budget.ts';

/** Below it frames are copied into one buffer; above it the kernel gathers them (writev). */
const COPIED_BYTES_MAX = 64 * 1024;

/**
 * So many answers go at once, and the client works on them while the next are made; otherwise the
 * two take turns and each waits for the other (256 clients: a third more). Fewer would cut the
 * answers of a small entry in two, and then the next entry too: one more sync for the same work.
 */
const FRAMES_A_WRITE_MAX = 64;

export type OutboxOptions = {
  readonly socket: Socket;
  readonly budget: MemoryBudget;
  /** Beyond it the connection reads no more requests. */
  readonly bytesMax: number;
  /** The network has taken something. */
  readonly onTaken: () => void;
};

export class Outbox {
  readonly #options: OutboxOptions;
  #frames: Uint8Array[] = [];
  #frameBytes = 0;
  #unsentBytes = 0;
  #isScheduled = false;
  #isClosed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#unsentBytes >= this.#options.bytesMax;
  }

  get unsentBytes(): number {
    return this.#unsentBytes;
  }

  push(frame: Uint8Array): void {
    if (this.#isClosed) return;
    this.#frames.push(frame);
    this.#frameBytes += frame.byteLength;
    this.#unsentBytes += frame.byteLength;
    this.#options.budget.add(frame.byteLength);
    if (this.#frames.length >= FRAMES_A_WRITE_MAX) return this.#write();
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // Ticks run after the promise jobs of this turn: all answers of an entry are here by then.
    process.nextTick(() => this.flush());
  }

  flush(): void {
    this.#isScheduled = false;
    this.#write();
  }

  #write(): void {
    const frames = this.#frames;
    const bytes = this.#frameBytes;
    if (frames.length === 0 || this.#isClosed) return;
    this.#frames = [];
    this.#frameBytes = 0;
    const taken = (): void => this.#taken(bytes);
    const { socket } = this.#options;
    if (frames.length === 1) {
      socket.write(frames[0]!, taken);
    } else if (bytes <= COPIED_BYTES_MAX) {
      socket.write(Buffer.concat(frames, bytes), taken);
    } else {
      const last = frames.pop()!;
      socket.cork();
      for (const frame of frames) socket.write(frame);
      socket.write(last, taken);
      socket.uncork();
    }
  }

  /** The connection is over; what was not sent is forgotten. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#frames = [];
    this.#options.budget.release(this.#unsentBytes);
    this.#unsentBytes = 0;
  }

  #taken(bytes: number): void {
    if (this.#isClosed) return;
    this.#unsentBytes -= bytes;
    this.#options.budget.release(bytes);
    this.#options.onTaken();
  }
}
