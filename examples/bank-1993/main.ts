// npm run bank-1993: replays a real bank's year on a node of its own, kills that node while
// requests are in flight, and compares every account-day with the exact sums and with the bank's
// own figures.
//
//   -- --data DIR    folder of accounts.csv and transactions.csv
//      --state DIR   data folder of the node; a second run on it changes nothing
//      --kills N     SIGKILLs, spread over the year (default 3)
//      --json        the result as JSON on stdout
//
// Exit: 0 all agrees, 1 a mismatch or a failure, 2 wrong usage, 130 interrupted.

import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createClient } from '../../src/client/http-client.ts';
import { manifestPath, openManifest } from '../../src/client/import-manifest.ts';
import { type Dataset, DatasetUnusable, loadDataset } from './dataset.ts';
import { Killer } from './killer.ts';
import { NodeProcess } from './node-process.ts';
import { replay } from './replay.ts';
import {
  Progress,
  type Report,
  formatReport,
  isClean,
  makeReport,
  mismatchLine,
} from './report.ts';

type Options = {
  readonly dataFolder: string;
  readonly stateFolder: string | undefined;
  readonly kills: number;
  readonly isJson: boolean;
};

class UsageError extends Error {
  override readonly name = 'UsageError';
}

const USAGE = 'usage: npm run bank-1993 [-- --data DIR --state DIR --kills N --json]';
const DATA_DEFAULT = fileURLToPath(new URL('../../../shared/data/bank-1993', import.meta.url));
const KILLS_DEFAULT = 3;
const KILLS_MAX = 1000;

/** Longer than any restart: a request goes on until the node is back. */
const REQUEST_DEADLINE_MS = 120_000;

function readOptions(parameters: readonly string[]): Options {
  try {
    const { values } = parseArgs({
      args: [...parameters],
      options: {
        data: { type: 'string', default: DATA_DEFAULT },
        state: { type: 'string' },
        kills: { type: 'string', default: String(KILLS_DEFAULT) },
        json: { type: 'boolean', default: false },
      },
    });
    const kills = /^[0-9]{1,4}$/.test(values.kills) ? Number(values.kills) : Number.NaN;
    if (!(kills <= KILLS_MAX)) throw new Error(`--kills is a number from 0 to ${KILLS_MAX}`);
    return {
      dataFolder: resolve(values.data),
      stateFolder: values.state === undefined ? undefined : resolve(values.state),
      kills,
      isJson: values.json,
    };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`${reason}\n${USAGE}`, { cause });
  }
}

async function run(options: Options, controller: AbortController): Promise<Report> {
  const dataset = await loadDataset(options.dataFolder);
  const stateFolder =
    options.stateFolder ?? resolve('holdfast-data', `bank-1993-${dataset.digest.slice(0, 12)}`);
  await refuseOtherData(stateFolder, dataset);
  const progress = new Progress(process.stderr, dataset.movementCount);
  const node = new NodeProcess({
    stateFolder,
    onUnexpectedExit: (error) => controller.abort(error),
  });
  try {
    await node.start();
    const key = await node.key();
    await using client = createClient({ url: node.url, key, deadlineMs: REQUEST_DEADLINE_MS });
    const { manifest } = await openManifest(
      manifestPath(stateFolder, dataset.digest),
      dataset.digest,
    );
    const killer = new Killer({
      kills: options.kills,
      movementCount: dataset.movementCount,
      client,
      node,
      onKill: (kill, isInFlight) =>
        progress.note(
          `SIGKILL ${kill} of ${options.kills}${isInFlight ? ', requests in flight' : ''}`,
        ),
    });
    const positionBefore = positionOf(await client.status());
    const result = await replay({
      client,
      dataset,
      manifest,
      killer,
      signal: controller.signal,
      onDay: (date, done) => progress.onDay(date, done),
    });
    progress.end();
    return makeReport(result, {
      dataset,
      kills: killer.kills,
      killsInFlight: killer.killsInFlight,
      retries: client.counters.attempts - client.counters.calls,
      unknowns: client.counters.unknowns,
      positionBefore,
      positionAfter: positionOf(await client.status()),
      stateFolder,
    });
  } finally {
    await node.stop();
  }
}

/** Another data set's movements in the same books would be added to this one's. */
async function refuseOtherData(stateFolder: string, dataset: Dataset): Promise<void> {
  const names = await readdir(join(stateFolder, 'imports')).catch(() => []);
  const other = names.find((name) => name.endsWith('.json') && name !== `${dataset.digest}.json`);
  if (other === undefined) return;
  throw new DatasetUnusable(
    `${stateFolder} holds the replay of another data set (${other.slice(0, 12)}). Nothing was ` +
      'changed. Give this one a state folder of its own with --state.',
  );
}

function positionOf(status: Readonly<Record<string, unknown>>): number {
  const { position } = status;
  if (typeof position !== 'number') throw new Error('The status names no position.');
  return position;
}

async function main(): Promise<number> {
  const controller = new AbortController();
  const interrupt = (): void => controller.abort(new Error('interrupted'));
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    const options = readOptions(process.argv.slice(2));
    const report = await run(options, controller);
    if (options.isJson) {
      for (const mismatch of report.mismatches) {
        process.stderr.write(`${mismatchLine(mismatch)}\n`);
      }
      process.stdout.write(`${JSON.stringify(report)}\n`);
    } else {
      process.stdout.write(`${formatReport(report)}\n`);
    }
    return isClean(report) ? 0 : 1;
  } catch (error) {
    const cause: unknown = controller.signal.aborted ? controller.signal.reason : error;
    process.stderr.write(`${cause instanceof Error ? cause.message : String(cause)}\n`);
    if (error instanceof UsageError) return 2;
    return cause instanceof Error && cause.message === 'interrupted' ? 130 : 1;
  } finally {
    process.removeListener('SIGINT', interrupt);
    process.removeListener('SIGTERM', interrupt);
  }
}

process.exitCode = await main();
