// The sums that a batch changes: balances of accounts, totals by ledger and code, totals by day.
// Held in memory from one batch to the next, within bounds; what has changed is written with the
// batch's rows, and after a failure everything is forgotten and read again.

import { assert } from '../base/assert.ts';
import type { Change, Row, ViewReader } from '../ports/view-store.ts';
import { bigCell, exactCell, numberCell } from './cells.ts';

/** Accounts whose balances stay in memory between two batches. */
const BALANCES_KEPT_MAX = 200_000;
const DAYS_KEPT_MAX = 10_000;

export type SumName = 'debitsPosted' | 'creditsPosted' | 'debitsPending' | 'creditsPending';

type Sums = { -readonly [Name in SumName]: bigint };
type Balance = Sums & {
  readonly account: number;
  isChanged: boolean;
  /** The day of what was posted last and not written yet; NO_DAY = nothing. */
  day: number;
};
type Total = Sums & { readonly ledger: number; readonly code: number; accounts: number };

/** What happened on a day in a ledger. */
export type DayTotal = {
  readonly ledger: number;
  readonly day: number;
  transfers: number;
  transferred: bigint;
  holds: number;
  held: bigint;
  posts: number;
  posted: bigint;
  voids: number;
};

const NO_DAY = -1;
const NOTHING = { debitsPosted: 0n, creditsPosted: 0n, debitsPending: 0n, creditsPending: 0n };

export class SumBook {
  readonly #balances = new Map<number, Balance>();
  readonly #changed: Balance[] = [];
  /** Rows of `_daily_balances`. */
  #dailyBalances: Row[] = [];
  readonly #totals = new Map<string, Total>();
  #areTotalsLoaded = false;
  readonly #days = new Map<string, DayTotal>();
  readonly #changedDays = new Set<DayTotal>();

  /** Nothing in memory is believed any more. */
  forget(): void {
    this.#balances.clear();
    this.#changed.length = 0;
    this.#dailyBalances = [];
    this.#totals.clear();
    this.#areTotalsLoaded = false;
    this.#days.clear();
    this.#changedDays.clear();
  }

