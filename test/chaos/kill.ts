// `npm run chaos -- --kills N [--seed S] [--json]`: a real node under real load, killed with
// SIGKILL at random instants and started again at once; afterwards the exact checker compares every
// answer that any client got with the journal replayed on the naive model.

import { rm } from 'node:fs/promises';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { NodeProcess } from '../../examples/bank-1993/node-process.ts';
import { Prng } from '../../src/base/prng.ts';
import { openBooks, readHistory } from './evidence.ts';
import { Recorder } from './recorder.ts';
import { checkHistory } from '../model/checker.ts';
import { HOLD_SECONDS_MAX, Workload } from './workload.ts';

const WORKERS = 12;
const LIFE_MS_MIN = 60;
const LIFE_MS_MAX = 500;
const SETTLE_MS = 1500;
/** Of the kills, so many must have hit while requests were under way, or the run proves little. */
const IN_FLIGHT_SHARE_MIN = 0.8;
const MISMATCHES_SHOWN_MAX = 20;

type Report = {
  readonly kills: number;
  readonly killsInFlight: number;
  readonly tornTails: number;
  readonly acknowledged: number;
  readonly unknown: number;
  readonly lost: number;
  readonly doubled: number;
  readonly mismatches: number;
  readonly transfers: number;
  readonly restartMsMax: number;
  readonly seed: number;
};

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  });
  const seed = Number(values.seed);
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-kill-'));
  try {
    const { report, findings } = await run(folder, Number(values.kills), seed);
    for (const finding of findings.slice(0, MISMATCHES_SHOWN_MAX)) {
      process.stderr.write(`${finding}\n`);
    }
    process.stdout.write(
      values.json ? `${JSON.stringify(report)}\n` : `${JSON.stringify(report, undefined, 2)}\n`,
    );
    return isGood(report) ? 0 : 1;
  } finally {
    if (values.keep) process.stderr.write(`kept ${folder}\n`);
    else await rm(folder, { recursive: true, force: true });
  }
}

function isGood(report: Report): boolean {
  const wrong = report.lost + report.doubled + report.mismatches;
  return wrong === 0 && report.killsInFlight >= report.kills * IN_FLIGHT_SHARE_MIN;
}

async function run(
  folder: string,
  kills: number,
  seed: number,
): Promise<{ readonly report: Report; readonly findings: readonly string[] }> {
  const random = new Prng(seed);
  const crash = Promise.withResolvers<never>();
  crash.promise.catch(() => undefined);
  const node = new NodeProcess({ stateFolder: folder, onUnexpectedExit: crash.reject });
  await node.start();
  const recorder = new Recorder(node.url, await node.key());
  try {
    await openBooks(recorder, random);
    const workload = new Workload(recorder, random.fork());
    const working = workload.run(WORKERS);
    const counts = await Promise.race([
      killAgainAndAgain({ node, recorder, random, kills }),
      working.then(() => Promise.reject(new Error('the workload ended before the last kill'))),
      crash.promise,
    ]);
    await sleep(LIFE_MS_MAX);
    workload.end();
    await working;
    // Final reads want books at rest: by then every hold with a timeout has been released.
    await sleep(HOLD_SECONDS_MAX * 1000 + SETTLE_MS);
    const history = await readHistory({ recorder, folder, stop: () => node.stop() });
    const verdict = checkHistory(history);
    const report: Report = {
      kills,
      ...counts,
      acknowledged: verdict.acknowledged,
      unknown: verdict.unknown,
      lost: verdict.lost,
      doubled: verdict.doubled,
      mismatches: verdict.mismatches.length,
      transfers: history.final.transfers.size,
      seed,
    };
    return { report, findings: verdict.mismatches };
  } finally {
    await recorder.close();
    await node.stop();
  }
}

type Killing = {
  readonly node: NodeProcess;
  readonly recorder: Recorder;
  readonly random: Prng;
  readonly kills: number;
};

async function killAgainAndAgain({ node, recorder, random, kills }: Killing): Promise<{
  readonly killsInFlight: number;
  readonly tornTails: number;
  readonly restartMsMax: number;
}> {
  let killsInFlight = 0;
  let tornTails = 0;
  let restartMsMax = 0;
  for (let kill = 1; kill <= kills; kill++) {
    await sleep(LIFE_MS_MIN + random.below(LIFE_MS_MAX - LIFE_MS_MIN));
    if (recorder.inFlight > 0) killsInFlight++;
    const startedMs = performance.now();
    await node.kill();
    await node.start();
    recorder.connectTo(node.url);
    restartMsMax = Math.max(restartMsMax, Math.round(performance.now() - startedMs));
    if (node.tornBytesCut > 0) tornTails++;
  }
  return { killsInFlight, tornTails, restartMsMax };
}

process.exitCode = await main();
