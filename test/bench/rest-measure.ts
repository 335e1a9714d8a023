// REST against its peer: the same client sends the same requests, one transfer each, to a node with
// a durable file journal and to a bare fastify echo with the same schemas, in alternating rounds of
// one run. One process each; CPU time is read from /proc, for the whole process and for its main
// thread, because the machine that measures is rarely quiet.

import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createClient } from '../../src/client/http-client.ts';
import { SpawnedNode, keyOf } from '../support/spawned-node.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { runHttpLoad } from './http-load.ts';

const ECHO = fileURLToPath(new URL('echo-server.ts', import.meta.url));
const LEDGER = 978;
const ACCOUNTS = 10_000;
const ACCOUNTS_A_REQUEST = 1000;
const AMOUNT_BELOW = 100_000;
const LIFE_MS_MAX = 600_000;
/** Linux counts CPU time in hundredths of a second. */
const TICK_US = 10_000;

export type RestOptions = {
  /** Closed-loop connections, each with one request under way. */
  readonly connections: number;
  /** Requests of one round. */
  readonly requests: number;
  /** Rounds of each server; they alternate, and one round of each before them warms up. */
  readonly rounds: number;
  /** Writes the CPU profiles of both servers there. */
  readonly profile?: string;
};

export type RestSide = {
  readonly requestsPerSecond: number;
  /** CPU microseconds a request: user and kernel, all threads. */
  readonly cpuUs: number;
  /** The same, of the main thread alone. */
  readonly mainThreadUs: number;
  /** Share of the time in which the main thread ran: near 1, the server is the bottleneck. */
  readonly mainThreadBusy: number;
  readonly msP50: number;
  readonly msP99: number;
};

export type RestFigures = {
  readonly connections: number;
  readonly requests: number;
  readonly rounds: number;
  readonly node: RestSide;
  readonly echo: RestSide;
  /** Requests a second of the node over those of the echo. */
  readonly ratio: number;
  /** CPU time of the echo over that of the node: what the ratio is where nothing else runs. */
  readonly ratioCpu: number;
};

type Server = { readonly url: string; readonly key: string; readonly pid: number };

/** Starts both servers, measures them in alternating rounds and ends them. */
export async function measureRest(options: RestOptions): Promise<RestFigures> {
  const runtimeOptions =
    options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
  await using folder = await TemporaryFolder.make();
  const data = folder.path;
  await using spawned = new SpawnedNode({ data, runtimeOptions, lifeMsMax: LIFE_MS_MAX });
  const ready = await spawned.ready();
  const node = { url: ready.url, key: await keyOf(ready), pid: ready.pid };
  await openAccounts(node);
  await using peer = new EchoServer(runtimeOptions);
  const echo = { url: await peer.ready, key: node.key, pid: peer.pid };
  const ours = new Rounds(node, options);
  const theirs = new Rounds(echo, options);
  await ours.warm();
  await theirs.warm();
  for (let round = 0; round < options.rounds; round++) {
    await ours.run();
    await theirs.run();
  }
  await spawned.end('SIGTERM');
  const [nodeSide, echoSide] = [ours.figures(), theirs.figures()];
  return {
    connections: options.connections,
    requests: options.requests,
    rounds: options.rounds,
    node: nodeSide,
    echo: echoSide,
    ratio: rounded(nodeSide.requestsPerSecond / echoSide.requestsPerSecond, 3),
    ratioCpu: rounded(echoSide.cpuUs / nodeSide.cpuUs, 3),
  };
}

/** The echo as a process of its own. */
class EchoServer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  readonly ready: Promise<string>;

  constructor(runtimeOptions: readonly string[]) {
    const child = spawn(process.execPath, [...runtimeOptions, ECHO], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ready = Promise.withResolvers<string>();
    createInterface({ input: child.stdout }).once('line', (line) => {
      ready.resolve((JSON.parse(line) as { readonly url: string }).url);
    });
    this.#ended = new Promise((resolve) => {
      child.once('close', () => {
        ready.reject(new Error('The echo server ended before it was ready.'));
        resolve();
      });
    });
    this.#child = child;
    this.ready = ready.promise;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }
}

