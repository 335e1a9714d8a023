// `npm run chaos -- --kills N [--workload NAME] [--directories N] [--seed S] [--json]`: a real node
// under real load, killed with SIGKILL and started again at once, at random instants and, where the
// load has large batches, in the middle of a write (striker.ts); the shape of the load changes from
// kill to kill (workload.ts; --workload keeps one). Afterwards the exact checker compares every
// answer that any client got with the journal replayed on the naive model. On a mismatch the
// history is kept in a file, and `npm run chaos -- --judge FILE` judges it again.

import { readdir, rm } from 'node:fs/promises';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Prng } from '../../src/base/prng.ts';
import { checkHistory } from '../model/checker.ts';
import type { History } from '../model/history.ts';
import { SpawnedNode, keyOf } from '../support/spawned-node.ts';
import { entriesOfFiles, openBooks, readHistory } from './evidence.ts';
import { readHistoryFile, writeHistory } from '../model/history-file.ts';
import { type Addresses, Recorder } from './recorder.ts';
import { strikeWriting } from './striker.ts';
import { HOLD_SECONDS_MAX, SHAPES, SHAPE_NAMES, type ShapeName, Workload } from './workload.ts';

/**
 * Checkpoints and discards all the time, so that kills hit them as well. The judge reads what was
 * discarded too.
 */
const CHECKPOINT_SETTINGS = {
  HOLDFAST_CHECKPOINT_JOURNAL_BYTES: String(64 * 1024),
  HOLDFAST_CHECKPOINTS_KEPT: '2',
  HOLDFAST_JOURNAL_SEGMENT_BYTES: String(2 * 1024 * 1024),
};

const WORKERS = 16;
const LIFE_MS_MIN = 60;
const LIFE_MS_MAX = 500;
const SETTLE_MS = 1500;
const PROCESS_MS_MAX = 3_600_000;
/** Of the kills, so many must have hit while requests were under way, or the run proves little. */
const IN_FLIGHT_SHARE_MIN = 0.8;
const MISMATCHES_SHOWN_MAX = 20;
/** With so many, some of the journal must have been discarded. */
const KILLS_TO_DISCARD = 10;

