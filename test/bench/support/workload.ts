// What a workload is, and what it reports: a method in sentences, figures for machines, tables for
// people, and the budgets of docs/benchmarks.md that its figures are held against.

import { assertNever } from '../../../src/base/assert.ts';
import type { OptionTable, Settings } from './settings.ts';

export type Figure =
  | number
  | string
  | boolean
  | null
  | readonly Figure[]
  | { readonly [name: string]: Figure };

export type Table = {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
};

/** A figure against its bound; `figure` null = it was not measured, which meets nothing. */
export type Budget = {
  readonly what: string;
  readonly bound: 'above' | 'at least' | 'below' | 'at most';
  readonly limit: number;
  readonly figure: number | null;
};

export type Report = {
  /** What is measured and how, one sentence each. */
  readonly method: readonly string[];
  readonly figures: { readonly [name: string]: Figure };
  readonly tables: readonly Table[];
  readonly budgets: readonly Budget[];
};

export type Surroundings = {
  readonly settings: Settings;
  /** Where folders for the run are made: the disk that is measured. */
  readonly parentFolder: string;
  /** A line for people, on standard error: what is being done. */
  readonly tell: (line: string) => void;
};

export type Workload = {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  readonly options: OptionTable;
  readonly run: (surroundings: Surroundings) => Promise<Report>;
};

export function isMet({ bound, limit, figure }: Budget): boolean {
  if (figure === null) return false;
  switch (bound) {
    case 'above':
      return figure > limit;
    case 'at least':
      return figure >= limit;
    case 'below':
      return figure < limit;
    case 'at most':
      return figure <= limit;
    default:
      return assertNever(bound, 'a bound that is not known');
  }
}
