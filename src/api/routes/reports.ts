// Reports: trial balance, statements of accounts, totals of days. They are made from the views,
// which are a moment behind the books: each says of which position it is, and whoever needs a later
// one asks for it as of any read (freshness.ts).

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parseId } from '../../base/ids.ts';
import { REFUSAL } from '../../domain/refusals.ts';
import type { Views } from '../../views/contract.ts';
import type { ReportAnswer, ReportQuestion } from '../../views/report-types.ts';
import { type Context, refusalProblem, sendJson, withinDeadline } from '../context.ts';
import { wishOf } from '../freshness.ts';
import { ApiProblem, inputProblem } from '../problems.ts';
import type { QueryParameters } from '../query-input.ts';
import { DailyTotalsQuery, StatementQuery, TrialBalanceQuery } from '../query-schemas.ts';
import { readDays, readForm, readPeriod } from '../report-input.ts';
import {
  dailyTotalsCsv,
  dailyTotalsJson,
  statementCsv,
  statementJson,
  trialBalanceCsv,
  trialBalanceJson,
} from '../report-output.ts';

const CSV_TYPE = 'text/csv; charset=utf-8; header=present';

export function reportRoutes(app: FastifyInstance, context: Context): void {
  const trial = { schema: { querystring: TrialBalanceQuery } };
  app.get('/v1/reports/trial-balance', trial, (request, reply) =>
    getTrialBalance(context, request, reply),
  );
  const statement = { schema: { querystring: StatementQuery } };
  app.get('/v1/reports/accounts/:id/statement', statement, (request, reply) =>
    getStatement(context, request, reply),
  );
  const daily = { schema: { querystring: DailyTotalsQuery } };
  app.get('/v1/reports/daily-totals', daily, (request, reply) =>
    getDailyTotals(context, request, reply),
  );
}

async function getTrialBalance(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const form = readForm(request);
  const report = await ask(context, request, reply, { kind: 'trial-balance' });
  if (form === 'csv') return sendCsv(reply, report.position, trialBalanceCsv(report), null);
  return sendJson(reply, 200, report.position, JSON.stringify(trialBalanceJson(report)));
}

async function getStatement(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const account = (request.params as { readonly id: string }).id;
  if (parseId('account', account) === undefined) {
    const detail = 'An account id is acc_ and 32 lower-case hex digits.';
    throw inputProblem([{ parameter: 'id', code: 'id_malformed', detail }]);
  }
  const form = readForm(request);
  const period = readPeriod(`statement ${account}`, request.query as QueryParameters);
  const { cursorBehind, ...asked } = period;
  const report = await ask(context, request, reply, { kind: 'statement', account, ...asked });
  const next = cursorBehind(report.next);
  if (form === 'csv') return sendCsv(reply, report.position, statementCsv(report), next);
  return sendJson(reply, 200, report.position, JSON.stringify(statementJson(report, next)));
}

async function getDailyTotals(context: Context, request: FastifyRequest, reply: FastifyReply) {
  const form = readForm(request);
  const { cursorBehind, ...asked } = readDays(request.query as QueryParameters);
  const report = await ask(context, request, reply, { kind: 'daily-totals', ...asked });
  const next = cursorBehind(report.next);
  if (form === 'csv') return sendCsv(reply, report.position, dailyTotalsCsv(report), next);
  return sendJson(reply, 200, report.position, JSON.stringify(dailyTotalsJson(report, next)));
}

type AnswerTo<Question extends ReportQuestion> = Extract<
  ReportAnswer,
  { readonly kind: Question['kind'] }
>;

async function ask<Question extends ReportQuestion>(
  context: Context,
  request: FastifyRequest,
  reply: FastifyReply,
  question: Question,
): Promise<AnswerTo<Question>> {
  const { views } = context.engine;
  if (views === undefined) throw new ApiProblem('views_off');
  const answer = await withinDeadline(context, reply, async (signal) => {
    await caughtUp(context, views, request, signal);
    return await views.report(question, signal);
  });
  if (answer.kind === 'absent') throw refusalProblem(REFUSAL.account_not_found, answer.position);
  return answer as AnswerTo<Question>;
}

/** First the books of this node, then its views. */
async function caughtUp(
  { engine }: Context,
  views: Views,
  request: FastifyRequest,
  signal: AbortSignal,
): Promise<void> {
  const wish = wishOf(request);
  if (wish === undefined) return;
  await engine.catchUp(wish, signal);
  const position = wish.isStrong ? engine.status().position : wish.position;
  await views.until(position, signal);
}

/** Where there is more, a header says with which cursor it goes on. */
function sendCsv(reply: FastifyReply, position: number, text: string, next: string | null) {
  if (next !== null) reply.header('Holdfast-Next', next);
  return reply
    .code(200)
    .header('Content-Type', CSV_TYPE)
    .header('Holdfast-Position', position)
    .send(text);
}
