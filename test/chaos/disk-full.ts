// `node test/chaos/disk-full.ts [--json]`: a real node on a real disk of 24 MiB (a tmpfs in a mount
// namespace of its own). The disk becomes full under load, the node is killed and started again
// while it is full, then room is made. Whatever was acknowledged must be there once, whatever was
// refused must not have happened, and the books must be readable all the time.

import { once } from 'node:events';
import { open, rm, statfs } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runSeen } from '../../src/cli/testing/run.ts';
import { type Client, createClient } from '../../src/client/http-client.ts';
import type { NewTransfer } from '../../src/client/wire.ts';
import { PlainCaller } from '../support/plain-caller.ts';
import { SpawnedNode, keyOf } from '../support/spawned-node.ts';
import { openAccounts, payment, paymentsJson, received } from '../support/two-accounts.ts';
import { until } from '../support/until.ts';
import { onSmallDisk } from './small-disk.ts';

const MIB = 1024 * 1024;
const DISK_MIB = 24;
const BALLAST_MIB = 8;
const SETTINGS = { HOLDFAST_JOURNAL_SEGMENT_BYTES: String(2 * MIB) };
const BATCH = 500;
const BATCHES_MAX = 10_000;
const REFUSALS_WANTED = 3;

type Report = {
  readonly acknowledged: number;
  /** Payments that were answered 503 while the disk was full; all were sent again later. */
  readonly refused: number;
  /** Of the refused, those that had happened all the same. */
  readonly refusedYetDone: number;
  readonly lost: number;
  readonly doubled: number;
  readonly readableWhileFull: boolean;
  readonly readableWhenStartedFull: boolean;
  readonly resumed: boolean;
  readonly journalWhole: boolean;
};

function isRight(report: Report): boolean {
  const { acknowledged, refused, refusedYetDone, lost, doubled } = report;
  const isProof = acknowledged > 0 && refused > 0;
  const isReadable = report.readableWhileFull && report.readableWhenStartedFull;
  const isExact = refusedYetDone === 0 && lost === 0 && doubled === 0 && report.journalWhole;
  return isProof && isReadable && isExact && report.resumed;
}

class Trial {
  readonly #disk: string;
  readonly #port: number;
  readonly acknowledged: NewTransfer[] = [];
  readonly refused: NewTransfer[][] = [];
  refusedYetDone = 0;
  #key = '';

  constructor(disk: string, port: number) {
    this.#disk = disk;
    this.#port = port;
  }

