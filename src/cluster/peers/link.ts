// An authenticated connection with one other node: states, questions and answers both ways. A link
// that breaks never comes back: another one takes its place.

import { assert } from '../../base/assert.ts';
import { OperationalError, isOperationalError } from '../../base/errors.ts';
import type { Frame } from '../../base/frame-reader.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PeerState } from '../contract.ts';
import { type Answering, givenUp, linkLost, notLinked, notSent } from './answering.ts';
import type { FrameSocket } from './frame-socket.ts';
import {
  ANSWER_BYTES_MAX,
  FRAME_BYTES_MAX,
  PeerFrame,
  QUESTION_BYTES_MAX,
  type StateWords,
  emptyFrame,
  failureFrame,
  framesOf,
  pongFrame,
  readFailure,
  readMarked,
  readPong,
  readState,
  readWords,
} from './frames.ts';
import type { Met } from './handshake.ts';
import { RoundTrips } from './round-trips.ts';

/** What may wait for a peer that does not read: two of the largest answers. */
const UNSENT_BYTES_MAX = 2 * ANSWER_BYTES_MAX;
/** States that a peer has not taken are of no use to it: the next one says more. */
const UNTAKEN_STATE_BYTES_MAX = 64 * 1024;
/** Questions of one peer that are being answered at the same time. */
const HANDLED_MAX = 4096;
const HANDLED_BYTES_MAX = 64 * 1024 * 1024;

export type LinkOptions = {
  readonly met: Met;
  readonly answering: Answering;
  readonly clock: Clock;
  readonly onState: (link: Link, state: PeerState) => void;
  readonly onClockDifference: (link: Link, differenceMs: number) => void;
  readonly onLost: (link: Link, why: string) => void;
};

/** A state in frames, made once for all links. */
export type ToldState = { readonly words: Uint8Array; readonly state: Uint8Array };

type Asked = { readonly settle: (answer: Uint8Array | OperationalError) => void };

