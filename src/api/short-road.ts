// The short road of POST /v1/transfers: one transfer with a small, plain body. It reads the body by
// itself, straight into the record, and answers from the outcome, without the framework's steps
// between (body parser, validation, handler). What is not plain goes the ordinary road, before the
// body is read, or through the ordinary readers, after it; so there is one set of answers.

import type { IncomingMessage } from 'node:http';
import type {
  FastifyReply,
  FastifyRequest,
  HookHandlerDoneFunction,
  onRequestHookHandler,
} from 'fastify';
import { transfersCommand } from '../domain/commands.ts';
import type { Context } from './context.ts';
import { readTransfer } from './input.ts';
import { OutcomeWaits, type OutcomeWaitsOptions } from './outcome-waits.ts';
import { inputProblem } from './problems.ts';
import { readStrictJson } from './strict-json.ts';
import { readTransferBytes } from './transfer-bytes.ts';

/** A transfer with every member has some 600 bytes. */
const SHORT_BODY_BYTES_MAX = 2048;
const LENGTH_PATTERN = /^[1-9][0-9]{0,3}$/;

export type ShortRoadOptions = {
  readonly context: Context;
  /** The limit of the ordinary road, which says so where a body is larger. */
  readonly bodyBytesMax: number;
  /** May throw what the books refused. */
  readonly answer: OutcomeWaitsOptions['answer'];
};

/** A hook that answers what is plain, and hands on what is not. */
export function shortRoad({
  context,
  bodyBytesMax,
  answer,
}: ShortRoadOptions): onRequestHookHandler {
  const lengthMax = Math.min(bodyBytesMax, SHORT_BODY_BYTES_MAX);
  const { engine, outcomeWaitMs, signature } = context;
  const waits = new OutcomeWaits({ engine, outcomeWaitMs, signature, answer });
  return (request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) => {
    if (!isPlain(request.raw, lengthMax)) return done();
    readBody(request.raw, (body) => carryOut(reply, body));
  };

  function carryOut(reply: FastifyReply, body: Buffer): void {
    try {
      const record = readTransferBytes(body) ?? readTheLongWay(body);
      waits.begin(reply, record, transfersCommand(record));
    } catch (error) {
      reply.send(error);
    }
  }
}

function isPlain({ url, headers }: IncomingMessage, lengthMax: number): boolean {
  const length = headers['content-length'];
  return (
    url === '/v1/transfers' &&
    headers['content-type'] === 'application/json' &&
    headers['transfer-encoding'] === undefined &&
    length !== undefined &&
    LENGTH_PATTERN.test(length) &&
    Number(length) <= lengthMax
  );
}

/**
 * Calls back once with the whole body; its length is the announced one, Node sees to that. Where
 * the client goes away or is too slow, it never calls: nobody is there to be answered.
 */
function readBody(request: IncomingMessage, use: (body: Buffer) => void): void {
  let body: Buffer | undefined;
  request.on('data', (chunk: Buffer) => {
    body = body === undefined ? chunk : Buffer.concat([body, chunk]);
  });
  request.on('end', () => use(body ?? Buffer.alloc(0)));
}

function readTheLongWay(body: Buffer): Uint8Array<ArrayBuffer> {
  const reading = readStrictJson(body);
  if (reading.kind === 'value') return readTransfer(reading.value);
  const { pointer, code, detail } = reading;
  throw inputProblem([{ pointer, code, detail }]);
}
