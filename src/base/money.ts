// Money is an integer number of minor units (cents) of a ledger's currency. People read and write
// decimals; this is the one place where the two meet, and nothing is ever rounded.

declare const minorBrand: unique symbol;

/** An amount in minor units, 0 .. 2^128 - 1. */
export type AmountMinor = bigint & { readonly [minorBrand]: true };

export type MoneyFault = 'not_a_number' | 'too_many_decimals' | 'too_large';

const DECIMAL_PATTERN = /^(0|[1-9][0-9]{0,38})(?:\.([0-9]+))?$/;
const MINOR_PATTERN = /^(0|[1-9][0-9]{0,38})$/;
const AMOUNT_MAX = (1n << 128n) - 1n;

/** `"1250"` as minor units: what JSON carries. No sign, no leading zero, no decimals. */
export function parseMinor(text: string): AmountMinor | MoneyFault {
  if (!MINOR_PATTERN.test(text)) {
    return /^[0-9]+\.[0-9]+$/.test(text) ? 'too_many_decimals' : 'not_a_number';
  }
  const value = BigInt(text);
  return value > AMOUNT_MAX ? 'too_large' : (value as AmountMinor);
}

/** `"12.50"` in a currency with `exponent` decimals; more decimals than it has are refused. */
export function parseDecimal(text: string, exponent: number): AmountMinor | MoneyFault {
  const match = DECIMAL_PATTERN.exec(text);
  if (match === null) return 'not_a_number';
  const fraction = match[2] ?? '';
  if (fraction.length > exponent) return 'too_many_decimals';
  const value = BigInt(match[1] + fraction.padEnd(exponent, '0'));
  return value > AMOUNT_MAX ? 'too_large' : (value as AmountMinor);
}

/**
 * Minor units as people read them: 1250 with exponent 2 is `12.50`; negative values get a minus.
 */
export function formatDecimal(minor: bigint, exponent: number): string {
  const sign = minor < 0n ? '-' : '';
  const digits = (minor < 0n ? -minor : minor).toString().padStart(exponent + 1, '0');
  if (exponent === 0) return sign + digits;
  return `${sign}${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}
