// Ledgers as the views keep them.

import type { LedgerDefinition } from '../domain/queries.ts';
import type { Row, ViewReader } from '../ports/view-store.ts';
import { numberCell, textCell } from './cells.ts';

/** By number. */
export function ledgersOf(reader: ViewReader): LedgerDefinition[] {
  return reader.scan({ table: '_ledgers', by: 'ledger' }).map(ledgerOf);
}

export function ledgerOf([ledger, currency, exponent]: Row): LedgerDefinition {
  return {
    ledger: numberCell(ledger),
    currency: textCell(currency),
    exponent: numberCell(exponent),
  };
}
