// One scenario from beginning to end: payments through all three nodes and both doors, the fault
// again and again, the cluster made whole after each, and the judge at the end.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Prng } from '../../../src/base/prng.ts';
import type { History } from '../../model/history.ts';
import { openBooks } from '../evidence.ts';
import { HOLD_SECONDS_MAX, SHAPE_NAMES, Workload } from '../workload.ts';
import { ClusterRecorder } from './cluster-recorder.ts';
import { Coordination } from './coordination.ts';
import { EngineSide } from './engine-side.ts';
import { DiskFaults } from './disk-faults.ts';
import { judge } from './judge.ts';
import type { Round, Scenario } from './scenario.ts';
import { SpawnedCluster } from './spawned-cluster.ts';

const WORKERS = 16;
const THINK_MS_MAX = 12;
const LIFE_MS_MIN = 100;
const LIFE_MS_MAX = 500;
const SETTLE_MS = 1500;
const LASTS_MS = 1000;
/** As the settings have them by default. */
const HEARTBEAT_MS = 50;
const HEARTBEAT_MS_MAX = 100;
const CHALLENGE_MS = 300;
const SESSION_MS = 600;
/** An engine frees what is discarded, and the judge reads all of the journal. */
const NO_DISCARDS = {
  HOLDFAST_CHECKPOINT_JOURNAL_BYTES: String(1024 ** 4),
  HOLDFAST_CHECKPOINT_SECONDS: '86400',
};
/** Of the rounds, so many must have hit while requests were under way, or the run proves little. */
const HIT_SHARE_MIN = 0.8;
/** Workers think between two requests: a fault waits so long for one to be under way. */
const STRIKE_WAIT_MS_MAX = 1000;

export type ScenarioRun = {
  readonly name: string;
  /** `file`, or the engine on which the journal stands. */
  readonly journal: string;
  readonly scenario: Scenario;
  readonly rounds: number;
  readonly seed: number;
  /** How long what lasts shall last; undefined = as the scenario says. */
  readonly lastsMs: number | undefined;
  /** Nodes wait so many times as long before they take each other for dead: busy machines. */
  readonly patience: number;
  readonly folder: string;
  readonly logs: string;
};

export type ScenarioReport = {
  readonly scenario: string;
  readonly rounds: number;
  /** Rounds in which the fault hit while requests were under way. */
  readonly hits: number;
  readonly acknowledged: number;
  readonly unknown: number;
  readonly clientErrors: number;
  /** Requests that a standby sent again to a new leader although the one before had done them. */
  readonly hidden: number;
  /** Calls that ended with "the disk is full": they did not happen. */
  readonly refusedForRoom: number;
  readonly late: number;
  readonly lost: number;
  readonly doubled: number;
  readonly mismatches: number;
  /** Of each round: the longest time in which nobody was answered. */
  readonly pauseMsP50: number;
  readonly pauseMsMax: number;
  /** The longest that any caller waited for his answer. */
  readonly latencyMsMax: number;
  readonly epochs: number;
  /** Processes that a successor ended: frozen, cut off, or silent for long on a busy machine. */
  readonly deposed: number;
  readonly transfers: number;
  readonly seed: number;
  readonly patience: number;
  readonly findings: number;
};

export type ScenarioResult = {
  readonly report: ScenarioReport;
  readonly findings: readonly string[];
  readonly history: History | undefined;
};

export function isGood(report: ScenarioReport): boolean {
  const { lost, doubled, mismatches, clientErrors, findings } = report;
  const wrong = lost + doubled + mismatches + clientErrors + findings;
  return wrong === 0 && report.acknowledged > 0 && report.hits >= report.rounds * HIT_SHARE_MIN;
}

export async function runScenario(run: ScenarioRun): Promise<ScenarioResult> {
  const { scenario, seed, folder, logs } = run;
  const random = new Prng(seed);
  mkdirSync(folder, { recursive: true });
  await using coordination =
    scenario.isOnZooKeeper === true ? await Coordination.start() : undefined;
  await using engine = run.journal === 'file' ? undefined : await EngineSide.start(run.journal);
  const disk = scenario.hasDiskFaults === true ? new DiskFaults(folder) : undefined;
  await using cluster = await SpawnedCluster.start({
    folder,
    logs,
    settings: {
      ...timesOf(run.patience),
      ...coordination?.settings,
      ...(engine && { ...NO_DISCARDS, ...engine.settings }),
    },
    settingsOf: (name) => disk?.settingsOf(name) ?? {},
  });
  const recorder = new ClusterRecorder(
    cluster.members,
    cluster.key,
    random.fork(),
    scenario.mayBeLate === true,
  );
  try {
    await openBooks(recorder, random);
    const trial = new Trial(run, { cluster, recorder, random, disk, coordination, engine });
    return await trial.result();
  } finally {
    await recorder.close();
  }
}

function timesOf(patience: number): Readonly<Record<string, string>> {
  if (patience === 1) return {};
  return {
    HOLDFAST_HEARTBEAT_MS: String(Math.min(HEARTBEAT_MS * patience, HEARTBEAT_MS_MAX)),
    HOLDFAST_CHALLENGE_MS: String(CHALLENGE_MS * patience),
    HOLDFAST_SESSION_MS: String(SESSION_MS * patience),
  };
}

