// One connection to one node with the calls that are under way on it. A lane that is left takes
// nothing new and ends when what is under way has been answered.

import type { Frame } from '../base/frame-reader.ts';
import { Link, type LinkOptions, type Welcome } from './binary-link.ts';
import type { NodePlace } from './node-choice.ts';
import { RequestTable } from './request-table.ts';

export type LaneOptions<Call> = Omit<
  LinkOptions,
  'url' | 'isAwaited' | 'onWelcome' | 'onFrame' | 'onGoodbye' | 'onLost'
> & {
  readonly place: NodePlace;
  /** The node may allow fewer. */
  readonly inFlightMax: number;
  readonly onWelcome: (welcome: Welcome) => void;
  readonly onAnswer: (call: Call, frame: Frame, lane: Lane<Call>) => void;
  readonly onGoodbye: (lane: Lane<Call>) => void;
  /** Called once, last. */
  readonly onLost: (lane: Lane<Call>, cause: unknown) => void;
};

export class Lane<Call> {
  readonly place: NodePlace;
  readonly startedMs = performance.now();
  readonly #inFlight = new RequestTable<Call>();
  readonly #link: Link;
  #inFlightMax = 0;
  #isLeft = false;
  /** The node has decided something here, so it is well. */
  hasAnswered = false;

  /** Throws where a certificate or a key cannot be read. */
  constructor(options: LaneOptions<Call>) {
    this.place = options.place;
    this.#link = new Link({
      ...options,
      url: options.place.url,
      isAwaited: () => this.inFlight > 0,
      onWelcome: (welcome) => {
        this.#inFlightMax = Math.min(options.inFlightMax, welcome.requestsInFlightMax);
        options.onWelcome(welcome);
      },
      onFrame: (frame) => {
        const call = this.#inFlight.take(frame.request);
        if (call !== undefined) options.onAnswer(call, frame, this);
        this.endIfDone();
      },
      onGoodbye: () => options.onGoodbye(this),
      onLost: (cause) => options.onLost(this, cause),
    });
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  get hasRoom(): boolean {
    return this.#link.isOpen && !this.#isLeft && this.inFlight < this.#inFlightMax;
  }

  send(call: Call, kind: number, payload: Uint8Array): void {
    this.#link.send(kind, this.#inFlight.add(call), payload);
  }

  /** Takes out all for which `leaves` says so, oldest first. */
  take(leaves: (call: Call) => boolean): Call[] {
    return this.#inFlight.takeAll(leaves);
  }

  leave(): void {
    this.#isLeft = true;
    this.endIfDone();
  }

  /** Ends a lane that was left when nothing is under way on it. */
  endIfDone(): void {
    if (this.#isLeft && this.inFlight === 0) this.end(new Error('the node was left'));
  }

  end(cause: unknown): void {
    this.#link.end(cause);
  }
}
