// Defining ledgers: all of a command or none, with one code for the command.

import { CURRENCY_EXPONENT_MAX } from '../../base/limits.ts';
import { CREATED, REFUSAL } from '../refusals.ts';
import type { LedgerKernel } from './kernel.ts';
import type { LedgerDefinition } from './ledger-table.ts';

const CURRENCY_PATTERN = /^[A-Z0-9_]{1,16}$/;
const LEDGER_NUMBER_MAX = 0xffff_ffff;

/** Numbers are integers; their ranges and the currency are checked here. */
export function defineLedgers(
  kernel: LedgerKernel,
  requested: readonly LedgerDefinition[],
): number {
  const added = new Map<number, LedgerDefinition>();
  for (const definition of requested) {
    const fault = checkDefinition(definition);
    if (fault !== CREATED) return fault;
    const existing = kernel.ledgers.find(definition.ledger) ?? added.get(definition.ledger);
    if (existing === undefined) {
      added.set(definition.ledger, definition);
    } else if (existing.currency !== definition.currency) {
      return REFUSAL.ledger_exists_with_different_currency;
    } else if (existing.exponent !== definition.exponent) {
      return REFUSAL.ledger_exists_with_different_exponent;
    }
  }
  for (const definition of added.values()) kernel.ledgers.add(definition);
  kernel.books.reserve(kernel.ledgers.count);
  return added.size === 0 ? REFUSAL.ledger_exists : CREATED;
}

function checkDefinition(definition: LedgerDefinition): number {
  if (definition.ledger < 1 || definition.ledger > LEDGER_NUMBER_MAX) {
    return REFUSAL.ledger_number_must_not_be_zero;
  }
  if (!CURRENCY_PATTERN.test(definition.currency)) return REFUSAL.ledger_currency_invalid;
  if (definition.exponent < 0 || definition.exponent > CURRENCY_EXPONENT_MAX) {
    return REFUSAL.ledger_exponent_invalid;
  }
  return CREATED;
}