/** The rounds of one server, and what they came to. */
class Rounds {
  readonly #server: Server;
  readonly #options: RestOptions;
  readonly #rates: number[] = [];
  readonly #latenciesMs: number[][] = [[], []];
  readonly #cpuUs: number[] = [];
  readonly #mainThreadUs: number[] = [];
  readonly #mainThreadBusy: number[] = [];

  constructor(server: Server, options: RestOptions) {
    this.#server = server;
    this.#options = options;
  }

  async warm(): Promise<void> {
    await this.#load();
  }

  async run(): Promise<void> {
    const before = cpuOf(this.#server.pid);
    const { seconds, latenciesMs } = await this.#load();
    const after = cpuOf(this.#server.pid);
    const requests = latenciesMs.length;
    this.#cpuUs.push((after.cpuUs - before.cpuUs) / requests);
    this.#mainThreadUs.push((after.mainThreadUs - before.mainThreadUs) / requests);
    this.#mainThreadBusy.push((after.mainThreadUs - before.mainThreadUs) / 1e6 / seconds);
    this.#rates.push(requests / seconds);
    this.#latenciesMs[0]!.push(latenciesMs[Math.floor(requests * 0.5)]!);
    this.#latenciesMs[1]!.push(latenciesMs[Math.floor(requests * 0.99)]!);
  }

  /** The median of the rounds, each figure for itself. */
  figures(): RestSide {
    return {
      requestsPerSecond: Math.round(median(this.#rates)),
      cpuUs: rounded(median(this.#cpuUs), 1),
      mainThreadUs: rounded(median(this.#mainThreadUs), 1),
      mainThreadBusy: rounded(median(this.#mainThreadBusy), 2),
      msP50: rounded(median(this.#latenciesMs[0]!), 3),
      msP99: rounded(median(this.#latenciesMs[1]!), 3),
    };
  }

  #load() {
    const { url, key } = this.#server;
    const { connections, requests } = this.#options;
    const path = '/v1/transfers';
    return runHttpLoad({ url, path, key, connections, requests, status: 201, body: transferBody });
  }
}

function transferBody(): string {
  const unixMs = Date.now().toString(16).padStart(12, '0');
  const debit = Math.floor(Math.random() * ACCOUNTS);
  const credit = (debit + 1 + Math.floor(Math.random() * (ACCOUNTS - 1))) % ACCOUNTS;
  const amount = 1 + Math.floor(Math.random() * AMOUNT_BELOW);
  return (
    `{"id":"tr_${unixMs}${randomDigits()}","debit_account_id":"${accountId(debit)}",` +
    `"credit_account_id":"${accountId(credit)}","amount":"${amount}","ledger":${LEDGER},"code":1}`
  );
}

let random = Buffer.alloc(0);
let randomUsed = 0;

/** 80 random bits; drawn for a thousand requests at once. */
function randomDigits(): string {
  if (randomUsed === random.length) {
    random = randomBytes(10_000);
    randomUsed = 0;
  }
  randomUsed += 10;
  return random.toString('hex', randomUsed - 10, randomUsed);
}

function accountId(index: number): string {
  return `acc_${(index + 1).toString(16).padStart(32, '0')}`;
}

async function openAccounts(node: Server): Promise<void> {
  await using client = createClient({ url: node.url, key: node.key });
  for (let first = 0; first < ACCOUNTS; first += ACCOUNTS_A_REQUEST) {
    const accounts = Array.from({ length: ACCOUNTS_A_REQUEST }, (_, index) => ({
      id: BigInt(first + index + 1),
      ledger: LEDGER,
      code: 1,
    }));
    const { results } = await client.accounts.createBatch(accounts);
    const refused = results.find(({ status }) => status === 'refused');
    if (refused !== undefined) throw new Error(`an account was refused: ${refused.code}`);
  }
}

function cpuOf(pid: number): { readonly cpuUs: number; readonly mainThreadUs: number } {
  return {
    cpuUs: ticksIn(`/proc/${pid}/stat`) * TICK_US,
    mainThreadUs: ticksIn(`/proc/${pid}/task/${pid}/stat`) * TICK_US,
  };
}

/** User and kernel time: fields 14 and 15, counted behind the name in brackets. */
function ticksIn(path: string): number {
  const text = readFileSync(path, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function rounded(value: number, decimals: number): number {
  return Number(value.toFixed(decimals));
}
