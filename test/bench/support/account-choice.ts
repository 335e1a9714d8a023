// Which accounts a transfer takes: all alike, by Zipf's law, or one merchant and his customers.
// Numbers are places among the accounts, from 0.

import type { Prng } from '../../../src/base/prng.ts';

export type Distribution = 'uniform' | 'zipfian' | 'hot-in' | 'hot-mix';

export type AccountChoice = {
  debit: number;
  credit: number;
};

/** Draws the two accounts of the next transfer into `choice`; they differ. */
export type Chooser = (choice: AccountChoice) => void;

const THETA = 0.99;
/** A prime, larger than most numbers of accounts: multiplied by it, ranks lie anywhere. */
const SPREAD = 15_485_863;

export function chooserOf(distribution: Distribution, accounts: number, chance: Prng): Chooser {
  if (accounts < 2) throw new RangeError('A transfer wants two accounts.');
  if (distribution === 'uniform') return uniform(accounts, chance);
  if (distribution === 'zipfian') return zipfian(accounts, chance);
  return merchant(accounts, chance, distribution === 'hot-mix');
}

function uniform(accounts: number, chance: Prng): Chooser {
  return (choice) => {
    choice.debit = chance.below(accounts);
    choice.credit = (choice.debit + 1 + chance.below(accounts - 1)) % accounts;
  };
}

/** Both sides by Zipf's law; the busiest accounts lie anywhere among all. */
function zipfian(accounts: number, chance: Prng): Chooser {
  const rank = zipf(accounts, chance);
  return (choice) => {
    choice.debit = spread(rank(), accounts);
    do choice.credit = spread(rank(), accounts);
    while (choice.credit === choice.debit);
  };
}

/** The last account is the merchant; who deals with him is drawn by Zipf's law. */
function merchant(accounts: number, chance: Prng, bothWays: boolean): Chooser {
  const rank = zipf(accounts - 1, chance);
  const last = accounts - 1;
  return (choice) => {
    const customer = spread(rank(), accounts - 1);
    const isRefund = bothWays && chance.below(2) === 1;
    choice.debit = isRefund ? last : customer;
    choice.credit = isRefund ? customer : last;
  };
}

/** One to one, unless the number of accounts is a multiple of the prime. */
function spread(rank: number, accounts: number): number {
  return (rank * SPREAD) % accounts;
}

/** Ranks from 0 by Zipf's law with exponent 0.99, by the method of Gray et al. (SIGMOD 1994). */
function zipf(count: number, chance: Prng): () => number {
  let zeta = 0;
  for (let rank = 1; rank <= count; rank++) zeta += rank ** -THETA;
  const zetaOfTwo = 1 + 2 ** -THETA;
  const alpha = 1 / (1 - THETA);
  const eta = (1 - (2 / count) ** (1 - THETA)) / (1 - zetaOfTwo / zeta);
  return () => {
    const draw = chance.ratio();
    const scaled = draw * zeta;
    if (scaled < 1 || count === 1) return 0;
    if (scaled < zetaOfTwo) return 1;
    return Math.min(count - 1, Math.floor(count * (eta * draw - eta + 1) ** alpha));
  };
}
