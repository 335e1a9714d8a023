// Lists of accounts, by what their owners wrote into them and when they were opened.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { assert } from '../../base/assert.ts';
import { findLedger } from '../../domain/queries.ts';
import { pageOfAccounts } from '../account-pages.ts';
import { type Context, sendJson, withinDeadline } from '../context.ts';
import { waitsForWish } from '../freshness.ts';
import { accountText } from '../output.ts';
import { type QueryParameters, readListQuery } from '../query-input.ts';
import { AccountsQuery } from '../query-schemas.ts';

export function accountQueryRoutes(app: FastifyInstance, context: Context): void {
  const reading = { schema: { querystring: AccountsQuery }, preHandler: waitsForWish(context) };
  app.get('/v1/accounts', reading, (request, reply) => listAccounts(context, request, reply));
}

async function listAccounts(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const query = readListQuery('accounts', request.query as QueryParameters);
  const { filter, order, limit, after } = query;
  const page = await withinDeadline(context, reply, (signal) =>
    pageOfAccounts(context.engine, { filter, order, limit, after }, signal),
  );
  const texts = page.accounts.map((account) => {
    const ledger = findLedger(page.state, account.ledger);
    assert(ledger !== undefined, 'the ledger of an account is defined');
    return accountText(account, ledger.currency);
  });
  const next = JSON.stringify(query.cursorBehind(page.next));
  const text = `{"position":${page.position},"accounts":[${texts.join(',')}],"next":${next}}`;
  return sendJson(reply, 200, page.position, text);
}
