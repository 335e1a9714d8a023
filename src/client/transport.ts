// One request, sent until it is answered or the deadline comes. A retry sends the very same bytes,
// so the ids in them make it safe: the ledger answers `exists` for what was done before. Retried
// are failures of the connection, 429 and 502 to 504; everything else the node says is final. Where
// several nodes are known a failure sends the request to the next one at once (node-choice.ts), and
// only when all have failed is there a pause; 429 is no failure of a node.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Dispatcher, Pool } from 'undici';
import { NodeChoice, type NodePlace } from './node-choice.ts';
import {
  AnswerUnreadable,
  ApiProblem,
  NodeUnavailable,
  OutcomeUnknown,
  isCertificateFault,
  mayHaveHappened,
  readProblem,
} from './problems.ts';

export type TransportOptions = {
  /** http:// or https://; several = the nodes of one cluster, the preferred one first. */
  readonly url: string | readonly string[];
  readonly key: string;
  /** Begin at one of them chosen at random, so that many clients use all nodes; false. */
  readonly spread?: boolean;
  /** Ask the node for the addresses of the others (`GET /v1/cluster`), now and then; false. */
  readonly discover?: boolean;
  /** Reads reflect everything that this client has been told of, at whatever node; true. */
  readonly readYourWrites?: boolean;
  /** For https: certificates (PEM) to trust beside those that the runtime trusts. */
  readonly tls?: { readonly ca: string | Buffer } | undefined;
  /** How long a call goes on trying. */
  readonly deadlineMs?: number;
  /**
   * How long one attempt may take before it counts as lost: 10 s, with several nodes 3 s, doubled
   * when all of them were too slow. What is left of the deadline is shared among the nodes.
   */
  readonly attemptMsMax?: number;
  /** To each node. */
  readonly connectionsMax?: number;
  /** First wait between attempts; doubled each time up to `backoffMsMax`, half of it jitter. */
  readonly backoffMs?: number;
  readonly backoffMsMax?: number;
};

export type CallOptions = { readonly signal?: AbortSignal; readonly deadlineMs?: number };

export type ReadOptions = CallOptions & {
  /**
   * `strong` = everything that was acknowledged to anybody before the question; `local` = whatever
   * the node that answers has. Otherwise as `readYourWrites` says.
   */
  readonly consistency?: 'strong' | 'local';
  /** At least this position, such as another client's answer carried. */
  readonly afterPosition?: number;
};

export type Request = ReadOptions & {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly body?: unknown;
  /** A body that is JSON already, instead of `body`; sent as it is. */
  readonly bodyText?: string;
  /** A write can have happened without an answer; a read cannot hurt. */
  readonly kind: 'read' | 'write';
};

export type Answer = {
  readonly status: number;
  readonly body: unknown;
  /** Journal position that the answer reflects; 0 when the node did not say. */
  readonly position: number;
};

/** Counted since the client was made; read by tests and by reports. */
export type ClientCounters = {
  calls: number;
  attempts: number;
  /** Attempts that may have been executed without an answer. */
  unknowns: number;
  /** Requests that are on the wire now. */
  inFlight: number;
};

type Attempt =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'final'; readonly problem: ApiProblem }
  | {
      readonly kind: 'again';
      readonly cause: unknown;
      readonly unknown: boolean;
      readonly retryAfterMs: number;
      /** 429: the node is well, only busy. */
      readonly isBusy: boolean;
    };

/** A request under way: what is sent the same every time, and how the attempts went. */
type Sending = {
  readonly request: Request;
  readonly path: string;
  readonly text: string | undefined;
  readonly headers: Record<string, string>;
  readonly deadline: number;
  attempts: number;
  unknown: boolean;
  /** Times that it has paused. */
  pauses: number;
  /** Rounds in which every node failed. */
  rounds: number;
  round: Round;
};

/** Since the last pause: the nodes that failed. */
type Round = {
  readonly tried: Set<NodePlace>;
  /** The shortest that one of them asked for. */
  retryAfterMs: number;
  /** None of them is who it should be: asking again is vain. */
  isVain: boolean;
};

