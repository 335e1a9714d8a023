// A batch is looked at before its turn, and then it is another one, or the books are others: what
// was seen does not count (I16).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { transferIdFrom } from '../../src/base/ids.ts';
import {
  encodeTransfers,
  TRANSFER_BYTES,
  TRANSFER_DEFAULTS,
} from '../../src/base/transfer-record.ts';
import { accountsCommand, type Command, transfersCommand } from '../../src/domain/commands.ts';
import { lookAhead } from '../../src/domain/domain.ts';
import { Pair } from './pair.ts';

const ACCOUNT = 0x99n;

function batchOf(pair: Pair, count: number): Command {
  const unixMs = Number(pair.player.nowNs / 1_000_000n);
  return transfersCommand(
    encodeTransfers(
      Array.from({ length: count }, (_, place) => ({
        ...TRANSFER_DEFAULTS,
        id: transferIdFrom(unixMs, BigInt(place + 1)),
        debitAccountId: 1n,
        creditAccountId: place % 2 === 0 ? 2n : ACCOUNT,
        amount: 1n,
        ledger: 978,
        code: 1,
      })),
    ),
  );
}

function open(pair: Pair): void {
  const [ids, none] = [ACCOUNT.toString(16).padStart(32, '0'), '0'.repeat(32)];
  const user = { user_data_128: none, user_data_64: '0', user_data_32: 0 };
  const command = accountsCommand([{ id: ids, ledger: 978, code: 1, flags: 0, ...user }]);
  pair.send({
    command,
    stamp: { position: 50, timeNs: pair.player.nowNs + 100n, rulesVersion: 1 },
  });
}

function codesOf(pair: Pair, command: Command): number[] {
  const stamp = { position: 60, timeNs: pair.player.nowNs + 1000n, rulesVersion: 1 };
  return [...pair.kernel.apply(command, stamp).codes];
}

test('an account that is opened after the look is found', () => {
  const pair = new Pair();
  const batch = batchOf(pair, 20);
  lookAhead(pair.kernel.state, batch);
  open(pair);
  assert.deepEqual(
    codesOf(pair, batch),
    Array.from({ length: 20 }, () => 0),
  );
});

test('a batch that begins like the one that was looked at is looked at itself', () => {
  const pair = new Pair();
  open(pair);
  const batch = batchOf(pair, 20);
  const payload = batch.payload.subarray(0, 4 * TRANSFER_BYTES);
  lookAhead(pair.kernel.state, batchOf(pair, 9));
  lookAhead(pair.kernel.state, { ...batch, eventCount: 4, payload });
  assert.deepEqual(
    codesOf(pair, batch),
    Array.from({ length: 20 }, () => 0),
  );
  const again = { position: 70, timeNs: pair.player.nowNs + 5000n, rulesVersion: 1 };
  const codes = [...pair.kernel.apply(batch, again).codes];
  assert.equal(new Set(codes).size, 1, 'every one of them exists');
  pair.kernel.assertBalanced();
});
