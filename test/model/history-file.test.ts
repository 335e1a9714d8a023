import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { TRANSFER_DEFAULTS } from '../../src/base/transfer-record.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { type History, type Request, requestCommand } from './history.ts';
import { readHistoryFile, writeHistory } from './history-file.ts';

test('a history that was written to a file is the same when it is read', async () => {
  await using folder = await TemporaryFolder.make();
  const id = 2n ** 127n + 5n;
  const fields = { id, debitAccountId: 1n, creditAccountId: 2n, amount: 2n ** 100n, ledger: 978 };
  const request: Request = { kind: 'transfers', transfers: [{ ...TRANSFER_DEFAULTS, ...fields }] };
  const shared = { request, invokedAtMs: 0.25 };
  const command = requestCommand(request);
  const history: History = {
    operations: [
      { ...shared, label: 'first', completedAtMs: 7, answer: { kind: 'unknown' } },
      {
        ...shared,
        label: 'again',
        completedAtMs: 9.5,
        answer: { kind: 'answered', codes: [0, 46], position: 2 },
      },
    ],
    final: {
      accounts: [],
      transfers: new Map([
        [id, { state: 'accepted', timestampNs: 2n ** 60n, hold: 'none' }],
        [7n, { state: 'absent' }],
      ]),
    },
    journal: [{ position: 2, timeNs: 2n ** 60n, rulesVersion: 1, command }],
    resends: true,
  };
  const file = join(folder.path, 'history.jsonl.gz');
  await writeHistory(file, history);
  assert.deepEqual(await readHistoryFile(file), history);
});