const DEFAULTS = {
  spread: false,
  discover: false,
  readYourWrites: true,
  deadlineMs: 30_000,
  connectionsMax: 16,
  backoffMs: 25,
  backoffMsMax: 1_000,
};
const ATTEMPT_MS_OF_ONE = 10_000;
const ATTEMPT_MS_OF_SEVERAL = 3_000;
const DISCOVERY_PERIOD_MS = 30_000;
const DISCOVERY_MS_MAX = 5_000;
const POSITION_HEADER = 'holdfast-position';

/** A connection that was never made carried nothing. */
const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'ERR_SSL_WRONG_VERSION_NUMBER',
]);
const BUSY_STATUS = 429;
const AGAIN_STATUS = new Set([BUSY_STATUS, 502, 503, 504]);
const AUTHORISATION_STATUS = new Set([401, 403]);

export class Transport implements AsyncDisposable {
  readonly counters: ClientCounters = { calls: 0, attempts: 0, unknowns: 0, inFlight: 0 };
  readonly #options: TransportOptions & typeof DEFAULTS;
  readonly #nodes: NodeChoice;
  #pools = new Map<NodePlace, Pool>();
  #url: string;
  #position = 0;
  #discoverMs = -Infinity;
  #isClosed = false;
  /** Aborted when the node has moved, so that nobody waits for the old address. */
  #moved = new AbortController();

  constructor(options: TransportOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.#nodes = new NodeChoice([options.url].flat(), { spread: this.#options.spread });
    this.#url = this.#nodes.urls[0]!;
    for (const url of this.#nodes.urls) assertHttpUrl(url);
  }

  /** Of the node that answered last. */
  get url(): string {
    return this.#url;
  }

  /** The highest that an answer has carried. */
  get position(): number {
    return this.#position;
  }

  /** The node has moved: calls that are being retried go on at the new address. */
  async connectTo(url: string): Promise<void> {
    assertHttpUrl(url);
    const previous = this.#pools;
    this.#pools = new Map();
    this.#nodes.replace([url]);
    this.#url = url;
    this.#moved.abort();
    this.#moved = new AbortController();
    await destroyAll(previous);
  }

  /** Idempotent. Calls that are still trying end as if their deadline had come. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await destroyAll(this.#pools);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async send(request: Request): Promise<Answer> {
    request.signal?.throwIfAborted();
    this.counters.calls++;
    const sending = this.#begin(request);
    for (;;) {
      if (this.#isClosed) throw this.#ending(sending, new Error('the client is closed'));
      const node = this.#nodes.next(sending.round.tried);
      const attempt = await this.#attempt(sending, node);
      if (attempt.kind === 'answer') return attempt.answer;
      if (attempt.kind === 'final') {
        throw decides(attempt.problem, request, sending.unknown)
          ? attempt.problem
          : new OutcomeUnknown(sending.attempts, attempt.problem);
      }
      sending.unknown ||= attempt.unknown;
      const waitMs = this.#waitMs(sending, node, attempt);
      const givenUp = performance.now() + waitMs >= sending.deadline;
      if (!givenUp && waitMs > 0) await wait(waitMs, [request.signal, this.#moved.signal]);
      if (givenUp || request.signal?.aborted === true) throw this.#ending(sending, attempt.cause);
    }
  }

  #begin(request: Request): Sending {
    const { body, path, consistency } = request;
    const text = request.bodyText ?? (body === undefined ? undefined : JSON.stringify(body));
    const strong = `${path.includes('?') ? '&' : '?'}consistency=strong`;
    return {
      request,
      path: consistency === 'strong' ? `${path}${strong}` : path,
      text,
      headers: this.#headers(request, text),
      deadline: performance.now() + (request.deadlineMs ?? this.#options.deadlineMs),
      attempts: 0,
      unknown: false,
      pauses: 0,
      rounds: 0,
      round: newRound(),
    };
  }

  /** How long to pause before the next attempt; Infinity = it would be vain. */
  #waitMs(sending: Sending, node: NodePlace, attempt: Attempt & { kind: 'again' }): number {
    const { round } = sending;
    if (attempt.isBusy) {
      return Math.max(this.#backoffMs(++sending.pauses), attempt.retryAfterMs);
    }
    round.tried.add(node);
    round.isVain &&= isCertificateFault(attempt.cause);
    round.retryAfterMs = Math.min(round.retryAfterMs, attempt.retryAfterMs);
    if (this.#nodes.left(round.tried) > 0) return 0;
    sending.rounds++;
    sending.round = newRound();
    if (round.isVain) return Infinity;
    return Math.max(this.#backoffMs(++sending.pauses), round.retryAfterMs);
  }

  /** The error of a call that ended without an answer. */
  #ending({ request, attempts, unknown }: Sending, cause: unknown): unknown {
    if (request.kind === 'write' && unknown) return new OutcomeUnknown(attempts, cause);
    if (request.signal?.aborted === true) return request.signal.reason;
    if (cause instanceof ApiProblem) return cause;
    return new NodeUnavailable(this.#nodes.urls.join(', '), attempts, cause);
  }

  async #attempt(sending: Sending, node: NodePlace): Promise<Attempt> {
    const { request, path, text, headers } = sending;
    const controller = new AbortController();
    const abort = (): void => controller.abort(request.signal?.reason);
    const timer = setTimeout(
      () => controller.abort(new Error('no answer in time')),
      this.#attemptMs(sending),
    );
    request.signal?.addEventListener('abort', abort, { once: true });
    sending.attempts++;
    this.counters.attempts++;
    this.counters.inFlight++;
    const startedMs = performance.now();
    try {
      const response = await this.#poolOf(node).request({
        method: request.method,
        path,
        headers,
        body: text ?? null,
        signal: controller.signal,
      });
      const attempt = this.#judge(response, await response.body.text());
      if (response.statusCode >= 500) this.#nodes.failed(node, startedMs);
      else this.#answeredBy(node);
      return attempt;
    } catch (cause) {
      if (request.signal?.aborted !== true) this.#nodes.failed(node, startedMs);
      const unknown = !NEVER_SENT.has(errorCode(cause)) && !isCertificateFault(cause);
      if (unknown) this.counters.unknowns++;
      return { kind: 'again', cause, unknown, retryAfterMs: 0, isBusy: false };
    } finally {
      this.counters.inFlight--;
      clearTimeout(timer);
      request.signal?.removeEventListener('abort', abort);
    }
  }