type Parts = {
  readonly cluster: SpawnedCluster;
  readonly recorder: ClusterRecorder;
  readonly random: Prng;
  readonly disk: DiskFaults | undefined;
  readonly coordination: Coordination | undefined;
  readonly engine: EngineSide | undefined;
};

class Trial {
  readonly #run: ScenarioRun;
  readonly #parts: Parts;
  readonly #findings: string[] = [];
  readonly #pausesMs: number[] = [];
  #hits = 0;
  #deposed = 0;

  constructor(run: ScenarioRun, parts: Parts) {
    this.#run = run;
    this.#parts = parts;
  }

  async result(): Promise<ScenarioResult> {
    const { cluster, recorder, random, engine } = this.#parts;
    const workload = new Workload(recorder, random.fork(), SHAPE_NAMES[0]!, THINK_MS_MAX);
    const working = workload.run(WORKERS);
    const broken = working.then(() => Promise.reject(new Error('the load ended by itself')));
    broken.catch(() => undefined);
    await Promise.race([this.#rounds(workload), broken]);
    workload.end();
    await working;
    // Final reads want books at rest: by then every hold with a timeout has been released.
    await sleep(HOLD_SECONDS_MAX * 1000 + SETTLE_MS);
    if (this.#findings.length > 0) return this.#verdict(undefined);
    try {
      return this.#verdict(await judge(cluster, recorder, engine));
    } catch (error) {
      this.#findings.push(`the end: ${textOf(error)}`);
      return this.#verdict(undefined);
    }
  }

  /** The first one that goes wrong is the last. */
  async #rounds(workload: Workload): Promise<void> {
    const { name, rounds } = this.#run;
    for (let number = 1; number <= rounds; number++) {
      workload.turnTo(SHAPE_NAMES[number % SHAPE_NAMES.length]!);
      workload.allowLarge();
      try {
        await this.#round(number);
      } catch (error) {
        this.#findings.push(`${name}, round ${number}: ${textOf(error)}`);
      }
      this.#noteOwnEnds(number);
      if (this.#findings.length > 0) return;
    }
  }

  async #round(number: number): Promise<void> {
    const { cluster, recorder, random, disk, coordination, engine } = this.#parts;
    const { scenario, lastsMs = scenario.lastsMs ?? LASTS_MS } = this.#run;
    await sleep(LIFE_MS_MIN + random.below(LIFE_MS_MAX - LIFE_MS_MIN));
    let struckMs = performance.now();
    let isUnderWay = false;
    const round: Round = {
      cluster,
      recorder,
      random,
      number,
      disk,
      coordination,
      engine,
      lastsMs,
      strike: async () => {
        const deadlineMs = performance.now() + STRIKE_WAIT_MS_MAX;
        while (recorder.inFlight === 0 && performance.now() < deadlineMs) await sleep(1);
        struckMs = performance.now();
        isUnderWay = recorder.inFlight > 0;
      },
    };
    const hasHit = await scenario.act(round);
    if (hasHit && isUnderWay) this.#hits++;
    await cluster.untilWhole();
    // So that what the fault held up is seen to go on.
    const wholeMs = performance.now();
    while (recorder.answeredSince(wholeMs) === 0) await sleep(5);
    this.#pausesMs.push(recorder.longestPauseMs(struckMs));
  }

  #noteOwnEnds(number: number): void {
    const { mayEnd } = this.#run.scenario;
    for (const { name, ownEnds } of this.#parts.cluster.members) {
      for (const { signal, exitCode } of ownEnds.splice(0)) {
        if (signal === 'SIGKILL') this.#deposed++;
        else if (mayEnd === undefined || exitCode !== mayEnd)
          this.#findings.push(`round ${number}: ${name} ended by itself (${signal ?? exitCode})`);
      }
    }
  }

  #verdict(judgement: Awaited<ReturnType<typeof judge>> | undefined): ScenarioResult {
    const { cluster, recorder } = this.#parts;
    const { name, rounds, seed, patience, logs } = this.#run;
    const verdict = judgement?.verdict;
    const mismatches = verdict?.mismatches ?? [];
    const findings = [
      ...this.#findings,
      ...(judgement?.findings ?? []),
      ...recorder.errors,
      ...mismatches,
    ];
    const pausesMs = this.#pausesMs.map(Math.round).sort((a, b) => a - b);
    const report: ScenarioReport = {
      scenario: name,
      rounds,
      hits: this.#hits,
      acknowledged: verdict?.acknowledged ?? 0,
      unknown: verdict?.unknown ?? 0,
      clientErrors: recorder.clientErrors,
      hidden: verdict?.hidden ?? 0,
      refusedForRoom: recorder.refusedForRoom,
      late: recorder.late,
      lost: verdict?.lost ?? 0,
      doubled: verdict?.doubled ?? 0,
      mismatches: mismatches.length,
      pauseMsP50: pausesMs[pausesMs.length >> 1] ?? 0,
      pauseMsMax: pausesMs.at(-1) ?? 0,
      latencyMsMax: Math.round(recorder.latencyMsMax),
      epochs: cluster.epoch,
      deposed: this.#deposed,
      transfers: judgement?.history.final.transfers.size ?? 0,
      seed,
      patience,
      findings: this.#findings.length + (judgement?.findings.length ?? 0),
    };
    if (findings.length > 0) findings.push(`What the nodes wrote is in ${join(logs, '')}.`);
    return { report, findings, history: judgement?.history };
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
