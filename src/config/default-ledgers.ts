// The ledgers that a new cluster starts with: ISO 4217 numeric codes as ledger numbers. Journalled
// as a command at the first start, so that it is the cluster's and not a release's; more are
// defined by `holdfast ledger define`. Exponents come from a kept table, because CLDR's (Intl)
// differ.

import {
  AUD,
  CAD,
  CHF,
  CNY,
  CZK,
  DKK,
  EUR,
  GBP,
  HUF,
  INR,
  JPY,
  KWD,
  NOK,
  PLN,
  SEK,
  SGD,
  TRY,
  USD,
} from 'dinero.js/bigint/currencies';

/** ISO 4217: the numeric code, and the currency with its exponent. */
const FIRST_LEDGERS = [
  [36, AUD],
  [124, CAD],
  [756, CHF],
  [156, CNY],
  [203, CZK],
  [208, DKK],
  [978, EUR],
  [826, GBP],
  [348, HUF],
  [356, INR],
  [392, JPY],
  [414, KWD],
  [578, NOK],
  [985, PLN],
  [752, SEK],
  [702, SGD],
  [949, TRY],
  [840, USD],
] as const;

export type DefaultLedger = {
  readonly ledger: number;
  readonly currency: string;
  readonly exponent: number;
};

export function defaultLedgers(): DefaultLedger[] {
  return FIRST_LEDGERS.map(([ledger, currency]) => ({
    ledger,
    currency: currency.code,
    exponent: Number(currency.exponent),
  }));
}
