import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AccountView, NewTransfer, TransferView } from '../../src/client/wire.ts';
import { audit } from './audit.ts';
import { foldCloses } from './closes.ts';
import { Comparer } from './compare.ts';
import type { Day, Movement } from './dataset.ts';

type Row = [account: number, amountMinor: bigint, balanceMinor: bigint];

function day(date: number, rows: readonly Row[]): Day {
  const movements = rows.map(
    ([accountId, signed, balanceMinor], index): Movement => ({
      row: index + 1,
      transId: date * 10 + index,
      accountId,
      date,
      isCredit: signed > 0n,
      operation: 'VKLAD',
      kSymbol: '',
      amountMinor: signed > 0n ? signed : -signed,
      balanceMinor,
      partnerBank: '',
      partnerAccount: 0,
    }),
  );
  return { date, movements };
}

test('agreement is counted at 0, within 0.10 and within 0.20; beyond it is a mismatch', () => {
  const comparer = new Comparer();
  const rows: Row[] = [
    [1, 1000n, 1000n],
    [2, 1000n, 1010n],
    [3, 1000n, 980n],
    [4, 1000n, 1021n],
  ];
  comparer.compareDay(day(19_930_101, rows), new Map(rows.map(([id, amount]) => [id, amount])));
  const { accountDays, bankExactly, bankWithin010, bankWithin020, mismatches } = comparer.result();
  assert.deepEqual([accountDays, bankExactly, bankWithin010, bankWithin020], [4, 1, 1, 1]);
  assert.deepEqual(mismatches, [
    { kind: 'bank', account: 4, date: 19_930_101, expectedMinor: 1021n, gotMinor: 1000n },
  ]);
});

test('within a day any of its balances may be the close, and the next day starts from it', () => {
  const comparer = new Comparer();
  // Published in no particular order: the close is 1510, not the last row's 1000.
  comparer.compareDay(
    day(19_930_101, [
      [1, 500n, 1510n],
      [1, 1000n, 1000n],
    ]),
    new Map([[1, 1500n]]),
  );
  // The sums say 1600, the bank 1610: 0 off from the bank's own close of the day before.
  comparer.compareDay(day(19_930_102, [[1, 100n, 1610n]]), new Map([[1, 1600n]]));
  const { bankExactly, bankWithin010, mismatches } = comparer.result();
  assert.deepEqual([bankExactly, bankWithin010, mismatches.length], [1, 1, 0]);
});

test('a close that is not the sum of the amounts is named, on each day that shows it', () => {
  const comparer = new Comparer();
  comparer.compareDay(day(19_930_101, [[1, 500n, 500n]]), new Map([[1, 400n]]));
  comparer.compareDay(day(19_930_102, [[1, 500n, 1000n]]), new Map([[1, 900n]]));
  comparer.compareYearEnd(19_930_102, new Map([[1, 900n]]));
  const exact = comparer.result().mismatches.filter((item) => item.kind === 'exact');
  assert.deepEqual(
    exact.map(({ date, expectedMinor, gotMinor }) => [date, expectedMinor, gotMinor]),
    [
      [19_930_101, 500n, 400n],
      [19_930_102, 1000n, 900n],
      [19_930_102, 1000n, 900n],
    ],
  );
});

test('a changed amount names its own account-day only', () => {
  const comparer = new Comparer();
  comparer.compareDay(day(19_930_101, [[1, 600n, 500n]]), new Map([[1, 600n]]));
  comparer.compareDay(day(19_930_102, [[1, 500n, 1000n]]), new Map([[1, 1100n]]));
  const { mismatches } = comparer.result();
  assert.deepEqual(
    mismatches.map(({ kind, date }) => [kind, date]),
    [['bank', 19_930_101]],
  );
});

const SENT: NewTransfer = {
  id: 5n,
  debitAccountId: 1n,
  creditAccountId: 2n,
  amount: 100n,
  ledger: 200,
  code: 1,
  userData64: 77n,
  userData32: 19_930_101,
};

const RECORD: TransferView = {
  id: 5n,
  debitAccountId: 1n,
  creditAccountId: 2n,
  amount: 100n,
  ledger: 200,
  currency: 'CSK',
  code: 1,
  flags: 0,
  pendingId: 0n,
  timeoutSeconds: 0,
  userData128: 0n,
  userData64: 77n,
  userData32: 19_930_101,
  timestampNs: 1n,
  state: 'accepted',
  hold: 'none',
};

function account(id: bigint, debitsPosted: bigint, creditsPosted: bigint): AccountView {
  const zeros = { flags: 0, userData128: 0n, userData64: 0n, userData32: 0 };
  const pending = { debitsPending: 0n, creditsPending: 0n };
  const kind = { ledger: 200, currency: 'CSK', code: 1, timestampNs: 1n };
  return { id, ...kind, ...zeros, ...pending, debitsPosted, creditsPosted };
}

const ACCOUNTS = [account(1n, 100n, 0n), account(2n, 0n, 100n)];

test('the audit finds nothing where everything is there once', () => {
  const { lost, doubled, altered, findings } = audit([SENT], [RECORD], ACCOUNTS);
  assert.deepEqual([lost, doubled, altered, findings], [0, 0, 0, []]);
});

test('an absent record, or one that only failed, is lost', () => {
  assert.equal(audit([SENT], [], ACCOUNTS).lost, 1);
  assert.equal(audit([SENT], [{ ...RECORD, state: 'failed' }], ACCOUNTS).lost, 1);
});

test('a second record of a movement, or more posted than was sent, is a doubling', () => {
  assert.equal(audit([SENT], [RECORD, { ...RECORD, id: 6n }], ACCOUNTS).doubled, 1);
  const posted = [account(1n, 200n, 0n), account(2n, 0n, 100n)];
  assert.equal(audit([SENT], [RECORD], posted).doubled, 1);
});

test('a record with another amount is altered', () => {
  assert.equal(audit([SENT], [{ ...RECORD, amount: 101n }], ACCOUNTS).altered, 1);
});

test('closes are folded from accepted records over what was held before', () => {
  const before = new Map([[2, 1000n]]);
  const records = [RECORD, { ...RECORD, id: 6n }, { ...RECORD, id: 7n, state: 'failed' as const }];
  assert.deepEqual(
    [...foldCloses(before, records)],
    [
      [1, -200n],
      [2, 1200n],
    ],
  );
});
