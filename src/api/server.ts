// The HTTP door: it authenticates, reads requests strictly, turns them into commands, and writes
// outcomes and books as JSON. Nothing here decides about money, and whatever goes wrong leaves as a
// problem document (problems.ts) with the request's id.

import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Server } from 'node:https';
import { type FastifyInstance, type FastifyRequest, fastify } from 'fastify';
import { AssertionFailed } from '../base/assert.ts';
import { HTTP_BODY_BYTES_MAX } from '../base/limits.ts';
import type { TlsFiles } from '../config/tls-files.ts';
import type { CheckpointControl, Engine } from '../engine/contract.ts';
import type { Spans } from '../telemetry/spans.ts';
import { answerBrokenHttp, problemOf, sendProblem } from './answer-problem.ts';
import { type KeyCheck, createKeyCheck } from './auth.ts';
import { type BodyBudget, createBodyBudget } from './body-budget.ts';
import { type Context, READING_ROLES } from './context.ts';
import { HttpTraffic } from './http-traffic.ts';
import { ApiProblem, inputProblem } from './problems.ts';
import { spanRequests } from './request-spans.ts';
import { accountQueryRoutes } from './routes/account-queries.ts';
import { accountRoutes } from './routes/accounts.ts';
import { checkpointRoutes } from './routes/checkpoints.ts';
import { clusterRoutes } from './routes/cluster.ts';
import { statusRoutes } from './routes/health.ts';
import { ledgerRoutes } from './routes/ledgers.ts';
import { openApiRoutes } from './routes/openapi.ts';
import { postingRoutes } from './routes/postings.ts';
import { openProbeRoutes, roleProbeRoutes } from './routes/probes.ts';
import { reportRoutes } from './routes/reports.ts';
import { transferQueryRoutes } from './routes/transfer-queries.ts';
import { transferRoutes } from './routes/transfers.ts';
import { signatureOf } from './signature.ts';
import { readStrictJson } from './strict-json.ts';
import { type ServerRoute, rememberRoutes } from './unrouted.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The act is said by its path alone (freeze, revert). */
    bodyOptional?: boolean;
    /** For people's browsers: the key may come as the password of HTTP Basic (auth.ts). */
    forBrowsers?: boolean;
  }
}

/** What of a logger this door uses; pino's loggers are such. */
export type ApiLogger = { error(fields: object, message: string): void };

type HttpLogger = ApiLogger & { info(fields: object, message: string): void };

export type HttpServerOptions = {
  readonly engine: Engine;
  readonly apiKey: string;
  /** This node's name in its cluster; left out or '' = it runs alone. */
  readonly node?: string;
  /** Without it requests for checkpoints are answered `not_ready`. */
  readonly checkpoints?: CheckpointControl;
  /** The text of /metrics. */
  readonly metricsText: () => Promise<string>;
  readonly logger: HttpLogger;
  /** Each request becomes a span. */
  readonly spans?: Spans | undefined;
  /** PEM; with it the door speaks HTTPS and nothing else. */
  readonly tls?: TlsFiles | undefined;
  /** How long a request waits for its outcome before the answer is `outcome_unknown`. */
  readonly outcomeWaitMs?: number;
  /** How long a request may take to arrive. */
  readonly requestReceiveMs?: number;
  readonly bodyBytesMax?: number;
  /** Bodies above 64 KiB that are on their way in, together. Beyond it: 429. */
  readonly bodyBytesInFlightMax?: number;
  /** A broken invariant: by default it is thrown outside of the request and stops the process. */
  readonly onBrokenInvariant?: (error: AssertionFailed) => void;
};

export type HttpServer = {
  /** Resolves with the URL when requests are taken. */
  listen(address: { readonly host: string; readonly port: number }): Promise<string>;
  /**
   * The node drains: answers from now on say that their connection ends, so that nobody sends the
   * next request into one that is being closed. Idempotent.
   */
  sayGoodbye(): void;
  /** Takes no new connections and lets requests in flight end. Idempotent. */
  close(): Promise<void>;
  /** For connections from now on; only where the door was made with a certificate. */
  useCertificate(tls: TlsFiles): void;
  /** For tests: requests without a socket, and all routes once the app is ready. */
  readonly app: FastifyInstance;
  readonly routes: readonly ServerRoute[];
  readonly traffic: HttpTraffic;
};