  /** Short enough that a node which hangs leaves time for the others. */
  #attemptMs({ deadline, rounds, round }: Sending): number {
    const isOne = this.#nodes.count === 1;
    const restMs = deadline - performance.now();
    const shareMs = restMs / Math.max(1, this.#nodes.left(round.tried));
    const ownMs = this.#options.attemptMsMax ?? (isOne ? ATTEMPT_MS_OF_ONE : ATTEMPT_MS_OF_SEVERAL);
    return Math.max(1, Math.min(isOne ? ownMs : ownMs * 2 ** rounds, shareMs));
  }

  #judge(response: Dispatcher.ResponseData, text: string): Attempt {
    const { statusCode: status, headers } = response;
    const position = positionOf(headers[POSITION_HEADER]);
    this.#position = Math.max(this.#position, position);
    if (status >= 200 && status < 300) {
      return { kind: 'answer', answer: { status, body: parseAnswer(text), position } };
    }
    const problem = readProblem(status, text);
    if (!AGAIN_STATUS.has(status)) return { kind: 'final', problem };
    const unknown = mayHaveHappened(problem);
    if (unknown) this.counters.unknowns++;
    return {
      kind: 'again',
      cause: problem,
      unknown,
      retryAfterMs: retryAfterMs(headers['retry-after']),
      isBusy: status === BUSY_STATUS,
    };
  }

  #answeredBy(node: NodePlace): void {
    this.#nodes.worked(node);
    this.#url = node.url;
    const nowMs = performance.now();
    if (!this.#options.discover || nowMs < this.#discoverMs) return;
    this.#discoverMs = nowMs + DISCOVERY_PERIOD_MS;
    // Nobody waits for it: without an answer the addresses that are known must do.
    this.#discover().catch(() => undefined);
  }

  async #discover(): Promise<void> {
    const { body } = await this.send({
      method: 'GET',
      kind: 'read',
      path: '/v1/cluster',
      deadlineMs: DISCOVERY_MS_MAX,
    });
    this.#nodes.add(urlsOfMembers(body));
  }

  #headers(request: Request, text: string | undefined): Record<string, string> {
    const headers: Record<string, string> = {
      authorization: `Bearer ${this.#options.key}`,
      accept: 'application/json, application/problem+json',
    };
    if (text !== undefined) headers['content-type'] = 'application/json';
    const { kind, consistency, afterPosition = 0 } = request;
    const isOwn = this.#options.readYourWrites && consistency !== 'local';
    const position = Math.max(afterPosition, isOwn ? this.#position : 0);
    if (kind === 'read' && position > 0) headers[POSITION_HEADER] = String(position);
    return headers;
  }

  #backoffMs(pauses: number): number {
    const { backoffMs, backoffMsMax } = this.#options;
    const fullMs = Math.min(backoffMsMax, backoffMs * 2 ** (pauses - 1));
    return fullMs / 2 + (Math.random() * fullMs) / 2;
  }

  #poolOf(node: NodePlace): Pool {
    const known = this.#pools.get(node);
    if (known !== undefined) return known;
    const { connectionsMax, tls } = this.#options;
    const pool = new Pool(new URL(node.url).origin, {
      connections: connectionsMax,
      ...(tls !== undefined && { connect: { ca: tls.ca } }),
    });
    this.#pools.set(node, pool);
    return pool;
  }
}

