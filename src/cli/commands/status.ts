// `holdfast status`: how the node is, in its own words.

import type { Command } from 'commander';
import { formatDecimal } from '../../base/money.ts';
import type { JsonObject } from '../../client/wire.ts';
import { objectOf, textOf } from '../cluster-view.ts';
import { connect } from '../connection.ts';
import { ExitCode } from '../exit-codes.ts';
import { Output } from '../output.ts';
import type { Run } from '../run.ts';

export function addStatusCommand(program: Command, run: Run): void {
  program
    .command('status')
    .description('name, role, leader, epoch, journal position and books of the node')
    .action(
      run<object>(async ({ io, options }) => {
        const output = new Output(io, options);
        await using client = await connect(io, options);
        const status = await client.status();
        if (output.isJson) {
          output.json(status);
        } else {
          showStatus(output, client.url, status);
        }
        return ExitCode.ok;
      }),
    );
}

const BOOKS_COLUMNS = [
  { title: 'ledger', isNumber: true },
  { title: 'currency' },
  { title: 'debits', isNumber: true },
  { title: 'credits', isNumber: true },
  { title: 'held', isNumber: true },
] as const;

function showStatus(output: Output, url: string, status: JsonObject): void {
  const { books, node, leader, ...rest } = status;
  const { ledgers, ...otherBooks } = (books ?? {}) as JsonObject;
  const others = flatten('', { ...rest, books: otherBooks });
  output.pairs([...whoAndWhere(url, node, leader), ...others]);
  const rows = (Array.isArray(ledgers) ? ledgers : []).map(readTotals).filter(isUsed);
  if (rows.length === 0) return;
  output.line('');
  output.table(
    BOOKS_COLUMNS,
    rows.map(({ ledger, currency, exponent, figures }) => [
      String(ledger),
      currency,
      ...figures.map((minor) => formatDecimal(minor, exponent)),
    ]),
  );
}

/** A node that runs alone has no name, and nobody else could lead. */
function whoAndWhere(url: string, node: unknown, leader: unknown): [string, string][] {
  if (typeof node !== 'string') return [['node', url]];
  const { name, url: address } = objectOf(leader);
  const leads = name === node ? 'this node' : `${textOf(name)} at ${textOf(address)}`;
  return [
    ['node', `${node} at ${url}`],
    ['leader', name === undefined ? 'none known: payments are held' : leads],
  ];
}

type Totals = {
  readonly ledger: number;
  readonly currency: string;
  readonly exponent: number;
  /** Debits, credits, held. */
  readonly figures: readonly bigint[];
};

function readTotals(item: JsonObject): Totals {
  const figure = (name: string): bigint => {
    const text = item[name];
    return typeof text === 'string' && /^[0-9]+$/.test(text) ? BigInt(text) : 0n;
  };
  return {
    ledger: Number(item['ledger']),
    currency: typeof item['currency'] === 'string' ? item['currency'] : '',
    exponent: Number(item['exponent'] ?? 0),
    figures: [figure('debits_posted'), figure('credits_posted'), figure('debits_pending')],
  };
}

function isUsed(totals: Totals): boolean {
  return totals.figures.some((minor) => minor > 0n);
}

/** Nested members as `books.EUR`, so that whatever a newer node says is shown as well. */
export function flatten(prefix: string, value: unknown): [string, string][] {
  if (typeof value !== 'object' || value === null) {
    return [
      [prefix.replaceAll('_', ' '), typeof value === 'string' ? value : JSON.stringify(value)],
    ];
  }
  const members = Object.entries(value);
  if (members.length === 0) return [[prefix.replaceAll('_', ' '), 'none']];
  return members.flatMap(([name, member]) =>
    flatten(prefix === '' ? name : `${prefix}.${name}`, member),
  );
}
