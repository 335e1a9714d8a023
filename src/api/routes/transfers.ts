// Transfers: done one by one or in batches, read by id.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parseId, readId } from '../../base/ids.ts';
import {
  TRANSFER_BYTES,
  type Transfer,
  TransferFlag,
  TransferOffset,
  decodeTransfer,
} from '../../base/transfer-record.ts';
import { transfersCommand } from '../../domain/commands.ts';
import type { DomainState } from '../../domain/domain.ts';
import { type TransferView, findLedger, findTransfer } from '../../domain/queries.ts';
import { CREATED, isSuccess } from '../../domain/refusals.ts';
import type { SubmitResult } from '../../engine/contract.ts';
import {
  type Context,
  type JsonAnswer,
  booksAfterOutcome,
  readBooks,
  refusalProblem,
  sendJson,
  submit,
} from '../context.ts';
import { readTransfer, readTransfers } from '../input.ts';
import { batchText, lookupText, transferText } from '../output.ts';
import { ApiProblem, inputProblem } from '../problems.ts';
import { NoQuery, TransferLookupRequest } from '../schemas.ts';
import { shortRoad } from '../short-road.ts';

type Ids = { readonly ids: readonly string[] };

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
  app.post(
    '/v1/transfers/lookup',
    { schema: { ...schema, body: TransferLookupRequest } },
    (request, reply) => lookupTransfers(context, request, reply),
  );
  app.get('/v1/transfers/:id', { schema }, (request, reply) =>
    getTransfer(context, request, reply),
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

/**
 * Where memory for ids is so small that the record has been forgotten before the answer is written,
 * the answer is the transfer as it was sent.
 */
export function acceptedAsSent(sent: Transfer, timestampNs: bigint): TransferView {
  const pending = (sent.flags & TransferFlag.pending) !== 0;
  return {
    transfer: { ...sent, timestampNs: sent.timestampNs || timestampNs },
    state: 'accepted',
    hold: pending ? 'pending' : 'none',
  };
}

async function postTransfers(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const { ids, records } = readTransfers(request.body);
  const { outcome, position } = await submit(context, reply, transfersCommand(records));
  return sendJson(reply, 200, position, batchText(position, ids, outcome.codes));
}

function lookupTransfers(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const { state, position } = readBooks(context);
  const found: string[] = [];
  const notFound: string[] = [];
  for (const id of (request.body as Ids).ids) {
    const view = findTransfer(state, parseId('transfer', id)!);
    if (view === undefined) notFound.push(id);
    else found.push(textOf(state, view));
  }
  return sendJson(reply, 200, position, lookupText(position, 'transfers', found, notFound));
}

function getTransfer(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const id = parseId('transfer', (request.params as { readonly id: string }).id);
  if (id === undefined) {
    const detail = 'A transfer id is tr_ and 32 lower-case hex digits.';
    throw inputProblem([{ parameter: 'id', code: 'id_malformed', detail }]);
  }
  const { state, position } = readBooks(context);
  const view = findTransfer(state, id);
  if (view === undefined) throw new ApiProblem('transfer_not_found', { position });
  return sendJson(reply, 200, position, textOf(state, view));
}

export function textOf(state: DomainState, view: TransferView): string {
  return transferText(view, findLedger(state, view.transfer.ledger)?.currency ?? '');
}
