// The bank's year as published: accounts and movements of the PKDD'99 Discovery Challenge financial
// data set. Amounts are read exactly, as minor units; nothing here knows of transfers or the
// ledger.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { parseDecimal } from '../../src/base/money.ts';
import { sha256Hex } from '../../src/client/import-manifest.ts';

/** Crowns have two decimals (haléře). */
export const CROWN_EXPONENT = 2;

export type Movement = {
  /** Row of transactions.csv, counted from 1 without the heading. */
  readonly row: number;
  readonly transId: number;
  readonly accountId: number;
  /** YYYYMMDD. */
  readonly date: number;
  readonly isCredit: boolean;
  readonly operation: string;
  readonly kSymbol: string;
  readonly amountMinor: bigint;
  /** The bank's own figure after this movement; negative when overdrawn. */
  readonly balanceMinor: bigint;
  /** Two letters, or empty. */
  readonly partnerBank: string;
  /** The partner's account number; 0 where there is none. */
  readonly partnerAccount: number;
};

export type Day = { readonly date: number; readonly movements: readonly Movement[] };

export type Dataset = {
  /** SHA-256 over the digests of both files, 64 hex digits. */
  readonly digest: string;
  /** Opening date (YYYYMMDD) by account, for the accounts of accounts.csv. */
  readonly openedOn: ReadonlyMap<number, number>;
  readonly days: readonly Day[];
  readonly movementCount: number;
  /** Accounts with movements, by their first one. */
  readonly accountIds: readonly number[];
};

export class DatasetUnusable extends Error {
  override readonly name = 'DatasetUnusable';
}

const MOVEMENTS_FILE = 'transactions.csv';
const ACCOUNTS_FILE = 'accounts.csv';
const FIRST_CENTURY = 19_000_000;

export async function loadDataset(folder: string): Promise<Dataset> {
  const movementsBytes = await readDataFile(folder, MOVEMENTS_FILE);
  const accountsBytes = await readDataFile(folder, ACCOUNTS_FILE);
  const movements = readRows(movementsBytes, MOVEMENTS_FILE).map(readMovement);
  if (movements.length === 0) throw new DatasetUnusable(`${MOVEMENTS_FILE} has no rows.`);
  const accounts = readRows(accountsBytes, ACCOUNTS_FILE).map(readOpening);
  const digests = Buffer.from(sha256Hex(movementsBytes) + sha256Hex(accountsBytes), 'hex');
  return {
    digest: sha256Hex(digests),
    openedOn: new Map(accounts),
    days: byDay(movements),
    movementCount: movements.length,
    accountIds: [...new Set(movements.map((movement) => movement.accountId))],
  };
}

async function readDataFile(folder: string, name: string): Promise<Buffer> {
  try {
    return await readFile(join(folder, name));
  } catch (cause) {
    throw new DatasetUnusable(
      `There is no readable ${name} in ${folder}. It is part of the financial data set of the ` +
        "PKDD'99 Discovery Challenge (P. Berka, M. Sochorova): fetch it, keep the year 1993 as " +
        `${MOVEMENTS_FILE} and ${ACCOUNTS_FILE}, and name their folder with --data.`,
      { cause },
    );
  }
}

type Row = Readonly<Record<string, string>>;

function readRows(bytes: Buffer, name: string): Row[] {
  try {
    return parse(bytes, { columns: true, bom: true, skip_empty_lines: true });
  } catch (cause) {
    throw new DatasetUnusable(`${name} is not a CSV file: ${String(cause)}`, { cause });
  }
}

function readMovement(row: Row, index: number): Movement {
  const where = `${MOVEMENTS_FILE}, row ${index + 1}`;
  const type = column(row, 'type', where);
  if (type !== 'PRIJEM' && type !== 'VYDAJ' && type !== 'VYBER') {
    throw new DatasetUnusable(`${where}: the type ${type} is unknown.`);
  }
  return {
    row: index + 1,
    transId: wholeNumber(column(row, 'trans_id', where), where),
    accountId: wholeNumber(column(row, 'account_id', where), where),
    date: readDate(column(row, 'date', where), where),
    isCredit: type === 'PRIJEM',
    operation: column(row, 'operation', where).trim(),
    kSymbol: column(row, 'k_symbol', where).trim(),
    amountMinor: readCrowns(column(row, 'amount', where), where),
    balanceMinor: readSignedCrowns(column(row, 'balance', where), where),
    partnerBank: column(row, 'bank', where).trim(),
    partnerAccount: wholeNumber(column(row, 'account', where).trim() || '0', where),
  };
}

function readOpening(row: Row, index: number): [accountId: number, date: number] {
  const where = `${ACCOUNTS_FILE}, row ${index + 1}`;
  return [
    wholeNumber(column(row, 'account_id', where), where),
    readDate(column(row, 'date', where), where),
  ];
}

function column(row: Row, name: string, where: string): string {
  const value = row[name];
  if (value === undefined) throw new DatasetUnusable(`${where}: the column ${name} is missing.`);
  return value;
}

function wholeNumber(text: string, where: string): number {
  if (!/^[0-9]{1,15}$/.test(text)) {
    throw new DatasetUnusable(`${where}: "${text}" is not a whole number.`);
  }
  return Number(text);
}

/** YYMMDD of the 1990s as YYYYMMDD. */
function readDate(text: string, where: string): number {
  if (!/^[0-9]{6}$/.test(text)) throw new DatasetUnusable(`${where}: "${text}" is not YYMMDD.`);
  return FIRST_CENTURY + Number(text);
}

function readCrowns(text: string, where: string): bigint {
  const amount = parseDecimal(text, CROWN_EXPONENT);
  if (typeof amount === 'string') {
    throw new DatasetUnusable(`${where}: "${text}" is not an amount in crowns (${amount}).`);
  }
  return amount;
}

function readSignedCrowns(text: string, where: string): bigint {
  return text.startsWith('-') ? -readCrowns(text.slice(1), where) : readCrowns(text, where);
}

function byDay(movements: readonly Movement[]): Day[] {
  const days = new Map<number, Movement[]>();
  for (const movement of movements) {
    const day = days.get(movement.date);
    if (day === undefined) days.set(movement.date, [movement]);
    else day.push(movement);
  }
  return [...days]
    .map(([date, list]) => ({ date, movements: list }))
    .sort((left, right) => left.date - right.date);
}
