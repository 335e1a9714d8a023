// Which account an id is: what the rows of movements name accounts by. The latest are held in
// memory, others are looked up in the store.

import { assert } from '../base/assert.ts';
import type { ViewReader } from '../ports/view-store.ts';
import { numberCell } from './cells.ts';

/** Accounts whose numbers stay in memory: some 100 MB. */
const KEPT_MAX = 500_000;

export type KnownAccount = {
  readonly number: number;
  readonly cell: bigint;
  /** Of the sums of its ledger and code. */
  readonly totalKey: string;
};

export class KnownAccounts {
  readonly #known = new Map<string, KnownAccount>();

  forget(): void {
    this.#known.clear();
  }

  add(id: string, number: number, ledger: number, code: number): void {
    if (this.#known.size >= KEPT_MAX) this.#known.clear();
    const totalKey = `${ledger} ${code}`;
    this.#known.set(id, { number, cell: BigInt(number), totalKey });
  }

  /** Those of a batch, by id; all must have been opened. */
  lookUp(reader: ViewReader, ids: ReadonlySet<string>): ReadonlyMap<string, KnownAccount> {
    const found = new Map<string, KnownAccount>();
    const missing: string[] = [];
    for (const id of ids) {
      const known = this.#known.get(id);
      if (known === undefined) missing.push(id);
      else found.set(id, known);
    }
    const rows = reader.find('_accounts', 'id', missing);
    for (const [index, id] of missing.entries()) {
      const row = rows[index];
      assert(row !== undefined, 'an account is fed before its transfers');
      this.add(id, numberCell(row[0]), numberCell(row[2]), numberCell(row[3]));
      found.set(id, this.#known.get(id)!);
    }
    return found;
  }
}
