// The books against what was asked for and heard: every acknowledged payment is there, once, as it
// was asked for, whatever is unknown is there once or not at all, and every balance is the sum.

import type { Account } from '../../src/base/account.ts';
import { createBinaryClient, type BinaryClient } from '../../src/client/binary-client.ts';
import { transfersOfPage } from '../../src/client/binary-queries.ts';
import type { DemoNode } from './cluster.ts';
import { ACCOUNTS, type Asked, LEDGER, type Payments } from './payments.ts';

const PAGE = 8189;
const DEADLINE_MS = 60_000;
/** Everything that was acknowledged to anybody, at whichever node. */
const STRONG = { consistency: 'strong' } as const;

export type Verdict = {
  /** Acknowledged, and not there as asked for. */
  readonly lost: number;
  /** There more than once, or never asked for. */
  readonly doubled: number;
  /** Of the unknown ones: how many happened. */
  readonly unknownDone: number;
  /** Accounts whose balances are not the sums of their payments, over all nodes. */
  readonly wrongBalances: number;
};

/** Opens the accounts through one node. */
export async function openAccounts(node: DemoNode, key: string): Promise<void> {
  await using client = binary(node, key);
  const accounts = Array.from({ length: ACCOUNTS }, (_, index) => ({
    id: BigInt(index + 1),
    ledger: LEDGER,
    code: 1,
  }));
  await client.accounts.createBatch(accounts);
}

export async function compareBooks(
  nodes: readonly DemoNode[],
  key: string,
  payments: Payments,
): Promise<Verdict> {
  const [first] = nodes;
  const found = await foundIn(first!, key);
  const seen = new Set<bigint>();
  const balances = new Map<bigint, { debits: bigint; credits: bigint }>();
  const balanceOf = (id: bigint) => {
    const balance = balances.get(id) ?? { debits: 0n, credits: 0n };
    balances.set(id, balance);
    return balance;
  };
  let doubled = 0;
  let wrong = 0;
  let unknownDone = 0;
  for (const { id, debit, credit, amount } of found) {
    balanceOf(debit).debits += amount;
    balanceOf(credit).credits += amount;
    const asked = payments.acknowledged.get(id) ?? payments.unknown.get(id);
    if (seen.has(id) || asked === undefined) doubled++;
    else if (!isSame(asked, { id, debit, credit, amount })) wrong++;
    if (payments.unknown.has(id)) unknownDone++;
    seen.add(id);
  }
  let missing = 0;
  for (const id of payments.acknowledged.keys()) if (!seen.has(id)) missing++;
  let wrongBalances = 0;
  for (const node of nodes) wrongBalances += await wrongOn(node, key, balanceOf);
  return { lost: missing + wrong, doubled, unknownDone, wrongBalances };
}

function isSame(a: Asked, b: Asked): boolean {
  return a.debit === b.debit && a.credit === b.credit && a.amount === b.amount;
}

async function foundIn(node: DemoNode, key: string): Promise<Asked[]> {
  await using client = binary(node, key);
  const found: Asked[] = [];
  const query = { order: 'oldest-first', limit: PAGE } as const;
  for await (const page of client.transferPages(query, STRONG)) {
    for (const { transfer } of transfersOfPage(page)) {
      const { id, debitAccountId: debit, creditAccountId: credit, amount } = transfer;
      found.push({ id, debit, credit, amount });
    }
  }
  return found;
}

type BalanceOf = (id: bigint) => { readonly debits: bigint; readonly credits: bigint };

async function wrongOn(node: DemoNode, key: string, balanceOf: BalanceOf): Promise<number> {
  await using client = binary(node, key);
  const ids = Array.from({ length: ACCOUNTS }, (_, index) => BigInt(index + 1));
  const { found } = await client.accounts.lookup(ids, STRONG);
  const isWrong = ({ id, debitsPosted, creditsPosted }: Account): boolean => {
    const { debits, credits } = balanceOf(id);
    return debitsPosted !== debits || creditsPosted !== credits;
  };
  return found.filter(isWrong).length + ids.length - found.length;
}

function binary(node: DemoNode, key: string): BinaryClient {
  return createBinaryClient({ url: node.binary_url, key, deadlineMs: DEADLINE_MS });
}