  get data(): string {
    return join(this.#disk, 'data');
  }

  spawn(): SpawnedNode {
    const { data } = this;
    return new SpawnedNode({ data, port: this.#port, settings: SETTINGS, lifeMsMax: 600_000 });
  }

  async learnKey(node: SpawnedNode): Promise<void> {
    this.#key = await keyOf(await node.ready());
  }

  client(): Client {
    return createClient({ url: this.#url, key: this.#key });
  }

  async isReady(): Promise<boolean> {
    return (await this.#caller.get('/readyz')).status === 200;
  }

  /** Batches until one is refused for lack of room, and some more that must be refused too. */
  async fill(): Promise<void> {
    let refusals = 0;
    for (let sent = 0; sent < BATCHES_MAX && refusals < REFUSALS_WANTED; sent++) {
      const payments = Array.from({ length: BATCH }, () => payment());
      const { status, body } = await this.#caller.post(
        '/v1/transfers/batch',
        paymentsJson(payments),
      );
      if (status === 200) {
        this.acknowledged.push(...payments);
        continue;
      }
      if (status !== 503 || body['code'] !== 'journal_full') {
        throw new Error(`unexpected answer ${status} ${JSON.stringify(body)}`);
      }
      this.refused.push(payments);
      refusals++;
    }
    if (refusals === 0) throw new Error('the disk never became full');
  }

  /** Whether the books can be read, and are exactly those that were acknowledged. */
  async isReadable(): Promise<boolean> {
    await using client = this.client();
    return (await received(client)) === BigInt(this.acknowledged.length);
  }

  /** A node that was just started is up when it says that it has books. */
  async hasBooks(): Promise<boolean> {
    try {
      const { body } = await this.#caller.get('/v1/status');
      return body['books'] !== null;
    } catch {
      return false;
    }
  }

  async sendRefusedAgain(): Promise<void> {
    await using client = this.client();
    for (const payments of this.refused.splice(0)) {
      const { results } = await client.transfers.createBatch(payments);
      this.refusedYetDone += results.filter(({ status }) => status !== 'created').length;
      this.acknowledged.push(...payments);
    }
  }

  async countLost(): Promise<number> {
    await using client = this.client();
    let lost = 0;
    for (let start = 0; start < this.acknowledged.length; start += 8000) {
      const ids = this.acknowledged.slice(start, start + 8000).map(({ id }) => id);
      lost += (await client.transfers.lookup(ids)).notFound.length;
    }
    return lost;
  }

  async countReceived(): Promise<number> {
    await using client = this.client();
    return Number(await received(client));
  }

  get #url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get #caller(): PlainCaller {
    return new PlainCaller(this.#url, this.#key);
  }
}

async function inside(disk: string): Promise<Report> {
  const ballast = join(disk, 'ballast');
  const rest = join(disk, 'rest');
  await occupy(ballast, BALLAST_MIB * MIB);
  const trial = new Trial(disk, await freePort());
  let refused = 0;
  let readableWhileFull = false;
  {
    await using node = trial.spawn();
    await trial.learnKey(node);
    await using client = trial.client();
    await openAccounts(client);
    await trial.fill();
    readableWhileFull = await trial.isReadable();
    await node.end('SIGKILL');
  }
  // What a start would find or free for itself is taken away too: not a byte is left.
  await rm(join(disk, 'data', 'journal', 'lock.sqlite-journal'), { force: true });
  await occupy(rest, DISK_MIB * MIB);
  if ((await statfs(disk)).bavail > 0) throw new Error('the disk is not full');
  let readableWhenStartedFull = false;
  let resumed = false;
  {
    await using node = trial.spawn();
    await until(() => trial.hasBooks(), `books of a node on a full disk\n${node.stderr}`);
    readableWhenStartedFull = (await trial.isReadable()) && !(await trial.isReady());
    await trial.fill();
    refused = trial.refused.reduce((sum, payments) => sum + payments.length, 0);
    await rm(ballast);
    await rm(rest);
    await until(() => trial.isReady(), `payments are taken again\n${node.stderr}`);
    resumed = true;
    await trial.sendRefusedAgain();
    await node.end('SIGKILL');
  }
  await using node = trial.spawn();
  await node.ready();
  const lost = await trial.countLost();
  const doubled = (await trial.countReceived()) - (trial.acknowledged.length - lost);
  const { exitCode } = await node.end('SIGTERM');
  const verified = await runSeen(['--data', trial.data, 'journal', 'verify', '--json']);
  return {
    acknowledged: trial.acknowledged.length,
    refused,
    refusedYetDone: trial.refusedYetDone,
    lost,
    doubled,
    readableWhileFull,
    readableWhenStartedFull,
    resumed,
    journalWhole: exitCode === 0 && verified.exitCode === 0,
  };
}

/** Fills a file with so many bytes, or with as many as the disk has left. */
async function occupy(path: string, sizeBytes: number): Promise<void> {
  const chunk = Buffer.alloc(MIB, 1);
  const file = await open(path, 'w');
  try {
    let written = 0;
    while (written < sizeBytes) written += (await file.write(chunk)).bytesWritten;
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== 'ENOSPC') throw error;
  } finally {
    await file.close();
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { json: { type: 'boolean', default: false }, disk: { type: 'string' } },
  });
  if (values.disk === undefined) {
    return await onSmallDisk(DISK_MIB, new URL(import.meta.url), values.json ? ['--json'] : []);
  }
  const report = await inside(values.disk);
  const indentation = values.json ? undefined : 2;
  process.stdout.write(`${JSON.stringify(report, undefined, indentation)}\n`);
  return isRight(report) ? 0 : 1;
}

process.exitCode = await main();
