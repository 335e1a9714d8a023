// TigerBeetle's own default benchmark over the whole durable path: a client process, the binary
// protocol, intake, journal with fdatasync, kernel, answer.

import { Prng } from '../../../src/base/prng.ts';
import { TRANSFERS_PER_REQUEST_MAX } from '../../../src/base/limits.ts';
import type { BinaryClient } from '../../../src/client/binary-client.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import type { Distribution } from '../support/account-choice.ts';
import { type BatchLoad, runBatches } from '../support/batch-load.ts';
import { BenchNode, openAccounts } from '../support/bench-node.ts';
import { checkBooks, checkTransferCount } from '../support/books-check.ts';
import { type QueryLoad, runQueries } from '../support/history-queries.ts';
import { BenchRefused } from '../support/failures.ts';
import {
  bytesOnDisk,
  cpuSeconds,
  memoryStandsStill,
  residentBytes,
} from '../support/process-figures.ts';
import { rawWriteBlocksPerSecond } from '../support/raw-write.ts';
import { rounded } from '../support/samples.ts';
import type { Settings } from '../support/settings.ts';
import { count, mebibytes, ms, rate } from '../support/texts.ts';
import { AMOUNT_MEAN, TransferStream } from '../support/transfer-stream.ts';
import type { Budget, Figure, Report, Surroundings, Workload } from '../support/workload.ts';

const MARK_TRANSFERS = 2_000_000;
const BLOCK_BYTES = 2 ** 20;
const DISTRIBUTIONS: { readonly [name: string]: Distribution } = {
  uniform: 'uniform',
  zipfian: 'zipfian',
  hot: 'hot-mix',
};

export const tbWorkload: Workload = {
  name: 'tb',
  summary: "TigerBeetle's default: 10 M transfers, 8,189 a request, durable, then 100 queries",
  options: {
    transfers: { kind: 'count', fallback: 10_000_000, min: 1, text: 'transfers in all' },
    accounts: { kind: 'count', fallback: 10_000, min: 2, text: 'accounts' },
    queries: { kind: 'count', fallback: 100, min: 0, text: 'queries after the load' },
    distribution: {
      kind: 'choice',
      fallback: 'uniform',
      of: Object.keys(DISTRIBUTIONS),
      text: 'how accounts are taken; hot = one merchant, both ways',
    },
    depth: { kind: 'count', fallback: 1, min: 1, text: 'requests under way at once' },
    views: { kind: 'flag', text: 'the node keeps views in SQLite beside it' },
    pending: { kind: 'flag', text: 'half are holds, half post (3 of 4) or void them' },
    profile: { kind: 'text', fallback: '', text: 'write the CPU profile of the node here' },
  },
  run,
};

type Loaded = {
  readonly load: BatchLoad;
  readonly queries: QueryLoad | undefined;
  readonly residentBytes: number;
  readonly residentBytesAt2M: number | null;
  readonly bytesOnDisk: number;
  readonly nodeCpuSeconds: number;
  readonly nodeMainCpuSeconds: number;
  readonly clientCpuSeconds: number;
  readonly rawBlocksPerSecond: number;
};

const NO_QUERIES = 'none asked for';

