// The parts of the bench program that a wrong figure could come from without anybody seeing it: the
// percentiles, the choice of accounts, the holds of a stream, the judgement of a budget.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../src/base/prng.ts';
import { TRANSFER_BYTES, TransferFlag, decodeTransfers } from '../../src/base/transfer-record.ts';
import { type Distribution, chooserOf } from '../bench/support/account-choice.ts';
import { Samples, median } from '../bench/support/samples.ts';
import { TransferStream } from '../bench/support/transfer-stream.ts';
import { isMet } from '../bench/support/workload.ts';

const DRAWS = 200_000;

/** How often each account was on either side. */
function drawn(distribution: Distribution, accounts: number) {
  const choose = chooserOf(distribution, accounts, new Prng(7));
  const debits = new Uint32Array(accounts);
  const credits = new Uint32Array(accounts);
  const choice = { debit: 0, credit: 0 };
  for (let draw = 0; draw < DRAWS; draw++) {
    choose(choice);
    assert.notEqual(choice.debit, choice.credit);
    debits[choice.debit] = debits[choice.debit]! + 1;
    credits[choice.credit] = credits[choice.credit]! + 1;
  }
  return { debits, credits };
}

function near(share: number, wanted: number): void {
  assert.ok(Math.abs(share - wanted) < 0.1 * wanted, `${share} is not near ${wanted}`);
}

test('percentiles are values that were measured, at their rank', () => {
  const samples = new Samples();
  for (let value = 10_000; value >= 1; value--) samples.add(value);
  const at = samples.quantiles();
  assert.deepEqual([at(0.01), at(0.5), at(0.99), at(1)], [100, 5000, 9900, 10_000]);
  assert.equal(new Samples().quantiles()(0.5), null);
  assert.equal(median([9, 1, 5]), 5);
});

test("Zipf's law with exponent 0.99: the first account has 1 / zeta of all, the second half", () => {
  const customers = 1000;
  const { debits, credits } = drawn('hot-in', customers + 1);
  let zeta = 0;
  for (let rank = 1; rank <= customers; rank++) zeta += rank ** -0.99;
  const [first, second] = debits.toSorted((a, b) => b - a);
  near(first! / DRAWS, 1 / zeta);
  near(second! / DRAWS, 2 ** -0.99 / zeta);
  assert.equal(credits[customers], DRAWS);
  // Nobody is left out for good: the tail is drawn too.
  assert.ok(debits.filter((count) => count > 0).length > 0.9 * customers);
});

test('the merchant of hot-mix pays as often as he is paid; uniform takes all alike', () => {
  const mix = drawn('hot-mix', 501);
  near(mix.debits[500]! / DRAWS, 0.5);
  near(mix.credits[500]! / DRAWS, 0.5);
  const { debits, credits } = drawn('uniform', 10);
  for (const count of [...debits, ...credits]) near(count / DRAWS, 0.1);
});

test('a stream of holds resolves every one of them once, after it', () => {
  const transfers = 20_001;
  const stream = new TransferStream({
    accounts: 20,
    distribution: 'uniform',
    amountMean: 100,
    pending: true,
    transfers,
  });
  const bytes = new Uint8Array(transfers * TRANSFER_BYTES);
  stream.write(new DataView(bytes.buffer), 0, transfers);
  const open = new Map<bigint, bigint>();
  let lastId = 0n;
  let posted = 0n;
  for (const { id, flags, pendingId, amount } of decodeTransfers(bytes)) {
    assert.ok(id > lastId, 'ids rise');
    lastId = id;
    if (flags === TransferFlag.pending) {
      open.set(id, amount);
      continue;
    }
    if (flags !== 0) {
      assert.equal(open.get(pendingId), amount);
      open.delete(pendingId);
    }
    if (flags !== TransferFlag.voidPending) posted += amount;
  }
  assert.equal(open.size, 0);
  assert.equal(posted, BigInt(stream.expected.amount));
  assert.equal(stream.expected.transfers, transfers);
});

test('a budget is met on its own side of the bound, and never by what was not measured', () => {
  const judged = (bound: 'above' | 'at least' | 'below' | 'at most', figure: number | null) =>
    isMet({ what: '', bound, limit: 10, figure });
  assert.deepEqual([judged('above', 10), judged('above', 11)], [false, true]);
  assert.deepEqual([judged('at least', 9), judged('at least', 10)], [false, true]);
  assert.deepEqual([judged('below', 10), judged('below', 9)], [false, true]);
  assert.deepEqual([judged('at most', 11), judged('at most', 10)], [false, true]);
  assert.deepEqual([judged('below', null), judged('at most', null)], [false, false]);
});
