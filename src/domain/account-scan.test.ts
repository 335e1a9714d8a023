// The walk over the table gives what filtering all accounts gives, whatever the slices.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Account } from '../base/account.ts';
import type { AccountFilter } from '../base/list-query.ts';
import { type AccountScan, scanAccounts } from './account-scan.ts';
import { accountsCommand, ledgersCommand } from './commands.ts';
import { type DomainState, apply, createState } from './domain.ts';
import { accountAt } from './queries.ts';

const LEDGERS = [978, 840, 0xffff_fffe];
const START_NS = (1n << 32n) * 400_000_000n - 20n;
const BIG_64 = (1n << 63n) + 5n;
const BIG_128 = (1n << 127n) + 9n;

/** Accounts whose fields repeat, opened at times around a carry of the low word. */
function booksOf(count: number): DomainState {
  const state = createState();
  const ledgers = LEDGERS.map((ledger, index) => ({ ledger, currency: `C${index}`, exponent: 2 }));
  const stamp = (position: number, timeNs: bigint) => ({ position, timeNs, rulesVersion: 1 });
  apply(state, ledgersCommand(ledgers), stamp(1, START_NS - 1n));
  for (let number = 0; number < count; number++) {
    const account = {
      id: (number + 1).toString(16).padStart(32, '0'),
      ledger: LEDGERS[number % 3]!,
      code: 1 + (number % 2),
      flags: number % 5 === 0 ? 2 : 0,
      user_data_128: (number % 4 === 0 ? BIG_128 : 0n).toString(16).padStart(32, '0'),
      user_data_64: String(number % 7 === 0 ? BIG_64 : 1n),
      user_data_32: number % 6 === 0 ? 0xffff_ffff : 0,
    };
    apply(state, accountsCommand([account]), stamp(number + 2, START_NS + BigInt(number)));
  }
  return state;
}

const COUNT = 60;
const STATE = booksOf(COUNT);
const ALL = Array.from({ length: COUNT }, (_, number) => accountAt(STATE, number));

function fits(account: Account, filter: AccountFilter): boolean {
  const { fromNs, untilNs, ...equal } = filter;
  if (fromNs !== undefined && account.timestampNs < fromNs) return false;
  if (untilNs !== undefined && account.timestampNs > untilNs) return false;
  return Object.entries(equal).every(
    ([name, value]) => value === undefined || account[name as keyof Account] === value,
  );
}

const maybe = <Value>(...values: readonly Value[]) => fc.constantFrom(undefined, ...values);
const time = fc.option(fc.bigInt({ min: START_NS - 3n, max: START_NS + BigInt(COUNT) + 3n }), {
  nil: undefined,
});
const filters = fc.record({
  ledger: maybe(...LEDGERS, 7),
  code: maybe(1, 2, 3),
  userData128: maybe(0n, BIG_128, 9n),
  userData64: maybe(1n, BIG_64, 5n),
  userData32: maybe(0, 0xffff_ffff),
  fromNs: time,
  untilNs: time,
});

test('slices of every size together give each account that fits, once, in order', () => {
  const orders = fc.constantFrom('newest-first' as const, 'oldest-first' as const);
  const sizes = fc.record({
    examinedMax: fc.integer({ min: 1, max: 70 }),
    limit: fc.integer({ min: 1, max: 70 }),
  });
  fc.assert(
    fc.property(filters, orders, sizes, (filter, order, { examinedMax, limit }) => {
      const found: number[] = [];
      let after: number | undefined;
      do {
        const scan: AccountScan = { filter, order, after, examinedMax, limit };
        const slice = scanAccounts(STATE, scan);
        assert.ok(slice.examined <= examinedMax);
        assert.ok(slice.numbers.length <= limit);
        found.push(...slice.numbers);
        after = slice.next;
      } while (after !== undefined);
      const expected = [...ALL.keys()].filter((number) => fits(ALL[number]!, filter));
      assert.deepEqual(found, order === 'oldest-first' ? expected : expected.reverse());
    }),
    { numRuns: 500 },
  );
});

test('a range of time is found without looking at what lies outside of it', () => {
  const filter = { fromNs: START_NS + 10n, untilNs: START_NS + 12n };
  const scan = { filter, order: 'newest-first', examinedMax: 100, limit: 100 } as const;
  const slice = scanAccounts(STATE, scan);
  assert.deepEqual(slice, { numbers: [12, 11, 10], next: undefined, examined: 3 });
  const empty = scanAccounts(STATE, {
    ...scan,
    filter: { fromNs: START_NS + 5n, untilNs: START_NS },
  });
  assert.deepEqual(empty, { numbers: [], next: undefined, examined: 0 });
});
