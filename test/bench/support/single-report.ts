// What the rounds of the workload `single` came to: medians for each measurement, the ratios of
// REST to the echo, and the tables of both.

import type { Distribution } from './account-choice.ts';
import { median, rounded } from './samples.ts';
import type { SingleResult } from './single-load.ts';
import { ms, rate, ratio } from './texts.ts';
import type { Table } from './workload.ts';

export const PATTERNS: readonly Distribution[] = ['uniform', 'hot-in', 'hot-mix'];

/** Of the server's Node process, microseconds a transfer. */
type ServerCpu = { readonly serverCpuUs: number; readonly serverMainUs: number };

export type Round = SingleResult & ServerCpu;

export type Cell = {
  readonly subject: string;
  readonly pattern: Distribution;
  readonly clients: number;
  readonly rounds: Round[];
};

type CellFigures = {
  readonly subject: string;
  readonly pattern: string;
  readonly clients: number;
  readonly perSecond: number;
  readonly msP50: number;
  readonly msP99: number;
  readonly msMax: number;
  readonly serverCpuUs: number;
  readonly serverMainUs: number;
  readonly clientCpuShare: number;
};

export function figuresOf({ subject, pattern, clients, rounds }: Cell): CellFigures {
  const of = (read: (round: Round) => number | null, decimals: number): number =>
    rounded(median(rounds.map((round) => read(round) ?? Number.NaN)), decimals);
  return {
    subject,
    pattern,
    clients,
    perSecond: of(({ requests, seconds }) => requests / seconds, 0),
    msP50: of(({ msP50 }) => msP50, 3),
    msP99: of(({ msP99 }) => msP99, 3),
    msMax: of(({ msMax }) => msMax, 3),
    serverCpuUs: of(({ serverCpuUs }) => serverCpuUs, 1),
    serverMainUs: of(({ serverMainUs }) => serverMainUs, 1),
    clientCpuShare: of(({ clientCpuShare }) => clientCpuShare, 2),
  };
}

/** Of REST to the echo with as many clients, median over the rounds; null where one is missing. */
export type Ratios = {
  /** Rate over rate. */
  readonly rate: number | null;
  /** CPU of the echo over that of REST: what the rates come to where nothing else runs. */
  readonly cpu: number | null;
};

export function ratiosOf(cells: readonly Cell[], clients: number): Ratios {
  const of = (subject: string): Cell | undefined =>
    cells.find((cell) => cell.subject === subject && cell.clients === clients);
  const [rest, echo] = [of('rest'), of('echo')];
  if (rest === undefined || echo === undefined) return { rate: null, cpu: null };
  const over = (read: (rest: Round, echo: Round) => number): number =>
    rounded(median(rest.rounds.map((round, index) => read(round, echo.rounds[index]!))), 3);
  const perSecond = ({ requests, seconds }: Round): number => requests / seconds;
  return {
    rate: over((one, other) => perSecond(one) / perSecond(other)),
    cpu: over((one, other) => other.serverCpuUs / one.serverCpuUs),
  };
}

export function tablesOf(
  figures: readonly CellFigures[],
  restToEcho: { readonly [clients: string]: Ratios },
): readonly Table[] {
  const columns = [
    'pattern, clients, server',
    'a second',
    'p50',
    'p99',
    'max',
    'CPU',
    'main',
    'client',
  ];
  const sorted = figures.toSorted(
    (a, b) =>
      PATTERNS.indexOf(a.pattern as Distribution) - PATTERNS.indexOf(b.pattern as Distribution) ||
      a.clients - b.clients,
  );
  const rows = sorted.map((cell) => [
    `${cell.pattern}, ${cell.clients}, ${cell.subject}`,
    rate(cell.perSecond),
    ms(cell.msP50),
    ms(cell.msP99),
    ms(cell.msMax),
    `${cell.serverCpuUs} us`,
    `${cell.serverMainUs} us`,
    ratio(cell.clientCpuShare),
  ]);
  const ratios = Object.entries(restToEcho).map(([clients, { rate, cpu }]) => [
    clients,
    ratio(rate),
    ratio(cpu),
  ]);
  return [
    { title: 'single: one transfer a request', columns, rows },
    { title: 'REST over echo', columns: ['clients', 'by rate', 'by CPU'], rows: ratios },
  ];
}
