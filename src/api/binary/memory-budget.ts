// A bound for what all connections of this door hold together: payloads from their announcement to
// their answer, and answers that the network has not taken yet. Where it is full, connections stop
// reading, so that the senders wait; nothing is refused and nothing grows.

export class MemoryBudget {
  readonly #bytesMax: number;
  readonly #waiting = new Set<() => void>();
  #usedBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get hasRoom(): boolean {
    return this.#usedBytes < this.#bytesMax;
  }

  /** Takes the bytes where there is room for any; the last one in may go a payload beyond. */
  take(bytes: number): boolean {
    if (!this.hasRoom) return false;
    this.#usedBytes += bytes;
    return true;
  }

  /** For what exists already: an answer is not refused for want of room. */
  add(bytes: number): void {
    this.#usedBytes += bytes;
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
    if (this.#waiting.size === 0 || !this.hasRoom) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const goOn of waiting) goOn();
  }

  /** Calls `goOn` once when there is room again. */
  wait(goOn: () => void): void {
    this.#waiting.add(goOn);
  }

  forget(goOn: () => void): void {
    this.#waiting.delete(goOn);
  }
}
