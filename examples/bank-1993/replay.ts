// The replay: every movement becomes one transfer through the public API, in date order. All of a
// day is acknowledged before the next begins; within a day several batches are in flight at once.
//
// What exists already (a second run, or one that was interrupted) is found by id first and not sent
// again, so that a second run leaves the journal as it is.

import { LOOKUP_IDS_MAX } from '../../src/base/limits.ts';
import type { BatchAnswer, Client } from '../../src/client/http-client.ts';
import type { ImportManifest } from '../../src/client/import-manifest.ts';
import type { BatchResult, NewAccount, NewTransfer, TransferView } from '../../src/client/wire.ts';
import { type Audit, auditEnd } from './audit.ts';
import { balanceMinor, chunks, foldCloses } from './closes.ts';
import { Comparer, type Comparison } from './compare.ts';
import type { Dataset, Day } from './dataset.ts';
import type { Killer } from './killer.ts';
import {
  LEDGER,
  customerAccountId,
  customerOpenings,
  institutionAccounts,
  toTransfer,
} from './postings.ts';

export type ReplayOptions = {
  readonly client: Client;
  readonly dataset: Dataset;
  readonly manifest: ImportManifest;
  readonly killer: Killer;
  readonly signal: AbortSignal;
  readonly onDay: (date: number, movementsDone: number) => void;
};

export type ReplayResult = {
  readonly comparison: Comparison;
  readonly audit: Audit;
  readonly created: number;
  readonly existed: number;
  readonly seconds: number;
};

const BATCHES_PER_DAY = 8;
const ACCOUNTS_PER_BATCH = 500;

export class RefusedMovement extends Error {
  override readonly name = 'RefusedMovement';
}

export async function replay(options: ReplayOptions): Promise<ReplayResult> {
  const { dataset, manifest } = options;
  const transfers = new Map(
    dataset.days.map((day) => [day, day.movements.map((item) => toTransfer(item, manifest))]),
  );
  const existing = await findExisting(options, [...transfers.values()].flat());
  const lastExistingDate = lastDateOf(transfers, existing);
  await defineLedger(options);
  const openings = customerOpenings(dataset);
  await openAccounts(options, institutionAccounts());

  const comparer = new Comparer();
  const closes = new Map<number, bigint>();
  const startedMs = performance.now();
  let movementsDone = 0;
  for (const [day, dayTransfers] of transfers) {
    options.signal.throwIfAborted();
    await openAccounts(options, openings.get(day.date) ?? []);
    const isReadBack = day.date <= lastExistingDate;
    const records = await postDay(options, dayTransfers, { existing, isReadBack });
    const read = isReadBack ? foldCloses(closes, records) : await readCloses(options, day);
    for (const [account, close] of read) closes.set(account, close);
    comparer.compareDay(day, closes);
    movementsDone += day.movements.length;
    options.onDay(day.date, movementsDone);
  }
  await options.killer.finish();
  const seconds = (performance.now() - startedMs) / 1000;
  const all = [...transfers.values()].flat();
  const { audit, customerBalances } = await auditEnd(options, all);
  comparer.compareYearEnd(dataset.days.at(-1)?.date ?? 0, customerBalances);
  const existed = existing.size;
  return {
    comparison: comparer.result(),
    audit,
    created: all.length - existed,
    existed,
    seconds,
  };
}

async function findExisting(
  { client, signal }: ReplayOptions,
  transfers: readonly NewTransfer[],
): Promise<Set<bigint>> {
  const existing = new Set<bigint>();
  for (const chunk of chunks(transfers, LOOKUP_IDS_MAX)) {
    const ids = chunk.map((transfer) => transfer.id);
    const { found } = await client.transfers.lookup(ids, { signal });
    for (const transfer of found) existing.add(transfer.id);
  }
  return existing;
}

