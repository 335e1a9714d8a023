// What a caller hears about an id that the ledger has forgotten. The command's bytes may be a part
// of something larger, which others fill and free: what stands around them must not be looked up.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  TRANSFER_BYTES,
  TRANSFER_DEFAULTS,
  type Transfer,
  encodeTransfers,
} from '../base/transfer-record.ts';
import { CommandKind, transfersCommand } from '../domain/commands.ts';
import { REFUSAL } from '../domain/refusals.ts';
import type { History } from '../history/contract.ts';
import { answerExpiredIds } from './expired-ids.ts';

const KEPT: Transfer = {
  ...TRANSFER_DEFAULTS,
  id: 7n,
  debitAccountId: 1n,
  creditAccountId: 2n,
  amount: 5n,
  ledger: 978,
  code: 1,
};
const NEVER: Transfer = { ...KEPT, id: 8n };

const history: Pick<History, 'find'> = {
  find: (id) => {
    if (id !== KEPT.id) return Promise.resolve(undefined);
    // As it may lie in memory that was read from a file.
    const record = Buffer.concat([Buffer.alloc(TRANSFER_BYTES), encodeTransfers([KEPT])]);
    return Promise.resolve({ record: record.subarray(TRANSFER_BYTES), hold: 'none', number: 0 });
  },
};

async function codeOf(payload: Uint8Array): Promise<number | undefined> {
  const codes = Uint16Array.of(REFUSAL.id_expired);
  const outcome = { kind: CommandKind.transfers, timeNs: 1n, codes, expired: 0 };
  const result = { position: 1, outcome };
  const answering = answerExpiredIds(history, transfersCommand(payload), result);
  // Its memory is given back as soon as the entry has been answered.
  if (payload.buffer instanceof ArrayBuffer) payload.buffer.transfer(0);
  return (await answering).outcome.codes[0];
}

for (const { what, offset } of [
  { what: 'behind another transfer', offset: TRANSFER_BYTES },
  { what: 'at an odd place of what the network brought', offset: TRANSFER_BYTES + 3 },
  { what: 'alone', offset: 0 },
]) {
  for (const [transfer, around, code] of [
    [NEVER, KEPT, REFUSAL.id_expired],
    [KEPT, NEVER, REFUSAL.exists],
  ] as const) {
    test(`the bytes of transfer ${transfer.id} ${what} are looked up as they are`, async () => {
      const bytes = Buffer.allocUnsafeSlow(offset + TRANSFER_BYTES);
      bytes.set(encodeTransfers([around]).subarray(0, Math.min(offset, TRANSFER_BYTES)), 0);
      bytes.set(encodeTransfers([transfer]), offset);
      assert.equal(await codeOf(bytes.subarray(offset)), code);
    });
  }
}
