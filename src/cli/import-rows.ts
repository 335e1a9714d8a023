// The CSV that `holdfast import` reads (docs/reference/cli.md), as new transfers or new accounts.
// The whole file is checked before the first request: what is wrong in row 900 is said before row
// 1 moves money. Amounts are decimals and stay exact.

import { isUtf8 } from 'node:buffer';
import { parse } from 'csv-parse/sync';
import type { Ledger, NewAccount, NewTransfer } from '../client/wire.ts';
import { AccountFlag } from '../base/account.ts';
import { CliFailure, refusedLocally, usageFailure } from './failure.ts';
import {
  CODE_RANGE,
  U32_RANGE,
  chooseLedger,
  readAccountId,
  readAmount,
  readNumber,
  readU64,
} from './inputs.ts';

export type ImportKind = 'transfers' | 'accounts';

export type CsvRow = { readonly number: number; readonly cells: ReadonlyMap<string, string> };

export type ImportTable = { readonly kind: ImportKind; readonly rows: readonly CsvRow[] };

type Columns = { readonly required: readonly string[]; readonly optional: readonly string[] };

const SHARED_OPTIONAL = [
  'currency',
  'ledger',
  'code',
  'reference',
  'user_data_64',
  'user_data_32',
] as const;

const COLUMNS: { readonly [Kind in ImportKind]: Columns } = {
  transfers: {
    required: ['debit_account', 'credit_account', 'amount'],
    optional: SHARED_OPTIONAL,
  },
  accounts: { required: ['account'], optional: [...SHARED_OPTIONAL, 'limit'] },
};

const FAULTS_SHOWN_MAX = 10;
const REFERENCE_BYTES_MAX = 16;

/** Which of the two formats it is, the heading says. */
export function readTable(bytes: Uint8Array): ImportTable {
  if (!isUtf8(bytes)) throw refusedLocally('csv_not_utf8', 'The file is not UTF-8.');
  let records: string[][];
  try {
    records = parse(Buffer.from(bytes), { bom: true, skip_empty_lines: true, trim: true });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw refusedLocally('csv_unreadable', `The file is not CSV: ${reason}.`);
  }
  const [heading, ...rest] = records;
  if (heading === undefined || rest.length === 0) {
    throw refusedLocally('csv_empty', 'The file has no rows.');
  }
  const kind = kindOf(heading);
  const rows = rest.map((record, index) => ({
    number: index + 1,
    cells: new Map(heading.map((name, column) => [name, record[column] ?? ''])),
  }));
  return { kind, rows };
}

function kindOf(heading: readonly string[]): ImportKind {
  const kind: ImportKind = heading.includes('account') ? 'accounts' : 'transfers';
  const { required, optional } = COLUMNS[kind];
  const missing = required.filter((name) => !heading.includes(name));
  const unknown = heading.filter((name) => !required.includes(name) && !optional.includes(name));
  const repeated = heading.filter((name, index) => heading.indexOf(name) !== index);
  const faults = [
    ...missing.map((name) => `${name} is missing`),
    ...unknown.map((name) => `"${name}" is unknown`),
    ...repeated.map((name) => `${name} stands twice`),
  ];
  if (faults.length === 0) return kind;
  throw refusedLocally(
    'csv_columns',
    `The heading does not fit: ${faults.join(', ')}.`,
    `Columns of ${kind}: ${required.join(', ')}; optional: ${optional.join(', ')}.`,
  );
}

export function readTransfers(
  rows: readonly CsvRow[],
  ledgers: readonly Ledger[],
  idOf: (rowNumber: number) => bigint,
): NewTransfer[] {
  return readAll(rows, (row) => {
    const ledger = ledgerOf(row, ledgers);
    return {
      id: idOf(row.number),
      debitAccountId: readAccountId(cell(row, 'debit_account')),
      creditAccountId: readAccountId(cell(row, 'credit_account')),
      amount: readAmount(cell(row, 'amount'), ledger),
      ledger: ledger.ledger,
      ...sharedFields(row),
    };
  });
}

export function readAccounts(rows: readonly CsvRow[], ledgers: readonly Ledger[]): NewAccount[] {
  return readAll(rows, (row) => ({
    id: readAccountId(cell(row, 'account')),
    ledger: ledgerOf(row, ledgers).ledger,
    flags: limitFlag(cell(row, 'limit')),
    ...sharedFields(row),
  }));
}

/** Reads every row and reports the first few faults together, each with its row. */
function readAll<T>(rows: readonly CsvRow[], read: (row: CsvRow) => T): T[] {
  const values: T[] = [];
  const faults: string[] = [];
  for (const row of rows) {
    try {
      values.push(read(row));
    } catch (error) {
      if (!(error instanceof CliFailure)) throw error;
      faults.push(`row ${row.number}: ${error.message}`);
    }
  }
  if (faults.length === 0) return values;
  const more = faults.length - FAULTS_SHOWN_MAX;
  const shown = faults.slice(0, FAULTS_SHOWN_MAX).join('\n  ');
  throw refusedLocally(
    'csv_rows',
    `${faults.length} of ${rows.length} rows cannot be imported:\n  ${shown}` +
      (more > 0 ? `\n  and ${more} more` : ''),
    'Correct the file. Rows are counted from 1 without the heading.',
  );
}

function cell(row: CsvRow, name: string): string {
  return row.cells.get(name) ?? '';
}

function ledgerOf(row: CsvRow, ledgers: readonly Ledger[]): Ledger {
  const ledger = cell(row, 'ledger');
  const currency = cell(row, 'currency');
  return chooseLedger(ledgers, {
    ...(ledger !== '' && { ledger }),
    ...(currency !== '' && { currency }),
  });
}

function sharedFields(
  row: CsvRow,
): Pick<NewAccount, 'code' | 'userData128' | 'userData64' | 'userData32'> {
  const number64 = cell(row, 'user_data_64');
  const number32 = cell(row, 'user_data_32');
  return {
    code: readNumber('code', cell(row, 'code') || '1', CODE_RANGE),
    userData128: referenceNumber(cell(row, 'reference')),
    userData64: number64 === '' ? 0n : readU64('user_data_64', number64),
    userData32: number32 === '' ? 0 : readNumber('user_data_32', number32, U32_RANGE),
  };
}

/** Up to 16 bytes of text as the 128 bits of user data, so that it can be found again. */
export function referenceNumber(reference: string): bigint {
  const bytes = Buffer.from(reference, 'utf8');
  if (bytes.byteLength > REFERENCE_BYTES_MAX) {
    throw usageFailure(`The reference "${reference}" is longer than ${REFERENCE_BYTES_MAX} bytes.`);
  }
  return bytes.byteLength === 0 ? 0n : BigInt(`0x${bytes.toString('hex')}`);
}

function limitFlag(limit: string): number {
  switch (limit) {
    case '':
      return 0;
    case 'debits':
      return AccountFlag.debitsMustNotExceedCredits;
    case 'credits':
      return AccountFlag.creditsMustNotExceedDebits;
    default:
      throw usageFailure(`The limit "${limit}" is neither debits nor credits.`);
  }
}
