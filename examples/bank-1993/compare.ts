// The two comparisons, day by day, as pure arithmetic in minor units.
//
//   exact  the ledger's close of an account = the sum of the CSV's amounts, always
//   bank   the bank's previous close + the ledger's movement of the day = one of the balances that
//          the bank published for that day, within 0.20 (its amounts were rounded when published);
//          the balance that matched is the close from which the next day starts

import type { Day, Movement } from './dataset.ts';

export type Mismatch = {
  readonly kind: 'exact' | 'bank';
  readonly account: number;
  readonly date: number;
  readonly expectedMinor: bigint;
  readonly gotMinor: bigint;
};

export type Comparison = {
  readonly accountDays: number;
  readonly bankExactly: number;
  readonly bankWithin010: number;
  readonly bankWithin020: number;
  readonly mismatches: readonly Mismatch[];
};

const WITHIN_010_MINOR = 10n;
const WITHIN_020_MINOR = 20n;

export class Comparer {
  readonly #exactCloseMinor = new Map<number, bigint>();
  readonly #ledgerCloseMinor = new Map<number, bigint>();
  readonly #bankCloseMinor = new Map<number, bigint>();
  readonly #mismatches: Mismatch[] = [];
  #accountDays = 0;
  #bankExactly = 0;
  #bankWithin010 = 0;
  #bankWithin020 = 0;

  /** `ledgerCloses`: what the ledger says each touched account holds after this day. */
  compareDay(day: Day, ledgerCloses: ReadonlyMap<number, bigint>): void {
    for (const [account, movements] of byAccount(day.movements)) {
      const ledgerClose = ledgerCloses.get(account) ?? 0n;
      this.#accountDays++;
      this.#compareExactly(account, day.date, { movements, ledgerClose });
      this.#compareWithBank(account, day.date, { movements, ledgerClose });
      this.#ledgerCloseMinor.set(account, ledgerClose);
    }
  }

  /** At the end, against balances once more, whatever way the days were read. */
  compareYearEnd(date: number, balances: ReadonlyMap<number, bigint>): void {
    for (const [account, expectedMinor] of this.#exactCloseMinor) {
      const gotMinor = balances.get(account) ?? 0n;
      if (gotMinor !== expectedMinor) {
        this.#mismatches.push({ kind: 'exact', account, date, expectedMinor, gotMinor });
      }
    }
  }

  result(): Comparison {
    return {
      accountDays: this.#accountDays,
      bankExactly: this.#bankExactly,
      bankWithin010: this.#bankWithin010,
      bankWithin020: this.#bankWithin020,
      mismatches: this.#mismatches,
    };
  }

  #compareExactly(account: number, date: number, day: AccountDay): void {
    const before = this.#exactCloseMinor.get(account) ?? 0n;
    const expectedMinor = day.movements.reduce((sum, item) => sum + signedMinor(item), before);
    this.#exactCloseMinor.set(account, expectedMinor);
    if (day.ledgerClose !== expectedMinor) {
      const gotMinor = day.ledgerClose;
      this.#mismatches.push({ kind: 'exact', account, date, expectedMinor, gotMinor });
    }
  }

  #compareWithBank(account: number, date: number, day: AccountDay): void {
    const movedMinor = day.ledgerClose - (this.#ledgerCloseMinor.get(account) ?? 0n);
    const gotMinor = (this.#bankCloseMinor.get(account) ?? 0n) + movedMinor;
    const expectedMinor = nearest(
      day.movements.map((movement) => movement.balanceMinor),
      gotMinor,
    );
    const offMinor = distance(expectedMinor, gotMinor);
    this.#bankCloseMinor.set(account, expectedMinor);
    if (offMinor === 0n) this.#bankExactly++;
    else if (offMinor <= WITHIN_010_MINOR) this.#bankWithin010++;
    else if (offMinor <= WITHIN_020_MINOR) this.#bankWithin020++;
    else this.#mismatches.push({ kind: 'bank', account, date, expectedMinor, gotMinor });
  }
}

type AccountDay = { readonly movements: readonly Movement[]; readonly ledgerClose: bigint };

/** What the movement does to the customer's balance. */
export function signedMinor(movement: Movement): bigint {
  return movement.isCredit ? movement.amountMinor : -movement.amountMinor;
}

export function byAccount(movements: readonly Movement[]): Map<number, Movement[]> {
  const accounts = new Map<number, Movement[]>();
  for (const movement of movements) {
    const list = accounts.get(movement.accountId);
    if (list === undefined) accounts.set(movement.accountId, [movement]);
    else list.push(movement);
  }
  return accounts;
}

function nearest(valuesMinor: readonly bigint[], targetMinor: bigint): bigint {
  return valuesMinor.reduce((best, value) =>
    distance(value, targetMinor) < distance(best, targetMinor) ? value : best,
  );
}

function distance(left: bigint, right: bigint): bigint {
  return left < right ? right - left : left - right;
}
