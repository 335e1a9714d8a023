// Calls over the binary protocol, each sent until it is answered or its deadline comes. A retry
// sends the very same bytes, so the ids in them make it safe: the ledger answers `exists` for what
// was done before. Retried are lost connections and the problems 429 and 502 to 504; everything
// else that the node says is final.

import type { Frame } from '../base/frame-reader.ts';
import { FrameKind } from '../base/protocol.ts';
import {
  Link,
  assertNodeUrl,
  type RefusalKind,
  type TlsOptions,
  type Welcome,
  problemOfFrame,
} from './binary-link.ts';
import {
  AnswerUnreadable,
  ApiProblem,
  NodeUnavailable,
  OutcomeUnknown,
  mayHaveHappened,
} from './problems.ts';

export type BinaryCallsOptions = {
  readonly urls: readonly string[];
  readonly key: string;
  readonly tls: TlsOptions | undefined;
  readonly inFlightMax: number;
  readonly waitingMax: number;
  readonly connectMsMax: number;
  readonly silentMsMax: number;
  /** First wait before connecting or sending again; doubled each time, half of it jitter. */
  readonly backoffMs: number;
  readonly backoffMsMax: number;
};

export type BinaryRequest = {
  readonly kind: number;
  /** A multiple of 8 bytes; not copied, so nobody may write to it before the call ends. */
  readonly payload: Uint8Array;
  /** A write can have happened without an answer; a read cannot hurt. */
  readonly isWrite: boolean;
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
};

type Call = {
  readonly asked: BinaryRequest;
  /** On the clock of `performance.now`. */
  readonly endsMs: number;
  readonly resolve: (frame: Frame) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: () => void;
  attempts: number;
  /** It may have been executed without an answer. */
  unknown: boolean;
  cause: unknown;
  notBeforeMs: number;
  isSettled: boolean;
};

/** Counted since the client was made; read by tests and by reports. */
export type BinaryCounters = {
  calls: number;
  attempts: number;
  /** Attempts that may have been executed without an answer. */
  unknowns: number;
  connections: number;
};

const SWEEP_MS = 20;
const AGAIN_STATUS = new Set([429, 502, 503, 504]);
const AUTHORISATION_STATUS = new Set([401, 403]);

export class BinaryCalls {
  readonly counters: BinaryCounters = { calls: 0, attempts: 0, unknowns: 0, connections: 0 };
  readonly #options: BinaryCallsOptions;
  readonly #inFlight = new Map<number, Call>();
  readonly #refusals = new Map<number, RefusalKind>();
  #waiting: Call[] = [];
  #delayed: Call[] = [];
  #link: Link | undefined;
  #isLeaving = false;
  #isClosed = false;
  #request = 0;
  #urlIndex = 0;
  #failures = 0;
  #connectNotBeforeMs = 0;
  #lastCause: unknown = new Error('not connected yet');
  #inFlightMax: number;
  #sweeping: NodeJS.Timeout | undefined;

  constructor(options: BinaryCallsOptions) {
    if (options.urls.length === 0) throw new RangeError('A client wants at least one address.');
    for (const url of options.urls) assertNodeUrl(url);
    this.#options = options;
    this.#inFlightMax = options.inFlightMax;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  get url(): string {
    return this.#options.urls[this.#urlIndex % this.#options.urls.length]!;
  }

  /** What the node calls this number; it told so before it used it. */
  refusal(number: number): RefusalKind | undefined {
    return this.#refusals.get(number);
  }

