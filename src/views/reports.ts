// Reports from one state of the views: read and added up with whole numbers of any size. They take
// no part in the books, and what they say is what the ledger says at their position.

import { assert } from '../base/assert.ts';
import type { ViewReader } from '../ports/view-store.ts';
import { bigCell, numberCell } from './cells.ts';
import type { FourSums, ReportAnswer, ReportQuestion, ReportedAt } from './report-types.ts';
import type { DailyTotals, TrialBalance } from './report-types.ts';
import { readState } from './state-rows.ts';
import { ledgersOf } from './ledger-rows.ts';
import { statementOf } from './statement.ts';
import { dayOfRow } from './sums.ts';

/** Undefined = the views are not the books at any position now. */
export function answerReport(
  reader: ViewReader,
  question: ReportQuestion,
): ReportAnswer | undefined {
  const state = readState(reader);
  if (state?.standing.isComplete !== true) return undefined;
  const { position, timeNs } = state.standing;
  const at = { position, timeNs };
  switch (question.kind) {
    case 'trial-balance':
      return trialBalance(reader, at);
    case 'statement':
      return statementOf(reader, question, at);
    case 'daily-totals':
      return dailyTotals(reader, question, at);
    default:
      return question satisfies never;
  }
}

const NOTHING = { debitsPosted: 0n, creditsPosted: 0n, debitsPending: 0n, creditsPending: 0n };

function trialBalance(reader: ViewReader, at: ReportedAt): TrialBalance {
  const ledgers = ledgersOf(reader).map((definition) => {
    const equal = { ledger: BigInt(definition.ledger) };
    const codes = reader.scan({ table: '_totals', equal, by: 'code' }).map((row) => ({
      code: numberCell(row[1]),
      accounts: numberCell(row[2]),
      debitsPosted: bigCell(row[3]),
      creditsPosted: bigCell(row[4]),
      debitsPending: bigCell(row[5]),
      creditsPending: bigCell(row[6]),
    }));
    const sums = codes.reduce<FourSums>(sumOf, NOTHING);
    assert(sums.debitsPosted === sums.creditsPosted, 'the books balance');
    const accounts = codes.reduce((sum, code) => sum + code.accounts, 0);
    return { ...definition, ...sums, accounts, codes };
  });
  return { kind: 'trial-balance', ...at, ledgers };
}

function sumOf(a: FourSums, b: FourSums): FourSums {
  return {
    debitsPosted: a.debitsPosted + b.debitsPosted,
    creditsPosted: a.creditsPosted + b.creditsPosted,
    debitsPending: a.debitsPending + b.debitsPending,
    creditsPending: a.creditsPending + b.creditsPending,
  };
}

type DailyQuestion = Extract<ReportQuestion, { kind: 'daily-totals' }>;

/** By ledger, and by day within it. */
function dailyTotals(reader: ViewReader, asked: DailyQuestion, at: ReportedAt): DailyTotals {
  const { ledger, after, limit } = asked;
  const ledgers = ledgersOf(reader).filter((one) => ledger === undefined || one.ledger === ledger);
  const days: DailyTotals['days'][number][] = [];
  for (const definition of ledgers) {
    if (after !== undefined && definition.ledger < after.ledger) continue;
    const isHere = after?.ledger === definition.ledger;
    const fromDay = isHere ? Math.max(asked.fromDay, after.day + 1) : asked.fromDay;
    const rows = reader.scan({
      table: '_daily_totals',
      equal: { ledger: BigInt(definition.ledger) },
      by: 'day',
      from: BigInt(fromDay),
      through: BigInt(asked.throughDay),
      limit: limit + 1 - days.length,
    });
    days.push(...rows.map((row) => ({ ...definition, ...dayOfRow(row) })));
    if (days.length > limit) break;
  }
  const last = days.length > limit ? days[limit - 1] : undefined;
  const next = last === undefined ? undefined : { day: last.day, ledger: last.ledger };
  return { kind: 'daily-totals', ...at, days: days.slice(0, limit), next };
}
