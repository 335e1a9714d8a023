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
import { RequestTable } from './request-table.ts';

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

/** Who waits for a call: it hears one of the two, once, maybe before `ask` returns. */
export interface CallWaiter {
  answered(frame: Frame): void;
  failed(error: unknown): void;
}

type Call = {
  readonly asked: BinaryRequest;
  readonly waiter: CallWaiter;
  /** On the clock of `performance.now`. */
  readonly endsMs: number;
  onAbort: (() => void) | undefined;
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
  readonly #inFlight = new RequestTable<Call>();
  readonly #refusals = new Map<number, RefusalKind>();
  #waiting: Call[] = [];
  #delayed: Call[] = [];
  #link: Link | undefined;
  #isLeaving = false;
  #isClosed = false;
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
    return new Promise((resolve, reject) => {
      this.ask(asked, { answered: resolve, failed: reject });
    });
  }

  ask(asked: BinaryRequest, waiter: CallWaiter): void {
    this.counters.calls++;
    const { signal } = asked;
    if (signal?.aborted === true) return waiter.failed(signal.reason);
    if (this.#isClosed) return waiter.failed(new Error('The client is closed.'));
    if (this.#waiting.length >= this.#options.waitingMax) {
      return waiter.failed(new RangeError(`${this.#waiting.length} calls are waiting already.`));
    }
    const call: Call = {
      asked,
      waiter,
      endsMs: performance.now() + asked.deadlineMs,
      onAbort: undefined,
      attempts: 0,
      unknown: false,
      cause: undefined,
      notBeforeMs: 0,
      isSettled: false,
    };
    if (signal !== undefined) {
      call.onAbort = () => this.#aborted(call);
      signal.addEventListener('abort', call.onAbort, { once: true });
    }
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS);
    this.#waiting.push(call);
    this.#pump();
  }

  /** Idempotent. Calls that are still trying end as if their deadline had come. */
  close(): void {
    this.#isClosed = true;
    const inFlight = this.#inFlight.takeAll(() => true);
    const calls = [...inFlight, ...this.#waiting, ...this.#delayed];
    this.#waiting = [];
    this.#delayed = [];
    for (const call of inFlight) this.#mayHaveBeenDone(call);
    for (const call of calls) this.#giveUp(call, undefined);
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
    if (taken === this.#waiting.length) this.#waiting.length = 0;
    else if (taken > 0) this.#waiting = this.#waiting.slice(taken);
  }

  #send(link: Link, call: Call): void {
    call.attempts++;
    this.counters.attempts++;
    link.send(call.asked.kind, this.#inFlight.add(call), call.asked.payload);
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
    const call = this.#inFlight.take(frame.request);
    if (call === undefined) return;
    if (frame.kind === FrameKind.problem) this.#refused(call, problemOfFrame(frame));
    else if (frame.kind === call.asked.kind + FrameKind.answer) {
      if (this.#settle(call)) call.waiter.answered(frame);
    } else {
      this.#fail(call, new AnswerUnreadable(`The answer has the kind ${frame.kind}.`));
    }
    if (this.#isLeaving) this.#leave();
    else if (this.#waiting.length > 0) this.#pump();
  }

  #refused(call: Call, problem: ApiProblem): void {
    if (call.isSettled) return;
    if (!AGAIN_STATUS.has(problem.status)) {
      this.#fail(call, this.#finalProblem(call, problem));
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
    const lost = this.#inFlight.takeAll(() => true).filter(isOpen);
    for (const call of lost) {
      this.#mayHaveBeenDone(call);
      call.cause = cause;
    }
    this.#waiting = [...lost, ...this.#waiting];
    if (cause instanceof ApiProblem && !AGAIN_STATUS.has(cause.status) && !cause.retryable) {
      const calls = [...this.#waiting, ...this.#delayed];
      this.#waiting = [];
      this.#delayed = [];
      for (const call of calls) this.#fail(call, this.#finalProblem(call, cause));
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
    for (const call of this.#inFlight.takeAll(({ endsMs }) => endsMs <= nowMs)) {
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
    for (const found of this.#inFlight.takeAll((other) => other === call)) {
      this.#mayHaveBeenDone(found);
    }
    this.#giveUp(call, call.asked.signal);
  }

  /** Ends a call that got no answer. What can be said depends on how far it came. */
  #giveUp(call: Call, signal: AbortSignal | undefined): void {
    const cause = call.cause ?? this.#lastCause;
    const attempts = Math.max(1, call.attempts, this.#failures);
    if (call.unknown) {
      this.#fail(call, new OutcomeUnknown(call.attempts, signal?.reason ?? cause));
    } else if (signal?.aborted === true) this.#fail(call, signal.reason);
    else if (cause instanceof ApiProblem) this.#fail(call, cause);
    else this.#fail(call, new NodeUnavailable(this.url, attempts, cause));
  }

  #mayHaveBeenDone(call: Call): void {
    if (!call.asked.isWrite) return;
    call.unknown = true;
    this.counters.unknowns++;
  }

  #fail(call: Call, error: unknown): void {
    if (this.#settle(call)) call.waiter.failed(error);
  }

  /** Whether it had not been settled before. */
  #settle(call: Call): boolean {
    if (call.isSettled) return false;
    call.isSettled = true;
    if (call.onAbort !== undefined) {
      call.asked.signal?.removeEventListener('abort', call.onAbort);
    }
    return true;
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
