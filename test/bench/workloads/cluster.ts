// Three nodes on one machine beside one: the same closed loops, one transfer a request over HTTP,
// all at the lone node or spread over the nodes of a cluster, whose standbys pass payments on to
// the leader. By rounds, in one run.

import { join } from 'node:path';
import type { BinaryClient } from '../../../src/client/binary-client.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { BenchNode, openAccounts } from '../support/bench-node.ts';
import { checkSums } from '../support/books-check.ts';
import { cpuSeconds } from '../support/process-figures.ts';
import type { SingleResult } from '../support/single-load.ts';
import { median } from '../support/samples.ts';
import { runSingles } from '../support/single-run.ts';
import { rate } from '../support/texts.ts';
import type { Report, Surroundings, Table, Workload } from '../support/workload.ts';

const ACCOUNTS = 10_000;
/** Load processes: as many for the lone node, so that the client's side is the same. */
const LOADS = 3;
const RATIO_WANTED = 2;

export const clusterWorkload: Workload = {
  name: 'cluster',
  summary: 'REST at three nodes together, beside one node alone',
  options: {
    clients: { kind: 'count', fallback: 192, min: LOADS, text: 'closed loops at once' },
    seconds: { kind: 'count', fallback: 5, min: 1, text: 'of each measurement' },
    'warm-seconds': { kind: 'count', fallback: 2, min: 0, text: 'before each, not counted' },
    rounds: { kind: 'count', fallback: 3, min: 1, text: 'of both; medians are told' },
  },
  run,
};

type Subject = {
  readonly name: 'alone' | 'cluster';
  readonly nodes: readonly BenchNode[];
  amount: number;
};

type Round = {
  readonly perSecond: number;
  readonly msP99: number;
  /** Of all nodes, and of all load processes, for each transfer. */
  readonly cpuUs: number;
  readonly clientCpuUs: number;
};

async function run({ settings, parentFolder, tell }: Surroundings): Promise<Report> {
  await using folder = await TemporaryFolder.make(parentFolder);
  await using alone = await BenchNode.start({ data: join(folder.path, 'alone') });
  const data = join(folder.path, 'cluster');
  const started = ['node-1', 'node-2', 'node-3'].map((name) => startMember(data, name));
  await using stack = new AsyncDisposableStack();
  const members = await Promise.all(started);
  for (const member of members) stack.use(member);
  const subjects: Subject[] = [
    { name: 'alone', nodes: [alone], amount: 0 },
    { name: 'cluster', nodes: members, amount: 0 },
  ];
  const rounds = new Map<Subject, Round[]>();
  for (const subject of subjects) {
    await withClient(subject, (client) => openAccounts(client, { count: ACCOUNTS }));
    rounds.set(subject, []);
  }
  for (let round = 1; round <= settings.count('rounds'); round++) {
    for (const subject of subjects) {
      const result = await measure(subject, {
        clients: settings.count('clients'),
        seconds: settings.count('seconds'),
        warmSeconds: settings.count('warm-seconds'),
        seed: round,
      });
      rounds.get(subject)!.push(result);
      tell(`round ${round}: ${subject.name}: ${rate(result.perSecond)}`);
    }
  }
  tell('comparing the books');
  for (const subject of subjects) {
    await withClient(subject, (client) => checkSums(client, BigInt(subject.amount)));
  }
  return reportOf(rounds, settings.count('clients'));
}

function startMember(data: string, name: string): Promise<BenchNode> {
  return BenchNode.start({ data, settings: { HOLDFAST_NODE: name, HOLDFAST_PEER_PORT: '0' } });
}

async function withClient(
  { nodes }: Subject,
  act: (client: BinaryClient) => Promise<void>,
): Promise<void> {
  const client = nodes[0]!.binaryClient();
  try {
    await act(client);
  } finally {
    await client.close();
  }
}

type Load = {
  readonly clients: number;
  readonly seconds: number;
  readonly warmSeconds: number;
  readonly seed: number;
};

async function measure(subject: Subject, load: Load): Promise<Round> {
  const { nodes } = subject;
  const before = cpuOf(nodes);
  const results = await Promise.all(
    Array.from({ length: LOADS }, (_, index) => {
      const node = nodes[index % nodes.length]!;
      return runSingles({
        road: 'rest',
        url: node.ready.url,
        key: node.key,
        clients: Math.floor(load.clients / LOADS),
        accounts: ACCOUNTS,
        distribution: 'uniform',
        warmSeconds: load.warmSeconds,
        seconds: load.seconds,
        requestsMax: Number.MAX_SAFE_INTEGER,
        seed: load.seed * LOADS + index,
      });
    }),
  );
  const sum = (of: (result: SingleResult) => number): number =>
    results.reduce((total, result) => total + of(result), 0);
  subject.amount += sum(({ amount }) => amount);
  return {
    perSecond: sum(({ requests, seconds }) => requests / seconds),
    msP99: Math.max(...results.map(({ msP99 }) => msP99 ?? Number.POSITIVE_INFINITY)),
    clientCpuUs:
      (sum(({ clientCpuShare, seconds }) => clientCpuShare * seconds) * 1_000_000) /
      sum(({ requests }) => requests),
    cpuUs: ((cpuOf(nodes) - before) * 1_000_000) / sum(({ transfers }) => transfers),
  };
}

function cpuOf(nodes: readonly BenchNode[]): number {
  return nodes.reduce((total, { pid }) => total + cpuSeconds(pid).allThreads, 0);
}

function reportOf(rounds: ReadonlyMap<Subject, readonly Round[]>, clients: number): Report {
  const figures = [...rounds].map(([{ name }, all]) => ({
    name,
    perSecond: median(all.map(({ perSecond }) => perSecond)),
    msP99: median(all.map(({ msP99 }) => msP99)),
    cpuUs: median(all.map(({ cpuUs }) => cpuUs)),
    clientCpuUs: median(all.map(({ clientCpuUs }) => clientCpuUs)),
  }));
  const [alone, cluster] = figures;
  const ratio = cluster!.perSecond / alone!.perSecond;
  const table: Table = {
    title: `REST, one transfer a request, ${clients} closed loops`,
    columns: ['', 'transfers/s', 'p99 ms', 'server CPU us', 'client CPU us'],
    rows: [
      ...figures.map(({ name, perSecond, msP99, cpuUs, clientCpuUs }) => [
        name === 'alone' ? 'one node' : 'three nodes',
        rate(perSecond),
        msP99.toFixed(1),
        cpuUs.toFixed(1),
        clientCpuUs.toFixed(1),
      ]),
      ['ratio', ratio.toFixed(2), '', '', ''],
    ],
  };
  return {
    method: [
      `One transfer a request over HTTP, ${ACCOUNTS} accounts, uniform, durable; ${clients} closed loops in ${LOADS} load processes: all at one node that runs alone, or a third at each of three nodes on one journal.`,
      'Both run all the time, one is loaded at a time, by rounds; medians. Server CPU: of all nodes together, for each transfer; client CPU: of the load processes, which have the same cores.',
      'Afterwards the sums of the books are compared with what was acknowledged.',
    ],
    figures: { nodes: figures, ratio },
    tables: [table],
    budgets: [
      { what: 'three nodes over one', bound: 'at least', limit: RATIO_WANTED, figure: ratio },
    ],
  };
}