/** Up to this day balances of today do not tell the day's close: records do. */
function lastDateOf(
  transfers: ReadonlyMap<Day, readonly NewTransfer[]>,
  existing: ReadonlySet<bigint>,
): number {
  let last = 0;
  for (const [day, dayTransfers] of transfers) {
    if (dayTransfers.some((transfer) => existing.has(transfer.id))) last = day.date;
  }
  return last;
}

async function defineLedger({ client, signal }: ReplayOptions): Promise<void> {
  const ledgers = await client.ledgers.list({ signal });
  if (ledgers.some((ledger) => ledger.ledger === LEDGER.ledger)) return;
  await client.ledgers.define(LEDGER, { signal });
}

async function openAccounts(
  { client, signal }: ReplayOptions,
  accounts: readonly NewAccount[],
): Promise<void> {
  for (const chunk of chunks(accounts, ACCOUNTS_PER_BATCH)) {
    const ids = chunk.map((account) => account.id);
    const missing = new Set((await client.accounts.lookup(ids, { signal })).notFound);
    const wanted = chunk.filter((account) => missing.has(account.id));
    if (wanted.length === 0) continue;
    for (const result of (await client.accounts.createBatch(wanted, { signal })).results) {
      assertTaken(result, 'account');
    }
  }
}

type DayState = { readonly existing: ReadonlySet<bigint>; readonly isReadBack: boolean };

/** Sends what is missing, all batches at once; returns the records of the day when asked for. */
async function postDay(
  options: ReplayOptions,
  transfers: readonly NewTransfer[],
  { existing, isReadBack }: DayState,
): Promise<TransferView[]> {
  const { client, killer, signal } = options;
  const missing = transfers.filter((transfer) => !existing.has(transfer.id));
  const sending = dayBatches(missing).map(async (batch) => {
    const answer = await killer.send(batch.length, () =>
      client.transfers.createBatch(batch, { signal }),
    );
    assertAllTaken(batch, answer);
  });
  await Promise.all(sending);
  if (!isReadBack) {
    await killer.settled();
    return [];
  }
  const reading = dayBatches(transfers).map(async (batch) => {
    const ids = batch.map((transfer) => transfer.id);
    const newlyDone = batch.filter((transfer) => existing.has(transfer.id)).length;
    const answer = await killer.send(newlyDone, () => client.transfers.lookup(ids, { signal }));
    return answer.found;
  });
  const records = (await Promise.all(reading)).flat();
  await killer.settled();
  return records;
}

function dayBatches(transfers: readonly NewTransfer[]): NewTransfer[][] {
  return chunks(transfers, Math.max(1, Math.ceil(transfers.length / BATCHES_PER_DAY)));
}

function assertAllTaken(batch: readonly NewTransfer[], answer: BatchAnswer): void {
  if (answer.results.length !== batch.length) {
    throw new RefusedMovement(
      `A batch of ${batch.length} transfers has ${answer.results.length} results.`,
    );
  }
  for (const result of answer.results) assertTaken(result, 'movement');
}

function assertTaken(result: BatchResult, what: string): void {
  if (result.status !== 'refused') return;
  const way =
    result.code === 'id_expired'
      ? ' The state folder is older than the dedupe window: remove it and replay anew.'
      : '';
  throw new RefusedMovement(
    `The ledger refused the ${what} ${result.id.toString(16)}: ${result.code}. ${result.detail}${way}`,
  );
}

/** The touched accounts' closes, from their balances: nothing later has been posted yet. */
async function readCloses(
  { client, signal }: ReplayOptions,
  day: Day,
): Promise<Map<number, bigint>> {
  const accountIds = [...new Set(day.movements.map((movement) => movement.accountId))];
  const closes = new Map<number, bigint>();
  for (const chunk of chunks(accountIds, LOOKUP_IDS_MAX)) {
    const { found } = await client.accounts.lookup(chunk.map(customerAccountId), { signal });
    for (const account of found) closes.set(Number(account.id), balanceMinor(account));
  }
  return closes;
}
