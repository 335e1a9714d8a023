// Checkpoints under load: the longest pause that closed-loop clients see, and how long the node's
// event loop is held up, while one checkpoint is taken after the other, against a time without.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';
import { BenchNode, openAccounts } from '../support/bench-node.ts';
import { checkSums, checkTransferCount } from '../support/books-check.ts';
import type { EventLoopDelay } from '../support/event-loop-delay.ts';
import { rounded } from '../support/samples.ts';
import type { Settings } from '../support/settings.ts';
import type { SingleResult } from '../support/single-load.ts';
import { runSingles } from '../support/single-run.ts';
import { count, mebibytes, ms, rate } from '../support/texts.ts';
import type { Report, Surroundings, Workload } from '../support/workload.ts';

const PROBE = new URL('../support/event-loop-delay.ts', import.meta.url);
const PAUSE_MS_MAX = 20;
const REST_BETWEEN_MS = 250;

export const checkpointWorkload: Workload = {
  name: 'checkpoint',
  summary: 'the longest pause of payments while checkpoints are taken at 1 M accounts',
  options: {
    accounts: { kind: 'count', fallback: 1_000_000, min: 2, text: 'accounts, taken alike' },
    clients: { kind: 'count', fallback: 32, min: 1, text: 'closed loops, one transfer a request' },
    seconds: { kind: 'count', fallback: 20, min: 1, text: 'with checkpoints, and without' },
    'warm-seconds': { kind: 'count', fallback: 2, min: 0, text: 'before each, not counted' },
  },
  run,
};

type Checkpoint = {
  readonly takenMs: number;
  /** The longest piece of it that ran without a break, and its size; as the node tells. */
  readonly sliceMs: number;
  readonly bytes: number;
};

type Phase = {
  readonly load: SingleResult;
  readonly delay: EventLoopDelay;
  readonly checkpoints: readonly Checkpoint[];
};

async function run({ settings, parentFolder, tell }: Surroundings): Promise<Report> {
  await using folder = await TemporaryFolder.make(parentFolder);
  const delayFile = join(folder.path, 'event-loop-delay.json');
  await using node = await BenchNode.start({
    data: join(folder.path, 'data'),
    runtimeOptions: ['--import', PROBE.href],
    settings: { BENCH_DELAY_FILE: delayFile },
  });
  await takeCheckpoint(node);
  await using client = node.binaryClient();
  tell(`opening ${count(settings.count('accounts'))} accounts`);
  await openAccounts(client, { count: settings.count('accounts') });
  const measured = new Phases(settings, node, delayFile);
  tell('without checkpoints');
  const without = await measured.run(false);
  tell('with checkpoints');
  const during = await measured.run(true);
  await checkSums(client, BigInt(without.load.amount + during.load.amount));
  await checkTransferCount(node, without.load.transfers + during.load.transfers);
  return reportOf(settings, without, during);
}

