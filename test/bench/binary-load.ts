// A load on a real node through the binary client, closed loop, and what it did, as one line of
// JSON. It starts a node of its own on a temporary folder, which is removed afterwards.
//
//   node test/bench/binary-load.ts --transfers 1000000
//   node test/bench/binary-load.ts --transfers 200000 --single --clients 32
//   node test/bench/binary-load.ts --transfers 200000 --single --clients 32 --gather
//
// Batches: one client, 8,189 transfers a request, the next when the last is answered (--depth N:
// N under way). Single: --clients closed loops on one connection, one transfer a request; with
// --gather the client packs what is asked for at the same time into one request, as it does by
// default. --profile DIR writes the node's CPU profile there; --url and --key name a running node.

import { parseArgs } from 'node:util';
import { availableParallelism, cpus } from 'node:os';
import { readFile } from 'node:fs/promises';
import { TRANSFER_BYTES, TransferOffset } from '../../src/base/transfer-record.ts';
import { type BinaryClient, createBinaryClient } from '../../src/client/binary-client.ts';
import type { NewTransfer } from '../../src/client/wire.ts';
import { SpawnedNode, keyOf } from '../support/spawned-node.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';

const LEDGER = 978;
const ACCOUNTS_A_REQUEST = 1024;
const AMOUNT_MEAN = 10_000;
const WARM_SHARE = 0.1;

const { values } = parseArgs({
  options: {
    transfers: { type: 'string', default: '1000000' },
    accounts: { type: 'string', default: '10000' },
    batch: { type: 'string', default: '8189' },
    depth: { type: 'string', default: '1' },
    single: { type: 'boolean', default: false },
    gather: { type: 'boolean', default: false },
    clients: { type: 'string', default: '32' },
    profile: { type: 'string' },
    url: { type: 'string' },
    key: { type: 'string' },
  },
});
const transferCount = Number(values.transfers);
const accountCount = Number(values.accounts);

type Measured = { readonly seconds: number; readonly latenciesMs: Float64Array };

/** Random bits for ids and choices: fast, seeded, and nobody's secret. */
class Chance {
  #state = 0x9e37_79b9;

  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }

  below(limit: number): number {
    return this.next() % limit;
  }

  amount(): number {
    return Math.floor(-Math.log(1 - this.next() / 2 ** 32) * AMOUNT_MEAN) + 1;
  }
}

const chance = new Chance();

/** Writes one transfer into its record; no object is made for it. */
function writeTransfer(view: DataView, offset: number, unixMs: number): void {
  view.setUint32(offset, Math.floor(unixMs / 0x1_0000), false);
  view.setUint16(offset + 4, unixMs % 0x1_0000, false);
  view.setUint16(offset + 6, chance.next() & 0xffff, false);
  view.setUint32(offset + 8, chance.next(), false);
  view.setUint32(offset + 12, chance.next(), false);
  const debit = chance.below(accountCount);
  const credit = (debit + 1 + chance.below(accountCount - 1)) % accountCount;
  view.setUint32(offset + TransferOffset.debitAccountId + 12, debit + 1, false);
  view.setUint32(offset + TransferOffset.creditAccountId + 12, credit + 1, false);
  view.setUint32(offset + TransferOffset.amount, chance.amount(), true);
  view.setUint32(offset + TransferOffset.ledger, LEDGER, true);
  view.setUint16(offset + TransferOffset.code, 1, true);
}

function makeBatch(count: number): Uint8Array {
  const bytes = new Uint8Array(count * TRANSFER_BYTES);
  const view = new DataView(bytes.buffer);
  const unixMs = Date.now();
  for (let index = 0; index < count; index++) writeTransfer(view, index * TRANSFER_BYTES, unixMs);
  return bytes;
}

function makeTransfer(): NewTransfer {
  const debit = chance.below(accountCount);
  const credit = (debit + 1 + chance.below(accountCount - 1)) % accountCount;
  const rest = (BigInt(chance.next()) << 32n) | BigInt(chance.next());
  return {
    id: (BigInt(Date.now()) << 80n) | rest,
    debitAccountId: BigInt(debit + 1),
    creditAccountId: BigInt(credit + 1),
    amount: BigInt(chance.amount()),
    ledger: LEDGER,
    code: 1,
  };
}

