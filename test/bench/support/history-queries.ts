// Queries of an account's latest transfers after a load, each answer compared with what was sent.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Prng } from '../../../src/base/prng.ts';
import { TRANSFERS_PER_REQUEST_MAX } from '../../../src/base/limits.ts';
import { TRANSFER_BYTES, decodeTransfers } from '../../../src/base/transfer-record.ts';
import type { BinaryClient } from '../../../src/client/binary-client.ts';
import { ApiProblem } from '../../../src/client/problems.ts';
import type { TransferPage } from '../../../src/history/contract.ts';
import { Samples } from './samples.ts';
import type { ExpectedBooks } from './transfer-stream.ts';
import { BooksWrong } from './failures.ts';

const CATCH_UP_MS_MAX = 60_000;
/** Of a query: what is slower is no figure. */
const DEADLINE_MS = 10_000;

export type QueryLoad = {
  readonly latenciesMs: Samples;
  /** From the last acknowledged transfer until a page held it. */
  readonly catchUpMs: number;
};

export type QueryOptions = {
  readonly client: BinaryClient;
  readonly count: number;
  readonly expected: ExpectedBooks;
  readonly chance: Prng;
  /** Position of the last transfer that was acknowledged. */
  readonly position: number;
};

/** One closed loop: the next query when the last is answered. */
export async function runQueries(options: QueryOptions): Promise<QueryLoad> {
  const { client, expected, chance, position } = options;
  const catchUpMs = await catchUp(client, position);
  const latenciesMs = new Samples();
  for (let query = 0; query < options.count; query++) {
    const account = chance.below(expected.counts.length);
    const sentMs = performance.now();
    const page = await ask(client, account);
    latenciesMs.add(performance.now() - sentMs);
    checkPage(page, account, expected);
  }
  return { latenciesMs, catchUpMs };
}

/** Asks until a page holds everything; an answer that the history is behind is no failure yet. */
async function catchUp(client: BinaryClient, position: number): Promise<number> {
  const startedMs = performance.now();
  for (;;) {
    try {
      if ((await ask(client, 0)).position >= position) return performance.now() - startedMs;
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.code !== 'history_incomplete') throw error;
    }
    if (performance.now() - startedMs > CATCH_UP_MS_MAX) {
      throw new BooksWrong('the history does not hold what was acknowledged a minute ago');
    }
    await sleep(1);
  }
}

function ask(client: BinaryClient, account: number): Promise<TransferPage> {
  const filter = { account: BigInt(account + 1) };
  const query = { filter, order: 'newest-first', limit: TRANSFERS_PER_REQUEST_MAX } as const;
  return client.queryTransfers(query, { deadlineMs: DEADLINE_MS });
}

function checkPage(page: TransferPage, account: number, expected: ExpectedBooks): void {
  const wanted = Math.min(TRANSFERS_PER_REQUEST_MAX, expected.counts[account]!);
  if (page.count !== wanted || page.records.byteLength !== wanted * TRANSFER_BYTES) {
    throw new BooksWrong(`account ${account + 1} has ${page.count} transfers, not ${wanted}`);
  }
  const id = BigInt(account + 1);
  let before: bigint | undefined;
  for (const { debitAccountId, creditAccountId, timestampNs } of decodeTransfers(page.records)) {
    const isRight = debitAccountId === id || creditAccountId === id;
    const isOlder = before === undefined || timestampNs < before;
    if (!isRight || !isOlder) throw new BooksWrong(`a page of account ${id} is wrong`);
    before = timestampNs;
  }
}