function newRound(): Round {
  return { tried: new Set(), retryAfterMs: Infinity, isVain: true };
}

async function destroyAll(pools: ReadonlyMap<NodePlace, Pool>): Promise<void> {
  await Promise.all(Array.from(pools.values(), (pool) => pool.destroy()));
}

/** Throws a RangeError: a wrong address would otherwise look like a node that is away. */
function assertHttpUrl(url: string): void {
  if (isHttpUrl(url)) return;
  throw new RangeError(`"${url}" is not the address of a node, such as http://127.0.0.1:7400.`);
}

function isHttpUrl(url: string): boolean {
  return URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
}

/** Addresses in the answer of `GET /v1/cluster`; what is none is passed over. */
function urlsOfMembers(body: unknown): string[] {
  const { members } = (body ?? {}) as { readonly members?: unknown };
  if (!Array.isArray(members)) return [];
  return members
    .map((member: { readonly url?: unknown } | null) => member?.url)
    .filter((url) => typeof url === 'string')
    .filter(isHttpUrl);
}

function positionOf(header: string | string[] | undefined): number {
  const position = Number(header ?? 0);
  return Number.isSafeInteger(position) && position > 0 ? position : 0;
}

/**
 * Does this refusal answer the call? A 5xx of a write does not, nor does a key that is refused
 * after an earlier attempt may have been executed.
 */
function decides(problem: ApiProblem, request: Request, unknownBefore: boolean): boolean {
  if (request.kind === 'read') return true;
  if (problem.status >= 500) return !mayHaveHappened(problem);
  return !(unknownBefore && AUTHORISATION_STATUS.has(problem.status));
}

/** Ends after `ms` milliseconds, or as soon as one of the signals aborts. */
async function wait(ms: number, signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  const signal = AbortSignal.any(signals.filter((item) => item !== undefined));
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}

function parseAnswer(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new AnswerUnreadable('The answer is not JSON.', { cause });
  }
}

function errorCode(cause: unknown): string {
  const code = cause instanceof Error ? (cause as { readonly code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : '';
}

/** Retry-After as seconds or as a date; anything else counts as absent. */
export function retryAfterMs(header: string | string[] | undefined): number {
  if (typeof header !== 'string') return 0;
  if (/^[0-9]{1,6}$/.test(header)) return Number(header) * 1000;
  const dateMs = Date.parse(header);
  return Number.isNaN(dateMs) ? 0 : Math.max(0, dateMs - Date.now());
}
