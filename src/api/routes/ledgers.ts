// Ledgers: the currency and the number of decimals behind a ledger number.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ledgersCommand } from '../../domain/commands.ts';
import { findLedger, listLedgers } from '../../domain/queries.ts';
import { CREATED, isSuccess } from '../../domain/refusals.ts';
import { type Context, readBooks, refusalProblem, sendJson, submit } from '../context.ts';
import { waitsForWish } from '../freshness.ts';
import { ledgerText } from '../output.ts';
import { ApiProblem, inputProblem } from '../problems.ts';
import { LedgerRequest, NoQuery, ReadQuery } from '../schemas.ts';

type LedgerBody = { readonly currency: string; readonly exponent: number };
type Params = { readonly ledger: string };

const NUMBER_PATTERN = /^(0|[1-9][0-9]{0,9})$/;

export function ledgerRoutes(app: FastifyInstance, context: Context): void {
  const schema = { querystring: NoQuery };
  app.put('/v1/ledgers/:ledger', { schema: { ...schema, body: LedgerRequest } }, (request, reply) =>
    putLedger(context, request, reply),
  );
  const reading = { schema: { querystring: ReadQuery }, preHandler: waitsForWish(context) };
  app.get('/v1/ledgers', reading, (_request, reply) => getLedgers(context, reply));
  app.get('/v1/ledgers/:ledger', reading, (request, reply) => getLedger(context, request, reply));
}

async function putLedger(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const ledger = ledgerNumber(request);
  const { currency, exponent } = request.body as LedgerBody;
  const command = ledgersCommand([{ ledger, currency, exponent }]);
  const { outcome, position } = await submit(context, reply, command);
  const code = outcome.codes[0]!;
  if (!isSuccess(code)) throw refusalProblem(code, position);
  const status = code === CREATED ? 201 : 200;
  return sendJson(reply, status, position, ledgerText({ ledger, currency, exponent }));
}

function getLedgers(context: Context, reply: FastifyReply) {
  const { state, position } = readBooks(context);
  const texts = listLedgers(state).map(ledgerText);
  return sendJson(reply, 200, position, `{"ledgers":[${texts.join(',')}]}`);
}

function getLedger(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const number = ledgerNumber(request);
  const { state, position } = readBooks(context);
  const ledger = findLedger(state, number);
  if (ledger === undefined) throw new ApiProblem('ledger_not_found', { position });
  return sendJson(reply, 200, position, ledgerText(ledger));
}

function ledgerNumber(request: FastifyRequest): number {
  const text = (request.params as Params).ledger;
  const number = NUMBER_PATTERN.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
  if (number <= 0xffff_ffff) return number;
  const detail = 'A ledger number is 1 to 4,294,967,295, in decimal digits.';
  throw inputProblem([{ parameter: 'ledger', code: 'ledger_number_malformed', detail }]);
}
