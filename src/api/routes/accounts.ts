// Accounts: opened one by one or in batches, frozen, read by id.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Account } from '../../base/account.ts';
import { ID_PREFIX, parseId } from '../../base/ids.ts';
import { accountFlagsCommand, accountsCommand } from '../../domain/commands.ts';
import type { DomainState } from '../../domain/domain.ts';
import { findAccount, findLedger } from '../../domain/queries.ts';
import { CREATED, REFUSAL, isSuccess } from '../../domain/refusals.ts';
import { assert } from '../../base/assert.ts';
import {
  type Context,
  booksAfterOutcome,
  readBooks,
  refusalProblem,
  sendJson,
  submit,
} from '../context.ts';
import { waitsForWish } from '../freshness.ts';
import { readAccount, readAccounts, readNothing } from '../input.ts';
import { accountText, batchText, lookupText } from '../output.ts';
import { ApiProblem, inputProblem } from '../problems.ts';
import { AccountLookupRequest, NoQuery, ReadQuery } from '../schemas.ts';

type Ids = { readonly ids: readonly string[] };

export function accountRoutes(app: FastifyInstance, context: Context): void {
  const schema = { querystring: NoQuery };
  const reading = { schema: { querystring: ReadQuery }, preHandler: waitsForWish(context) };
  app.post('/v1/accounts', { schema }, (request, reply) => postAccount(context, request, reply));
  app.post('/v1/accounts/batch', { schema }, (request, reply) =>
    postAccounts(context, request, reply),
  );
  app.post(
    '/v1/accounts/lookup',
    { ...reading, schema: { ...reading.schema, body: AccountLookupRequest } },
    (request, reply) => lookupAccounts(context, request, reply),
  );
  for (const verb of ['freeze', 'unfreeze'] as const) {
    app.post(
      `/v1/accounts/:id/${verb}`,
      { schema, config: { bodyOptional: true } },
      (request, reply) => freezeAccount(context, request, reply, verb === 'freeze'),
    );
  }
  app.get('/v1/accounts/:id', reading, (request, reply) => getAccount(context, request, reply));
}

async function postAccount(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const input = readAccount(request.body);
  const { outcome, position } = await submit(context, reply, accountsCommand([input]));
  const code = outcome.codes[0]!;
  if (!isSuccess(code)) throw refusalProblem(code, position);
  const state = booksAfterOutcome(context);
  const account = findAccount(state, BigInt(`0x${input.id}`));
  assert(account !== undefined, 'an account that was opened exists');
  // Balances are those of now, which is the position of this command or a later one.
  const now = Math.max(position, context.engine.status().position);
  return sendJson(reply, code === CREATED ? 201 : 200, now, textOf(state, account));
}

async function postAccounts(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const inputs = readAccounts(request.body);
  const { outcome, position } = await submit(context, reply, accountsCommand(inputs));
  const ids = inputs.map((input) => ID_PREFIX.account + input.id);
  return sendJson(reply, 200, position, batchText(position, ids, outcome.codes));
}

/**
 * Takes the account to be in the other state. Where it is in the wanted one already, the books say
 * so, and nothing is to be done: whoever asks hears what stands in the journal, not a guess.
 */
async function freezeAccount(
  context: Context,
  request: FastifyRequest,
  reply: FastifyReply,
  frozen: boolean,
) {
  readNothing(request.body);
  const id = idOf(request);
  const account = id.toString(16).padStart(32, '0');
  const command = accountFlagsCommand({ account, frozen, expected_frozen: !frozen });
  const { outcome, position } = await submit(context, reply, command);
  const code = outcome.codes[0]!;
  if (code !== CREATED && code !== REFUSAL.account_flags_changed_meanwhile) {
    throw refusalProblem(code, position);
  }
  const state = booksAfterOutcome(context);
  const view = findAccount(state, id);
  assert(view !== undefined, 'an account whose state was changed exists');
  const now = Math.max(position, context.engine.status().position);
  return sendJson(reply, 200, now, textOf(state, view));
}

function lookupAccounts(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const reading = readBooks(context);
  const found: string[] = [];
  const notFound: string[] = [];
  for (const id of (request.body as Ids).ids) {
    const account = findAccount(reading.state, parseId('account', id)!);
    if (account === undefined) notFound.push(id);
    else found.push(textOf(reading.state, account));
  }
  const text = lookupText(reading.position, 'accounts', found, notFound);
  return sendJson(reply, 200, reading.position, text);
}

function getAccount(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const id = idOf(request);
  const reading = readBooks(context);
  const account = findAccount(reading.state, id);
  if (account === undefined) {
    throw new ApiProblem('account_not_found', { position: reading.position });
  }
  return sendJson(reply, 200, reading.position, textOf(reading.state, account));
}

function idOf(request: FastifyRequest): bigint {
  const id = parseId('account', (request.params as { readonly id: string }).id);
  if (id !== undefined) return id;
  const detail = 'An account id is acc_ and 32 lower-case hex digits.';
  throw inputProblem([{ parameter: 'id', code: 'id_malformed', detail }]);
}

function textOf(state: DomainState, account: Account): string {
  const ledger = findLedger(state, account.ledger);
  assert(ledger !== undefined, 'the ledger of an account is defined');
  return accountText(account, ledger.currency);
}
