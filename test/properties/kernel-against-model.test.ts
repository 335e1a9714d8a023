// The kernel gives the answers of the naive model, and everything that can be asked of both is
// equal after every command (I12, I14, I15, I16, I17, I19, I22).

import { test } from 'node:test';

import * as fc from 'fast-check';

import { transferIdFrom } from '../../src/base/ids.ts';
import {
  encodeTransfers,
  type Transfer,
  TRANSFER_DEFAULTS,
  TransferFlag,
} from '../../src/base/transfer-record.ts';
import { tickCommand, transfersCommand } from '../../src/domain/commands.ts';
import { Pair, propertyRuns } from './pair.ts';
import { scripts } from './script.ts';

test('the kernel and the naive model agree on every command of random scripts', () => {
  fc.assert(
    fc.property(scripts(), fc.boolean(), (script, imports) => {
      const pair = new Pair({ opened: true, imports });
      for (const step of script) pair.step(step);
      pair.kernel.assertBalanced();
    }),
    { numRuns: propertyRuns() },
  );
});

test('one tick releases at most 8,189 holds, by expiry and then by their own time', () => {
  const pair = new Pair();
  const opened = pair.player.nowNs + 1_000_000_000n;
  const openedMs = Number(opened / 1_000_000n);
  const hold = (number: number, timeoutSeconds: number): Transfer => ({
    ...TRANSFER_DEFAULTS,
    id: transferIdFrom(openedMs, BigInt(number)),
    debitAccountId: 1n,
    creditAccountId: 2n,
    amount: BigInt(number),
    ledger: 978,
    code: 1,
    flags: TransferFlag.pending,
    timeoutSeconds,
  });
  const send = (timeNs: bigint, position: number, transfers: readonly Transfer[]): void => {
    const stamp = { position, timeNs, rulesVersion: 1 };
    pair.send({ command: transfersCommand(encodeTransfers(transfers)), stamp });
  };
  const tick = (timeNs: bigint, position: number): void => {
    pair.send({ command: tickCommand(), stamp: { position, timeNs, rulesVersion: 1 } });
  };
  // Later holds with a shorter timeout expire first, so that the order of opening does not help.
  const slow = Array.from({ length: 4500 }, (_, index) => hold(index + 1, 20 + (index % 3)));
  const fast = Array.from({ length: 4500 }, (_, index) => hold(index + 5000, 10 + (index % 2)));
  send(opened, 10, slow);
  send(opened + 100_000n, 11, fast);
  for (const { id } of [...slow.slice(-900), ...fast.slice(0, 100)]) pair.player.ids.add(id);
  tick(opened + 10_000_000_000n + 100_000n + 8n, 12);
  tick(opened + 30_000_000_000n, 13);
  tick(opened + 40_000_000_000n, 14);
  tick(opened + 50_000_000_000n, 15);
  pair.kernel.assertBalanced();
});