  submit(asked: BinaryRequest): Promise<Frame> {
    this.counters.calls++;
    if (asked.signal?.aborted === true) return Promise.reject(asked.signal.reason);
    if (this.#isClosed) return Promise.reject(new Error('The client is closed.'));
    if (this.#waiting.length >= this.#options.waitingMax) {
      return Promise.reject(new RangeError(`${this.#waiting.length} calls are waiting already.`));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    const call: Call = {
      asked,
      endsMs: performance.now() + asked.deadlineMs,
      resolve,
      reject,
      onAbort: () => this.#aborted(call),
      attempts: 0,
      unknown: false,
      cause: undefined,
      notBeforeMs: 0,
      isSettled: false,
    };
    asked.signal?.addEventListener('abort', call.onAbort, { once: true });
    this.#waiting.push(call);
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS);
    this.#pump();
    return promise;
  }

  /** Idempotent. Calls that are still trying end as if their deadline had come. */
  close(): void {
    this.#isClosed = true;
    const calls = [...this.#inFlight.values(), ...this.#waiting, ...this.#delayed];
    for (const call of this.#inFlight.values()) this.#mayHaveBeenDone(call);
    this.#inFlight.clear();
    for (const call of calls) this.#giveUp(call, undefined);
    this.#waiting = [];
    this.#delayed = [];
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
    this.#link?.end(new Error('The client is closed.'));
  }

  #pump(): void {
    const link = this.#link;
    if (link === undefined) {
      this.#connect();
      return;
    }
    if (!link.isOpen || this.#isLeaving) return;
    let taken = 0;
    while (taken < this.#waiting.length && this.#inFlight.size < this.#inFlightMax) {
      const call = this.#waiting[taken++]!;
      if (!call.isSettled) this.#send(link, call);
    }
    if (taken > 0) this.#waiting = this.#waiting.slice(taken);
  }

  #send(link: Link, call: Call): void {
    this.#request++;
    call.attempts++;
    this.counters.attempts++;
    this.#inFlight.set(this.#request, call);
    link.send(call.asked.kind, this.#request, call.asked.payload);
  }

  #connect(): void {
    if (this.#isClosed || performance.now() < this.#connectNotBeforeMs) return;
    this.counters.connections++;
    this.#isLeaving = false;
    try {
      this.#link = this.#openLink();
    } catch (error) {
      // A certificate or a key that cannot be read: said to the calls, like every other reason.
      this.#lost(error);
    }
  }

  #openLink(): Link {
    const { key, tls, connectMsMax, silentMsMax } = this.#options;
    return new Link({
      url: this.url,
      key,
      tls,
      connectMsMax,
      silentMsMax,
      onWelcome: (welcome) => this.#welcomed(welcome),
      onFrame: (frame) => this.#answered(frame),
      onGoodbye: () => this.#leave(),
      onLost: (cause) => this.#lost(cause),
    });
  }

  #welcomed({ refusals, requestsInFlightMax }: Welcome): void {
    this.#failures = 0;
    this.#inFlightMax = Math.min(this.#options.inFlightMax, requestsInFlightMax);
    for (const refusal of refusals) this.#refusals.set(refusal.number, refusal);
    this.#pump();
  }

  /** Nothing new on this connection; it ends when what is under way has been answered. */
  #leave(): void {
    this.#isLeaving = true;
    if (this.#inFlight.size === 0) this.#link?.end(new Error('the node said goodbye'));
  }

  #answered(frame: Frame): void {
    const call = this.#inFlight.get(frame.request);
    if (call === undefined) return;
    this.#inFlight.delete(frame.request);
    if (frame.kind === FrameKind.problem) this.#refused(call, problemOfFrame(frame));
    else if (frame.kind === call.asked.kind + FrameKind.answer) {
      this.#settle(call, () => call.resolve(frame));
    } else {
      const unreadable = new AnswerUnreadable(`The answer has the kind ${frame.kind}.`);
      this.#settle(call, () => call.reject(unreadable));
    }
    if (this.#isLeaving) this.#leave();
    else if (this.#waiting.length > 0) this.#pump();
  }

  #refused(call: Call, problem: ApiProblem): void {
    if (call.isSettled) return;
    if (!AGAIN_STATUS.has(problem.status)) {
      this.#settle(call, () => call.reject(this.#finalProblem(call, problem)));
      return;
    }
    if (mayHaveHappened(problem)) this.#mayHaveBeenDone(call);
    call.cause = problem;
    call.notBeforeMs = performance.now() + this.#backoffMs(call.attempts);
    this.#delayed.push(call);
  }

  /** A 5xx of a write decides nothing, nor does a key that is refused after an unknown attempt. */
  #finalProblem(call: Call, problem: ApiProblem): unknown {
    if (!call.asked.isWrite) return problem;
    const undecided =
      mayHaveHappened(problem) || (call.unknown && AUTHORISATION_STATUS.has(problem.status));
    return undecided ? new OutcomeUnknown(call.attempts, problem) : problem;
  }

