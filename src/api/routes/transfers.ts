// Transfers: done one by one or in batches. Reading them: transfer-queries.ts.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { readId } from '../../base/ids.ts';
import { TRANSFER_BYTES, TransferOffset, decodeTransfer } from '../../base/transfer-record.ts';
import { transfersCommand } from '../../domain/commands.ts';
import { findTransfer } from '../../domain/queries.ts';
import { CREATED, isSuccess } from '../../domain/refusals.ts';
import type { SubmitResult } from '../../engine/contract.ts';
import {
  type Context,
  type JsonAnswer,
  booksAfterOutcome,
  refusalProblem,
  sendJson,
  submit,
} from '../context.ts';
import { readTransfer, readTransfers } from '../input.ts';
import { batchText } from '../output.ts';
import { acceptedAsSent, textOf } from '../posting-acts.ts';
import { NoQuery } from '../schemas.ts';
import { shortRoad } from '../short-road.ts';

export function transferRoutes(app: FastifyInstance, context: Context): void {
  const schema = { querystring: NoQuery };
  const onRequest = shortRoad({
    context,
    bodyBytesMax: app.initialConfig.bodyLimit ?? 0,
    answer: (record, result) => answerOf(context, record, result),
  });
  app.post('/v1/transfers', { schema, onRequest }, (request, reply) =>
    postTransfer(context, request, reply),
  );
  app.post('/v1/transfers/batch', { schema }, (request, reply) =>
    postTransfers(context, request, reply),
  );
}

async function postTransfer(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const record = readTransfer(request.body);
  const result = await submit(context, reply, transfersCommand(record));
  const { status, position, text } = answerOf(context, record, result);
  return sendJson(reply, status, position, text);
}

/** The transfer as it stands in the books; throws what they refused. */
function answerOf(
  context: Context,
  record: Uint8Array<ArrayBuffer>,
  { outcome, position }: SubmitResult,
): JsonAnswer {
  const code = outcome.codes[0]!;
  if (!isSuccess(code)) throw refusalProblem(code, position);
  const sent = new DataView(record.buffer, record.byteOffset, TRANSFER_BYTES);
  const state = booksAfterOutcome(context);
  const view =
    findTransfer(state, readId(sent, TransferOffset.id)) ??
    acceptedAsSent(decodeTransfer(sent, 0), outcome.timeNs);
  return { status: code === CREATED ? 201 : 200, position, text: textOf(state, view) };
}

async function postTransfers(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const { ids, records } = readTransfers(request.body);
  const { outcome, position } = await submit(context, reply, transfersCommand(records));
  return sendJson(reply, 200, position, batchText(position, ids, outcome.codes));
}
