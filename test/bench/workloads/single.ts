// One transfer a request: closed-loop clients over the binary protocol and over REST, beside a bare
// fastify echo with the same schemas and the SQL ledger on a real PostgreSQL. All in one run, by
// rounds, with the same load process, and one server process of Node each.

import { fileURLToPath } from 'node:url';
import { AccountFlag } from '../../../src/base/account.ts';
import type { BinaryClient } from '../../../src/client/binary-client.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import type { Distribution } from '../support/account-choice.ts';
import { BenchNode, openAccounts } from '../support/bench-node.ts';
import { checkSums, checkTransferCount } from '../support/books-check.ts';
import { ChildProgram } from '../support/child-program.ts';
import { cpuSeconds } from '../support/process-figures.ts';
import type { Settings } from '../support/settings.ts';
import type { Road } from '../support/single-load.ts';
import {
  type Cell,
  PATTERNS,
  type Round,
  figuresOf,
  ratiosOf,
  tablesOf,
} from '../support/single-report.ts';
import { runSingles } from '../support/single-run.ts';
import { SQL_ACCOUNTS, SQL_LEDGER_FOLDER, SqlLedger } from '../support/sql-ledger.ts';
import { rate } from '../support/texts.ts';
import { LEDGER } from '../support/transfer-stream.ts';
import type { Report, Surroundings, Workload } from '../support/workload.ts';

/** As many as the SQL ledger has; the last one is the merchant of the hot patterns. */
const ACCOUNTS = SQL_ACCOUNTS;
const BANK = BigInt(ACCOUNTS + 1);
/** What each account holds at the start, here and in the SQL ledger; no balance falls below 0. */
const BALANCE_AT_START = 1_000_000_000_000n;
const FUNDED = BigInt(ACCOUNTS) * BALANCE_AT_START;
const FUNDINGS_A_REQUEST = 8000;
const BUDGET_CLIENTS_BINARY = 32;
const BUDGET_CLIENTS_REST = 64;
const DOORS = ['rest', 'binary', 'shared', 'gathered'] as const;
const ECHO = fileURLToPath(new URL('../support/echo-server.ts', import.meta.url));

export const singleWorkload: Workload = {
  name: 'single',
  summary: 'one transfer a request, binary and REST, beside a bare echo and an SQL ledger',
  options: {
    clients: { kind: 'counts', fallback: [1, 32, 64, 256], min: 1, text: 'closed loops at once' },
    patterns: {
      kind: 'choices',
      fallback: PATTERNS,
      of: PATTERNS,
      text: 'how accounts are taken; hot = one merchant',
    },
    doors: {
      kind: 'choices',
      fallback: ['rest', 'binary', 'shared'],
      of: DOORS,
      text: 'shared = one binary connection for all; gathered = and packed by the client',
    },
    peers: {
      kind: 'choice',
      fallback: 'all',
      of: ['none', 'sql', 'echo', 'all'],
      text: 'what stands beside; sql wants PostgreSQL',
    },
    seconds: { kind: 'count', fallback: 3, min: 1, text: 'of each measurement' },
    'warm-seconds': { kind: 'count', fallback: 1, min: 0, text: 'before each, not counted' },
    rounds: { kind: 'count', fallback: 3, min: 1, text: 'of all measurements; medians are told' },
    transfers: { kind: 'count', fallback: 10_000_000, min: 1, text: 'of a measurement, at most' },
    'sql-ledger': { kind: 'text', fallback: '', text: 'folder of the SQL ledger' },
    profile: { kind: 'text', fallback: '', text: 'write the CPU profiles of node and echo here' },
  },
  run,
};

/** Something that answers requests: a name for people, and how it is reached. */
type Subject = {
  readonly name: string;
  readonly road: Road;
  readonly server: Server;
  /** Accounts mean nothing to the echo. */
  readonly patterns: readonly Distribution[];
};

type Server = {
  readonly url: string;
  readonly key: string;
  readonly pid: number;
  /** Everything that was acknowledged. */
  readonly sent: { transfers: number; amount: number };
};