/** 32 requests of the largest size. */
const BODY_BYTES_IN_FLIGHT_MAX_DEFAULT = 32 * HTTP_BODY_BYTES_MAX;
const OUTCOME_WAIT_MS_DEFAULT = 10_000;
/** After the node has answered everything: time for the answers to be taken. */
const CLOSE_GRACE_MS = 1000;
const REQUEST_RECEIVE_MS_DEFAULT = 30_000;
const SLOW_LOOK_MS = 5000;
const TLS_HANDSHAKE_MS = 10_000;
const REQUEST_ID_PATTERN = /^[A-Za-z0-9._:-]{1,128}$/;
const KEYED_PATH_PATTERN = /^\/(v1|metrics|leader|replica|docs)(\/|$)/;
const NODE_HEADER = 'Holdfast-Node';

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const app = createApp(options);
  const traffic = new HttpTraffic();
  traffic.watch(app);
  if (options.spans !== undefined) spanRequests(app, options.spans);
  readBodiesStrictly(app);
  handleErrors(app, options);
  const context: Context = {
    engine: options.engine,
    outcomeWaitMs: options.outcomeWaitMs ?? OUTCOME_WAIT_MS_DEFAULT,
    metricsText: options.metricsText,
    signature: signatureOf(options.node ?? '', options.engine),
    log: (fields, message) => options.logger.info(fields, message),
  };
  const budget = createBodyBudget({
    bodyBytesMax: options.bodyBytesMax ?? HTTP_BODY_BYTES_MAX,
    bodyBytesInFlightMax: options.bodyBytesInFlightMax ?? BODY_BYTES_IN_FLIGHT_MAX_DEFAULT,
  });
  const checkKey = createKeyCheck(options.apiKey);
  const routes = addRoutes({ app, context, checkKey, budget, options });
  let closed: Promise<void> | undefined;
  let isLeaving = false;
  return {
    app,
    routes,
    traffic,
    sayGoodbye: () => {
      if (isLeaving) return;
      isLeaving = true;
      app.server.prependListener('request', (_request: IncomingMessage, answer: ServerResponse) => {
        answer.shouldKeepAlive = false;
      });
    },
    listen: (address) => app.listen(address),
    useCertificate: (tls) => (app.server as Server).setSecureContext(tls),
    close: () => {
      closed ??= closeWithin(app, CLOSE_GRACE_MS);
      return closed;
    },
  };
}

/**
 * A connection that says nothing, or never ends its request, must not keep the process: Node stops
 * looking at its time-outs as soon as a server closes.
 */
async function closeWithin(app: FastifyInstance, graceMs: number): Promise<void> {
  const timer = setTimeout(() => app.server.closeAllConnections(), graceMs);
  try {
    await app.close();
  } finally {
    clearTimeout(timer);
  }
}

function createApp(options: HttpServerOptions): FastifyInstance {
  // Node would answer a request without Host by itself, without a problem document; and it would
  // look only every 30 seconds whether a request takes too long to arrive.
  const http = { requireHostHeader: false, connectionsCheckingInterval: SLOW_LOOK_MS };
  const { tls } = options;
  const https = { ...http, ...tls, handshakeTimeout: TLS_HANDSHAKE_MS };
  const transport = tls === undefined ? { http } : { https };
  return fastify({
    logger: false,
    ...transport,
    bodyLimit: options.bodyBytesMax ?? HTTP_BODY_BYTES_MAX,
    requestTimeout: options.requestReceiveMs ?? REQUEST_RECEIVE_MS_DEFAULT,
    forceCloseConnections: 'idle',
    // While the node drains the engine answers SHUTTING_DOWN, as a problem document.
    return503OnClosing: false,
    genReqId: requestIdOf,
    requestIdHeader: false,
    clientErrorHandler: (error, socket) =>
      answerBrokenHttp(error, socket, { requestId: newRequestId(), node: options.node ?? '' }),
    frameworkErrors: (error, request, reply) => {
      reply.header('Request-Id', request.id);
      if (options.node !== undefined && options.node !== '')
        reply.header(NODE_HEADER, options.node);
      sendProblem(reply, problemOf(error));
    },
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: false,
      },
    },
  });
}

type RouteParts = {
  readonly app: FastifyInstance;
  readonly context: Context;
  readonly checkKey: KeyCheck;
  readonly budget: BodyBudget;
  readonly options: HttpServerOptions;
};

