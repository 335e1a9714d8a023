// Compares the lists that the history of a node gave at the end with what the rules say was
// accepted: every transfer in its place, each field of it, once.

import { type Transfer, decodeTransfers } from '../../src/base/transfer-record.ts';
import { type FinalPage, transferName } from './history.ts';
import type { HoldState, Remembered } from './naive-rules.ts';

type Listed = { readonly transfer: Transfer; readonly hold: HoldState };

/** `accepted`: in the order of acceptance. Sentences for what differs, one for each list. */
export function comparePages(
  pages: readonly FinalPage[],
  accepted: readonly (Remembered | undefined)[],
): string[] {
  const mismatches: string[] = [];
  for (const account of new Set(pages.map((page) => page.account))) {
    const found = pages.filter((page) => page.account === account).flatMap(listedOn);
    const expected = account === undefined ? accepted : ofAccount(accepted, account).reverse();
    const difference = firstDifference(found, expected);
    const list = account === undefined ? 'the list of all transfers' : `the list of ${account}`;
    if (difference !== undefined) mismatches.push(`${list}: ${difference}`);
  }
  return mismatches;
}

function listedOn({ records, holds }: FinalPage): Listed[] {
  return decodeTransfers(records).map((transfer, index) => ({ transfer, hold: holds[index]! }));
}

function ofAccount(accepted: readonly (Remembered | undefined)[], account: bigint) {
  return accepted.filter(
    (known) =>
      known?.transfer.debitAccountId === account || known?.transfer.creditAccountId === account,
  );
}

function firstDifference(
  found: readonly Listed[],
  expected: readonly (Remembered | undefined)[],
): string | undefined {
  for (let index = 0; index < Math.max(found.length, expected.length); index++) {
    const listed = found[index];
    const known = expected[index];
    const place = `place ${index} of ${found.length}`;
    if (known === undefined) {
      return listed === undefined ? undefined : `${transferName(listed.transfer.id)} at ${place}`;
    }
    const name = transferName(known.transfer.id);
    if (listed?.transfer.id !== known.transfer.id) return `${name} is not at ${place}`;
    if (listed.hold !== known.hold) return `${name}: hold ${listed.hold}, it is ${known.hold}`;
    for (const key of Object.keys(known.transfer) as (keyof Transfer)[]) {
      if (listed.transfer[key] === known.transfer[key]) continue;
      return `${name}: ${key} is ${listed.transfer[key]}, the rules say ${known.transfer[key]}`;
    }
  }
  return undefined;
}
