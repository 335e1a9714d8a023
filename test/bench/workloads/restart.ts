// Restart: how long until a node with a long history has acknowledged its first payment, after
// kill -9 and after a clean stop.

import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { loadUniform } from '../support/batch-load.ts';
import { BenchNode, openAccounts } from '../support/bench-node.ts';
import { checkSums } from '../support/books-check.ts';
import { median, rounded } from '../support/samples.ts';
import { count, ms, rate } from '../support/texts.ts';
import { LEDGER } from '../support/transfer-stream.ts';
import type { Report, Surroundings, Workload } from '../support/workload.ts';

const ENDINGS = ['SIGKILL', 'SIGTERM'] as const;
/** Of the longest history over the one before it: restart time does not depend on its length. */
const GROWTH_MAX = 1.5;

export const restartWorkload: Workload = {
  name: 'restart',
  summary: 'from the start of the process to its first acknowledged payment, by history',
  options: {
    histories: {
      kind: 'counts',
      fallback: [1_000_000, 10_000_000, 50_000_000],
      min: 1,
      text: 'transfers in the history, rising',
    },
    accounts: { kind: 'count', fallback: 10_000, min: 2, text: 'accounts' },
    rounds: { kind: 'count', fallback: 3, min: 1, text: 'restarts of each kind; medians are told' },
  },
  run,
};

type Restarts = {
  readonly history: number;
  readonly afterKillMs: number;
  readonly afterStopMs: number;
  readonly killMs: readonly number[];
  readonly stopMs: readonly number[];
};

/** A node that is ended and started again over one folder, and what its books must hold. */
class Patient {
  readonly #data: string;
  readonly #accounts: number;
  #node: BenchNode | undefined;
  transfers = 0;
  amount = 0;

  constructor(data: string, accounts: number) {
    this.#data = data;
    this.#accounts = accounts;
  }

  /** Starts the node if none runs, and sends what is missing to a history of `transfers`. */
  async grow(transfers: number): Promise<number> {
    const isNew = this.#node === undefined;
    this.#node ??= await BenchNode.start({ data: this.#data });
    await using client = this.#node.binaryClient();
    if (isNew) await openAccounts(client, { count: this.#accounts });
    const missing = transfers - this.transfers;
    if (missing <= 0) return 0;
    const accounts = this.#accounts;
    const { stream, load } = await loadUniform({ client, accounts, transfers: missing });
    this.transfers += missing;
    this.amount += stream.expected.amount;
    return missing / load.seconds;
  }

  /** Milliseconds from the start of the process to the first acknowledged payment. */
  async restart(signal: (typeof ENDINGS)[number]): Promise<number> {
    await this.#node?.end(signal);
    const startedMs = performance.now();
    this.#node = await BenchNode.start({ data: this.#data });
    await using client = this.#node.binaryClient();
    const id = (BigInt(Date.now()) << 80n) | BigInt(this.transfers);
    const sides = { debitAccountId: 1n, creditAccountId: 2n };
    await client.transfers.create({ id, ...sides, amount: 1n, ledger: LEDGER, code: 1 });
    const takenMs = performance.now() - startedMs;
    this.transfers++;
    this.amount++;
    await checkSums(client, BigInt(this.amount));
    return takenMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#node?.end('SIGKILL');
  }
}

async function run({ settings, parentFolder, tell }: Surroundings): Promise<Report> {
  const accounts = settings.count('accounts');
  await using folder = await TemporaryFolder.make(parentFolder);
  await using patient = new Patient(folder.path, accounts);
  const sizes: Restarts[] = [];
  for (const history of settings.counts('histories').toSorted((a, b) => a - b)) {
    tell(`loading to ${count(history)} transfers`);
    const loaded = await patient.grow(history);
    if (loaded > 0) tell(`loaded at ${rate(loaded)}`);
    const taken = { SIGKILL: [] as number[], SIGTERM: [] as number[] };
    for (let round = 0; round < settings.count('rounds'); round++) {
      for (const signal of ENDINGS) {
        const takenMs = rounded(await patient.restart(signal), 1);
        taken[signal].push(takenMs);
        tell(`${count(history)} transfers, after ${signal}: ${ms(takenMs)}`);
      }
    }
    const { SIGKILL: killMs, SIGTERM: stopMs } = taken;
    const medians = { afterKillMs: median(killMs), afterStopMs: median(stopMs) };
    sizes.push({ history, ...medians, killMs, stopMs });
  }
  return reportOf(sizes, accounts);
}

function reportOf(sizes: readonly Restarts[], accounts: number): Report {
  const longest = sizes.at(-1)!;
  // Not with the shortest: its books are smaller too, while its ids do not fill their memory yet.
  const before = sizes.at(-2) ?? longest;
  const growthOf = (read: (size: Restarts) => number): number | null =>
    sizes.length < 2 ? null : rounded(read(longest) / read(before), 3);
  const what = `${count(longest.history)} over ${count(before.history)} transfers`;
  return {
    method: [
      `${accounts} accounts taken alike, loaded in requests of 8,189 by one closed-loop client to each length of history, then ended and started again in the same folder.`,
      'Counted from before the process is started until a client, which connects when the node says that it is ready, has its first payment acknowledged durably. After kill -9 (right behind the last acknowledged request), and after SIGTERM and a clean end.',
      'Files are warm in memory. After each restart the sums are compared with all that was acknowledged.',
    ],
    figures: { accounts, sizes },
    tables: [
      {
        title: 'restart: first acknowledged payment',
        columns: ['transfers', 'after kill -9', 'after a clean stop'],
        rows: sizes.map((size) => [
          count(size.history),
          ms(size.afterKillMs),
          ms(size.afterStopMs),
        ]),
      },
    ],
    budgets: [
      {
        what: `after kill -9, ${what}`,
        bound: 'at most',
        limit: GROWTH_MAX,
        figure: growthOf(({ afterKillMs }) => afterKillMs),
      },
      {
        what: `after a clean stop, ${what}`,
        bound: 'at most',
        limit: GROWTH_MAX,
        figure: growthOf(({ afterStopMs }) => afterStopMs),
      },
    ],
  };
}
