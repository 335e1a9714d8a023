// What the run says: progress on stderr while it goes, the result on stdout when it is over.

import { formatDecimal } from '../../src/base/money.ts';
import type { Mismatch } from './compare.ts';
import { CROWN_EXPONENT, type Dataset } from './dataset.ts';
import type { ReplayResult } from './replay.ts';

export type Report = {
  readonly accounts: number;
  readonly movements: number;
  readonly accountDays: number;
  readonly exactMismatches: number;
  readonly bankMismatches: number;
  readonly bankWithin010: number;
  readonly bankWithin020: number;
  readonly kills: number;
  readonly killsInFlight: number;
  readonly lost: number;
  readonly doubled: number;
  readonly movementsPerSecond: number;
  /** Records that are not what was sent. */
  readonly altered: number;
  readonly created: number;
  readonly existed: number;
  readonly seconds: number;
  /** Requests that were sent again after a kill or a refusal for load. */
  readonly retries: number;
  /** Attempts that ended without an answer although they may have been executed. */
  readonly unknowns: number;
  readonly journalPositionBefore: number;
  readonly journalPositionAfter: number;
  readonly stateFolder: string;
  /** The first mismatches, named; the counts above are complete. */
  readonly mismatches: readonly NamedMismatch[];
  readonly findings: readonly string[];
};

export type NamedMismatch = {
  readonly kind: 'exact' | 'bank';
  readonly account: number;
  /** YYYY-MM-DD. */
  readonly date: string;
  readonly expected: string;
  readonly got: string;
};

export type RunFacts = {
  readonly dataset: Dataset;
  readonly kills: number;
  readonly killsInFlight: number;
  readonly retries: number;
  readonly unknowns: number;
  readonly positionBefore: number;
  readonly positionAfter: number;
  readonly stateFolder: string;
};

const NAMED_MAX = 20;

export function makeReport(result: ReplayResult, facts: RunFacts): Report {
  const { comparison, audit } = result;
  const count = (kind: Mismatch['kind']): number =>
    comparison.mismatches.filter((mismatch) => mismatch.kind === kind).length;
  return {
    accounts: facts.dataset.accountIds.length,
    movements: facts.dataset.movementCount,
    accountDays: comparison.accountDays,
    exactMismatches: count('exact'),
    bankMismatches: count('bank'),
    bankWithin010: comparison.bankWithin010,
    bankWithin020: comparison.bankWithin020,
    kills: facts.kills,
    killsInFlight: facts.killsInFlight,
    lost: audit.lost,
    doubled: audit.doubled,
    movementsPerSecond: Math.round(facts.dataset.movementCount / Math.max(result.seconds, 0.001)),
    altered: audit.altered,
    created: result.created,
    existed: result.existed,
    seconds: Math.round(result.seconds * 10) / 10,
    retries: facts.retries,
    unknowns: facts.unknowns,
    journalPositionBefore: facts.positionBefore,
    journalPositionAfter: facts.positionAfter,
    stateFolder: facts.stateFolder,
    mismatches: comparison.mismatches.slice(0, NAMED_MAX).map(nameMismatch),
    findings: audit.findings.slice(0, NAMED_MAX),
  };
}

export function isClean(report: Report): boolean {
  const { exactMismatches, bankMismatches, lost, doubled, altered } = report;
  return exactMismatches + bankMismatches + lost + doubled + altered === 0;
}

function nameMismatch(mismatch: Mismatch): NamedMismatch {
  return {
    kind: mismatch.kind,
    account: mismatch.account,
    date: formatDate(mismatch.date),
    expected: formatDecimal(mismatch.expectedMinor, CROWN_EXPONENT),
    got: formatDecimal(mismatch.gotMinor, CROWN_EXPONENT),
  };
}

/** 19930131 as 1993-01-31. */
export function formatDate(date: number): string {
  const digits = String(date).padStart(8, '0');
  return `${digits.slice(0, 4)}-${digits.slice(4, 6)}-${digits.slice(6)}`;
}

export function formatReport(report: Report): string {
  const bankExactly =
    report.accountDays - report.bankMismatches - report.bankWithin010 - report.bankWithin020;
  const rows: [string, string][] = [
    ['accounts', String(report.accounts)],
    ['movements', `${report.movements} (${report.created} new, ${report.existed} there before)`],
    ['account-days', String(report.accountDays)],
    ['  exact sums', `${report.exactMismatches} mismatches`],
    ["  bank's figures", `${report.bankMismatches} mismatches`],
    ['    exactly', String(bankExactly)],
    ['    off by up to 0.10', `${report.bankWithin010} (the bank published rounded amounts)`],
    ['    off by up to 0.20', String(report.bankWithin020)],
    ['kills', `${report.kills} with SIGKILL, ${report.killsInFlight} with requests in flight`],
    ['retries', `${report.retries}, ${report.unknowns} of them after an unknown outcome`],
    ['lost', String(report.lost)],
    ['done twice', String(report.doubled)],
    ['altered', String(report.altered)],
    ['speed', `${report.movementsPerSecond} movements/s, ${report.seconds} s`],
    ['journal', `position ${report.journalPositionBefore} to ${report.journalPositionAfter}`],
    ['state', report.stateFolder],
  ];
  const lines = rows.map(([name, value]) => `${name.padEnd(24)}${value}`);
  return [
    ...lines,
    ...report.mismatches.map(mismatchLine),
    ...report.findings,
    verdict(report),
  ].join('\n');
}

export function mismatchLine(mismatch: NamedMismatch): string {
  const whose = mismatch.kind === 'bank' ? "the bank's figure" : 'the exact sum';
  return (
    `MISMATCH account ${mismatch.account} on ${mismatch.date}: ` +
    `${whose} is ${mismatch.expected}, the ledger's ${mismatch.got}`
  );
}

function verdict(report: Report): string {
  return isClean(report)
    ? 'Every account-day agrees; nothing was lost and nothing was done twice.'
    : 'The books do not agree with the data: see what is named above.';
}

/** A bar on a terminal, a line per month elsewhere; nothing else writes to stderr meanwhile. */
export class Progress {
  readonly #out: NodeJS.WriteStream;
  readonly #total: number;
  #month = 0;

  constructor(out: NodeJS.WriteStream, total: number) {
    this.#out = out;
    this.#total = total;
  }

  onDay(date: number, done: number): void {
    const month = Math.floor(date / 100);
    if (this.#out.isTTY) {
      const filled = Math.floor((done / this.#total) * 30);
      const bar = '#'.repeat(filled).padEnd(30, '.');
      this.#out.write(`\r${formatDate(date)} [${bar}] ${done}/${this.#total} `);
    } else if (month !== this.#month) {
      this.#out.write(`${formatDate(date).slice(0, 7)}: ${done} of ${this.#total} movements\n`);
    }
    this.#month = month;
  }

  note(text: string): void {
    this.#out.write(this.#out.isTTY ? `\r\u001b[K${text}\n` : `${text}\n`);
  }

  end(): void {
    if (this.#out.isTTY) this.#out.write('\r\u001b[K');
  }
}
