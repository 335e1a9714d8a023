// Results on stdout: JSON for machines (one document, or one a line for lists that may be long),
// and aligned columns for people. Numbers stand to the right, so that decimals stand below each
// other.

import { formatId } from '../base/ids.ts';
import { formatDecimal } from '../base/money.ts';
import type { AccountView, TransferView } from '../client/wire.ts';
import { type GlobalOptions, type Io, hasColor, styled } from './io.ts';

export type Column = { readonly title: string; readonly isNumber?: boolean };

export class Output {
  readonly #io: Io;
  readonly #options: GlobalOptions;

  constructor(io: Io, options: GlobalOptions) {
    this.#io = io;
    this.#options = options;
  }

  get isJson(): boolean {
    return this.#options.json === true;
  }

  get isTerminal(): boolean {
    return this.#io.stderr.isTTY === true;
  }

  json(value: unknown): void {
    this.#io.stdout.write(`${JSON.stringify(value)}\n`);
  }

  line(text: string): void {
    this.#io.stdout.write(`${text}\n`);
  }

  /** For people, beside the result: never on stdout. */
  note(text: string): void {
    this.#io.stderr.write(`${text}\n`);
  }

  /** Name and value, one pair a line. */
  pairs(rows: readonly (readonly [name: string, value: string])[]): void {
    const width = Math.max(...rows.map(([name]) => name.length)) + 2;
    for (const [name, value] of rows) {
      this.line(`${this.dim(name.padEnd(width))}${value}`.trimEnd());
    }
  }

  table(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
    const widths = columns.map((column, index) =>
      Math.max(column.title.length, ...rows.map((row) => (row[index] ?? '').length)),
    );
    const render = (cells: readonly string[]): string =>
      columns
        .map((column, index) => {
          const cell = cells[index] ?? '';
          const width = widths[index] ?? 0;
          return column.isNumber === true ? cell.padStart(width) : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd();
    this.line(this.dim(render(columns.map((column) => column.title))));
    for (const row of rows) this.line(render(row));
  }

  dim(text: string): string {
    return styled(text, 'dim', hasColor(this.#io.stdout, this.#io, this.#options));
  }

  good(text: string): string {
    return styled(text, 'green', hasColor(this.#io.stdout, this.#io, this.#options));
  }

  bad(text: string): string {
    return styled(text, 'red', hasColor(this.#io.stdout, this.#io, this.#options));
  }
}

/** `12.50 EUR`. */
export function money(minor: bigint, exponent: number, currency: string): string {
  return `${formatDecimal(minor, exponent)} ${currency}`;
}

export function instant(timestampNs: bigint): string {
  return new Date(Number(timestampNs / 1_000_000n)).toISOString();
}

export function accountPairs(
  account: AccountView,
  exponent: number,
  flags: readonly string[],
): [string, string][] {
  const figures = [
    ['debits posted', account.debitsPosted],
    ['credits posted', account.creditsPosted],
    ['debits pending', account.debitsPending],
    ['credits pending', account.creditsPending],
    ['credits - debits', account.creditsPosted - account.debitsPosted],
  ] as const;
  const decimals = figures.map(([name, minor]) => [name, formatDecimal(minor, exponent)] as const);
  const width = Math.max(...decimals.map(([, text]) => text.length));
  return [
    ['account', formatId('account', account.id)],
    ['ledger', `${account.ledger} (${account.currency})`],
    ['code', String(account.code)],
    ...(flags.length === 0 ? [] : [['flags', flags.join(', ')] as [string, string]]),
    ...decimals.map(
      ([name, text]) => [name, `${text.padStart(width)} ${account.currency}`] as [string, string],
    ),
    ['opened', instant(account.timestampNs)],
  ];
}

export function transferPairs(
  transfer: TransferView,
  exponent: number,
  flags: readonly string[],
): [string, string][] {
  const rows: [string, string][] = [
    ['transfer', formatId('transfer', transfer.id)],
    ['debit', formatId('account', transfer.debitAccountId)],
    ['credit', formatId('account', transfer.creditAccountId)],
    ['amount', money(transfer.amount, exponent, transfer.currency)],
    ['code', String(transfer.code)],
    ['state', transfer.state],
  ];
  if (flags.length > 0) rows.push(['flags', flags.join(', ')]);
  if (transfer.hold !== 'none') rows.push(['hold', transfer.hold]);
  if (transfer.pendingId !== 0n) rows.push(['of hold', formatId('transfer', transfer.pendingId)]);
  if (transfer.timeoutSeconds > 0) rows.push(['expires after', `${transfer.timeoutSeconds} s`]);
  rows.push(['accepted', instant(transfer.timestampNs)]);
  return rows;
}