function addRoutes(parts: RouteParts): readonly ServerRoute[] {
  const { app, context, checkKey, budget, options } = parts;
  const { unrouted, routes } = rememberRoutes(app);
  const { node = '' } = options;
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('Request-Id', request.id);
    if (node !== '') reply.header(NODE_HEADER, node);
    if (!request.is404) return done();
    const path = request.url.split('?', 1)[0]!;
    return done(
      (KEYED_PATH_PATTERN.test(path) ? keyProblem(request) : undefined) ?? unrouted(path),
    );
  });
  openProbeRoutes(app, context);
  void app.register((keyed, _options, done) => {
    keyed.addHook('onRequest', (request, reply, next) =>
      next(keyProblem(request) ?? encodingProblem(request) ?? budget.take(request, reply)),
    );
    keyed.addHook('preValidation', (request, _reply, next) => next(bodyProblem(request)));
    if (node !== '') sayRole(keyed, options.engine);
    ledgerRoutes(keyed, context);
    accountRoutes(keyed, context);
    accountQueryRoutes(keyed, context);
    transferRoutes(keyed, context);
    transferQueryRoutes(keyed, context);
    postingRoutes(keyed, context);
    reportRoutes(keyed, context);
    statusRoutes(keyed, context);
    roleProbeRoutes(keyed, context);
    openApiRoutes(keyed);
    checkpointRoutes(keyed, options.checkpoints);
    clusterRoutes(keyed, context);
    done();
  });
  return routes;

  function keyProblem(request: FastifyRequest): ApiProblem | undefined {
    const asksBrowser = request.routeOptions.config.forBrowsers === true;
    const verdict = checkKey(request.headers.authorization, asksBrowser);
    return verdict === 'ok' ? undefined : new ApiProblem(verdict, { asksBrowser });
  }
}

/** With the answer and not before: while a payment was waited for, the role may have changed. */
function sayRole(app: FastifyInstance, engine: Engine): void {
  app.addHook('onSend', (_request, reply, _payload, done) => {
    reply.header('Holdfast-Role', engine.status().role);
    done();
  });
}

/** Nothing is unpacked here: what says that it is compressed is not read as if it were not. */
function encodingProblem(request: FastifyRequest): ApiProblem | undefined {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  return encoding === 'identity' ? undefined : new ApiProblem('media_type_unsupported');
}

function bodyProblem(request: FastifyRequest): ApiProblem | undefined {
  if (request.body instanceof ApiProblem) return request.body;
  if (request.body !== undefined) return undefined;
  const wantsBody = request.method === 'POST' || request.method === 'PUT';
  if (!wantsBody || request.routeOptions.config.bodyOptional === true) return undefined;
  const detail = 'The request has no body.';
  return inputProblem([{ pointer: '', code: 'body_required', detail }]);
}

/** The client's own id when it has a sane shape, so that he finds his request in our answer. */
function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['request-id'];
  return typeof given === 'string' && REQUEST_ID_PATTERN.test(given) ? given : newRequestId();
}

/** 80 random bits of this process and a number: one to look up, not to keep secret. */
const REQUEST_ID_START = `req_${randomBytes(10).toString('hex')}`;
let requestNumber = 0;

function newRequestId(): string {
  requestNumber++;
  return REQUEST_ID_START + requestNumber.toString(16).padStart(12, '0');
}

/**
 * A body that is not JSON goes on as its problem, for `bodyProblem`: the framework would close the
 * connection behind an error, and lose the answers of all that was sent behind this request. A body
 * of no bytes is no body, whatever its headers say.
 */
function readBodiesStrictly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    const reading = readStrictJson(body as Buffer);
    if (reading.kind === 'value') return done(null, reading.value);
    const { pointer, code, detail } = reading;
    return done(null, inputProblem([{ pointer, code, detail }]));
  });
}

function handleErrors(app: FastifyInstance, options: HttpServerOptions): void {
  const stop = options.onBrokenInvariant ?? throwOutside;
  app.setErrorHandler((error, request, reply) => {
    const problem = problemOf(error);
    if (problem.code === 'internal_error') {
      options.logger.error({ err: error, request_id: request.id }, 'a request failed unforeseen');
    }
    sendProblem(reply, problem, positionFor(options.engine, request, problem));
    if (error instanceof AssertionFailed) stop(error);
  });
}

/** Not for strangers, and not where there are no books whose position it would be. */
function positionFor(
  engine: Engine,
  request: FastifyRequest,
  { code, options }: ApiProblem,
): number | undefined {
  const isStranger = code === 'key_missing' || code === 'key_wrong';
  const path = request.url.split('?', 1)[0]!;
  if (options.position !== undefined || isStranger || !KEYED_PATH_PATTERN.test(path)) {
    return undefined;
  }
  const { role, position } = engine.status();
  return READING_ROLES.has(role) ? position : undefined;
}

function throwOutside(error: AssertionFailed): void {
  process.nextTick(() => {
    throw error;
  });
}
