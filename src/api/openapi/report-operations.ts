// Operations that read reports, which a node makes from its views.

import { type TObject, Type } from 'typebox';
import { DailyTotalsQuery, StatementQuery, TrialBalanceQuery } from '../query-schemas.ts';
import { DailyTotalsAnswer, StatementAnswer, TrialBalanceAnswer } from '../report-schemas.ts';
import { ACCOUNT_PATH, FRESH_HEADERS } from './ledger-operations.ts';
import { type Operation, type OperationAnswer, booked } from './operation.ts';
import { REPORT_FROM, REPORT_LIMIT } from './parameters.ts';
import { ADDRESSED, FRESH, READ } from './problem-codes.ts';

const CSV_TYPE = 'text/csv';
const MOMENT_NOTE =
  'It is of the books at `position`, a moment behind the node; `Holdfast-Position` or `consistency=strong` asks for later ones. CSV, by `format=csv` or `Accept: text/csv`, has decimals instead of minor units.';

const PAGE_PARAMETERS = { from: REPORT_FROM, limit: REPORT_LIMIT };

function reported(description: string, schema: TObject): OperationAnswer {
  const csv = Type.String({ description: 'RFC 4180, with a heading.' });
  return { ...booked(description, schema), otherTypes: { [CSV_TYPE]: csv } };
}

function paged(description: string, schema: TObject): OperationAnswer {
  const { headers = [], ...answer } = reported(description, schema);
  return { ...answer, headers: [...headers, 'Holdfast-Next'] };
}

const REPORT = [
  ...READ,
  ...FRESH,
  'views_off',
  'views_incomplete',
  'views_unusable',
  'overloaded',
] as const;
const PAGED_REPORT = [...REPORT, 'cursor_malformed', 'cursor_of_another_list'] as const;

export const REPORT_OPERATIONS: readonly Operation[] = [
  {
    id: 'getTrialBalance',
    method: 'get',
    path: '/v1/reports/trial-balance',
    tag: 'Reports',
    summary: 'Trial balance: sums by ledger and by code of the accounts',
    description: MOMENT_NOTE,
    access: 'key',
    query: TrialBalanceQuery,
    headers: FRESH_HEADERS,
    answers: { 200: reported('The trial balance.', TrialBalanceAnswer) },
    problems: REPORT,
  },
  {
    id: 'getStatement',
    method: 'get',
    path: '/v1/reports/accounts/{id}/statement',
    tag: 'Reports',
    summary: 'Statement of an account: opening balance, movements, closing balance',
    description: `\`opening\` and \`closing\` are of the whole period, on every page. ${MOMENT_NOTE}`,
    access: 'key',
    pathParameters: ACCOUNT_PATH,
    query: StatementQuery,
    queryParameters: PAGE_PARAMETERS,
    headers: FRESH_HEADERS,
    answers: { 200: paged('The statement, or a page of it.', StatementAnswer) },
    problems: [...ADDRESSED, ...PAGED_REPORT, 'id_malformed', 'account_not_found'],
  },
  {
    id: 'getDailyTotals',
    method: 'get',
    path: '/v1/reports/daily-totals',
    tag: 'Reports',
    summary: 'What happened by day and ledger',
    description: `Days are in UTC; a moment means its day. ${MOMENT_NOTE}`,
    access: 'key',
    query: DailyTotalsQuery,
    queryParameters: PAGE_PARAMETERS,
    headers: FRESH_HEADERS,
    answers: { 200: paged('The totals, or a page of them.', DailyTotalsAnswer) },
    problems: PAGED_REPORT,
  },
];
