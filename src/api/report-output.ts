// Reports as JSON and as CSV. JSON has minor units as strings, as everywhere in this door; CSV is
// for spreadsheets and has decimals, and in each line which books it is of.

import { csvLine } from '../base/csv.ts';
import { formatDecimal } from '../base/money.ts';
import type {
  DailyTotals,
  FourSums,
  PostedSums,
  ReportedAt,
  Statement,
  TrialBalance,
} from '../views/report-types.ts';
import { dayText, instantText } from '../views/times.ts';

function placeOf({ position, timeNs }: ReportedAt) {
  return { position, time: instantText(timeNs), timestamp_ns: String(timeNs) };
}

function postedOf({ debitsPosted, creditsPosted }: PostedSums) {
  return {
    debits_posted: String(debitsPosted),
    credits_posted: String(creditsPosted),
    balance: String(creditsPosted - debitsPosted),
  };
}

function sumsOf(sums: FourSums) {
  return {
    ...postedOf(sums),
    debits_pending: String(sums.debitsPending),
    credits_pending: String(sums.creditsPending),
  };
}

export function trialBalanceJson(report: TrialBalance) {
  const ledgers = report.ledgers.map(
    ({ ledger, currency, exponent, accounts, codes, ...sums }) => ({
      ledger,
      currency,
      exponent,
      accounts,
      ...sumsOf(sums),
      codes: codes.map(({ code, accounts: count, ...own }) => {
        return { code, accounts: count, ...sumsOf(own) };
      }),
    }),
  );
  return { ...placeOf(report), ledgers };
}

export function statementJson(report: Statement, next: string | null) {
  const { account, ledger, opening, closing, lines } = report;
  return {
    ...placeOf(report),
    account_id: account,
    ledger: ledger.ledger,
    currency: ledger.currency,
    exponent: ledger.exponent,
    opening: postedOf(opening),
    movements: lines.map((line) => ({
      transfer_id: line.transfer,
      kind: line.movement,
      side: line.side,
      contra_account_id: line.contraAccount,
      amount: String(line.amount),
      code: line.code,
      user_data_128: line.userData128,
      time: instantText(line.timestampNs),
      timestamp_ns: String(line.timestampNs),
    })),
    closing: postedOf(closing),
    next,
  };
}

export function dailyTotalsJson(report: DailyTotals, next: string | null) {
  const days = report.days.map((day) => ({
    day: dayText(day.day),
    ledger: day.ledger,
    currency: day.currency,
    exponent: day.exponent,
    transfers: day.transfers,
    transferred: String(day.transferred),
    holds: day.holds,
    held: String(day.held),
    posts: day.posts,
    posted: String(day.posted),
    voids: day.voids,
  }));
  return { ...placeOf(report), days, next };
}

const AT = ['as_of_position', 'as_of_time'];

function atCells({ position, timeNs }: ReportedAt): [number, string] {
  return [position, instantText(timeNs)];
}

export function trialBalanceCsv(report: TrialBalance): string {
  const sums = ['debits_posted', 'credits_posted', 'balance', 'debits_pending', 'credits_pending'];
  const heading = csvLine(['ledger', 'currency', 'code', 'accounts', ...sums, ...AT]);
  const lines = report.ledgers.flatMap((ledger) => {
    const own = (code: number | '', accounts: number, four: FourSums): string => {
      const cells = Object.values(sumsOf(four)).map((minor) => {
        return formatDecimal(BigInt(minor), ledger.exponent);
      });
      const first = [ledger.ledger, ledger.currency, code, accounts];
      return csvLine([...first, ...cells, ...atCells(report)]);
    };
    return [
      ...ledger.codes.map((code) => own(code.code, code.accounts, code)),
      own('', ledger.accounts, ledger),
    ];
  });
  return heading + lines.join('');
}

const STATEMENT_COLUMNS = [
  'line',
  'time',
  'transfer_id',
  'kind',
  'contra_account_id',
  'code',
  'currency',
  'debit',
  'credit',
  'balance',
  'account_id',
  ...AT,
];

/** Opening and closing have the sums until then, movements their own amounts. */
export function statementCsv(report: Statement): string {
  const { account, ledger, opening, closing, lines } = report;
  const { currency, exponent } = ledger;
  const decimal = (minor: bigint): string => formatDecimal(minor, exponent);
  const end = [account, ...atCells(report)];
  const sum = (line: string, { debitsPosted, creditsPosted }: PostedSums): string => {
    const balance = decimal(creditsPosted - debitsPosted);
    const cells = [decimal(debitsPosted), decimal(creditsPosted), balance];
    return csvLine([line, null, null, null, null, null, currency, ...cells, ...end]);
  };
  const movements = lines.map((line) => {
    const amount = decimal(line.amount);
    const sides = line.side === 'debit' ? [amount, null] : [null, amount];
    const what = [line.transfer, line.movement, line.contraAccount, line.code, currency];
    const time = instantText(line.timestampNs);
    return csvLine(['movement', time, ...what, ...sides, null, ...end]);
  });
  return [
    csvLine(STATEMENT_COLUMNS),
    sum('opening', opening),
    ...movements,
    sum('closing', closing),
  ].join('');
}

export function dailyTotalsCsv(report: DailyTotals): string {
  const deeds = ['transfers', 'transferred', 'holds', 'held', 'posts', 'posted', 'voids'];
  const heading = csvLine(['day', 'ledger', 'currency', ...deeds, ...AT]);
  const lines = report.days.map((day) => {
    const decimal = (minor: bigint): string => formatDecimal(minor, day.exponent);
    return csvLine([
      dayText(day.day),
      day.ledger,
      day.currency,
      day.transfers,
      decimal(day.transferred),
      day.holds,
      decimal(day.held),
      day.posts,
      decimal(day.posted),
      day.voids,
      ...atCells(report),
    ]);
  });
  return heading + lines.join('');
}