  #lost(cause: unknown): void {
    this.#link = undefined;
    this.#lastCause = cause;
    const lost = [...this.#inFlight.values()].filter((call) => !call.isSettled);
    this.#inFlight.clear();
    for (const call of lost) {
      this.#mayHaveBeenDone(call);
      call.cause = cause;
    }
    this.#waiting = [...lost, ...this.#waiting];
    if (cause instanceof ApiProblem && !AGAIN_STATUS.has(cause.status) && !cause.retryable) {
      const calls = [...this.#waiting, ...this.#delayed];
      this.#waiting = [];
      this.#delayed = [];
      for (const call of calls) {
        this.#settle(call, () => call.reject(this.#finalProblem(call, cause)));
      }
      return;
    }
    this.#failures++;
    this.#urlIndex++;
    // The first attempt after a connection that worked is made at once, at the next address.
    const waitMs = this.#failures === 1 ? 0 : this.#backoffMs(this.#failures - 1);
    this.#connectNotBeforeMs = performance.now() + waitMs;
    if (waitMs === 0 && this.#waiting.length > 0) this.#pump();
  }

  #sweep(): void {
    const nowMs = performance.now();
    const due = this.#delayed.filter((call) => call.notBeforeMs <= nowMs);
    if (due.length > 0) {
      this.#delayed = this.#delayed.filter((call) => call.notBeforeMs > nowMs);
      this.#waiting.push(...due);
    }
    for (const [request, call] of this.#inFlight) {
      if (call.endsMs > nowMs) continue;
      this.#inFlight.delete(request);
      this.#mayHaveBeenDone(call);
      this.#giveUp(call, undefined);
    }
    for (const calls of [this.#waiting, this.#delayed]) {
      for (const call of calls) if (call.endsMs <= nowMs) this.#giveUp(call, undefined);
    }
    this.#waiting = this.#waiting.filter(isOpen);
    this.#delayed = this.#delayed.filter(isOpen);
    if (this.#waiting.length > 0) this.#pump();
    if (this.#waiting.length + this.#delayed.length + this.#inFlight.size > 0) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }

  #aborted(call: Call): void {
    for (const [request, other] of this.#inFlight) {
      if (other !== call) continue;
      this.#inFlight.delete(request);
      this.#mayHaveBeenDone(call);
    }
    this.#giveUp(call, call.asked.signal);
  }

  /** Ends a call that got no answer. What can be said depends on how far it came. */
  #giveUp(call: Call, signal: AbortSignal | undefined): void {
    const cause = call.cause ?? this.#lastCause;
    const attempts = Math.max(1, call.attempts, this.#failures);
    this.#settle(call, () => {
      if (call.unknown) call.reject(new OutcomeUnknown(call.attempts, signal?.reason ?? cause));
      else if (signal?.aborted === true) call.reject(signal.reason);
      else if (cause instanceof ApiProblem) call.reject(cause);
      else call.reject(new NodeUnavailable(this.url, attempts, cause));
    });
  }

  #mayHaveBeenDone(call: Call): void {
    if (!call.asked.isWrite) return;
    call.unknown = true;
    this.counters.unknowns++;
  }

  #settle(call: Call, settle: () => void): void {
    if (call.isSettled) return;
    call.isSettled = true;
    call.asked.signal?.removeEventListener('abort', call.onAbort);
    settle();
  }

  #backoffMs(attempts: number): number {
    const { backoffMs, backoffMsMax } = this.#options;
    const fullMs = Math.min(backoffMsMax, backoffMs * 2 ** (attempts - 1));
    return fullMs / 2 + (Math.random() * fullMs) / 2;
  }
}

function isOpen(call: Call): boolean {
  return !call.isSettled;
}
