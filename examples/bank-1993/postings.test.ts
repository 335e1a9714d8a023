import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ImportManifest } from '../../src/client/import-manifest.ts';
import { rowTransferId } from '../../src/client/import-manifest.ts';
import { DatasetUnusable, type Movement, loadDataset } from './dataset.ts';
import {
  counterpartyOf,
  customerOpenings,
  institutionAccountId,
  institutionAccounts,
  toTransfer,
} from './postings.ts';

const MANIFEST: ImportManifest = { version: 1, fileSha256: 'ab'.repeat(32), baseTimeMs: 1 };

const MOVEMENT: Movement = {
  row: 17,
  transId: 695_247,
  accountId: 2378,
  date: 19_930_101,
  isCredit: true,
  operation: 'VKLAD',
  kSymbol: '',
  amountMinor: 70_000n,
  balanceMinor: 70_000n,
  partnerBank: '',
  partnerAccount: 0,
};

const HEADING = 'trans_id,account_id,date,type,operation,amount,balance,k_symbol,bank,account';

async function loadRows(rows: readonly string[], accounts: readonly string[] = []) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-dataset-'));
  try {
    await writeFile(join(folder, 'transactions.csv'), `${[HEADING, ...rows].join('\r\n')}\r\n`);
    const openings = ['account_id,district_id,frequency,date', ...accounts];
    await writeFile(join(folder, 'accounts.csv'), `${openings.join('\r\n')}\r\n`);
    return await loadDataset(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('every kind of movement has exactly one counterparty', () => {
  const kinds: [operation: string, kSymbol: string, bank: string, counterparty: string][] = [
    ['VKLAD', '', '', 'cash'],
    ['VYBER', '', '', 'cash'],
    ['VYBER KARTOU', '', '', 'cash'],
    ['', 'UROK', '', 'interest'],
    ['VYBER', 'SLUZBY', '', 'fee'],
    ['VYBER', 'SANKC. UROK', '', 'penalty'],
    ['VYBER', 'SIPO', '', 'household'],
    ['PREVOD NA UCET', 'SIPO', 'YZ', 'household'],
    ['PREVOD NA UCET', 'POJISTNE', 'AB', 'insurance'],
    ['PREVOD NA UCET', 'UVER', 'ST', 'loan'],
    ['PREVOD Z UCTU', 'DUCHOD', 'QR', 'pension'],
    ['PREVOD Z UCTU', '', 'QR', 'QR'],
    ['PREVOD NA UCET', '', 'WX', 'WX'],
  ];
  for (const [operation, kSymbol, partnerBank, counterparty] of kinds) {
    const movement = { ...MOVEMENT, operation, kSymbol, partnerBank };
    assert.equal(counterpartyOf(movement), counterparty, `${operation} ${kSymbol}`);
  }
});

test('a movement without a known counterparty is refused with its row', () => {
  for (const change of [
    { operation: 'PREVOD NA UCET', partnerBank: 'ZZ' },
    { operation: 'NOVY', partnerBank: '' },
    { kSymbol: 'JINE' },
  ]) {
    assert.throws(() => counterpartyOf({ ...MOVEMENT, ...change }), /Row 17/);
  }
});

test("a credit debits the counterparty and credits the customer's account", () => {
  const transfer = toTransfer(MOVEMENT, MANIFEST);
  assert.equal(transfer.debitAccountId, institutionAccountId('cash'));
  assert.equal(transfer.creditAccountId, 2378n);
  assert.equal(transfer.amount, 70_000n);
  assert.equal(transfer.userData64, 695_247n);
  assert.equal(transfer.userData32, 19_930_101);
  assert.equal(transfer.id, rowTransferId(MANIFEST, 17));
});

test('a debit is the other way round, and keeps the partner in user data 128', () => {
  const partner = { partnerBank: 'YZ', partnerAccount: 87_144_583 };
  const movement = { ...MOVEMENT, ...partner, isCredit: false, operation: 'PREVOD NA UCET' };
  const transfer = toTransfer(movement, MANIFEST);
  assert.equal(transfer.debitAccountId, 2378n);
  assert.equal(transfer.creditAccountId, institutionAccountId('YZ'));
  assert.equal(transfer.userData128, (0x595an << 64n) | 87_144_583n);
});

test('there are 8 accounts for purposes and 13 for partner banks, all different', () => {
  const ids = institutionAccounts().map((account) => account.id);
  assert.equal(ids.length, 21);
  assert.equal(new Set(ids).size, 21);
});

test('rows are read exactly: signs, blanks, dates and days in order', async () => {
  const dataset = await loadRows(
    [
      '2,7,930102,VYDAJ,VYBER,3300.10,-12.30, ,,0',
      '1,7,930101,PRIJEM,VKLAD,700.00,700.00,,,',
      '3,8,930102,VYBER,VYBER,5.05,1.00,,,',
    ],
    ['7,1,POPLATEK MESICNE,930101'],
  );
  assert.deepEqual(
    dataset.days.map((day) => [day.date, day.movements.map((item) => item.transId)]),
    [
      [19_930_101, [1]],
      [19_930_102, [2, 3]],
    ],
  );
  const [movement] = dataset.days[1]?.movements ?? [];
  assert.equal(movement?.amountMinor, 330_010n);
  assert.equal(movement?.balanceMinor, -1230n);
  assert.equal(movement?.kSymbol, '');
  assert.equal(movement?.isCredit, false);
  assert.equal(movement?.row, 1);
  assert.deepEqual(dataset.accountIds, [7, 8]);
});

test('what is no amount, date or type is refused with its row', async () => {
  const rows = [
    '1,7,930101,PRIJEM,VKLAD,700.005,700.00,,,',
    '1,7,930101,PRIJEM,VKLAD,7e2,700.00,,,',
    '1,7,930101,PRIJEM,VKLAD,-700.00,700.00,,,',
    '1,7,93-1-1,PRIJEM,VKLAD,700.00,700.00,,,',
    '1,7,930101,NECO,VKLAD,700.00,700.00,,,',
    '1,seven,930101,PRIJEM,VKLAD,700.00,700.00,,,',
  ];
  for (const row of rows) {
    await assert.rejects(loadRows([row]), (error) => {
      assert.ok(error instanceof DatasetUnusable);
      assert.match(error.message, /row 1/);
      return true;
    });
  }
});

test('accounts open on their day, and those without one at their first movement', async () => {
  const dataset = await loadRows(
    [
      '1,7,930103,PRIJEM,VKLAD,1.00,1.00,,,',
      '2,8,930103,PRIJEM,VKLAD,1.00,1.00,,,',
      '3,9,930101,PRIJEM,VKLAD,1.00,1.00,,,',
    ],
    ['7,1,POPLATEK MESICNE,930102', '9,1,POPLATEK MESICNE,930102'],
  );
  const openings = customerOpenings(dataset);
  const ids = (date: number) =>
    openings.get(date)?.map((account) => [account.id, account.userData32]);
  assert.deepEqual(ids(19_930_101), [[9n, 19_930_101]]);
  assert.deepEqual(ids(19_930_103), [
    [7n, 19_930_102],
    [8n, 19_930_103],
  ]);
});