async function run({ settings, parentFolder, tell }: Surroundings): Promise<Report> {
  if (settings.flag('pending') && settings.count('depth') > 1) {
    throw new BenchRefused(
      'With --pending there is one request under way: a post follows its hold.',
    );
  }
  await using folder = await TemporaryFolder.make(parentFolder);
  const blocks = Math.ceil(settings.count('transfers') / TRANSFERS_PER_REQUEST_MAX);
  tell(`writing ${blocks} bare blocks of 1 MiB`);
  const rawBlocksPerSecond = await rawWriteBlocksPerSecond(folder.path, blocks);
  const profile = settings.text('profile');
  await using node = await BenchNode.start({
    data: folder.path,
    settings: settings.flag('views') ? { HOLDFAST_VIEWS: 'sqlite' } : {},
    runtimeOptions: profile === '' ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`],
  });
  await using client = node.binaryClient();
  await openAccounts(client, { count: settings.count('accounts') });
  await memoryStandsStill(node.pid);
  tell('loading');
  const loaded = await loadAndCheck({ node, client, settings, tell });
  await client.close();
  await node.end('SIGTERM');
  const disk = await bytesOnDisk(folder.path);
  return reportOf(settings, { ...loaded, bytesOnDisk: disk, rawBlocksPerSecond });
}

type Running = {
  readonly node: BenchNode;
  readonly client: BinaryClient;
  readonly settings: Settings;
  readonly tell: (line: string) => void;
};

async function loadAndCheck(
  running: Running,
): Promise<Omit<Loaded, 'bytesOnDisk' | 'rawBlocksPerSecond'>> {
  const { node, client, settings, tell } = running;
  const transfers = settings.count('transfers');
  const stream = new TransferStream({
    accounts: settings.count('accounts'),
    distribution: DISTRIBUTIONS[settings.text('distribution')]!,
    amountMean: AMOUNT_MEAN,
    pending: settings.flag('pending'),
    transfers,
  });
  let residentBytesAt2M: number | null = null;
  const cpuBefore = cpuSeconds(node.pid);
  const ownCpuBefore = process.cpuUsage();
  const load = await runBatches({
    client,
    stream,
    transfers,
    depth: settings.count('depth'),
    mark: {
      transfers: MARK_TRANSFERS,
      reached: () => (residentBytesAt2M = residentBytes(node.pid)),
    },
  });
  const cpuAfter = cpuSeconds(node.pid);
  const nodeCpuSeconds = cpuAfter.allThreads - cpuBefore.allThreads;
  const nodeMainCpuSeconds = cpuAfter.mainThread - cpuBefore.mainThread;
  const { user, system } = process.cpuUsage(ownCpuBefore);
  const clientCpuSeconds = (user + system) / 1_000_000;
  tell(`${rate(transfers / load.seconds)} over the whole run`);
  const queries = await query(running, stream, load.position);
  const residentAtEnd = residentBytes(node.pid);
  tell('comparing the books');
  await checkBooks(client, stream.expected);
  await checkTransferCount(node, transfers);
  return {
    load,
    queries,
    residentBytes: residentAtEnd,
    residentBytesAt2M,
    nodeCpuSeconds,
    nodeMainCpuSeconds,
    clientCpuSeconds,
  };
}

function query(
  { client, settings }: Running,
  { expected }: TransferStream,
  position: number,
): Promise<QueryLoad | undefined> {
  const asked = settings.count('queries');
  if (asked === 0) return Promise.resolve(undefined);
  return runQueries({ client, count: asked, expected, chance: new Prng(2), position });
}

function reportOf(settings: Settings, loaded: Loaded): Report {
  const figures = figuresOf(settings, loaded);
  return {
    method: methodOf(settings, loaded),
    figures,
    tables: tablesOf(figures),
    budgets: budgetsOf(settings, figures),
  };
}

function figuresOf(settings: Settings, loaded: Loaded) {
  const { load, queries, rawBlocksPerSecond } = loaded;
  const transfers = settings.count('transfers');
  const batch = load.latenciesMs.quantiles();
  const query = queries?.latenciesMs.quantiles();
  const isMarked = load.markTransfers !== null && load.markSeconds !== null;
  return {
    transfers,
    accounts: settings.count('accounts'),
    distribution: settings.text('distribution'),
    pending: settings.flag('pending'),
    depth: settings.count('depth'),
    seconds: rounded(load.seconds, 3),
    transfersPerSecond: Math.round(transfers / load.seconds),
    transfersPerSecondFirst2M: isMarked ? Math.round(load.markTransfers / load.markSeconds) : null,
    batchMsP1: batch(0.01),
    batchMsP50: batch(0.5),
    batchMsP99: batch(0.99),
    batchMsMax: batch(1),
    ...(query === undefined
      ? { queries: NO_QUERIES }
      : {
          queries: queries?.latenciesMs.count ?? 0,
          historyCatchUpMs: rounded(queries?.catchUpMs ?? 0, 3),
          queryMsP1: query(0.01),
          queryMsP50: query(0.5),
          queryMsP99: query(0.99),
          queryMsMax: query(1),
        }),
    residentBytes: loaded.residentBytes,
    residentBytesAt2M: loaded.residentBytesAt2M,
    bytesOnDisk: loaded.bytesOnDisk,
    nodeCpuSeconds: rounded(loaded.nodeCpuSeconds, 2),
    nodeMainCpuSeconds: rounded(loaded.nodeMainCpuSeconds, 2),
    clientCpuSeconds: rounded(loaded.clientCpuSeconds, 2),
    rawWritePerSecond: Math.round(rawBlocksPerSecond * TRANSFERS_PER_REQUEST_MAX),
    rawWriteBytesPerSecond: Math.round(rawBlocksPerSecond * BLOCK_BYTES),
  } satisfies { [name: string]: Figure };
}

type Figures = ReturnType<typeof figuresOf>;

function methodOf(settings: Settings, { queries }: Loaded): string[] {
  const half = settings.flag('pending') ? ', half of them holds and half their posts or voids' : '';
  const distribution = settings.text('distribution');
  return [
    `${settings.count('accounts')} accounts taken ${distribution}; amounts floor(exponential, mean 10,000) + 1; time-ordered ids; ${settings.count('transfers')} transfers${half}.`,
    `One closed-loop client process over the binary protocol: 8,189 transfers a request, ${settings.count('depth')} under way, the next one written while it waits. No warm-up.`,
    'Durable: a node with default settings, every answer after fdatasync of the file journal. Node and client share this machine.',
    queries === undefined
      ? `Queries: ${NO_QUERIES}.`
      : `Then ${queries.latenciesMs.count} queries, one after the other, each of a random account's latest ${TRANSFERS_PER_REQUEST_MAX} transfers; every page is compared with what was sent.`,
    'rawWritePerSecond: a plain Node program that writes as many blocks of 1 MiB, writev and fdatasync one by one, to a preallocated file in the same folder before the load; 8,189 transfers a block.',
    'The load begins when the node has taken its memory ahead (it does so in the seconds after its start, between payments; HOLDFAST_MEMORY_AHEAD).',
    'Afterwards transfer count, sums and the balance of every account are compared with what the client sent.',
  ];
}

function tablesOf(figures: Figures): Report['tables'] {
  const rows = [
    ['transfers a second, whole run', rate(figures.transfersPerSecond)],
    ['  first 2 M', rate(figures.transfersPerSecondFirst2M)],
    ['  bare writes of as many blocks', rate(figures.rawWritePerSecond)],
    ['  ... in bytes', `${mebibytes(figures.rawWriteBytesPerSecond)}/s`],
    ['batch p1 / p50', `${ms(figures.batchMsP1)} / ${ms(figures.batchMsP50)}`],
    ['batch p99 / max', `${ms(figures.batchMsP99)} / ${ms(figures.batchMsMax)}`],
    ...queryRows(figures),
    ['resident memory of the node', mebibytes(figures.residentBytes)],
    ['  after 2 M', mebibytes(figures.residentBytesAt2M)],
    ['on disk', mebibytes(figures.bytesOnDisk)],
    ['CPU of the node', `${figures.nodeCpuSeconds} s`],
    ['  of its main thread', `${figures.nodeMainCpuSeconds} s`],
    ['  of the client', `${figures.clientCpuSeconds} s`],
  ];
  const title = `tb: ${count(figures.transfers)} transfers, ${figures.distribution}`;
  return [{ title: figures.pending ? `${title}, pending` : title, columns: ['', ''], rows }];
}

function queryRows(figures: Figures): string[][] {
  if (!('queryMsP50' in figures)) return [['queries', figures.queries]];
  return [
    ['query p1 / p50', `${ms(figures.queryMsP1)} / ${ms(figures.queryMsP50)}`],
    ['query p99 / max', `${ms(figures.queryMsP99)} / ${ms(figures.queryMsMax)}`],
    ['history caught up after', ms(figures.historyCatchUpMs)],
  ];
}

function budgetsOf(settings: Settings, figures: Figures): Budget[] {
  const { residentBytes: atEnd, residentBytesAt2M: at2M } = figures;
  const growth = at2M === null ? null : rounded(atEnd / at2M, 3);
  const query = 'queryMsP50' in figures ? figures : undefined;
  const rateLimit = { bound: 'above', limit: 1_000_000 } as const;
  return [
    { what: 'transfersPerSecond', ...rateLimit, figure: figures.transfersPerSecond },
    { what: 'residentBytes / residentBytesAt2M', bound: 'at most', limit: 1.1, figure: growth },
    ...(settings.count('queries') === 0
      ? []
      : ([
          { what: 'queryMsP50', bound: 'below', limit: 1, figure: query?.queryMsP50 ?? null },
          { what: 'queryMsP99', bound: 'below', limit: 10, figure: query?.queryMsP99 ?? null },
        ] as const)),
  ];
}
