// Postings of several legs, and reverts: chains of transfers whose ids follow from other ids
// (derived-ids.ts), so that sending a request again can never move the money twice.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type IdKind, ID_PREFIX, formatId, parseId } from '../../base/ids.ts';
import { POSTING_LEGS_MAX } from '../../base/limits.ts';
import {
  TRANSFER_DEFAULTS,
  type Transfer,
  TransferFlag,
  encodeTransfers,
} from '../../base/transfer-record.ts';
import { transfersCommand } from '../../domain/commands.ts';
import { type TransferView, findTransfer } from '../../domain/queries.ts';
import { CREATED, REFUSAL, isSuccess } from '../../domain/refusals.ts';
import {
  type Context,
  booksAfterOutcome,
  readBooks,
  refusalProblem,
  sendJson,
  submit,
} from '../context.ts';
import { postingTransferId, revertId } from '../derived-ids.ts';
import { readNothing } from '../input.ts';
import { postingText } from '../output.ts';
import { readPosting, unlinkLast } from '../posting.ts';
import { ApiProblem, inputProblem } from '../problems.ts';
import { NoQuery } from '../schemas.ts';
import { acceptedAsSent, textOf } from './transfers.ts';

export function postingRoutes(app: FastifyInstance, context: Context): void {
  const schema = { querystring: NoQuery };
  app.post('/v1/postings', { schema }, async (request, reply) => {
    const { id, transfers } = readPosting(request.body);
    const done = await carryOut(context, reply, transfers);
    return sendJson(
      reply,
      done.httpStatus,
      done.position,
      postingText(id, done.status, done.texts),
    );
  });
  app.post(
    '/v1/postings/:id/revert',
    { schema, config: { bodyOptional: true } },
    async (request, reply) => {
      readNothing(request.body);
      const id = idOf(request, 'posting');
      const reverts = transfersOf(context, id).map((view) => revertOf(view, TransferFlag.linked));
      const done = await carryOut(context, reply, unlinkLast(reverts));
      const text = postingText(formatId('posting', id), done.status, done.texts);
      return sendJson(reply, done.httpStatus, done.position, text);
    },
  );
  app.post(
    '/v1/transfers/:id/revert',
    { schema, config: { bodyOptional: true } },
    async (request, reply) => {
      readNothing(request.body);
      const { state, position } = readBooks(context);
      const view = findTransfer(state, idOf(request, 'transfer'));
      if (view === undefined) throw new ApiProblem('transfer_not_found', { position });
      const done = await carryOut(context, reply, [revertOf(view, 0)]);
      return sendJson(reply, done.httpStatus, done.position, done.texts[0]!);
    },
  );
}

type Done = {
  readonly status: 'created' | 'exists';
  readonly httpStatus: 200 | 201;
  readonly position: number;
  readonly texts: readonly string[];
};

/** All of them or none; what broke the chain is the problem. */
async function carryOut(
  context: Context,
  reply: FastifyReply,
  transfers: readonly Transfer[],
): Promise<Done> {
  const command = transfersCommand(encodeTransfers(transfers));
  const { outcome, position } = await submit(context, reply, command);
  const codes = [...outcome.codes];
  const breaking = codes.find((code) => !isSuccess(code) && code !== REFUSAL.linked_event_failed);
  const refusal = breaking ?? codes.find((code) => !isSuccess(code));
  if (refusal !== undefined) throw refusalProblem(refusal, position);
  const state = booksAfterOutcome(context);
  const texts = transfers.map((sent, index) => {
    const timestampNs = outcome.timeNs + BigInt(index);
    return textOf(state, findTransfer(state, sent.id) ?? acceptedAsSent(sent, timestampNs));
  });
  const created = codes[0] === CREATED;
  return {
    status: created ? 'created' : 'exists',
    httpStatus: created ? 201 : 200,
    position,
    texts,
  };
}

/** The transfers that a posting has become: their ids follow from its own. */
function transfersOf(context: Context, posting: bigint): TransferView[] {
  const { state, position } = readBooks(context);
  const views: TransferView[] = [];
  for (let index = 0; index < POSTING_LEGS_MAX; index++) {
    const view = findTransfer(state, postingTransferId(posting, index));
    if (view === undefined) throw new ApiProblem('transfer_not_found', { position });
    views.push(view);
    if ((view.transfer.flags & TransferFlag.linked) === 0) break;
  }
  return views;
}

/** The same amount the other way, under the one id that a revert of this transfer can have. */
function revertOf({ transfer, state, hold }: TransferView, flags: number): Transfer {
  const resolved = TransferFlag.pending | TransferFlag.voidPending;
  if (state !== 'accepted' || hold !== 'none' || (transfer.flags & resolved) !== 0) {
    throw new ApiProblem('transfer_not_reversible');
  }
  return {
    ...TRANSFER_DEFAULTS,
    id: revertId(transfer.id),
    debitAccountId: transfer.creditAccountId,
    creditAccountId: transfer.debitAccountId,
    amount: transfer.amount,
    userData128: transfer.id,
    ledger: transfer.ledger,
    code: transfer.code,
    flags,
  };
}

function idOf(request: FastifyRequest, kind: IdKind): bigint {
  const id = parseId(kind, (request.params as { readonly id: string }).id);
  if (id !== undefined) return id;
  const detail = `A ${kind} id is ${ID_PREFIX[kind]} and 32 lower-case hex digits.`;
  throw inputProblem([{ parameter: 'id', code: 'id_malformed', detail }]);
}
