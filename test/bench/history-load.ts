// The history alone: fed with synthetic transfers as fast as it takes them, then asked. Prints one
// line of JSON: nanoseconds of the payments' thread for each transfer, time to write a run, latency
// of questions at that thread, bytes and memory.
//
//   node test/bench/history-load.ts --transfers 10000000 --accounts 10000 --questions 1000
//
// Records are made here and put where the ledger would put them: there is no journal, and the cost
// of the ledger is not in it. Feeding is processor time of its thread, everything else the clock's:
// a busy machine shows.

import { parseArgs } from 'node:util';
import { cpus } from 'node:os';
import { writeIdWords } from '../../src/base/ids.ts';
import { Prng } from '../../src/base/prng.ts';
import {
  TRANSFER_BYTES,
  TRANSFER_WORDS,
  TransferWord,
  decodeTransfers,
} from '../../src/base/transfer-record.ts';
import { accountsCommand, transfersCommand, ledgersCommand } from '../../src/domain/commands.ts';
import { apply, createState } from '../../src/domain/domain.ts';
import { JournalHistory } from '../../src/history/journal-history.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const { values } = parseArgs({
  options: {
    transfers: { type: 'string', default: '10000000' },
    accounts: { type: 'string', default: '10000' },
    questions: { type: 'string', default: '1000' },
  },
});
const transfers = Number(values.transfers);
const accounts = Number(values.accounts);
const questions = Number(values.questions);
const BATCH = 8189;
const START_MS = 1_790_000_000_000;

const prng = new Prng(1);
const state = createState();
await using folder = await TemporaryFolder.make();
const history = new JournalHistory({
  folder: folder.path,
  log: (level, text) => process.stderr.write(`${level}: ${text}\n`),
});
history.attach(
  () => state,
  () => undefined,
);
await history.open();
openAccounts();
history.settle(Number.MAX_SAFE_INTEGER);
const fed = await feed();
const waitSeconds = history.figures.waitSeconds;
await until(() => history.status().runs === Math.floor(fed.count / 2 ** 19), 'all runs');
await ask(100);
const latencies = (await ask(questions)).sort((a, b) => a - b);
const { bytes, runs, complete } = history.status();
const { sealSeconds, sealed } = history.figures;
const share = (part: number): number => {
  return Math.round(latencies[Math.floor(part * (questions - 1))]! * 1000) / 1000;
};
process.stdout.write(
  `${JSON.stringify({
    transfers: fed.count,
    accounts,
    complete,
    feedNsPerTransfer: Math.round((fed.ms * 1e6) / fed.count),
    waitSeconds: Math.round(waitSeconds * 10) / 10,
    secondsPerRun: Math.round((sealSeconds / sealed) * 1000) / 1000,
    queryMsP50: share(0.5),
    queryMsP99: share(0.99),
    queryMsMax: share(1),
    bytesPerTransfer: Math.round((10 * bytes) / (runs * 2 ** 19)) / 10,
    residentBytes: process.memoryUsage().rss,
    machine: `${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`,
  })}\n`,
);
await history.close();

function openAccounts(): void {
  let position = 1;
  let timeNs = BigInt(START_MS - 3_600_000) * 1_000_000n;
  const send = (command: ReturnType<typeof accountsCommand>): void => {
    apply(state, command, { position, timeNs, rulesVersion: 1 });
    position += 1;
    timeNs += 10_000n;
  };
  send(ledgersCommand([{ ledger: 978, currency: 'EUR', exponent: 2 }]));
  for (let first = 1; first <= accounts; first += 1024) {
    const count = Math.min(1024, accounts - first + 1);
    send(accountsCommand(Array.from({ length: count }, (_, index) => accountInput(first + index))));
  }
}

function accountInput(id: number) {
  const none = { user_data_128: '0'.repeat(32), user_data_64: '0', user_data_32: 0, flags: 0 };
  return { id: id.toString(16).padStart(32, '0'), ledger: 978, code: 1, ...none };
}

async function feed(): Promise<{ readonly count: number; readonly ms: number }> {
  const words = new Uint32Array(BATCH * TRANSFER_WORDS);
  const command = transfersCommand(new Uint8Array(words.buffer));
  const { accepted } = state.ledger;
  let count = 0;
  let ms = 0;
  for (let position = 1000; count < transfers; position++) {
    accepted.restart();
    const unixMs = BigInt(START_MS + position * 8);
    for (let index = 0; index < BATCH; index++) {
      const o = index * TRANSFER_WORDS;
      const debit = prng.below(accounts);
      const credit = (debit + 1 + prng.below(accounts - 1)) % accounts;
      writeIdWords(words, o, (unixMs << 80n) | (BigInt(index) << 32n) | BigInt(prng.uint32()));
      writeIdWords(words, o + TransferWord.debitAccountId, BigInt(debit + 1));
      writeIdWords(words, o + TransferWord.creditAccountId, BigInt(credit + 1));
      words[o + TransferWord.amount] = 1 + prng.below(60_000);
      words[o + TransferWord.ledger] = 978;
      words[o + TransferWord.codeAndFlags] = 1;
      accepted.add(index, debit, credit);
    }
    state.ledger.transfersAccepted += BATCH;
    const timeNs = unixMs * 1_000_000n;
    state.lastTimeNs = timeNs + BigInt(BATCH);
    if (!history.hasRoom) await history.untilRoom();
    const before = process.threadCpuUsage();
    history.feed(
      command,
      { kind: 1, timeNs, codes: new Uint16Array(0), expired: 0 },
      position,
      state,
    );
    const used = process.threadCpuUsage(before);
    ms += (used.user + used.system) / 1000;
    count += BATCH;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { count, ms };
}

/** The latest 8,189 of random accounts, one question after the other. */
async function ask(times: number): Promise<number[]> {
  const found: number[] = [];
  for (let question = 0; question < times; question++) {
    const account = BigInt(1 + prng.below(accounts));
    const began = performance.now();
    const query = { filter: { account }, order: 'newest-first', limit: BATCH } as const;
    const page = await history.query(query, AbortSignal.timeout(20_000));
    found.push(performance.now() - began);
    const [latest] = decodeTransfers(page.records.subarray(0, TRANSFER_BYTES));
    const isIts = latest?.debitAccountId === account || latest?.creditAccountId === account;
    if (page.count > 0 && !isIts) throw new Error('a transfer of another account');
  }
  return found;
}