export class Link {
  readonly id: string;
  readonly sinceMs: number;
  heardMs: number;
  readonly #options: LinkOptions;
  readonly #frames: FrameSocket;
  readonly #asked = new Map<number, Asked>();
  readonly #handled = new Map<number, AbortController>();
  readonly #roundTrips = new RoundTrips();
  #handledBytes = 0;
  #number = 0;
  /** What was sent when the present window of states began, and the states in it. */
  #windowStart = 0;
  #windowBytes = 0;
  #toldWords: Uint8Array | undefined;
  #words: StateWords | undefined;
  #isLost = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.id = options.met.id;
    this.sinceMs = options.clock.monotonicMs();
    this.heardMs = this.sinceMs;
    this.#frames = options.met.frames;
    this.#frames.handOver(
      {
        onFrame: (frame) => this.#heard(frame),
        onFault: (fault) => this.close(`The bytes that came are no frame (${fault}).`),
        onClosed: (why) => this.#lost(why),
      },
      FRAME_BYTES_MAX,
    );
  }

  /** How long the peer has taken nothing of what waits for it. */
  get stalledMs(): number {
    return this.#frames.stalledMs;
  }

  tell({ words, state }: ToldState): void {
    if (this.#frames.takenBytes >= this.#windowStart) {
      this.#windowStart = this.#frames.givenBytes;
      this.#windowBytes = 0;
    }
    if (this.#windowBytes > UNTAKEN_STATE_BYTES_MAX) return;
    if (this.#toldWords !== words) {
      this.#toldWords = words;
      this.#windowBytes += words.byteLength;
      this.#frames.send(words);
    }
    this.#windowBytes += state.byteLength;
    this.#frames.send(state);
  }

  ping(): void {
    if (this.#frames.unsentBytes > 0) return;
    const number = this.#roundTrips.begin(this.#options.clock.monotonicMs());
    this.#frames.send(emptyFrame(PeerFrame.ping, number));
  }

  ask(kind: number, payload: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
    assert(payload.byteLength <= QUESTION_BYTES_MAX, 'a question is a journal entry at most');
    if (this.#isLost) return Promise.reject(notLinked(this.id));
    if (signal.aborted) return Promise.reject(notSent(this.id));
    if (this.#frames.unsentBytes + payload.byteLength > UNSENT_BYTES_MAX) {
      return Promise.reject(tooFull(this.id));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const number = ++this.#number;
    const abort = (): void => {
      this.#frames.send(emptyFrame(PeerFrame.cancel, number));
      this.#asked.get(number)?.settle(givenUp(this.id));
    };
    signal.addEventListener('abort', abort, { once: true });
    this.#asked.set(number, {
      settle: (answer) => {
        this.#asked.delete(number);
        signal.removeEventListener('abort', abort);
        if (answer instanceof OperationalError) reject(answer);
        else resolve(answer);
      },
    });
    this.#frames.send(...framesOf(PeerFrame.question, number, kind, payload));
    return promise;
  }

  close(why: string): void {
    this.#frames.destroy(why);
    this.#lost(why);
  }

  #lost(why: string): void {
    if (this.#isLost) return;
    this.#isLost = true;
    for (const { settle } of this.#asked.values()) settle(linkLost(this.id));
    for (const controller of this.#handled.values()) controller.abort();
    this.#options.onLost(this, why);
  }

  #heard(frame: Frame): void {
    if (this.#isLost) return;
    if (!this.#understood(frame)) this.close(`A frame of kind ${frame.kind} made no sense.`);
  }

  /** False = the peer speaks another language than it said: the link cannot go on. */
  #understood(frame: Frame): boolean {
    const { kind, request, payload } = frame;
    switch (kind) {
      case PeerFrame.state:
        return this.#heardState(payload);
      case PeerFrame.words:
        this.#words = readWords(payload);
        return this.#words !== undefined;
      case PeerFrame.question:
        return this.#questioned(request, payload);
      case PeerFrame.answer:
        return this.#answered(request, readMarked(payload)?.payload);
      case PeerFrame.failure:
        return this.#answered(request, readFailure(payload));
      case PeerFrame.cancel:
        this.#handled.get(request)?.abort();
        return true;
      case PeerFrame.ping:
        this.#reply(pongFrame(request, this.#options.clock.nowNs()));
        return true;
      case PeerFrame.pong:
        return this.#ponged(request, readPong(payload));
      default:
        return false;
    }
  }

  #heardState(payload: Uint8Array): boolean {
    const state = this.#words === undefined ? undefined : readState(payload, this.#words);
    if (state === undefined) return false;
    this.heardMs = this.#options.clock.monotonicMs();
    this.#options.onState(this, state);
    return true;
  }

  /** The answer to a question that was given up comes to nobody. */
  #answered(number: number, answer: Uint8Array | OperationalError | undefined): boolean {
    if (answer === undefined) return false;
    this.#asked.get(number)?.settle(answer);
    return true;
  }

  #ponged(number: number, theirNs: bigint | undefined): boolean {
    if (theirNs === undefined) return false;
    const { clock, onClockDifference } = this.#options;
    const now = { monotonicMs: clock.monotonicMs(), ns: clock.nowNs() };
    const differenceMs = this.#roundTrips.end(number, theirNs, now);
    if (differenceMs !== undefined) onClockDifference(this, differenceMs);
    return true;
  }

  #questioned(number: number, bytes: Uint8Array): boolean {
    const question = readMarked(bytes);
    if (question === undefined || question.payload.byteLength > QUESTION_BYTES_MAX) return false;
    if (this.#handled.has(number)) return false;
    const { byteLength } = question.payload;
    if (this.#handled.size >= HANDLED_MAX || this.#handledBytes + byteLength > HANDLED_BYTES_MAX) {
      this.#reply(failureFrame(number, tooMany()));
      return true;
    }
    const controller = new AbortController();
    this.#handled.set(number, controller);
    this.#handledBytes += byteLength;
    void this.#handle(number, question, controller.signal).finally(() => {
      this.#handled.delete(number);
      this.#handledBytes -= byteLength;
    });
    return true;
  }

  /** To somebody who asks and does not read there is no end of answers. */
  #reply(...parts: readonly Uint8Array[]): void {
    if (this.#frames.unsentBytes <= UNSENT_BYTES_MAX) this.#frames.send(...parts);
    else this.close('The other side asks and does not read the answers.');
  }

  async #handle(
    number: number,
    { mark, payload }: { readonly mark: number; readonly payload: Uint8Array },
    signal: AbortSignal,
  ): Promise<void> {
    const asked = { from: this.id, kind: mark, payload };
    try {
      const answer = await this.#options.answering.answer(asked, signal);
      assert(answer.byteLength <= ANSWER_BYTES_MAX, 'an answer fits a frame');
      if (signal.aborted) return;
      this.#reply(...framesOf(PeerFrame.answer, number, 0, answer));
    } catch (error) {
      if (!isOperationalError(error)) throw error;
      if (!signal.aborted) this.#reply(failureFrame(number, error));
    }
  }
}

function tooFull(id: string): OperationalError {
  return new OperationalError('NOT_READY', {
    detail: `Node ${id} does not take what is sent to it; the question was not sent.`,
    wayOut: 'Try again in a moment.',
  });
}

function tooMany(): OperationalError {
  return new OperationalError('OVERLOADED', {
    detail: 'Too many questions of this node are being answered already; nothing was done.',
    wayOut: 'Ask again in a moment.',
  });
}
