// Bodies become records exactly or not at all; every fault has its code and its pointer.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { Compile } from 'typebox/compile';
import { AccountFlag } from '../base/account.ts';
import { U128_MAX } from '../base/u128.ts';
import { TransferFlag, decodeTransfers } from '../base/transfer-record.ts';
import { readAccount, readAccounts, readTransfer, readTransfers } from './input.ts';
import { INPUT_ERRORS_MAX } from './input-values.ts';
import { ApiProblem } from './problems.ts';
import { AccountRequest, TransferRequest } from './schemas.ts';

const HEX = '0123456789abcdef0123456789abcdef';
const TRANSFER = {
  id: `tr_${HEX}`,
  debit_account_id: 'acc_000000000000000000000000000000a1',
  credit_account_id: 'acc_ffffffffffffffffffffffffffffffff',
  amount: '1250',
  ledger: 978,
  code: 7,
};
const ACCOUNT = { id: `acc_${HEX}`, ledger: 978, code: 7 };

function faults(read: () => unknown): string[] {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof ApiProblem);
    assert.equal(error.code, error.options.errors?.[0]?.code);
    return error.options.errors!.map(({ code, pointer }) => `${code} ${pointer}`.trim());
  }
  return [];
}

function transferFaults(change: object): string[] {
  return faults(() => readTransfer({ ...TRANSFER, ...change }));
}

function only(bytes: Uint8Array) {
  const [transfer, ...rest] = decodeTransfers(bytes);
  assert.equal(rest.length, 0);
  return transfer!;
}

test('every member of a transfer reaches its place in the record', () => {
  const body = {
    ...TRANSFER,
    amount: U128_MAX.toString(),
    flags: ['linked', 'pending'],
    pending_id: 'tr_00000000000000000000000000000001',
    timeout_seconds: 4_294_967_295,
    user_data_128: 'ff00000000000000000000000000000e',
    user_data_64: '18446744073709551615',
    user_data_32: 4_000_000_000,
    code: 65_535,
    ledger: 4_294_967_295,
  };
  assert.deepEqual(only(readTransfer(body)), {
    id: BigInt(`0x${HEX}`),
    debitAccountId: 0xa1n,
    creditAccountId: U128_MAX,
    amount: U128_MAX,
    pendingId: 1n,
    userData128: 0xff00_0000_0000_0000_0000_0000_0000_000en,
    userData64: 18_446_744_073_709_551_615n,
    userData32: 4_000_000_000,
    timeoutSeconds: 4_294_967_295,
    ledger: 4_294_967_295,
    code: 65_535,
    flags: TransferFlag.linked | TransferFlag.pending,
    timestampNs: 0n,
  });
});

test('amounts are decimal strings of minor units and nothing else', () => {
  const expected = {
    'amount_must_be_string /amount': [1250, 0, -1, 12.5, 1e300],
    'amount_negative /amount': ['-1', '-12.50', '-0'],
    'amount_wrong_scale /amount': ['12.50', '0.1', '1250.00'],
    'amount_too_large /amount': [
      (U128_MAX + 1n).toString(),
      '999999999999999999999999999999999999999',
      '1'.repeat(400),
    ],
    'amount_malformed /amount': [
      '',
      ' 1',
      '1 ',
      '+1',
      '0x10',
      '1e3',
      '1_000',
      '01',
      '1.',
      '.5',
      '١',
    ],
    'field_wrong_type /amount': [null, true, ['1'], { minor: '1' }],
  };
  for (const [fault, amounts] of Object.entries(expected)) {
    for (const amount of amounts)
      assert.deepEqual(transferFaults({ amount }), [fault], JSON.stringify(amount));
  }
  assert.equal(only(readTransfer({ ...TRANSFER, amount: '0' })).amount, 0n);
});

test('ids are their prefix and 32 lower-case hex digits', () => {
  const wrong = [
    '',
    HEX,
    `acc_${HEX}`,
    `tr_${HEX.toUpperCase()}`,
    `tr_${HEX}0`,
    `tr_${HEX.slice(1)}`,
  ];
  for (const id of [...wrong, `tr_${HEX.slice(1)}g`, `tr_${HEX.slice(1)}é`, `TR_${HEX}`]) {
    assert.deepEqual(transferFaults({ id }), ['id_malformed /id'], id);
  }
  assert.deepEqual(transferFaults({ id: 7 }), ['field_wrong_type /id']);
  assert.deepEqual(transferFaults({ debit_account_id: `tr_${HEX}` }), [
    'id_malformed /debit_account_id',
  ]);
});

