// One request, sent until it is answered or the deadline comes. A retry sends the very same bytes,
// so the ids in them make it safe: the ledger answers `exists` for what was done before. Retried
// are failures of the connection, 429 and 502 to 504; everything else the node says is final.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Dispatcher, Pool } from 'undici';
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
  readonly url: string;
  readonly key: string;
  /** For https: certificates (PEM) to trust beside those that the runtime trusts. */
  readonly tls?: { readonly ca: string | Buffer } | undefined;
  /** How long a call goes on trying. */
  readonly deadlineMs?: number;
  /** How long one attempt may take before it counts as lost. */
  readonly attemptMsMax?: number;
  readonly connectionsMax?: number;
  /** First wait between attempts; doubled each time up to `backoffMsMax`, half of it jitter. */
  readonly backoffMs?: number;
  readonly backoffMsMax?: number;
};

export type CallOptions = { readonly signal?: AbortSignal; readonly deadlineMs?: number };

export type Request = CallOptions & {
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
    };

const DEADLINE_MS_DEFAULT = 30_000;
const ATTEMPT_MS_DEFAULT = 10_000;
const CONNECTIONS_DEFAULT = 16;
const BACKOFF_MS_DEFAULT = 25;
const BACKOFF_MS_MAX_DEFAULT = 1_000;

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
const AGAIN_STATUS = new Set([429, 502, 503, 504]);
const AUTHORISATION_STATUS = new Set([401, 403]);

export class Transport implements AsyncDisposable {
  readonly counters: ClientCounters = { calls: 0, attempts: 0, unknowns: 0, inFlight: 0 };
  readonly #options: Required<Omit<TransportOptions, 'tls'>> & Pick<TransportOptions, 'tls'>;
  #url: string;
  #pool: Pool;
  #isClosed = false;
  /** Aborted when the node has moved, so that nobody waits for the old address. */
  #moved = new AbortController();

  constructor(options: TransportOptions) {
    this.#options = {
      deadlineMs: DEADLINE_MS_DEFAULT,
      attemptMsMax: ATTEMPT_MS_DEFAULT,
      connectionsMax: CONNECTIONS_DEFAULT,
      backoffMs: BACKOFF_MS_DEFAULT,
      backoffMsMax: BACKOFF_MS_MAX_DEFAULT,
      ...options,
    };
    this.#url = options.url;
    this.#pool = this.#makePool();
  }

  get url(): string {
    return this.#url;
  }

  /** The node has moved: calls that are being retried go on at the new address. */
  async connectTo(url: string): Promise<void> {
    const previous = this.#pool;
    this.#url = url;
    this.#pool = this.#makePool();
    this.#moved.abort();
    this.#moved = new AbortController();
    await previous.destroy();
  }

  /** Idempotent. Calls that are still trying end as if their deadline had come. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#pool.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async send(request: Request): Promise<Answer> {
    const deadline = performance.now() + (request.deadlineMs ?? this.#options.deadlineMs);
    const { body } = request;
    const text = request.bodyText ?? (body === undefined ? undefined : JSON.stringify(body));
    let unknown = false;
    this.counters.calls++;
    for (let attempts = 1; ; attempts++) {
      if (attempts === 1) request.signal?.throwIfAborted();
      const attempt = await this.#attempt(request, text, deadline);
      if (attempt.kind === 'answer') return attempt.answer;
      if (attempt.kind === 'final') {
        throw decides(attempt.problem, request, unknown)
          ? attempt.problem
          : new OutcomeUnknown(attempts, attempt.problem);
      }
      unknown ||= attempt.unknown;
      const waitMs = Math.max(this.#backoffMs(attempts), attempt.retryAfterMs);
      const isStranger = isCertificateFault(attempt.cause);
      const givenUp = this.#isClosed || isStranger || performance.now() + waitMs >= deadline;
      if (!givenUp) await wait(waitMs, [request.signal, this.#moved.signal]);
      if (givenUp || request.signal?.aborted === true) {
        throw this.#ending(request, { attempts, unknown, cause: attempt.cause });
      }
    }
  }

  /** The error of a call that ended without an answer. */
  #ending(
    request: Request,
    ending: { readonly attempts: number; readonly unknown: boolean; readonly cause: unknown },
  ): unknown {
    const { attempts, unknown, cause } = ending;
    if (request.kind === 'write' && unknown) return new OutcomeUnknown(attempts, cause);
    if (request.signal?.aborted === true) return request.signal.reason;
    return cause instanceof ApiProblem ? cause : new NodeUnavailable(this.#url, attempts, cause);
  }

  async #attempt(request: Request, text: string | undefined, deadline: number): Promise<Attempt> {
    const controller = new AbortController();
    const abort = (): void => controller.abort(request.signal?.reason);
    const attemptMs = Math.max(
      1,
      Math.min(this.#options.attemptMsMax, deadline - performance.now()),
    );
    const timer = setTimeout(() => controller.abort(new Error('no answer in time')), attemptMs);
    request.signal?.addEventListener('abort', abort, { once: true });
    this.counters.attempts++;
    this.counters.inFlight++;
    try {
      const response = await this.#pool.request({
        method: request.method,
        path: request.path,
        headers: this.#headers(text),
        body: text ?? null,
        signal: controller.signal,
      });
      return this.#judge(response, await response.body.text());
    } catch (cause) {
      const unknown = !NEVER_SENT.has(errorCode(cause)) && !isCertificateFault(cause);
      if (unknown) this.counters.unknowns++;
      return { kind: 'again', cause, unknown, retryAfterMs: 0 };
    } finally {
      this.counters.inFlight--;
      clearTimeout(timer);
      request.signal?.removeEventListener('abort', abort);
    }
  }

  #judge(response: Dispatcher.ResponseData, text: string): Attempt {
    const { statusCode: status, headers } = response;
    if (status >= 200 && status < 300) {
      const position = Number(headers['holdfast-position'] ?? 0);
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
    };
  }

  #headers(text: string | undefined): Record<string, string> {
    const headers: Record<string, string> = {
      authorization: `Bearer ${this.#options.key}`,
      accept: 'application/json, application/problem+json',
    };
    if (text !== undefined) headers['content-type'] = 'application/json';
    return headers;
  }

  #backoffMs(attempts: number): number {
    const { backoffMs, backoffMsMax } = this.#options;
    const fullMs = Math.min(backoffMsMax, backoffMs * 2 ** (attempts - 1));
    return fullMs / 2 + (Math.random() * fullMs) / 2;
  }

  #makePool(): Pool {
    const { connectionsMax, tls } = this.#options;
    return new Pool(new URL(this.#url).origin, {
      connections: connectionsMax,
      ...(tls !== undefined && { connect: { ca: tls.ca } }),
    });
  }
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
