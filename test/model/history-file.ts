// A recorded history as a file, one value a line, so that it can be judged again: by a mended
// checker, or by a person. Numbers beyond 2^53, bytes and maps are tagged.

import { createReadStream, createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import type { Account } from '../../src/base/account.ts';
import type { FinalPage, FinalTransfer, History, JournalCommand, Operation } from './history.ts';

type Line =
  | { readonly resends: boolean }
  | { readonly operation: Operation }
  | { readonly command: JournalCommand }
  | { readonly accounts: readonly Account[] }
  | { readonly page: FinalPage }
  | { readonly transfer: readonly [id: bigint, final: FinalTransfer] };

export async function writeHistory(path: string, history: History): Promise<void> {
  const lines = Readable.from(linesOf(history));
  await pipeline(lines, createGzip({ level: 1 }), createWriteStream(path));
}

export async function readHistoryFile(path: string): Promise<History> {
  const operations: Operation[] = [];
  const journal: JournalCommand[] = [];
  const transfers = new Map<bigint, FinalTransfer>();
  const pages: FinalPage[] = [];
  let accounts: readonly Account[] = [];
  let resends: boolean | undefined;
  const input = createReadStream(path).pipe(createGunzip());
  for await (const text of createInterface({ input })) {
    const line = JSON.parse(text, revive) as Line;
    if ('operation' in line) operations.push(line.operation);
    else if ('command' in line) journal.push(line.command);
    else if ('accounts' in line) accounts = line.accounts;
    else if ('resends' in line) resends = line.resends;
    else if ('page' in line) pages.push(line.page);
    else transfers.set(...line.transfer);
  }
  const final = { accounts, transfers, ...(pages.length === 0 ? {} : { pages }) };
  return { operations, final, journal, ...(resends === undefined ? {} : { resends }) };
}

function* linesOf({ operations, final, journal = [], resends }: History): Generator<string> {
  if (resends !== undefined) yield lineOf({ resends });
  yield lineOf({ accounts: final.accounts });
  for (const operation of operations) yield lineOf({ operation });
  for (const command of journal) yield lineOf({ command });
  for (const transfer of final.transfers) yield lineOf({ transfer });
  for (const page of final.pages ?? []) yield lineOf({ page });
}

function lineOf(line: Line): string {
  return `${JSON.stringify(line, tag)}\n`;
}

function tag(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return { $big: String(value) };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  return value;
}

function revive(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const tagged = value as { readonly $big?: string; readonly $bytes?: string };
  if (tagged.$big !== undefined) return BigInt(tagged.$big);
  if (tagged.$bytes !== undefined) return new Uint8Array(Buffer.from(tagged.$bytes, 'base64'));
  return value;
}
