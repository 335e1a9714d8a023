// The kernel alone: how fast `apply` is when nothing stands around it.

import { AMOUNT_MEAN, TransferStream } from '../support/transfer-stream.ts';
import { KernelLoad } from '../support/kernel-load.ts';
import { rate } from '../support/texts.ts';
import type { Report, Surroundings, Workload } from '../support/workload.ts';

const WINDOWS = 5;

export const applyWorkload: Workload = {
  name: 'apply',
  summary: 'the kernel alone: domain.apply on prepared requests of 8,189 transfers',
  options: {
    transfers: { kind: 'count', fallback: 10_000_000, min: WINDOWS, text: 'transfers in all' },
    accounts: { kind: 'count', fallback: 10_000, min: 2, text: 'accounts, taken alike' },
  },
  run: (surroundings) => Promise.resolve(run(surroundings)),
};

function run({ settings, tell }: Surroundings): Report {
  const transfers = settings.count('transfers');
  const accounts = settings.count('accounts');
  const stream = new TransferStream({
    accounts,
    distribution: 'uniform',
    amountMean: AMOUNT_MEAN,
    transfers,
  });
  const load = new KernelLoad();
  load.openLedger();
  load.openAccounts(accounts);
  load.takeMemoryAhead();
  const windows: number[] = [];
  let seconds = 0;
  let cpuSeconds = 0;
  for (let window = 0; window < WINDOWS; window++) {
    const end = Math.floor((transfers * (window + 1)) / WINDOWS);
    const count = end - stream.expected.transfers;
    const taken = load.run(stream, count);
    seconds += taken.seconds;
    cpuSeconds += taken.cpuSeconds;
    windows.push(Math.round(count / taken.seconds));
    tell(`window ${window + 1} of ${WINDOWS}: ${rate(count / taken.seconds)}`);
  }
  load.check(stream.expected.amount);
  const applyPerSecond = Math.round(transfers / seconds);
  const applyPerSecondBest = Math.max(...windows);
  const cpuNsPerTransfer = Math.round((cpuSeconds / transfers) * 1e9);
  return {
    method: [
      `${accounts} accounts, ${transfers} posted transfers in requests of 8,189, one after the other in this process.`,
      'Counted is the time inside domain.apply; requests are prepared before, 8 at a time, and memory is taken before, as a node does. No warm-up: the first window holds the compiling.',
      'Not durable: nothing is written. Afterwards every account is added up and compared with what was sent.',
      `Budget: the whole run. The best of ${WINDOWS} windows says what the code can do where the machine is shared.`,
    ],
    figures: { transfers, accounts, applyPerSecond, applyPerSecondBest, cpuNsPerTransfer, windows },
    tables: [
      {
        title: 'apply alone',
        columns: ['whole run', `best of ${WINDOWS}`, 'CPU a transfer', 'windows'],
        rows: [
          [
            rate(applyPerSecond),
            rate(applyPerSecondBest),
            `${cpuNsPerTransfer} ns`,
            windows.map(rate).join(', '),
          ],
        ],
      },
    ],
    budgets: [{ what: 'applyPerSecond', bound: 'above', limit: 4_000_000, figure: applyPerSecond }],
  };
}
