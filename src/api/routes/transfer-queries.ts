// Transfers that were done: one by its id, several by theirs, an account's, and those that bear a
// mark of their maker. What the ledger does not remember any more comes from the history.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HOLD_STATES } from '../../base/answers.ts';
import { formatId, parseId } from '../../base/ids.ts';
import { TRANSFER_BYTES, decodeTransfer } from '../../base/transfer-record.ts';
import type { DomainState } from '../../domain/domain.ts';
import { findAccount } from '../../domain/queries.ts';
import type { TransferPage } from '../../history/contract.ts';
import { type Context, readBooks, sendJson, withinDeadline } from '../context.ts';
import { waitsForWish } from '../freshness.ts';
import { pageOfTransfers } from '../history-pages.ts';
import { knownTransfers } from '../known-transfers.ts';
import { lookupText } from '../output.ts';
import { textOf } from '../posting-acts.ts';
import { ApiProblem, inputProblem } from '../problems.ts';
import { type QueryParameters, readListQuery } from '../query-input.ts';
import { AccountTransfersQuery, TransfersQuery } from '../query-schemas.ts';
import { ReadQuery, TransferLookupRequest } from '../schemas.ts';

type Ids = { readonly ids: readonly string[] };

export function transferQueryRoutes(app: FastifyInstance, context: Context): void {
  const preHandler = waitsForWish(context);
  app.post(
    '/v1/transfers/lookup',
    { schema: { querystring: ReadQuery, body: TransferLookupRequest }, preHandler },
    (request, reply) => lookupTransfers(context, request, reply),
  );
  app.get(
    '/v1/transfers/:id',
    { schema: { querystring: ReadQuery }, preHandler },
    (request, reply) => getTransfer(context, request, reply),
  );
  app.get(
    '/v1/transfers',
    { schema: { querystring: TransfersQuery }, preHandler },
    (request, reply) => listTransfers(context, request, reply, undefined),
  );
  app.get(
    '/v1/accounts/:id/transfers',
    { schema: { querystring: AccountTransfersQuery }, preHandler },
    (request, reply) => listTransfers(context, request, reply, knownAccount(context, request)),
  );
}

async function lookupTransfers(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const { ids } = request.body as Ids;
  const numbers = ids.map((id) => parseId('transfer', id)!);
  const { state, position, views } = await withinDeadline(context, reply, (signal) =>
    knownTransfers(context.engine, numbers, signal),
  );
  const found: string[] = [];
  const notFound: string[] = [];
  for (const [index, view] of views.entries()) {
    if (view === undefined) notFound.push(ids[index]!);
    else found.push(textOf(state, view));
  }
  return sendJson(reply, 200, position, lookupText(position, 'transfers', found, notFound));
}

async function getTransfer(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const id = parseId('transfer', (request.params as { readonly id: string }).id);
  if (id === undefined) {
    const detail = 'A transfer id is tr_ and 32 lower-case hex digits.';
    throw inputProblem([{ parameter: 'id', code: 'id_malformed', detail }]);
  }
  const { state, position, views } = await withinDeadline(context, reply, (signal) =>
    knownTransfers(context.engine, [id], signal),
  );
  const view = views[0];
  if (view === undefined) throw new ApiProblem('transfer_not_found', { position });
  return sendJson(reply, 200, position, textOf(state, view));
}

/** An empty list of an account that nobody opened would look like an answer. */
function knownAccount(context: Context, request: FastifyRequest): bigint {
  const id = parseId('account', (request.params as { readonly id: string }).id);
  if (id === undefined) {
    const detail = 'An account id is acc_ and 32 lower-case hex digits.';
    throw inputProblem([{ parameter: 'id', code: 'id_malformed', detail }]);
  }
  const { state, position } = readBooks(context);
  if (findAccount(state, id) !== undefined) return id;
  throw new ApiProblem('account_not_found', { position });
}

async function listTransfers(
  context: Context,
  request: FastifyRequest,
  reply: FastifyReply,
  account: bigint | undefined,
) {
  const list = account === undefined ? 'transfers' : `transfers of ${formatId('account', account)}`;
  const query = readListQuery(list, request.query as QueryParameters);
  const { side, order, limit, after } = query;
  const filter = { ...query.filter, account, side };
  const { state } = readBooks(context);
  const page = await withinDeadline(context, reply, (signal) =>
    pageOfTransfers(context.engine, { filter, order, limit, after }, signal),
  );
  const next = JSON.stringify(query.cursorBehind(page.next));
  const texts = textsOf(state, page).join(',');
  const text = `{"position":${page.position},"transfers":[${texts}],"next":${next}}`;
  return sendJson(reply, 200, page.position, text);
}

function textsOf(state: DomainState, page: TransferPage): string[] {
  const { records, count, holds } = page;
  const view = new DataView(records.buffer, records.byteOffset, records.byteLength);
  return Array.from({ length: count }, (_, index) =>
    textOf(state, {
      transfer: decodeTransfer(view, TRANSFER_BYTES * index),
      state: 'accepted',
      hold: HOLD_STATES[holds[index]!]!,
    }),
  );
}