async function run({ settings, parentFolder, tell }: Surroundings): Promise<Report> {
  const peers = settings.text('peers');
  await using folder = await TemporaryFolder.make(parentFolder);
  await using sql = ['sql', 'all'].includes(peers)
    ? await SqlLedger.start(settings.text('sql-ledger') || SQL_LEDGER_FOLDER, parentFolder)
    : undefined;
  const profile = settings.text('profile');
  const runtimeOptions = profile === '' ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  await using echo = ['echo', 'all'].includes(peers)
    ? new ChildProgram(process.execPath, [...runtimeOptions, ECHO])
    : undefined;
  await using node = await BenchNode.start({ data: folder.path, runtimeOptions });
  await using client = node.binaryClient();
  await openBooks(client);
  const ours = { key: node.key, pid: node.pid, sent: nothingSent() };
  const echoUrl = echo === undefined ? undefined : urlIn(await echo.firstLine);
  const subjects = subjectsOf(settings, {
    rest: { ...ours, url: node.ready.url },
    binary: { ...ours, url: node.ready.binary_url },
    echo: echo && { url: echoUrl!, key: node.key, pid: echo.pid, sent: nothingSent() },
    sql: sql && { url: sql.url, key: node.key, pid: sql.pid, sent: nothingSent() },
  });
  const cells = await measureAll(settings, subjects, tell);
  tell('comparing the books');
  await checkSums(client, BigInt(ours.sent.amount) + FUNDED);
  await checkTransferCount(node, ours.sent.transfers + ACCOUNTS);
  const sqlSent = subjects.find(({ road }) => road === 'sql')?.server.sent;
  if (sqlSent !== undefined) await sql?.check(sqlSent.transfers, sqlSent.amount);
  await client.close();
  await node.end('SIGTERM');
  return reportOf(settings, cells, sql?.version);
}

function nothingSent(): Server['sent'] {
  return { transfers: 0, amount: 0 };
}

function urlIn(line: string): string {
  return (JSON.parse(line) as { readonly url: string }).url;
}

/** Accounts that cannot be overdrawn, each with money from the bank: the SQL ledger's rule. */
async function openBooks(client: BinaryClient): Promise<void> {
  const flags = AccountFlag.debitsMustNotExceedCredits;
  await openAccounts(client, { count: ACCOUNTS, flags });
  await openAccounts(client, { first: Number(BANK), count: 1 });
  for (let first = 1; first <= ACCOUNTS; first += FUNDINGS_A_REQUEST) {
    const length = Math.min(FUNDINGS_A_REQUEST, ACCOUNTS - first + 1);
    const fundings = Array.from({ length }, (_, index) => ({
      id: (BigInt(Date.now()) << 80n) | BigInt(first + index),
      debitAccountId: BANK,
      creditAccountId: BigInt(first + index),
      amount: BALANCE_AT_START,
      ledger: LEDGER,
      code: 1,
    }));
    const { refused } = await client.transfers.createBatch(fundings);
    if (refused.length > 0) throw new Error(`a funding was refused: ${refused[0]?.code}`);
  }
}

type Servers = {
  readonly rest: Server;
  readonly binary: Server;
  readonly echo: Server | undefined;
  readonly sql: Server | undefined;
};

function subjectsOf(settings: Settings, servers: Servers): Subject[] {
  const patterns = settings.choices('patterns') as readonly Distribution[];
  const subjects: Subject[] = [];
  for (const door of settings.choices('doors') as readonly (typeof DOORS)[number][]) {
    const server = door === 'rest' ? servers.rest : servers.binary;
    subjects.push({ name: door, road: door, server, patterns });
  }
  const { echo, sql } = servers;
  if (echo !== undefined) {
    subjects.push({ name: 'echo', road: 'rest', server: echo, patterns: patterns.slice(0, 1) });
  }
  if (sql !== undefined) subjects.push({ name: 'sql', road: 'sql', server: sql, patterns });
  return subjects;
}