/** Asks for one; the answer comes when it is taken. */
async function takeCheckpoint(node: BenchNode): Promise<Checkpoint> {
  const startedMs = performance.now();
  const answer = await fetch(`${node.ready.url}/v1/checkpoints`, {
    method: 'POST',
    headers: { authorization: `Bearer ${node.key}` },
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`a checkpoint was answered with ${answer.status}: ${text}`);
  const taken = JSON.parse(text) as { readonly longest_slice_ms: number; readonly bytes: number };
  const takenMs = rounded(performance.now() - startedMs, 1);
  return { takenMs, sliceMs: taken.longest_slice_ms, bytes: taken.bytes };
}

class Phases {
  readonly #settings: Settings;
  readonly #node: BenchNode;
  readonly #delayFile: string;
  #asked = 0;

  constructor(settings: Settings, node: BenchNode, delayFile: string) {
    this.#settings = settings;
    this.#node = node;
    this.#delayFile = delayFile;
  }

  async run(withCheckpoints: boolean): Promise<Phase> {
    const warmSeconds = this.#settings.count('warm-seconds');
    const running = runSingles({
      road: 'binary',
      url: this.#node.ready.binary_url,
      key: this.#node.key,
      clients: this.#settings.count('clients'),
      accounts: this.#settings.count('accounts'),
      distribution: 'uniform',
      warmSeconds,
      seconds: this.#settings.count('seconds'),
      requestsMax: Number.MAX_SAFE_INTEGER,
      seed: withCheckpoints ? 2 : 1,
    });
    const over = new AbortController();
    const ended = running.finally(() => over.abort());
    ended.catch(() => undefined);
    await sleep(warmSeconds * 1000);
    // What was seen while it warmed up is thrown away.
    await this.#readDelay();
    const checkpoints = withCheckpoints ? await this.#takeUntil(over.signal) : [];
    const load = await ended;
    return { load, delay: await this.#readDelay(), checkpoints };
  }

  async #takeUntil(over: AbortSignal): Promise<Checkpoint[]> {
    const checkpoints: Checkpoint[] = [];
    while (!over.aborted) {
      checkpoints.push(await takeCheckpoint(this.#node));
      await sleep(REST_BETWEEN_MS);
    }
    return checkpoints;
  }

  async #readDelay(): Promise<EventLoopDelay> {
    this.#asked++;
    this.#node.signal('SIGUSR2');
    let seen: EventLoopDelay | undefined;
    await until(async () => {
      try {
        seen = JSON.parse(await readFile(this.#delayFile, 'utf8')) as EventLoopDelay;
      } catch {
        // It has not been written yet.
      }
      return seen?.asked === this.#asked;
    }, 'the node tells the delay of its event loop');
    return seen!;
  }
}

function reportOf(settings: Settings, without: Phase, during: Phase): Report {
  const most = (values: readonly number[]): number | null =>
    values.length === 0 ? null : Math.max(...values);
  const figuresOf = ({ load, delay, checkpoints }: Phase) => ({
    perSecond: Math.round(load.requests / load.seconds),
    pauseMsP99: load.msP99,
    pauseMsMax: load.msMax,
    eventLoopDelayMsP99: rounded(delay.msP99, 3),
    eventLoopDelayMsMax: rounded(delay.msMax, 3),
    checkpoints: checkpoints.length,
    checkpointMsMax: most(checkpoints.map(({ takenMs }) => takenMs)),
    checkpointSliceMsMax: most(checkpoints.map(({ sliceMs }) => sliceMs)),
    checkpointBytes: most(checkpoints.map(({ bytes }) => bytes)),
  });
  const figures = { without: figuresOf(without), during: figuresOf(during) };
  const row = (name: string, read: (phase: typeof figures.without) => string): string[] => [
    name,
    read(figures.without),
    read(figures.during),
  ];
  return {
    method: [
      `${settings.count('accounts')} accounts taken alike; ${settings.count('clients')} closed loops over the binary protocol in one process of their own, one transfer a request, durable.`,
      `${settings.count('warm-seconds')} s warm-up and ${settings.count('seconds')} s without checkpoints, then the same while they are taken one after the other, ${REST_BETWEEN_MS} ms apart, each asked for over HTTP.`,
      'Pause: the longest time that a request took. Event loop delay: of the node, seen from inside by perf_hooks, resolution 1 ms, which is part of every figure.',
      'Afterwards transfer count and sums are compared with what was acknowledged.',
    ],
    figures: { accounts: settings.count('accounts'), ...figures },
    tables: [
      {
        title: 'checkpoint: pauses of payments',
        columns: ['', 'without', 'with checkpoints'],
        rows: [
          row('payments a second', ({ perSecond }) => rate(perSecond)),
          row('longest pause', ({ pauseMsMax }) => ms(pauseMsMax)),
          row('p99 of a payment', ({ pauseMsP99 }) => ms(pauseMsP99)),
          row('event loop delay, max', ({ eventLoopDelayMsMax }) => ms(eventLoopDelayMsMax)),
          row('event loop delay, p99', ({ eventLoopDelayMsP99 }) => ms(eventLoopDelayMsP99)),
          row('checkpoints taken', ({ checkpoints }) => count(checkpoints)),
          row('longest checkpoint', ({ checkpointMsMax }) => ms(checkpointMsMax)),
          row('  its longest piece', ({ checkpointSliceMsMax }) => ms(checkpointSliceMsMax)),
          row('  its size', ({ checkpointBytes }) => mebibytes(checkpointBytes)),
        ],
      },
    ],
    budgets: [
      {
        what: 'longest pause with checkpoints, ms',
        bound: 'at most',
        limit: PAUSE_MS_MAX,
        figure: during.load.msMax,
      },
    ],
  };
}
