// Postings of several legs, and reverts (posting-acts.ts), as JSON.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type IdKind, ID_PREFIX, formatId, parseId } from '../../base/ids.ts';
import type { Transfer } from '../../base/transfer-record.ts';
import { type Context, booksAfterOutcome, sendJson, submit, withinDeadline } from '../context.ts';
import { readNothing } from '../input.ts';
import { postingText } from '../output.ts';
import { readPosting } from '../posting.ts';
import {
  type ChainDone,
  chainCommand,
  chainDone,
  revertOfTransfer,
  revertsOfPosting,
} from '../posting-acts.ts';
import { inputProblem } from '../problems.ts';
import { NoQuery } from '../schemas.ts';

export function postingRoutes(app: FastifyInstance, context: Context): void {
  const schema = { querystring: NoQuery };
  app.post('/v1/postings', { schema }, async (request, reply) => {
    const { id, transfers } = readPosting(request.body);
    const done = await carryOut(context, reply, transfers);
    return send(reply, done, postingText(id, done.status, done.texts));
  });
  app.post(
    '/v1/postings/:id/revert',
    { schema, config: { bodyOptional: true } },
    async (request, reply) => {
      readNothing(request.body);
      const id = idOf(request, 'posting');
      const reverts = await withinDeadline(context, reply, (signal) =>
        revertsOfPosting(context.engine, id, signal),
      );
      const done = await carryOut(context, reply, reverts);
      return send(reply, done, postingText(formatId('posting', id), done.status, done.texts));
    },
  );
  app.post(
    '/v1/transfers/:id/revert',
    { schema, config: { bodyOptional: true } },
    async (request, reply) => {
      readNothing(request.body);
      const id = idOf(request, 'transfer');
      const revert = await withinDeadline(context, reply, (signal) =>
        revertOfTransfer(context.engine, id, signal),
      );
      const done = await carryOut(context, reply, revert);
      return send(reply, done, done.texts[0]!);
    },
  );
}

async function carryOut(
  context: Context,
  reply: FastifyReply,
  transfers: readonly Transfer[],
): Promise<ChainDone> {
  const result = await submit(context, reply, chainCommand(transfers));
  return chainDone(transfers, result, () => booksAfterOutcome(context));
}

function send(reply: FastifyReply, { status, position }: ChainDone, text: string): FastifyReply {
  return sendJson(reply, status === 'created' ? 201 : 200, position, text);
}

function idOf(request: FastifyRequest, kind: IdKind): bigint {
  const id = parseId(kind, (request.params as { readonly id: string }).id);
  if (id !== undefined) return id;
  const detail = `A ${kind} id is ${ID_PREFIX[kind]} and 32 lower-case hex digits.`;
  throw inputProblem([{ parameter: 'id', code: 'id_malformed', detail }]);
}