test('numbers have their range, and texts do not stand for numbers', () => {
  assert.deepEqual(transferFaults({ code: 65_536 }), ['field_out_of_range /code']);
  assert.deepEqual(transferFaults({ code: 1.5 }), ['field_out_of_range /code']);
  assert.deepEqual(transferFaults({ ledger: -1 }), ['field_out_of_range /ledger']);
  assert.deepEqual(transferFaults({ ledger: '978' }), ['field_wrong_type /ledger']);
  assert.deepEqual(transferFaults({ timeout_seconds: 2 ** 32 }), [
    'field_out_of_range /timeout_seconds',
  ]);
  assert.deepEqual(transferFaults({ user_data_32: 1e300 }), ['field_out_of_range /user_data_32']);
  assert.deepEqual(transferFaults({ user_data_64: '18446744073709551616' }), [
    'user_data_malformed /user_data_64',
  ]);
  assert.deepEqual(transferFaults({ user_data_64: 5 }), ['field_wrong_type /user_data_64']);
  assert.deepEqual(transferFaults({ user_data_128: '0' }), ['user_data_malformed /user_data_128']);
});

test('unknown and missing members are named', () => {
  assert.deepEqual(transferFaults({ ammount: '1' }), ['unknown_field /ammount']);
  assert.deepEqual(transferFaults({ 'a/b~c': 1 }), ['unknown_field /a~1b~0c']);
  assert.deepEqual(transferFaults({ timestamp_ns: 0 }), ['field_wrong_type /timestamp_ns']);
  assert.deepEqual(transferFaults({ timestamp_ns: '-1' }), ['field_out_of_range /timestamp_ns']);
  assert.deepEqual(
    faults(() => readTransfer({})),
    ['id', 'debit_account_id', 'credit_account_id', 'amount', 'ledger', 'code'].map(
      (name) => `field_required /${name}`,
    ),
  );
  for (const body of [null, undefined, [], 'x', 5]) {
    assert.deepEqual(
      faults(() => readTransfer(body)),
      ['field_wrong_type'],
    );
  }
});

test('flags are names, each once', () => {
  assert.deepEqual(transferFaults({ flags: ['pending', 'balancing'] }), ['flag_unknown /flags/1']);
  assert.deepEqual(transferFaults({ flags: ['toString'] }), ['flag_unknown /flags/0']);
  assert.deepEqual(transferFaults({ flags: [2] }), ['flag_unknown /flags/0']);
  assert.deepEqual(transferFaults({ flags: ['linked', 'linked'] }), ['flag_repeated /flags/1']);
  assert.deepEqual(transferFaults({ flags: 2 }), ['field_wrong_type /flags']);
});

test('a post without amount asks for all that is held, a void for 0, and both inherit the rest', () => {
  const resolve = { id: `tr_${HEX}`, pending_id: 'tr_00000000000000000000000000000001' };
  const post = only(readTransfer({ ...resolve, flags: ['post_pending'] }));
  assert.equal(post.amount, U128_MAX);
  assert.deepEqual(
    [post.debitAccountId, post.creditAccountId, post.ledger, post.code],
    [0n, 0n, 0, 0],
  );
  assert.equal(only(readTransfer({ ...resolve, flags: ['void_pending'] })).amount, 0n);
  assert.equal(only(readTransfer({ ...resolve, flags: ['post_pending'], amount: '5' })).amount, 5n);
  assert.deepEqual(
    faults(() => readTransfer({ id: resolve.id, flags: ['post_pending'] })),
    ['field_required /pending_id'],
  );
  assert.deepEqual(
    faults(() => readTransfer({ ...resolve, flags: ['pending'] })),
    ['debit_account_id', 'credit_account_id', 'amount', 'ledger', 'code'].map(
      (name) => `field_required /${name}`,
    ),
  );
});