async function openAccounts(client: BinaryClient): Promise<void> {
  for (let first = 1; first <= accountCount; first += ACCOUNTS_A_REQUEST) {
    const count = Math.min(ACCOUNTS_A_REQUEST, accountCount - first + 1);
    const accounts = Array.from({ length: count }, (_, index) => ({
      id: BigInt(first + index),
      ledger: LEDGER,
      code: 1,
    }));
    const { results } = await client.accounts.createBatch(accounts);
    const refused = results.find(({ status }) => status === 'refused');
    if (refused !== undefined) throw new Error(`an account was refused: ${refused.code}`);
  }
}

async function runBatches(client: BinaryClient): Promise<Measured> {
  const size = Number(values.batch);
  const requests = Math.ceil(transferCount / size);
  const latenciesMs = new Float64Array(requests);
  let next = 0;
  const startedMs = performance.now();
  const loop = async (): Promise<void> => {
    while (next < requests) {
      const request = next++;
      const batch = makeBatch(Math.min(size, transferCount - request * size));
      const sentMs = performance.now();
      const { refused } = await client.transfers.createBatch(batch);
      latenciesMs[request] = performance.now() - sentMs;
      if (refused.length > 0) throw new Error(`a transfer was refused: ${refused[0]?.code}`);
    }
  };
  await Promise.all(Array.from({ length: Number(values.depth) }, loop));
  return { seconds: (performance.now() - startedMs) / 1000, latenciesMs };
}

async function runSingles(client: BinaryClient): Promise<Measured> {
  const warm = Math.floor(transferCount * WARM_SHARE);
  const latenciesMs = new Float64Array(transferCount);
  let next = 0;
  let startedMs = performance.now();
  const loop = async (): Promise<void> => {
    while (next < transferCount + warm) {
      const request = next++;
      if (request === warm) startedMs = performance.now();
      const sentMs = performance.now();
      await client.transfers.create(makeTransfer());
      if (request >= warm) latenciesMs[request - warm] = performance.now() - sentMs;
    }
  };
  await Promise.all(Array.from({ length: Number(values.clients) }, loop));
  return { seconds: (performance.now() - startedMs) / 1000, latenciesMs };
}

function quantile(sorted: Float64Array, share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return Math.round(value * 1000) / 1000;
}

async function residentBytes(pid: number): Promise<number | null> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return null;
  }
}

async function measure(url: string, key: string, pid: number): Promise<void> {
  await using client = createBinaryClient({
    url,
    key,
    deadlineMs: 60_000,
    ...(values.single && !values.gather ? { gatherTransfersMax: 1 } : {}),
  });
  await openAccounts(client);
  const { seconds, latenciesMs } = await (values.single ? runSingles(client) : runBatches(client));
  const sorted = latenciesMs.sort();
  const figures = {
    workload: values.single ? (values.gather ? 'single, gathered' : 'single') : 'batch',
    transfers: transferCount,
    accounts: accountCount,
    clients: values.single ? Number(values.clients) : Number(values.depth),
    transfersPerRequest: values.single && !values.gather ? 1 : Number(values.batch),
    seconds: Math.round(seconds * 1000) / 1000,
    transfersPerSecond: Math.round(transferCount / seconds),
    [values.single ? 'singleMsP50' : 'batchMsP50']: quantile(sorted, 0.5),
    [values.single ? 'singleMsP99' : 'batchMsP99']: quantile(sorted, 0.99),
    [values.single ? 'singleMsMax' : 'batchMsMax']: quantile(sorted, 1),
    requests: client.counters.attempts,
    residentBytes: await residentBytes(pid),
    machine: `${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}

if (values.url !== undefined && values.key !== undefined) {
  await measure(values.url, values.key, 0);
} else {
  await using folder = await TemporaryFolder.make();
  const runtimeOptions =
    values.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${values.profile}`];
  await using node = new SpawnedNode({ data: folder.path, runtimeOptions });
  const ready = await node.ready();
  await measure(ready.binary_url, await keyOf(ready), ready.pid);
  await node.end('SIGTERM');
}
