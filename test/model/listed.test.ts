import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  TRANSFER_DEFAULTS,
  type Transfer,
  encodeTransfers,
} from '../../src/base/transfer-record.ts';
import type { FinalPage } from './history.ts';
import { comparePages } from './listed.ts';
import type { Remembered } from './naive-rules.ts';

const ACCEPTED: readonly Remembered[] = [1n, 2n, 3n, 4n].map((id) => ({
  transfer: {
    ...TRANSFER_DEFAULTS,
    id,
    debitAccountId: id === 3n ? 9n : 7n,
    creditAccountId: 8n,
    amount: id,
    ledger: 978,
    code: 1,
    timestampNs: 100n + id,
  },
  state: 'accepted',
  hold: 'none',
  whole: false,
}));

function pageOf(ids: readonly bigint[], change: Partial<Transfer> = {}): FinalPage {
  const transfers = ids.map((id) => ({ ...ACCEPTED[Number(id) - 1]!.transfer, ...change }));
  return { records: encodeTransfers(transfers), holds: ids.map(() => 'none') };
}

test('lists that hold every accepted transfer in its place pass', () => {
  const pages = [pageOf([1n, 2n]), pageOf([3n, 4n]), { ...pageOf([4n, 2n, 1n]), account: 7n }];
  assert.deepEqual(comparePages(pages, ACCEPTED), []);
});

test('a transfer that is missing, twice, out of place or changed is found', () => {
  const findings = (...pages: FinalPage[]): string => comparePages(pages, ACCEPTED).join();
  assert.match(findings(pageOf([1n, 2n, 3n])), /is not at place 3 of 3/);
  assert.match(findings(pageOf([1n, 2n, 3n, 4n, 4n])), /at place 4 of 5/);
  assert.match(findings(pageOf([2n, 1n, 3n, 4n])), /is not at place 0/);
  assert.match(findings(pageOf([1n, 2n, 3n, 4n], { code: 2 })), /code is 2, the rules say 1/);
  const held: FinalPage = {
    ...pageOf([1n, 2n, 3n, 4n]),
    holds: ['none', 'none', 'posted', 'none'],
  };
  assert.match(findings(held), /hold posted, it is none/);
  assert.match(findings({ ...pageOf([1n, 2n, 4n]), account: 7n }), /the list of 7/);
});
