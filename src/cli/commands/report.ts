// `holdfast report trial-balance|statement|daily-totals`: asked of a node that keeps views.

import type { Command } from 'commander';
import { formatDecimal } from '../../base/money.ts';
import type { JsonObject } from '../../client/wire.ts';
import { connect } from '../connection.ts';
import { ExitCode } from '../exit-codes.ts';
import { LEDGER_RANGE, readAccountId, readNumber } from '../inputs.ts';
import { type Column, Output } from '../output.ts';
import type { Run } from '../run.ts';

type Period = { readonly from?: string; readonly to?: string };
type DailyOptions = Period & { readonly ledger?: string };

const LIMIT_OF_PAGE = 10_000;

export function addReportCommands(program: Command, run: Run): void {
  const group = program.command('report').description('reports from the views of a node');
  group
    .command('trial-balance')
    .description('sums by ledger and by code of the accounts')
    .action(
      run<object>(async ({ io, options }) => {
        const output = new Output(io, options);
        await using client = await connect(io, options);
        const report = await client.reports.trialBalance();
        if (output.isJson) output.json(report);
        else showTrialBalance(output, report);
        return ExitCode.ok;
      }),
    );
  addPeriod(
    group
      .command('statement')
      .description('opening balance, movements and closing balance of an account')
      .argument('<id>', 'account id'),
  ).action(
    run<Period>(async ({ io, args, options }) => {
      const output = new Output(io, options);
      const account = readAccountId(args[0]!);
      await using client = await connect(io, options);
      const report = await allPages('movements', (cursor) =>
        client.reports.statement(account, { ...periodOf(options), cursor }),
      );
      if (output.isJson) output.json(report);
      else showStatement(output, report);
      return ExitCode.ok;
    }),
  );
  addPeriod(
    group
      .command('daily-totals')
      .description('what happened by day and ledger')
      .option('--ledger <number>', 'of this ledger'),
  ).action(
    run<DailyOptions>(async ({ io, options }) => {
      const output = new Output(io, options);
      const { ledger: given } = options;
      const ledger = given === undefined ? undefined : readNumber('--ledger', given, LEDGER_RANGE);
      await using client = await connect(io, options);
      const report = await allPages('days', (cursor) =>
        client.reports.dailyTotals({ ...periodOf(options), ledger, cursor }),
      );
      if (output.isJson) output.json(report);
      else showDays(output, report);
      return ExitCode.ok;
    }),
  );
}

function addPeriod(command: Command): Command {
  return command
    .option('--from <time>', 'first day like 2026-01-05, or moment')
    .option('--to <time>', 'last one');
}

function periodOf({ from, to }: Period) {
  return { from, to, limit: LIMIT_OF_PAGE };
}

/** The first page with the elements of all. */
async function allPages(
  name: string,
  pageAt: (cursor: string | undefined) => Promise<JsonObject>,
): Promise<JsonObject> {
  const first = await pageAt(undefined);
  const items = [...listOf(first, name)];
  let page = first;
  while (typeof page['next'] === 'string') {
    page = await pageAt(page['next']);
    items.push(...listOf(page, name));
  }
  // What is said of the whole is that of the last page: the latest state.
  return { ...page, [name]: items };
}

function listOf(value: JsonObject, name: string): readonly JsonObject[] {
  const list = value[name];
  return Array.isArray(list) ? (list as readonly JsonObject[]) : [];
}

function text(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function decimal(row: JsonObject, name: string, exponent: unknown): string {
  return formatDecimal(BigInt(text(row[name])), Number(exponent));
}

const TRIAL_COLUMNS: readonly Column[] = [
  { title: 'ledger', isNumber: true },
  { title: 'currency' },
  { title: 'code', isNumber: true },
  { title: 'accounts', isNumber: true },
  { title: 'debits', isNumber: true },
  { title: 'credits', isNumber: true },
  { title: 'balance', isNumber: true },
  { title: 'debits held', isNumber: true },
  { title: 'credits held', isNumber: true },
];

function showTrialBalance(output: Output, report: JsonObject): void {
  const names = ['debits_posted', 'credits_posted', 'balance', 'debits_pending', 'credits_pending'];
  const rows = listOf(report, 'ledgers').flatMap((ledger) =>
    [...listOf(ledger, 'codes'), ledger].map((row) => [
      text(ledger['ledger']),
      text(ledger['currency']),
      row === ledger ? 'all' : text(row['code']),
      text(row['accounts']),
      ...names.map((name) => decimal(row, name, ledger['exponent'])),
    ]),
  );
  output.table(TRIAL_COLUMNS, rows);
  note(output, report);
}

function note(output: Output, report: JsonObject): void {
  output.note(`The books at position ${text(report['position'])}, ${text(report['time'])}.`);
}

const STATEMENT_COLUMNS: readonly Column[] = [
  { title: 'time' },
  { title: 'transfer' },
  { title: 'contra account' },
  { title: 'debit', isNumber: true },
  { title: 'credit', isNumber: true },
  { title: 'balance', isNumber: true },
];

/** With the balance after each movement; it is credits minus debits. */
function showStatement(output: Output, report: JsonObject): void {
  const { exponent, currency } = report;
  const ends = (name: 'opening' | 'closing'): bigint => {
    const { balance } = report[name] as JsonObject;
    return BigInt(text(balance));
  };
  const show = (minor: bigint): string => formatDecimal(minor, Number(exponent));
  let balance = ends('opening');
  const rows = listOf(report, 'movements').map((line) => {
    const amount = BigInt(text(line['amount']));
    const isDebit = line['side'] === 'debit';
    balance += isDebit ? -amount : amount;
    const sides = isDebit ? [show(amount), ''] : ['', show(amount)];
    const { time, transfer_id: transfer, contra_account_id: contra } = line;
    return [text(time), text(transfer), text(contra), ...sides, show(balance)];
  });
  output.table(STATEMENT_COLUMNS, [
    ['', 'opening', '', '', '', show(ends('opening'))],
    ...rows,
    ['', 'closing', '', '', '', show(ends('closing'))],
  ]);
  output.note(`${text(report['account_id'])} in ${text(currency)}.`);
  note(output, report);
}

const DAY_COLUMNS: readonly Column[] = [
  { title: 'day' },
  { title: 'ledger', isNumber: true },
  { title: 'currency' },
  { title: 'transfers', isNumber: true },
  { title: 'transferred', isNumber: true },
  { title: 'holds', isNumber: true },
  { title: 'held', isNumber: true },
  { title: 'posts', isNumber: true },
  { title: 'posted', isNumber: true },
  { title: 'voids', isNumber: true },
];

function showDays(output: Output, report: JsonObject): void {
  const amounts = new Set(['transferred', 'held', 'posted']);
  const rows = listOf(report, 'days').map((day) =>
    DAY_COLUMNS.map(({ title }) =>
      amounts.has(title) ? decimal(day, title, day['exponent']) : text(day[title]),
    ),
  );
  output.table(DAY_COLUMNS, rows);
  note(output, report);
}
