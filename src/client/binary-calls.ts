// Calls over the binary protocol, each sent until it is answered or its deadline comes. A retry
// sends the very same bytes, so the ids in them make it safe: the ledger answers `exists` for what
// was done before. Retried are lost connections and the problems 429 and 502 to 504; everything
// else that the node says is final. Where several nodes are known all calls move together to the
// next one (node-choice.ts) when a connection is lost, silent or ends with a goodbye, or when the
// node answers 502 to 504 or not at all; what it still answers on the connection that was left
// counts.

import type { Frame } from '../base/frame-reader.ts';
import { FrameKind } from '../base/protocol.ts';
import { Lane } from './binary-lane.ts';
import {
  assertNodeUrl,
  type RefusalKind,
  type TlsOptions,
  type Welcome,
  problemOfFrame,
} from './binary-link.ts';
import { NodeChoice, type NodePlace } from './node-choice.ts';
import {
  AnswerUnreadable,
  ApiProblem,
  NodeUnavailable,
  OutcomeUnknown,
  mayHaveHappened,
} from './problems.ts';

export type BinaryCallsOptions = {
  readonly urls: readonly string[];
  readonly spread: boolean;
  readonly key: string;
  readonly tls: TlsOptions | undefined;
  readonly inFlightMax: number;
  readonly waitingMax: number;
  readonly connectMsMax: number | undefined;
  readonly silentMsMax: number | undefined;
  /** Of one attempt, where there are several nodes; doubled when all of them were too slow. */
  readonly attemptMsMax: number;
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
  /** When the present attempt counts as lost. */
  lostMs: number;
  onAbort: (() => void) | undefined;
  attempts: number;
  /** Attempts that were lost or answered with 502 to 504. */
  failures: number;
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
const BUSY_STATUS = 429;
const AGAIN_STATUS = new Set([BUSY_STATUS, 502, 503, 504]);
const AUTHORISATION_STATUS = new Set([401, 403]);
const LIMITS_OF_ONE = { connectMsMax: 5_000, silentMsMax: 15_000 };
/** A node that is frozen must be found out while there is time for the next one. */
const LIMITS_OF_SEVERAL = { connectMsMax: 1_000, silentMsMax: 1_000 };
const CONNECT_DOUBLINGS_MAX = 5;

export class BinaryCalls {
  readonly counters: BinaryCounters = { calls: 0, attempts: 0, unknowns: 0, connections: 0 };
  readonly #options: BinaryCallsOptions;
  readonly #nodes: NodeChoice;
  readonly #refusals = new Map<number, RefusalKind>();
  #waiting: Call[] = [];
  #delayed: Call[] = [];
  #lane: Lane<Call> | undefined;
  readonly #left = new Set<Lane<Call>>();
  #url: string;
  /** Nodes that failed since one worked, or since the last pause. */
  readonly #tried = new Set<NodePlace>();
  /** Times that all nodes failed, and that one did, since one worked. */
  #rounds = 0;
  #failures = 0;
  #connectNotBeforeMs = 0;
  #lastCause: unknown = new Error('not connected yet');
  #isClosed = false;
  #sweeping: NodeJS.Timeout | undefined;

  constructor(options: BinaryCallsOptions) {
    for (const url of options.urls) assertNodeUrl(url);
    this.#options = options;
    this.#nodes = new NodeChoice(options.urls, { spread: options.spread });
    this.#url = this.#nodes.urls[0]!;
  }

  get inFlight(): number {
    return this.#lanes().reduce((sum, { inFlight }) => sum + inFlight, 0);
  }

  /** Of the node that was connected with last. */
  get url(): string {
    return this.#url;
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
      lostMs: Infinity,
      onAbort: undefined,
      attempts: 0,
      failures: 0,
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
    const lanes = this.#lanes();
    const inFlight = lanes.flatMap((lane) => lane.take(() => true));
    const calls = [...inFlight, ...this.#waiting, ...this.#delayed];
    this.#waiting = [];
    this.#delayed = [];
    for (const call of inFlight) this.#mayHaveBeenDone(call);
    for (const call of calls) this.#giveUp(call, undefined);
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
    for (const lane of lanes) lane.end(new Error('The client is closed.'));
  }

  #pump(): void {
    const lane = this.#lane;
    if (lane === undefined) {
      this.#connect();
      return;
    }
    let taken = 0;
    while (taken < this.#waiting.length && lane.hasRoom) {
      const call = this.#waiting[taken++]!;
      if (call.isSettled) continue;
      call.attempts++;
      this.counters.attempts++;
      if (this.#nodes.count > 1) call.lostMs = this.#lostMs(call);
      lane.send(call, call.asked.kind, call.asked.payload);
    }
    if (taken === this.#waiting.length) this.#waiting.length = 0;
    else if (taken > 0) this.#waiting = this.#waiting.slice(taken);
  }

  /** Soon enough that a node which never answers leaves time for the others. */
  #lostMs({ endsMs, failures }: Call): number {
    const nowMs = performance.now();
    const { count } = this.#nodes;
    const shareMs = (endsMs - nowMs) / (count - (failures % count));
    const ownMs = this.#options.attemptMsMax * 2 ** Math.floor(failures / count);
    return nowMs + Math.min(ownMs, shareMs);
  }

  #connect(): void {
    const nowMs = performance.now();
    if (this.#isClosed || nowMs < this.#connectNotBeforeMs) return;
    this.counters.connections++;
    const place = this.#nodes.next(this.#tried);
    try {
      this.#lane = this.#openLane(place);
    } catch (error) {
      // A certificate or a key that cannot be read: said to the calls, like every other reason.
      this.#lastCause = error;
      this.#nodeFailed(place, nowMs, false);
    }
  }

  #openLane(place: NodePlace): Lane<Call> {
    const { key, tls, inFlightMax } = this.#options;
    const isOne = this.#nodes.count === 1;
    const limits = isOne ? LIMITS_OF_ONE : LIMITS_OF_SEVERAL;
    const { connectMsMax = limits.connectMsMax, silentMsMax = limits.silentMsMax } = this.#options;
    // Where all nodes are slow none must be out of reach.
    const doublings = isOne ? 0 : Math.min(this.#rounds, CONNECT_DOUBLINGS_MAX);
    return new Lane({
      place,
      key,
      tls,
      inFlightMax,
      connectMsMax: connectMsMax * 2 ** doublings,
      silentMsMax,
      onWelcome: (welcome) => this.#welcomed(place, welcome),
      onAnswer: (call, frame, lane) => this.#answered(call, frame, lane),
      onGoodbye: (lane) => this.#leave(lane),
      onLost: (lane, cause) => this.#lost(lane, cause),
    });
  }

  #welcomed({ url }: NodePlace, { refusals }: Welcome): void {
    this.#url = url;
    for (const refusal of refusals) this.#refusals.set(refusal.number, refusal);
    this.#pump();
  }

  /** Nothing new on this connection; it ends when what is under way has been answered. */
  #leave(lane: Lane<Call>): void {
    if (lane !== this.#lane) return;
    this.#lane = undefined;
    this.#left.add(lane);
    this.#nodeFailed(lane.place, lane.startedMs, false);
    lane.leave();
    if (this.#waiting.length > 0) this.#pump();
  }

  #answered(call: Call, frame: Frame, lane: Lane<Call>): void {
    if (frame.kind === FrameKind.problem) this.#refused(call, problemOfFrame(frame), lane);
    else {
      this.#worked(lane);
      if (frame.kind === call.asked.kind + FrameKind.answer) {
        if (this.#settle(call)) call.waiter.answered(frame);
      } else {
        this.#fail(call, new AnswerUnreadable(`The answer has the kind ${frame.kind}.`));
      }
    }
    if (this.#waiting.length > 0) this.#pump();
  }

  #refused(call: Call, problem: ApiProblem, lane: Lane<Call>): void {
    const { status } = problem;
    if (status < 500) this.#worked(lane);
    if (!AGAIN_STATUS.has(status)) {
      this.#fail(call, this.#finalProblem(call, problem));
      return;
    }
    if (call.isSettled) return;
    if (mayHaveHappened(problem)) this.#mayHaveBeenDone(call);
    call.cause = problem;
    if (status === BUSY_STATUS) {
      this.#delay(call, call.attempts);
      return;
    }
    const isAtOnce = this.#again(call);
    // Each move leaves a connection behind; there are never more of them than nodes.
    if (isAtOnce && this.#left.size < this.#nodes.count) this.#leave(lane);
  }

  /** Another attempt: at once while there are nodes that it has not met, else after a pause. */
  #again(call: Call): boolean {
    call.failures++;
    const rounds = call.failures / this.#nodes.count;
    const isAtOnce = !Number.isInteger(rounds);
    if (isAtOnce) this.#waiting.unshift(call);
    else this.#delay(call, rounds);
    return isAtOnce;
  }

  #delay(call: Call, times: number): void {
    call.notBeforeMs = performance.now() + this.#backoffMs(times);
    this.#delayed.push(call);
  }

  #worked(lane: Lane<Call>): void {
    lane.hasAnswered = true;
    this.#nodes.worked(lane.place);
    if (this.#failures === 0 || lane !== this.#lane) return;
    this.#failures = 0;
    this.#rounds = 0;
    this.#tried.clear();
  }

  /** The next connection is made to the next node, after a pause where all have failed. */
  #nodeFailed(place: NodePlace, sinceMs: number, isAtOnce: boolean): void {
    this.#nodes.failed(place, sinceMs);
    this.#failures++;
    this.#connectNotBeforeMs = 0;
    if (isAtOnce) return;
    this.#tried.add(place);
    if (this.#nodes.left(this.#tried) > 0) return;
    this.#tried.clear();
    this.#connectNotBeforeMs = performance.now() + this.#backoffMs(++this.#rounds);
  }

  /** A 5xx of a write decides nothing, nor does a key that is refused after an unknown attempt. */
  #finalProblem(call: Call, problem: ApiProblem): unknown {
    if (!call.asked.isWrite) return problem;
    const undecided =
      mayHaveHappened(problem) || (call.unknown && AUTHORISATION_STATUS.has(problem.status));
    return undecided ? new OutcomeUnknown(call.attempts, problem) : problem;
  }

  #lost(lane: Lane<Call>, cause: unknown): void {
    const wasLeft = this.#left.delete(lane);
    const lost = lane.take(() => true);
    for (const call of lost.toReversed()) this.#lostAttempt(call, cause);
    if (!wasLeft) {
      this.#lane = undefined;
      this.#lastCause = cause;
      if (isFinal(cause)) {
        this.#failAll(cause);
        return;
      }
      // A connection that worked is made again at once where there is no other node.
      const isAtOnce = lane.hasAnswered && this.#nodes.count === 1;
      this.#nodeFailed(lane.place, lane.startedMs, isAtOnce);
    }
    if (this.#waiting.length > 0) this.#pump();
  }

  #lostAttempt(call: Call, cause: unknown): void {
    this.#mayHaveBeenDone(call);
    call.cause = cause;
    this.#again(call);
  }

  #failAll(problem: ApiProblem): void {
    const calls = [...this.#waiting, ...this.#delayed];
    this.#waiting = [];
    this.#delayed = [];
    for (const call of calls) this.#fail(call, this.#finalProblem(call, problem));
  }

  #sweep(): void {
    const nowMs = performance.now();
    const due = this.#delayed.filter((call) => call.notBeforeMs <= nowMs);
    if (due.length > 0) {
      this.#delayed = this.#delayed.filter((call) => call.notBeforeMs > nowMs);
      this.#waiting.push(...due);
    }
    for (const lane of this.#lanes()) {
      for (const call of lane.take(({ endsMs }) => endsMs <= nowMs)) {
        this.#mayHaveBeenDone(call);
        this.#giveUp(call, undefined);
      }
      const late = lane.take(({ lostMs }) => lostMs <= nowMs);
      for (const call of late) this.#lostAttempt(call, new Error('no answer in time'));
      if (late.length > 0 && this.#left.size < this.#nodes.count) this.#leave(lane);
      lane.endIfDone();
    }
    for (const calls of [this.#waiting, this.#delayed]) {
      for (const call of calls) if (call.endsMs <= nowMs) this.#giveUp(call, undefined);
    }
    this.#waiting = this.#waiting.filter(isOpen);
    this.#delayed = this.#delayed.filter(isOpen);
    if (this.#waiting.length > 0) this.#pump();
    if (this.#waiting.length + this.#delayed.length + this.inFlight > 0) return;
    clearInterval(this.#sweeping);
    this.#sweeping = undefined;
  }

  #aborted(call: Call): void {
    for (const lane of this.#lanes()) {
      for (const found of lane.take((other) => other === call)) this.#mayHaveBeenDone(found);
      lane.endIfDone();
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
    else this.#fail(call, new NodeUnavailable(this.#nodes.urls.join(', '), attempts, cause));
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

  #lanes(): Lane<Call>[] {
    return this.#lane === undefined ? [...this.#left] : [this.#lane, ...this.#left];
  }

  #backoffMs(attempts: number): number {
    const { backoffMs, backoffMsMax } = this.#options;
    const fullMs = Math.min(backoffMsMax, backoffMs * 2 ** (attempts - 1));
    return fullMs / 2 + (Math.random() * fullMs) / 2;
  }
}

/** The node does not want this client, and will not the next time. */
function isFinal(cause: unknown): cause is ApiProblem {
  return cause instanceof ApiProblem && !AGAIN_STATUS.has(cause.status) && !cause.retryable;
}

function isOpen(call: Call): boolean {
  return !call.isSettled;
}
