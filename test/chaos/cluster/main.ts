// `npm run chaos -- --journal file|ENGINE --scenario NAME [--rounds N] [--short] [--seed S]
// [--patience X] [--json]`: three real nodes under load, and one kind of fault again and again
// (scenario.ts). NAME `all` = every scenario that needs no service, one after the other, or with a
// journal on an engine every one of these; `zookeeper` = those on ZooKeeper; several may be named
// with commas. `--rounds` and `--short` are for each of them.
//
// Exit status 1 when anything acknowledged is lost or doubled, any answer, balance or list is not
// what the rules say, a client heard an error, the nodes do not agree at the end, the journal is
// not whole, or too few rounds hit.

import { spawnSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeHistory } from '../../model/history-file.ts';
import { onSmallDisk } from '../small-disk.ts';
import { CUTS } from './cuts.ts';
import { DISKS } from './disks.ts';
import { ENGINES } from './engines.ts';
import { KILLS } from './kills.ts';
import { isGood, runScenario } from './run-scenario.ts';
import type { Scenario } from './scenario.ts';
import { ZOOKEEPERS } from './zookeepers.ts';

const ALONE: Readonly<Record<string, Scenario>> = { ...KILLS, ...CUTS, ...DISKS };
const ON_FILES: Readonly<Record<string, Scenario>> = { ...ALONE, ...ZOOKEEPERS };
const FINDINGS_SHOWN_MAX = 20;
/** With --short. */
const SHORT_ROUNDS_MAX = 3;
const SHORT_LASTS_MS = 10_000;

type Values = {
  readonly journal: string;
  readonly scenario: string;
  readonly rounds?: string | undefined;
  readonly seed: string;
  readonly short: boolean;
  readonly patience: string;
  readonly json: boolean;
  readonly keep: boolean;
  readonly disk?: string | undefined;
};

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      journal: { type: 'string', default: 'file' },
      scenario: { type: 'string', default: 'all' },
      rounds: { type: 'string' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      patience: { type: 'string', default: '1' },
      short: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      disk: { type: 'string' },
    },
  });
  const names = namesOf(values.journal, values.scenario);
  if (names.length > 1) return runAll(names);
  const name = names[0]!;
  const { diskMib } = scenariosOf(values.journal)[name]!;
  if (diskMib !== undefined && values.disk === undefined) {
    return await onSmallDisk(diskMib, new URL(import.meta.url), process.argv.slice(2));
  }
  return await runOne(name, values);
}

function scenariosOf(journal: string): Readonly<Record<string, Scenario>> {
  return journal === 'file' ? ON_FILES : ENGINES;
}

function namesOf(journal: string, wanted: string): readonly string[] {
  const scenarios = scenariosOf(journal);
  if (wanted === 'all') return Object.keys(journal === 'file' ? ALONE : ENGINES);
  if (wanted === 'zookeeper' && journal === 'file') return Object.keys(ZOOKEEPERS);
  const names = wanted.split(',');
  const unknown = names.find((name) => scenarios[name] === undefined);
  if (unknown === undefined) return names;
  throw new Error(`--scenario ${unknown}: all, zookeeper or ${Object.keys(scenarios).join(', ')}`);
}

/** Each in a process of its own, so that what one keeps in memory is free for the next. */
function runAll(names: readonly string[]): number {
  const parameters = process.argv.slice(2);
  const bad = names.filter((name) => {
    const all = [...process.execArgv, fileURLToPath(import.meta.url), ...parameters];
    const { status } = spawnSync(process.execPath, [...all, '--scenario', name], {
      stdio: 'inherit',
    });
    return status !== 0;
  });
  process.stderr.write(
    bad.length === 0 ? `${names.length} scenarios passed\n` : `failed: ${bad.join(', ')}\n`,
  );
  return bad.length === 0 ? 0 : 1;
}

async function runOne(name: string, values: Values): Promise<number> {
  const scenario = scenariosOf(values.journal)[name]!;
  const work = mkdtempSync(join(tmpdir(), 'holdfast-chaos-'));
  const seed = Number(values.seed);
  let isRight = false;
  try {
    const { report, findings, history } = await runScenario({
      name,
      journal: values.journal,
      scenario,
      rounds: roundsOf(scenario, values),
      seed,
      patience: Number(values.patience),
      lastsMs: values.short
        ? Math.min(scenario.lastsMs ?? 0, SHORT_LASTS_MS) || undefined
        : undefined,
      folder: join(values.disk ?? work, 'cluster'),
      logs: join(work, 'logs'),
    });
    for (const finding of findings.slice(0, FINDINGS_SHOWN_MAX)) {
      process.stderr.write(`${finding}\n`);
    }
    isRight = isGood(report);
    if (!isRight && history !== undefined) {
      const file = join(work, `history-${seed}.jsonl.gz`);
      await writeHistory(file, history);
      process.stderr.write(`The history is in ${file}; --judge ${file} judges it again.\n`);
    }
    process.stdout.write(`${JSON.stringify(report, undefined, values.json ? undefined : 2)}\n`);
    return isRight ? 0 : 1;
  } finally {
    if (isRight && !values.keep) await rm(work, { recursive: true, force: true });
    else process.stderr.write(`kept ${work}\n`);
  }
}

function roundsOf({ rounds }: Scenario, values: Values): number {
  if (values.rounds !== undefined) return Number(values.rounds);
  return values.short ? Math.min(rounds, SHORT_ROUNDS_MAX) : rounds;
}

process.exitCode = await main();
