// A walk over many accounts leaves the event loop to others after every slice, and ends when its
// time is over.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isOperationalError } from '../base/errors.ts';
import { accountsCommand, ledgersCommand } from '../domain/commands.ts';
import { pageOfAccounts } from './account-pages.ts';
import { FakeEngine, LEDGER } from './testing/fake-node.ts';

const BATCH = 1000;
const BATCHES = 40;
const NEVER = new AbortController().signal;

/** 40,000 accounts: five slices. */
async function crowdedEngine(): Promise<FakeEngine> {
  const engine = new FakeEngine();
  await engine.submit(ledgersCommand([{ ledger: LEDGER, currency: 'EUR', exponent: 2 }]), NEVER);
  for (let batch = 0; batch < BATCHES; batch++) {
    const accounts = Array.from({ length: BATCH }, (_, index) => ({
      id: (batch * BATCH + index + 1).toString(16).padStart(32, '0'),
      ledger: LEDGER,
      code: 1 + ((batch * BATCH + index) % 2),
      flags: 0,
      user_data_128: '0'.repeat(32),
      user_data_64: '0',
      user_data_32: batch,
    }));
    await engine.submit(accountsCommand(accounts), NEVER);
  }
  return engine;
}

test('a walk takes one slice a turn, also when two are under way', async () => {
  const engine = await crowdedEngine();
  const turns: number[] = [];
  let turn = 0;
  let isOver = false;
  const count = (): void => {
    turn++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const state = engine.state;
  Object.defineProperty(engine, 'state', {
    get: () => {
      turns.push(turn);
      return state;
    },
  });
  const query = { filter: { userData32: 999 }, order: 'oldest-first', limit: 10 } as const;
  const pages = await Promise.all([
    pageOfAccounts(engine, query, NEVER),
    pageOfAccounts(engine, query, NEVER),
  ]);
  isOver = true;
  for (const page of pages) assert.deepEqual([page.accounts, page.next], [[], undefined]);
  // Each walk reads the books once for each of its five slices and once more at its end.
  assert.equal(turns.length, 12);
  assert.ok(new Set(turns).size >= 10, `slices in turns ${turns.join(' ')}`);
});

test('pages over slices give every account that fits once', async () => {
  const engine = await crowdedEngine();
  for (const order of ['oldest-first', 'newest-first'] as const) {
    const ids: bigint[] = [];
    let after: number | undefined;
    do {
      const query = { filter: { code: 2 }, order, limit: 7000, after };
      const page = await pageOfAccounts(engine, query, NEVER);
      ids.push(...page.accounts.map(({ id }) => id));
      after = page.next;
    } while (after !== undefined);
    assert.equal(ids.length, (BATCH * BATCHES) / 2);
    const expected = Array.from({ length: ids.length }, (_, index) => BigInt(2 * index + 2));
    assert.deepEqual(ids, order === 'oldest-first' ? expected : expected.toReversed());
  }
});

test('a walk whose time is over says so, and changed nothing', async () => {
  const engine = await crowdedEngine();
  const before = engine.imageHex();
  const query = { filter: { userData32: 999 }, order: 'oldest-first', limit: 10 } as const;
  const controller = new AbortController();
  const page = pageOfAccounts(engine, query, controller.signal);
  controller.abort();
  await assert.rejects(page, (error) => isOperationalError(error, 'OVERLOADED'));
  assert.equal(engine.imageHex() === before, true);
});