  /** Reads what `accounts` have; comes before they change. */
  load(reader: ViewReader, accounts: Iterable<number>): void {
    if (!this.#areTotalsLoaded) this.#loadTotals(reader);
    const missing = [...new Set(accounts)].filter((account) => !this.#balances.has(account));
    const rows = reader.find('_balances', 'account', missing.map(BigInt));
    for (const [index, account] of missing.entries()) {
      const row = rows[index];
      assert(row !== undefined, 'every account has a balance from its opening on');
      this.#balances.set(account, { account, isChanged: false, day: NO_DAY, ...sumsOf(row, 1) });
    }
  }

  #loadTotals(reader: ViewReader): void {
    for (const row of reader.scan({ table: '_totals', by: 'ledger' })) {
      const [ledger, code, accounts] = row.slice(0, 3).map(numberCell) as [number, number, number];
      this.#totals.set(`${ledger} ${code}`, { ledger, code, accounts, ...sumsOf(row, 3) });
    }
    this.#areTotalsLoaded = true;
  }

  opened(account: number, ledger: number, code: number): void {
    assert(this.#areTotalsLoaded, 'sums are loaded before they change');
    const balance = { account, isChanged: true, day: NO_DAY, ...NOTHING };
    this.#balances.set(account, balance);
    this.#changed.push(balance);
    const key = `${ledger} ${code}`;
    const total = this.#totals.get(key);
    if (total === undefined) this.#totals.set(key, { ledger, code, accounts: 1, ...NOTHING });
    else total.accounts += 1;
  }

  /** `key` is that of the account's ledger and code. */
  add(account: number, key: string, sum: SumName, amount: bigint): void {
    const balance = this.#balances.get(account);
    const total = this.#totals.get(key);
    assert(balance !== undefined, 'the balance was loaded');
    assert(total !== undefined, 'the account is counted where its ledger and code are');
    balance[sum] += amount;
    total[sum] += amount;
    assert(balance[sum] >= 0n, 'no sum falls below zero');
    if (balance.isChanged) return;
    balance.isChanged = true;
    this.#changed.push(balance);
  }

  /** Comes before what is posted on that day: the end of an earlier one is what there is now. */
  postsOn(account: number, day: number): void {
    const balance = this.#balances.get(account);
    assert(balance !== undefined, 'the balance was loaded');
    if (balance.day === day) return;
    if (balance.day !== NO_DAY) this.#dailyBalances.push(dailyRow(balance));
    balance.day = day;
  }

  day(reader: ViewReader, ledger: number, day: number): DayTotal {
    const key = `${ledger} ${day}`;
    const known = this.#days.get(key) ?? loadDay(reader, ledger, day);
    this.#days.set(key, known);
    this.#changedDays.add(known);
    return known;
  }

  /** What the store is to be told; afterwards nothing is left to tell. */
  takeChanges(): Change[] {
    this.#changed.sort((a, b) => a.account - b.account);
    const balances = this.#changed.map((balance) => {
      if (balance.day !== NO_DAY) this.#dailyBalances.push(dailyRow(balance));
      balance.isChanged = false;
      balance.day = NO_DAY;
      return [BigInt(balance.account), ...cellsOf(balance)];
    });
    const totals = [...this.#totals.values()].map((total) => [
      BigInt(total.ledger),
      BigInt(total.code),
      BigInt(total.accounts),
      ...cellsOf(total),
    ]);
    const days = [...this.#changedDays].map(rowOfDay);
    const dailyBalances = this.#dailyBalances;
    this.#changed.length = 0;
    this.#dailyBalances = [];
    this.#changedDays.clear();
    if (this.#balances.size > BALANCES_KEPT_MAX) this.#balances.clear();
    if (this.#days.size > DAYS_KEPT_MAX) this.#days.clear();
    return [
      { kind: 'put', table: '_balances', rows: balances },
      { kind: 'put', table: '_daily_balances', rows: dailyBalances },
      { kind: 'put', table: '_totals', rows: totals },
      { kind: 'put', table: '_daily_totals', rows: days },
    ];
  }
}

function sumsOf(row: Row, first: number): Sums {
  const [debitsPosted, creditsPosted, debitsPending, creditsPending] = row
    .slice(first, first + 4)
    .map(bigCell) as [bigint, bigint, bigint, bigint];
  return { debitsPosted, creditsPosted, debitsPending, creditsPending };
}

function cellsOf({ debitsPosted, creditsPosted, debitsPending, creditsPending }: Sums): Row {
  return [debitsPosted, creditsPosted, debitsPending, creditsPending].map(exactCell);
}

function dailyRow({ account, day, debitsPosted, creditsPosted }: Balance): Row {
  return [BigInt(account), BigInt(day), exactCell(debitsPosted), exactCell(creditsPosted)];
}

function loadDay(reader: ViewReader, ledger: number, day: number): DayTotal {
  const on = BigInt(day);
  const equal = { ledger: BigInt(ledger) };
  const [row] = reader.scan({ table: '_daily_totals', equal, by: 'day', from: on, through: on });
  return row === undefined ? { ledger, day, ...NO_DEEDS } : dayOfRow(row);
}

const NO_DEEDS = {
  transfers: 0,
  transferred: 0n,
  holds: 0,
  held: 0n,
  posts: 0,
  posted: 0n,
  voids: 0,
};

export function dayOfRow(row: Row): DayTotal {
  return {
    ledger: numberCell(row[0]),
    day: numberCell(row[1]),
    transfers: numberCell(row[2]),
    transferred: bigCell(row[3]),
    holds: numberCell(row[4]),
    held: bigCell(row[5]),
    posts: numberCell(row[6]),
    posted: bigCell(row[7]),
    voids: numberCell(row[8]),
  };
}

function rowOfDay(total: DayTotal): Row {
  return [
    BigInt(total.ledger),
    BigInt(total.day),
    BigInt(total.transfers),
    exactCell(total.transferred),
    BigInt(total.holds),
    exactCell(total.held),
    BigInt(total.posts),
    exactCell(total.posted),
    BigInt(total.voids),
  ];
}
