// For tests of this door: an engine without queue, journal and disk. It applies each command at
// once with the real domain; only what stands between the door and `apply` is a double.

import type { ClusterControl } from '../../cluster/contract.ts';
import { OperationalError, type OperationalCode } from '../../base/errors.ts';
import type { Command } from '../../domain/commands.ts';
import { type DomainState, apply, createState, image } from '../../domain/domain.ts';
import { MemoryHistory } from '../../history/testing/memory-history.ts';
import type {
  Asked,
  Engine,
  NodeRole,
  NodeStatus,
  ReadWish,
  SubmitResult,
  Waiter,
  JournalFigures,
} from '../../engine/contract.ts';
import { type HttpServer, type HttpServerOptions, createHttpServer } from '../server.ts';

export const FAKE_API_KEY = 'hf_test_key';
/** 2026-01-01: ids made for this time are neither old nor ahead. */
export const FAKE_TIME_MS = 1_767_225_600_000;

/** `Engine.ask` of an engine that has only `submit`. */
export function askBySubmitting(submit: Engine['submit'], command: Command, waiter: Waiter): Asked {
  const controller = new AbortController();
  submit(command, controller.signal).then(
    (result) => waiter.accepted(result),
    (error: unknown) => waiter.failed(error as OperationalError),
  );
  return { abandon: () => controller.abort() };
}

export class FakeEngine implements Engine {
  cluster: ClusterControl | undefined = undefined;
  readonly #books: DomainState = createState();
  readonly history = new MemoryHistory();
  role: NodeRole = 'leading';
  epoch = 1;
  impediment: OperationalCode | undefined = undefined;
  journal: JournalFigures = {
    error: undefined,
    awaySeconds: 0,
    awaySecondsTotal: 0,
    outages: 0,
  };
  /** Thrown by the next submits while it is set. */
  failure: Error | undefined = undefined;
  /** true = commands are carried out, but nobody hears of it. */
  silent = false;
  /** true = the node halts right behind the next outcome: the books cannot be read any more. */
  haltsNext = false;
  #halted = false;
  /** What readers asked for, and what they wait for. */
  readonly wishes: ReadWish[] = [];
  catchesUp: (signal: AbortSignal) => Promise<void> = () => Promise.resolve();
  submitted = 0;
  aborted = 0;
  #position = 0;
  #timeNs = BigInt(FAKE_TIME_MS) * 1_000_000n;

  get state(): DomainState {
    if (this.#halted) throw new OperationalError('NOT_READY');
    return this.#books;
  }

  /** Has caught up whatever is wished, unless a test holds it back. */
  catchUp(wish: ReadWish, signal: AbortSignal): Promise<void> {
    this.wishes.push(wish);
    return this.catchesUp(signal);
  }

  submit(command: Command, signal: AbortSignal): Promise<SubmitResult> {
    this.submitted += 1;
    if (this.failure !== undefined) return Promise.reject(this.failure);
    this.#position += 1;
    this.#timeNs += 1_000_000n;
    const stamp = { position: this.#position, timeNs: this.#timeNs, rulesVersion: 1 };
    const outcome = apply(this.#books, command, stamp);
    this.history.applied(this.#books, command, outcome, this.#position);
    this.#halted = this.haltsNext;
    if (!this.silent) return Promise.resolve({ outcome, position: this.#position });
    return new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        this.aborted += 1;
        reject(new OperationalError('OUTCOME_UNKNOWN'));
      });
    });
  }

  ask(command: Command, waiter: Waiter): Asked {
    return askBySubmitting((asked, signal) => this.submit(asked, signal), command, waiter);
  }

  status(): NodeStatus {
    return {
      role: this.role,
      reason: 'a test said so.',
      roleSinceMs: FAKE_TIME_MS,
      clusterId: '0'.repeat(32),
      timeline: 1,
      epoch: this.epoch,
      position: this.#position,
      journalFirst: 1,
      journalLast: this.#position,
      queuedCommands: 0,
      queuedBytes: 0,
      impediment: this.impediment,
      journal: this.journal,
      tornBytesCut: 0,
    };
  }

  /** The whole state as bytes, in hex: equal texts are equal books. */
  imageHex(): string {
    return image(this.#books)
      .map(({ name, bytes }) => `${name}=${Buffer.from(bytes).toString('hex')}`)
      .join('\n');
  }
}

export type FakeNode = {
  readonly engine: FakeEngine;
  readonly server: HttpServer;
  /** What was logged as an error, and what as information. */
  readonly logged: unknown[];
  readonly noted: unknown[];
} & AsyncDisposable;

export function createFakeNode(options: Partial<HttpServerOptions> = {}): FakeNode {
  const engine = new FakeEngine();
  const logged: unknown[] = [];
  const noted: unknown[] = [];
  const server = createHttpServer({
    engine,
    apiKey: FAKE_API_KEY,
    metricsText: () => Promise.resolve('# HELP holdfast_test A test.\n'),
    logger: { error: (fields) => logged.push(fields), info: (fields) => noted.push(fields) },
    ...options,
  });
  return { engine, server, logged, noted, [Symbol.asyncDispose]: () => server.close() };
}

export type Answer = {
  readonly status: number;
  readonly headers: { readonly [name: string]: unknown };
  // oxlint-disable-next-line typescript/no-explicit-any -- a test looks at whatever came
  readonly body: any;
};

/** A request with key and JSON body, without a socket; a string body is sent as it is. */
export async function call(
  node: FakeNode,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'HEAD' | 'OPTIONS',
  url: string,
  body?: unknown,
  headers: { readonly [name: string]: string } = {},
): Promise<Answer> {
  const payload = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  const response = await node.server.app.inject({
    method,
    url,
    headers: {
      authorization: `Bearer ${FAKE_API_KEY}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(payload === undefined ? {} : { payload }),
  });
  const json = /json/.test(response.headers['content-type'] ?? '');
  const text = response.body;
  return {
    status: response.statusCode,
    headers: response.headers,
    body: json && text !== '' ? JSON.parse(text) : text,
  };
}

export const LEDGER = 978;

/** `acc_` and the number as 32 hex digits. */
export function accountId(number: number): string {
  return `acc_${number.toString(16).padStart(32, '0')}`;
}

/** A transfer id of the fake engine's time. */
export function transferId(number: number): string {
  const time = FAKE_TIME_MS.toString(16).padStart(12, '0');
  return `tr_${time}${number.toString(16).padStart(20, '0')}`;
}

/** A transfer of 12.50 from account 1 to account 2. */
export function transferBody(
  number: number,
  change: object = {},
): { readonly [name: string]: unknown } {
  return {
    id: transferId(number),
    debit_account_id: accountId(1),
    credit_account_id: accountId(2),
    amount: '1250',
    ledger: LEDGER,
    code: 1,
    ...change,
  };
}

/** A node with ledger 978 (EUR) and accounts 1, 2 and 3; 3 may not be overdrawn. */
export async function createBookedNode(
  options: Partial<HttpServerOptions> = {},
): Promise<FakeNode> {
  const node = createFakeNode(options);
  await call(node, 'PUT', `/v1/ledgers/${LEDGER}`, { currency: 'EUR', exponent: 2 });
  const limited = { flags: ['debits_must_not_exceed_credits'] };
  const accounts = [1, 2, 3].map((number) => ({
    id: accountId(number),
    ledger: LEDGER,
    code: 1,
    ...(number === 3 ? limited : {}),
  }));
  await call(node, 'POST', '/v1/accounts/batch', { accounts });
  return node;
}
