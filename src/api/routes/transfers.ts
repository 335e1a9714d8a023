// Transfers: done one by one or in batches. Reading them: transfer-queries.ts.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { decodeTransfer } from '../../base/transfer-record.ts';
import { transfersCommand } from '../../domain/commands.ts';
import { findTransfer } from '../../domain/queries.ts';
import { CREATED, isSuccess } from '../../domain/refusals.ts';
import { type Context, booksAfterOutcome, refusalProblem, sendJson, submit } from '../context.ts';
import { readTransfer, readTransfers } from '../input.ts';
import { batchText } from '../output.ts';
import { acceptedAsSent, textOf } from '../posting-acts.ts';
import { NoQuery } from '../schemas.ts';

export function transferRoutes(app: FastifyInstance, context: Context): void {
  const schema = { querystring: NoQuery };
  app.post('/v1/transfers', { schema }, (request, reply) => postTransfer(context, request, reply));
  app.post('/v1/transfers/batch', { schema }, (request, reply) =>
    postTransfers(context, request, reply),
  );
}

async function postTransfer(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const record = readTransfer(request.body);
  const { outcome, position } = await submit(context, reply, transfersCommand(record));
  const code = outcome.codes[0]!;
  if (!isSuccess(code)) throw refusalProblem(code, position);
  const sent = decodeTransfer(new DataView(record.buffer), 0);
  const state = booksAfterOutcome(context);
  const view = findTransfer(state, sent.id) ?? acceptedAsSent(sent, outcome.timeNs);
  return sendJson(reply, code === CREATED ? 201 : 200, position, textOf(state, view));
}

async function postTransfers(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const { ids, records } = readTransfers(request.body);
  const { outcome, position } = await submit(context, reply, transfersCommand(records));
  return sendJson(reply, 200, position, batchText(position, ids, outcome.codes));
}