type Report = {
  readonly kills: number;
  readonly workloads: string;
  readonly killsInFlight: number;
  /** Kills that were aimed at a write. */
  readonly strikes: number;
  readonly tornTails: number;
  readonly acknowledged: number;
  readonly unknown: number;
  readonly lost: number;
  readonly doubled: number;
  readonly mismatches: number;
  readonly transfers: number;
  /** In all lists that the history gave at the end; each was compared. */
  readonly listed: number;
  /** Segments of the journal that were discarded, in its first directory. */
  readonly discarded: number;
  readonly restartMsMax: number;
  readonly seed: number;
};

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '60' },
      workload: { type: 'string', default: 'all' },
      directories: { type: 'string', default: '1' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      judge: { type: 'string' },
    },
  });
  if (values.judge !== undefined) return judge(values.judge);
  const seed = Number(values.seed);
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-kill-'));
  try {
    const shapes = shapesOf(values.workload);
    const kills = Number(values.kills);
    const directories = Number(values.directories);
    const options = { folder, kills, seed, shapes, directories };
    const { report, findings, history } = await run(options);
    tell(findings);
    if (findings.length > 0) {
      const file = join(tmpdir(), `holdfast-history-${seed}-${process.pid}.jsonl.gz`);
      await writeHistory(file, history);
      process.stderr.write(`The history is in ${file}; --judge ${file} judges it again.\n`);
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

function shapesOf(workload: string): readonly ShapeName[] {
  if (workload === 'all') return SHAPE_NAMES;
  const shape = SHAPE_NAMES.find((name) => name === workload);
  if (shape === undefined) throw new Error(`--workload is all or ${SHAPE_NAMES.join(', ')}`);
  return [shape];
}

function tell(findings: readonly string[]): void {
  for (const finding of findings.slice(0, MISMATCHES_SHOWN_MAX)) {
    process.stderr.write(`${finding}\n`);
  }
}

async function judge(file: string): Promise<number> {
  const { mismatches, ...verdict } = checkHistory(await readHistoryFile(file));
  tell(mismatches);
  process.stdout.write(`${JSON.stringify({ ...verdict, mismatches: mismatches.length })}\n`);
  return mismatches.length === 0 ? 0 : 1;
}

function isGood(report: Report): boolean {
  const wrong = report.lost + report.doubled + report.mismatches;
  const isSeen = report.listed > 0 && (report.discarded > 0 || report.kills < KILLS_TO_DISCARD);
  return wrong === 0 && isSeen && report.killsInFlight >= report.kills * IN_FLIGHT_SHARE_MIN;
}

type RunOptions = {
  readonly folder: string;
  readonly kills: number;
  readonly seed: number;
  readonly shapes: readonly ShapeName[];
  /** How many the journal has. */
  readonly directories: number;
};

async function run({ folder, kills, seed, shapes, directories }: RunOptions): Promise<{
  readonly report: Report;
  readonly findings: readonly string[];
  readonly history: History;
}> {
  const random = new Prng(seed);
  const victim = new Victim(folder, directories);
  await victim.start();
  const recorder = new Recorder(victim.addresses, victim.key);
  try {
    await openBooks(recorder, random);
    const workload = new Workload(recorder, random.fork(), shapes[0]!);
    const working = workload.run(WORKERS);
    const counts = await Promise.race([
      killAgainAndAgain({ victim, recorder, workload, random, kills, shapes }),
      working.then(() => Promise.reject(new Error('the workload ended before the last kill'))),
      victim.crashed,
    ]);
    await sleep(LIFE_MS_MAX);
    workload.end();
    await working;
    // Final reads want books at rest: by then every hold with a timeout has been released.
    await sleep(HOLD_SECONDS_MAX * 1000 + SETTLE_MS);
    const { key, addresses } = victim;
    const { binaryUrl } = addresses;
    const stop = (): Promise<void> => victim.stop();
    const history = await readHistory({
      recorder,
      entries: () => entriesOfFiles(folder),
      binaryUrl,
      key,
      stop,
    });
    const verdict = checkHistory(history);
    const report: Report = {
      kills,
      workloads: shapes.join(' '),
      ...counts,
      acknowledged: verdict.acknowledged,
      unknown: verdict.unknown,
      lost: verdict.lost,
      doubled: verdict.doubled,
      mismatches: verdict.mismatches.length,
      transfers: history.final.transfers.size,
      listed: (history.final.pages ?? []).reduce((sum, { holds }) => sum + holds.length, 0),
      discarded: await countDiscarded(folder),
      seed,
    };
    return { report, findings: verdict.mismatches, history };
  } finally {
    await recorder.close();
    await victim.stop();
  }
}

async function countDiscarded(folder: string): Promise<number> {
  const names = await readdir(join(folder, 'journal', 'discarded')).catch(() => []);
  return names.filter((name) => name.endsWith('.journal')).length;
}

/** The node that is killed: one process after the other on one data folder. */
class Victim {
  readonly #folder: string;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #crash = Promise.withResolvers<never>();
  #node: SpawnedNode | undefined;
  #mayEnd = false;
  addresses: Addresses = { url: '', binaryUrl: '' };
  key = '';
  tornBytesCut = 0;

  constructor(folder: string, directories: number) {
    this.#folder = folder;
    const further = Array.from({ length: directories - 1 }, (_, i) => join(folder, `more-${i}`));
    this.#settings = {
      ...CHECKPOINT_SETTINGS,
      ...(further.length > 0 ? { HOLDFAST_JOURNAL_DIRECTORIES: further.join(',') } : {}),
    };
    this.#crash.promise.catch(() => undefined);
  }

  /** Rejects when the node ends although nobody ended it. */
  get crashed(): Promise<never> {
    return this.#crash.promise;
  }

  async start(): Promise<void> {
    this.#mayEnd = false;
    const settings = this.#settings;
    const node = new SpawnedNode({ data: this.#folder, settings, lifeMsMax: PROCESS_MS_MAX });
    this.#node = node;
    void node.ended.then(({ exitCode, stderr }) => {
      if (!this.#mayEnd) this.#crash.reject(new Error(`ended by itself (${exitCode}): ${stderr}`));
    });
    const ready = await node.ready();
    this.addresses = { url: ready.url, binaryUrl: ready.binary_url };
    this.key = await keyOf(ready);
    this.tornBytesCut = ready.torn_bytes_cut;
  }

  /** SIGKILL: now, or in the middle of the next large write. */
  async kill(isStrike: boolean): Promise<void> {
    const node = this.#node!;
    this.#mayEnd = true;
    const journalFolder = join(this.#folder, 'journal');
    if (isStrike) await strikeWriting({ pid: node.pid, journalFolder });
    const { signal, stderr } = await node.end('SIGKILL');
    if (signal !== 'SIGKILL') throw new Error(`ended by itself: ${stderr}`);
  }

  async stop(): Promise<void> {
    this.#mayEnd = true;
    await this.#node?.end('SIGTERM');
  }
}

type Killing = {
  readonly victim: Victim;
  readonly recorder: Recorder;
  readonly workload: Workload;
  readonly random: Prng;
  readonly kills: number;
  readonly shapes: readonly ShapeName[];
};

async function killAgainAndAgain(options: Killing): Promise<{
  readonly killsInFlight: number;
  readonly strikes: number;
  readonly tornTails: number;
  readonly restartMsMax: number;
}> {
  const { victim, recorder, workload, random, kills, shapes } = options;
  let killsInFlight = 0;
  let strikes = 0;
  let tornTails = 0;
  let restartMsMax = 0;
  for (let kill = 1; kill <= kills; kill++) {
    const shape = shapes[kill % shapes.length]!;
    workload.turnTo(shape);
    // Only a large write lasts long enough to be aimed at.
    const isStrike = SHAPES[shape].hasLarge && kill % 3 > 0;
    await sleep(LIFE_MS_MIN + random.below(LIFE_MS_MAX - LIFE_MS_MIN));
    if (recorder.inFlight > 0) killsInFlight++;
    if (isStrike) strikes++;
    workload.allowLarge();
    await victim.kill(isStrike);
    const startedMs = performance.now();
    await victim.start();
    recorder.connectTo(victim.addresses);
    workload.allowLarge();
    restartMsMax = Math.max(restartMsMax, Math.round(performance.now() - startedMs));
    if (victim.tornBytesCut > 0) tornTails++;
  }
  return { killsInFlight, strikes, tornTails, restartMsMax };
}

process.exitCode = await main();