/** Round by round, so that what disturbs the machine for a while disturbs all alike. */
async function measureAll(
  settings: Settings,
  subjects: readonly Subject[],
  tell: (line: string) => void,
): Promise<Cell[]> {
  const cells = new Map<string, Cell>();
  for (let round = 0; round < settings.count('rounds'); round++) {
    for (const clients of settings.counts('clients')) {
      for (const pattern of settings.choices('patterns') as readonly Distribution[]) {
        for (const subject of subjects.filter(({ patterns }) => patterns.includes(pattern))) {
          const key = `${subject.name} ${pattern} ${clients}`;
          const cell = cells.get(key) ?? { subject: subject.name, pattern, clients, rounds: [] };
          cells.set(key, cell);
          const result = await measure(settings, subject, { pattern, clients, round });
          cell.rounds.push(result);
          tell(`round ${round + 1}: ${key}: ${rate(result.requests / result.seconds)}`);
        }
      }
    }
  }
  return [...cells.values()];
}

async function measure(
  settings: Settings,
  { road, server }: Subject,
  what: { readonly pattern: Distribution; readonly clients: number; readonly round: number },
): Promise<Round> {
  const cpuBefore = cpuSeconds(server.pid);
  const result = await runSingles({
    road,
    url: server.url,
    key: server.key,
    clients: what.clients,
    accounts: ACCOUNTS,
    distribution: what.pattern,
    warmSeconds: settings.count('warm-seconds'),
    seconds: settings.count('seconds'),
    requestsMax: settings.count('transfers'),
    seed: what.round + 1,
  });
  server.sent.transfers += result.transfers;
  server.sent.amount += result.amount;
  const cpuAfter = cpuSeconds(server.pid);
  const each = 1_000_000 / result.transfers;
  const serverCpuUs = (cpuAfter.allThreads - cpuBefore.allThreads) * each;
  const serverMainUs = (cpuAfter.mainThread - cpuBefore.mainThread) * each;
  return { ...result, serverCpuUs, serverMainUs };
}

function reportOf(settings: Settings, cells: Cell[], sqlVersion: string | undefined): Report {
  const figures = cells.map(figuresOf);
  const clientCounts = settings.counts('clients');
  const restToEcho = Object.fromEntries(
    clientCounts.map((clients) => [clients, ratiosOf(cells, clients)]),
  );
  const shared = figures.find(
    ({ subject, pattern, clients }) =>
      subject === 'shared' && pattern === 'uniform' && clients === BUDGET_CLIENTS_BINARY,
  );
  return {
    method: methodOf(settings, sqlVersion),
    figures: { seconds: settings.count('seconds'), cells: figures, restToEcho },
    tables: tablesOf(figures, restToEcho),
    budgets: [
      {
        what: `binary, one connection, uniform, ${BUDGET_CLIENTS_BINARY} loops, transfers a second`,
        bound: 'above',
        limit: 45_000,
        figure: shared?.perSecond ?? null,
      },
      {
        what: `REST over echo, ${BUDGET_CLIENTS_REST} clients`,
        bound: 'at least',
        limit: 0.7,
        figure: restToEcho[BUDGET_CLIENTS_REST]?.rate ?? null,
      },
    ],
  };
}

function methodOf(settings: Settings, sqlVersion: string | undefined): string[] {
  return [
    `One transfer a request, ${ACCOUNTS} accounts that cannot be overdrawn, amounts 1 to 100, time-ordered ids. hot-in: customers by Zipf 0.99 pay one merchant; hot-mix: half of it the other way.`,
    `Closed loops in one load process: ${settings.count('warm-seconds')} s warm-up, then ${settings.count('seconds')} s counted, a new process for each measurement; ${settings.count('rounds')} rounds over everything, medians told. Connections stay open.`,
    'rest: HTTP, one connection a loop, a bare-socket client that is the same for echo and sql. binary: the client library, one connection a loop, one transfer a request; shared: one connection for all loops; gathered: and the client packs what is asked for at the same time into one request.',
    'Durable: the node has default settings and answers after fdatasync. echo: fastify with the same schemas, no key, no books, no disk.',
    ...(sqlVersion === undefined
      ? []
      : [
          `sql: fastify and pg (pool of 32) over ${sqlVersion}, one function a transfer, no foreign keys; fsync, synchronous_commit and full_page_writes on; its folder is on the same disk.`,
        ]),
    'One server process of Node each; PostgreSQL has its own beside. All run on this machine together, one is loaded at a time. CPU and main: of the Node process, and of its main thread, a transfer, warm-up included. client: CPU of the load process over the time; near 1 it was the limit.',
    'Afterwards transfer counts and sums are compared with what was acknowledged, here and in the SQL ledger.',
  ];
}
