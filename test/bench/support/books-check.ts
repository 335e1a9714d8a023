// After the load: what the node says of its books, through its API, against what the client sent. A
// benchmark that loses money is no benchmark.

import { LOOKUP_IDS_MAX } from '../../../src/base/limits.ts';
import type { BinaryClient } from '../../../src/client/binary-client.ts';
import { fetchText } from './fetch-text.ts';
import type { BenchNode } from './bench-node.ts';
import { LEDGER, type ExpectedBooks } from './transfer-stream.ts';
import { BooksWrong } from './failures.ts';

type LedgerSums = {
  readonly ledger: number;
  readonly debits_posted: string;
  readonly credits_posted: string;
  readonly debits_pending: string;
  readonly credits_pending: string;
};

/** Beyond so many accounts the sums must do. */
const ACCOUNTS_COMPARED_MAX = 1_000_000;

/** Debits = credits = what was sent, nothing held; throws BooksWrong. */
export async function checkSums(client: BinaryClient, amount: bigint): Promise<void> {
  const books = (await client.status())['books'] as { readonly ledgers: readonly LedgerSums[] };
  const sums = books.ledgers.find(({ ledger }) => ledger === LEDGER);
  const sent = String(amount);
  same('posted debits', sums?.debits_posted, sent);
  same('posted credits', sums?.credits_posted, sent);
  same('held debits', sums?.debits_pending, '0');
  same('held credits', sums?.credits_pending, '0');
}

/** Sums, and the balances of every account (of up to a million accounts). */
export async function checkBooks(client: BinaryClient, expected: ExpectedBooks): Promise<void> {
  await checkSums(client, BigInt(expected.amount));
  const accounts = expected.debits.length;
  if (accounts > ACCOUNTS_COMPARED_MAX) return;
  for (let first = 0; first < accounts; first += LOOKUP_IDS_MAX) {
    const length = Math.min(LOOKUP_IDS_MAX, accounts - first);
    const ids = Array.from({ length }, (_, index) => BigInt(first + index + 1));
    const { found } = await client.accounts.lookup(ids);
    same('accounts found', found.length, length);
    for (const { id, debitsPosted, creditsPosted } of found) {
      const place = Number(id) - 1;
      same(`debits of account ${id}`, debitsPosted, BigInt(expected.debits[place]!));
      same(`credits of account ${id}`, creditsPosted, BigInt(expected.credits[place]!));
    }
  }
}

/** Transfers that the node created since its process started, as its metrics count them. */
export async function checkTransferCount(node: BenchNode, transfers: number): Promise<void> {
  const text = await fetchText(`${node.ready.url}/metrics`, node.key);
  const created = /^holdfast_transfers_total\{outcome="created"\} (\d+)/m.exec(text)?.[1];
  same('transfers created', Number(created), transfers);
}

function same<T>(what: string, found: T, sent: T): void {
  if (found === sent) return;
  throw new BooksWrong(`${what}: the node says ${String(found)}, the client sent ${String(sent)}`);
}
