// Backpressure: while memory for what would be accepted has to become free first, nothing is
// numbered. It lasts no longer than a run takes to be written; where none becomes free, the
// payments go on and the tail is given up instead.

/** So long after a chunk became free the payments wait for the next one. */
const WAIT_MS_MAX = 3000;
const LOOK_MS = 2;

export type RoomGateOptions = {
  readonly hasRoom: () => boolean;
  /** Nobody is going to make room. */
  readonly isHopeless: () => boolean;
  readonly later: (ms: number, carryOut: () => void) => void;
  readonly onWaited: (seconds: number) => void;
};

export class RoomGate {
  readonly #options: RoomGateOptions;
  /** Called when the gate has opened again. */
  onRoom: () => void = () => undefined;
  #closedSinceMs: number | undefined;
  #freedAtMs = 0;
  #isLooking = false;

  constructor(options: RoomGateOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    if (this.#options.hasRoom()) {
      this.#opened();
      return true;
    }
    const nowMs = performance.now();
    this.#closedSinceMs ??= nowMs;
    const patienceMs = this.#options.isHopeless() ? 0 : WAIT_MS_MAX;
    if (nowMs - Math.max(this.#closedSinceMs, this.#freedAtMs) > patienceMs) return true;
    this.#look();
    return false;
  }

  async untilOpen(): Promise<void> {
    while (!this.isOpen) {
      await new Promise<void>((resolve) => this.#options.later(LOOK_MS, resolve));
    }
  }

  /** A chunk has become free. */
  freed(): void {
    this.#freedAtMs = performance.now();
  }

  #opened(): void {
    if (this.#closedSinceMs === undefined) return;
    this.#options.onWaited((performance.now() - this.#closedSinceMs) / 1000);
    this.#closedSinceMs = undefined;
  }

  #look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#options.later(LOOK_MS, () => {
      this.#isLooking = false;
      if (this.isOpen) this.onRoom();
    });
  }
}
