// The kernel with many accounts, in a process of its own so that memory can be told from what stood
// there before: `memory-process.ts ACCOUNTS TRANSFERS`, one line of JSON. Wants --expose-gc.

import { rounded } from './samples.ts';
import { KernelLoad } from './kernel-load.ts';
import { AMOUNT_MEAN, TransferStream } from './transfer-stream.ts';

export type KernelMemory = {
  /** Resident memory that opening the accounts took, after collecting garbage. */
  readonly accountsBytes: number;
  /** What the arrays of the state grew by: what of it is certainly no garbage. */
  readonly arrayBytes: number;
  readonly applyPerSecond: number;
  readonly cpuNsPerTransfer: number;
};

const WARM_ACCOUNTS = 2048;

function measure(accounts: number, transfers: number): KernelMemory {
  // Compiled code and the parts of a state that do not grow are not what an account takes.
  const warm = new KernelLoad();
  warm.openLedger();
  warm.openAccounts(WARM_ACCOUNTS);
  const load = new KernelLoad();
  load.openLedger();
  collect();
  const before = process.memoryUsage();
  load.openAccounts(accounts);
  collect();
  const after = process.memoryUsage();
  const accountsBytes = after.rss - before.rss;
  const arrayBytes = after.arrayBuffers - before.arrayBuffers;
  const stream = new TransferStream({
    accounts,
    distribution: 'uniform',
    amountMean: AMOUNT_MEAN,
    transfers,
  });
  const { seconds, cpuSeconds } = load.run(stream, transfers);
  load.check(stream.expected.amount);
  const applyPerSecond = Math.round(transfers / seconds);
  const cpuNsPerTransfer = rounded((cpuSeconds / transfers) * 1e9, 0);
  return { accountsBytes, arrayBytes, applyPerSecond, cpuNsPerTransfer };
}

function collect(): void {
  if (globalThis.gc === undefined) throw new Error('start it with --expose-gc');
  globalThis.gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}

const [accounts, transfers] = process.argv.slice(2).map(Number);
process.stdout.write(`${JSON.stringify(measure(accounts!, transfers!))}\n`);
