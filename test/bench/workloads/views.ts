// Views: what the thread that writes them does, in this process and with nothing beside it: records
// as the history hands them over, in batches of the node's size, into a file of its own.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { TRANSFER_BYTES, TransferOffset } from '../../../src/base/transfer-record.ts';
import { ACCOUNT_WORDS } from '../../../src/domain/ledger/account-table.ts';
import { createViewStore } from '../../../src/drivers/sqlite/driver.ts';
import { answerReport } from '../../../src/views/reports.ts';
import { VIEWS_SCHEMA } from '../../../src/views/schema.ts';
import { ViewWriter } from '../../../src/views/view-writer.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { BooksWrong } from '../support/failures.ts';
import { KernelLoad } from '../support/kernel-load.ts';
import { rounded } from '../support/samples.ts';
import { mebibytes, rate } from '../support/texts.ts';
import { AMOUNT_MEAN, LEDGER, TransferStream } from '../support/transfer-stream.ts';
import type { Report, Surroundings, Workload } from '../support/workload.ts';

const BATCH_TRANSFERS = 32_768;

export const viewsWorkload: Workload = {
  name: 'views',
  summary: 'transfers into the tables of the views, as their thread writes them',
  options: {
    transfers: { kind: 'count', fallback: 1_000_000, min: 1, text: 'transfers' },
    accounts: { kind: 'count', fallback: 10_000, min: 2, text: 'accounts, taken alike' },
    batch: {
      kind: 'count',
      fallback: BATCH_TRANSFERS,
      min: 1,
      text: 'transfers that are written at once',
    },
  },
  run,
};

async function run({ settings, parentFolder, tell }: Surroundings): Promise<Report> {
  const transfers = settings.count('transfers');
  const accounts = settings.count('accounts');
  const batch = settings.count('batch');
  await using folder = await TemporaryFolder.make(parentFolder);
  tell('making the transfers');
  const made = makeBooks(transfers, accounts);
  tell('writing the views');
  const file = join(folder.path, 'views.sqlite');
  const written = write(file, made, batch);
  const transfersPerSecond = Math.round(transfers / written.seconds);
  const rowsPerSecond = Math.round(written.rows / written.seconds);
  const cpuNsPerTransfer = Math.round((written.cpuSeconds / transfers) * 1e9);
  const bytes = statSync(file).size;
  const bytesPerTransfer = Math.round(bytes / transfers);
  const seconds = rounded(written.seconds, 3);
  return {
    method: [
      `${accounts} accounts, ${transfers} posted transfers, ${batch} written at once; each is a row with four places in indexes, and changes the balances of two accounts, their day and two sums.`,
      'Counted is what the thread of the views does: reading the records, adding up, writing to SQLite (WAL, synchronous = NORMAL). Without the payments and the history beside it.',
      'No warm-up. Afterwards the trial balance is compared with what was sent.',
    ],
    figures: {
      transfers,
      accounts,
      batch,
      transfersPerSecond,
      rowsPerSecond,
      seconds,
      cpuNsPerTransfer,
      bytesPerTransfer,
    },
    tables: [
      {
        title: 'views',
        columns: ['transfers a second', 'rows a second', 'seconds', 'CPU a transfer', 'file'],
        rows: [
          [
            rate(transfersPerSecond),
            rate(rowsPerSecond),
            String(seconds),
            `${cpuNsPerTransfer} ns`,
            `${mebibytes(bytes)}, ${bytesPerTransfer} bytes a transfer`,
          ],
        ],
      },
    ],
    budgets: [],
  };
}

type Made = {
  readonly records: Uint8Array<ArrayBuffer>;
  readonly accounts: Uint32Array<ArrayBuffer>;
  readonly amount: bigint;
  readonly timeNs: bigint;
};

/** Accounts as the ledger opens them, and records as it keeps plain transfers. */
function makeBooks(transfers: number, accounts: number): Made {
  const kernel = new KernelLoad();
  kernel.openLedger();
  kernel.openAccounts(accounts);
  const stream = new TransferStream({
    accounts,
    distribution: 'uniform',
    amountMean: AMOUNT_MEAN,
    pending: false,
    transfers,
  });
  const records = new Uint8Array(transfers * TRANSFER_BYTES);
  const view = new DataView(records.buffer);
  stream.write(view, 0, transfers);
  const beganNs = kernel.state.lastTimeNs + 1n;
  for (let index = 0; index < transfers; index++) {
    const offset = index * TRANSFER_BYTES + TransferOffset.timestampNs;
    view.setBigUint64(offset, beganNs + BigInt(index), true);
  }
  const { count, records: table } = kernel.state.ledger.accounts;
  const words = new Uint32Array(count * ACCOUNT_WORDS);
  for (let number = 0; number < count; number++) {
    const o = table.offsetOf(number);
    words.set(table.wordsOf(number).subarray(o, o + ACCOUNT_WORDS), number * ACCOUNT_WORDS);
  }
  const timeNs = beganNs + BigInt(transfers);
  return { records, accounts: words, amount: BigInt(stream.expected.amount), timeNs };
}

function write(file: string, made: Made, batchTransfers: number) {
  const store = createViewStore(VIEWS_SCHEMA, { file, mode: 'write' });
  const writer = new ViewWriter(store, { clusterId: '0'.repeat(32), timeline: 1 });
  writer.open();
  const ledgers = [{ ledger: LEDGER, currency: 'EUR', exponent: 2 }];
  const nothing = { ledgers: [], accounts: new Uint32Array(0), mark: undefined };
  writer.take({ ...nothing, ledgers, accounts: made.accounts, records: new Uint8Array(0) });
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  let rows = 0;
  const bytes = batchTransfers * TRANSFER_BYTES;
  const accounts = made.accounts.length / ACCOUNT_WORDS;
  for (let at = 0; at < made.records.byteLength; at += bytes) {
    const records = made.records.slice(at, at + bytes);
    const transfers = (at + records.byteLength) / TRANSFER_BYTES;
    const mark = { position: transfers, transfers, accounts, ledgers: 1, timeNs: made.timeNs };
    rows += writer.take({ ...nothing, records, mark }).rows;
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const report = store.reading((reader) => answerReport(reader, { kind: 'trial-balance' }));
  store.close();
  const sums = report?.kind === 'trial-balance' ? report.ledgers[0] : undefined;
  if (sums?.debitsPosted !== made.amount || sums.creditsPosted !== made.amount) {
    throw new BooksWrong(`the views say ${sums?.debitsPosted}, sent were ${made.amount}`);
  }
  return { seconds, rows, cpuSeconds: (user + system) / 1_000_000 };
}
