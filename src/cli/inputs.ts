// What people type, as values: ids, numbers, decimals of a currency. Refused here with a sentence,
// before anything is sent.

import { ID_MAX, ID_PREFIX, type IdKind, parseId } from '../base/ids.ts';
import { parseDecimal } from '../base/money.ts';
import type { Ledger } from '../client/wire.ts';
import { refusedLocally, usageFailure } from './failure.ts';

/** `acc_...`, or for accounts with small numbers just the number. */
export function readAccountId(text: string): bigint {
  const id = parseId('account', text) ?? (/^[0-9]{1,39}$/.test(text) ? BigInt(text) : undefined);
  if (id !== undefined && id <= ID_MAX) return id;
  throw usageFailure(
    `"${text}" is not an account id.`,
    'It is acc_ and 32 hex digits, or a decimal number.',
  );
}

export function readTransferId(text: string): bigint {
  return readPrefixedId('transfer', text);
}

export function readPostingId(text: string): bigint {
  return readPrefixedId('posting', text);
}

function readPrefixedId(kind: IdKind, text: string): bigint {
  const id = parseId(kind, text);
  if (id !== undefined) return id;
  const hint = `It is ${ID_PREFIX[kind]} and 32 lower-case hex digits.`;
  throw usageFailure(`"${text}" is not a ${kind} id.`, hint);
}

export type NumberRange = { readonly min: number; readonly max: number };

export function readNumber(name: string, text: string, { min, max }: NumberRange): number {
  const value = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw usageFailure(`${name} ${text} is not a whole number from ${min} to ${max}.`);
}

export const CODE_RANGE: NumberRange = { min: 1, max: 65_535 };
export const U32_RANGE: NumberRange = { min: 0, max: 4_294_967_295 };
export const LEDGER_RANGE: NumberRange = { min: 1, max: 4_294_967_295 };

const U64_MAX = (1n << 64n) - 1n;

export function readU64(name: string, text: string): bigint {
  const value = /^[0-9]{1,20}$/.test(text) ? BigInt(text) : -1n;
  if (value >= 0n && value <= U64_MAX) return value;
  throw usageFailure(`${name} ${text} is not a whole number from 0 to 2^64 - 1.`);
}

export function readHex128(name: string, text: string): bigint {
  if (/^[0-9a-f]{1,32}$/.test(text)) return BigInt(`0x${text}`);
  throw usageFailure(`${name} ${text} is not 1 to 32 lower-case hex digits.`);
}

/**
 * `12.50` as minor units of the ledger's currency; what it cannot hold is refused, never rounded.
 */
export function readAmount(text: string, ledger: Ledger): bigint {
  const { currency, exponent } = ledger;
  const amount = parseDecimal(text, exponent);
  if (typeof amount === 'bigint') return amount;
  switch (amount) {
    case 'too_many_decimals':
      throw refusedLocally(
        'amount_wrong_scale',
        `${text} has more decimals than ${currency} has (${exponent}). Amounts are never rounded.`,
        'Say the amount with at most that many decimals.',
      );
    case 'too_large':
      throw refusedLocally('amount_too_large', `${text} ${currency} is more than 2^128 - 1 units.`);
    case 'not_a_number':
      throw usageFailure(
        `"${text}" is not an amount.`,
        'It looks like 12.50: digits and one point, without sign and separators.',
      );
    default:
      return amount satisfies never;
  }
}

/** The ledger that a command names by number, or by a currency that only one ledger has. */
export function chooseLedger(
  ledgers: readonly Ledger[],
  named: { readonly ledger?: string; readonly currency?: string },
): Ledger {
  if (named.ledger !== undefined) {
    const number = readNumber('--ledger', named.ledger, LEDGER_RANGE);
    const found = ledgers.find((item) => item.ledger === number);
    if (found === undefined) throw ledgerMissing(`There is no ledger ${number}.`);
    if (named.currency !== undefined && named.currency !== found.currency) {
      throw usageFailure(`Ledger ${number} is in ${found.currency}, not in ${named.currency}.`);
    }
    return found;
  }
  const { currency } = named;
  if (currency === undefined) throw usageFailure('Say the currency, or the ledger.', LEDGER_HINT);
  const [found, ...others] = ledgers.filter((item) => item.currency === currency);
  if (found === undefined) throw ledgerMissing(`There is no ledger in ${currency}.`);
  if (others.length > 0) {
    const numbers = [found, ...others].map((item) => item.ledger).join(', ');
    throw usageFailure(`Several ledgers are in ${currency}: ${numbers}.`, LEDGER_HINT);
  }
  return found;
}

const LEDGER_HINT = 'For example --currency EUR, or --ledger 978.';

function ledgerMissing(message: string): Error {
  return refusedLocally(
    'ledger_not_found',
    message,
    'See `holdfast ledger list`; define one with `holdfast ledger define`.',
  );
}
