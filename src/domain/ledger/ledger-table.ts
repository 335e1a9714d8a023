// Ledgers: the currency and exponent behind a ledger number. They are defined once and never
// change, since amounts in old records are in their minor units. The ordinal (order of definition)
// is what accounts and totals use.

import { assert } from '../../base/assert.ts';

export type LedgerDefinition = {
  readonly ledger: number;
  readonly currency: string;
  /** Decimals between the minor unit and the unit that people write. */
  readonly exponent: number;
};

export class LedgerTable {
  readonly #definitions: LedgerDefinition[] = [];
  readonly #ordinals = new Map<number, number>();

  get count(): number {
    return this.#definitions.length;
  }

  /** In the order of definition. */
  get definitions(): readonly LedgerDefinition[] {
    return this.#definitions;
  }

  ordinalOf(ledger: number): number | undefined {
    return this.#ordinals.get(ledger);
  }

  find(ledger: number): LedgerDefinition | undefined {
    const ordinal = this.#ordinals.get(ledger);
    return ordinal === undefined ? undefined : this.#definitions[ordinal];
  }

  add(definition: LedgerDefinition): void {
    assert(!this.#ordinals.has(definition.ledger), 'a ledger is defined once');
    this.#ordinals.set(definition.ledger, this.#definitions.length);
    this.#definitions.push(definition);
  }
}