test('one wrong element refuses the whole batch and is named by its pointer', () => {
  const transfers = [TRANSFER, { ...TRANSFER, amount: 5 }, TRANSFER];
  assert.deepEqual(
    faults(() => readTransfers({ transfers })),
    ['amount_must_be_string /transfers/1/amount'],
  );
  assert.deepEqual(
    faults(() => readTransfers({ transfers: [TRANSFER, null] })),
    ['field_wrong_type /transfers/1'],
  );
  const accounts = [ACCOUNT, { ...ACCOUNT, code: -1 }];
  assert.deepEqual(
    faults(() => readAccounts({ accounts })),
    ['field_out_of_range /accounts/1/code'],
  );
});

test('a batch has 1 to 8,189 transfers, 1 to 1,024 accounts', () => {
  const many = (count: number) => Array.from({ length: count }, () => TRANSFER);
  assert.equal(readTransfers({ transfers: many(8189) }).records.byteLength, 8189 * 128);
  assert.deepEqual(
    faults(() => readTransfers({ transfers: many(8190) })),
    ['batch_too_large /transfers'],
  );
  assert.deepEqual(
    faults(() => readTransfers({ transfers: [] })),
    ['batch_empty /transfers'],
  );
  assert.deepEqual(
    faults(() => readTransfers({})),
    ['field_required /transfers'],
  );
  assert.deepEqual(
    faults(() => readTransfers({ transfers: {} })),
    ['field_wrong_type /transfers'],
  );
  assert.deepEqual(
    faults(() => readTransfers({ transfers: many(1), atomic: true })),
    ['unknown_field /atomic'],
  );
  assert.deepEqual(
    faults(() => readTransfers([TRANSFER])),
    ['field_wrong_type'],
  );
  const accounts = Array.from({ length: 1025 }, () => ACCOUNT);
  assert.deepEqual(
    faults(() => readAccounts({ accounts })),
    ['batch_too_large /accounts'],
  );
});

test('the list of faults is bounded', () => {
  const transfers = Array.from({ length: 100 }, () => ({}));
  assert.equal(faults(() => readTransfers({ transfers })).length, INPUT_ERRORS_MAX);
  const accounts = Array.from({ length: 100 }, () => null);
  assert.equal(faults(() => readAccounts({ accounts })).length, INPUT_ERRORS_MAX);
});

test('an account is read with its defaults filled in', () => {
  assert.deepEqual(readAccount(ACCOUNT), {
    id: HEX,
    ledger: 978,
    code: 7,
    flags: 0,
    user_data_128: '0'.repeat(32),
    user_data_64: '0',
    user_data_32: 0,
  });
  const flags = ['debits_must_not_exceed_credits', 'credits_must_not_exceed_debits'];
  assert.equal(
    readAccount({ ...ACCOUNT, flags }).flags,
    AccountFlag.debitsMustNotExceedCredits | AccountFlag.creditsMustNotExceedDebits,
  );
  assert.deepEqual(
    faults(() => readAccount({ id: `tr_${HEX}`, ledger: '1', flags: ['linked'] })),
    [
      'id_malformed /id',
      'field_wrong_type /ledger',
      'flag_unknown /flags/0',
      'field_required /code',
    ],
  );
});

test('the readers and the schemas agree on every body, but for what a pattern cannot say', () => {
  const isTransfer = Compile(TransferRequest);
  const isAccount = Compile(AccountRequest);
  const odd = fc.constantFrom<unknown>(
    null,
    '',
    '0',
    '1250',
    '-1',
    '1.5',
    7,
    -7,
    0.5,
    65_536,
    2 ** 32,
    [],
    ['linked'],
    ['pending', 'pending'],
    ['x'],
    {},
    HEX,
    `tr_${HEX}`,
    `acc_${HEX}`,
    true,
  );
  const transferNames = Object.keys(TransferRequest.properties);
  const accountNames = Object.keys(AccountRequest.properties);
  const change = (names: string[]) =>
    fc.dictionary(fc.constantFrom(...names, 'other'), odd, { maxKeys: 3, noNullPrototype: true });
  fc.assert(
    fc.property(change(transferNames), change(accountNames), (transfer, account) => {
      const body = { ...TRANSFER, ...transfer };
      assert.equal(faults(() => readTransfer(body)).length === 0, isTransfer.Check(body));
      const other = { ...ACCOUNT, ...account };
      assert.equal(faults(() => readAccount(other)).length === 0, isAccount.Check(other));
    }),
    { numRuns: 500 },
  );
});
