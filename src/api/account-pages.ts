// A page of accounts for both doors: the walk over the account table (domain/account-scan.ts) in
// slices, one to a turn of the event loop however many ask, so that payments never wait for it
// longer than a slice takes. A page looks at a bounded number of accounts and is short where they
// do not fit; whoever wants more goes on behind `next`.

import type { Account } from '../base/account.ts';
import { OperationalError } from '../base/errors.ts';
import { type AccountScan, scanAccounts } from '../domain/account-scan.ts';
import type { DomainState } from '../domain/domain.ts';
import { accountAt } from '../domain/queries.ts';
import type { Engine } from '../engine/contract.ts';
import { readBooks } from './context.ts';

/** 1 MiB of records: less than a millisecond. */
const SLICE_ACCOUNTS = 8 * 1024;
/** A page looks at so many accounts: 128 turns. */
const PAGE_ACCOUNTS = 1024 * 1024;

export type AccountPage = {
  readonly accounts: readonly Account[];
  /** The account's number to go on behind; undefined = there is nothing more. */
  readonly next: number | undefined;
  /** Balances are those at this position, of this state. */
  readonly position: number;
  readonly state: DomainState;
};

/** Throws NOT_READY where there are no books to read, OVERLOADED when `signal` aborts first. */
export async function pageOfAccounts(
  engine: Engine,
  query: Omit<AccountScan, 'examinedMax'>,
  signal: AbortSignal,
): Promise<AccountPage> {
  const numbers: number[] = [];
  let { after } = query;
  let examined = 0;
  do {
    await nextTurn();
    if (signal.aborted) {
      const detail = 'The search did not end in time. Nothing was changed; it may be asked again.';
      throw new OperationalError('OVERLOADED', { detail });
    }
    const slice = scanAccounts(readBooks({ engine }).state, {
      ...query,
      after,
      examinedMax: SLICE_ACCOUNTS,
      limit: query.limit - numbers.length,
    });
    numbers.push(...slice.numbers);
    examined += slice.examined;
    after = slice.next;
  } while (after !== undefined && numbers.length < query.limit && examined < PAGE_ACCOUNTS);
  // What was found earlier still fits: fields that are filtered by never change. Balances do, so
  // all of them are read now, at one position.
  const { state, position } = readBooks({ engine });
  const accounts = numbers.map((number) => accountAt(state, number));
  return { accounts, next: after, position, state };
}

let lastTurn: Promise<void> = Promise.resolve();

/** Resolves in a turn of the event loop that no other slice is taken in. */
function nextTurn(): Promise<void> {
  lastTurn = lastTurn.then(() => new Promise((resolve) => setImmediate(resolve)));
  return lastTurn;
}
