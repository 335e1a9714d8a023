// npm run demo: three nodes, payments through all of them at a steady rate, and the leader killed
// with SIGKILL again and again. Afterwards every payment that was acknowledged is looked for in the
// books, and the pauses that clients saw are told.
//
//   -- --kills N             SIGKILLs of whoever leads (10)
//      --switchovers N       planned hand-overs instead of kills
//      --rate R              payments a second (2000)
//      --seconds S           how long payments go on at least (3 for each kill)
//      --nodes N             2 to 9 (3)
//      --door http|binary    how clients talk (http)
//      --coordinator zookeeper --zookeeper HOST:PORT,...   a running ensemble
//      --data DIR            data folder, kept; otherwise a temporary one
//      --json                the result as JSON on stdout
//
// Exit: 0 nothing lost, doubled or failed; 1 otherwise; 2 wrong usage.

import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Report, formatReport, isClean, runDemo } from './run.ts';
import { Screen } from './screen.ts';
import type { Door } from './payments.ts';

const USAGE =
  'usage: npm run demo [-- --kills N --switchovers N --rate R --seconds S --nodes N ' +
  '--door http|binary --coordinator local|zookeeper --zookeeper HOST:PORT,... --data DIR --json]';

class UsageError extends Error {
  override readonly name = 'UsageError';
}

const OPTIONS = {
  kills: { type: 'string', default: '10' },
  switchovers: { type: 'string' },
  rate: { type: 'string', default: '2000' },
  seconds: { type: 'string' },
  nodes: { type: 'string', default: '3' },
  door: { type: 'string', default: 'http' },
  coordinator: { type: 'string', default: 'local' },
  zookeeper: { type: 'string', default: '' },
  data: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

type Values = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values'];

function readValues(parameters: readonly string[]): Values {
  try {
    return parseArgs({ args: [...parameters], options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function whole(name: string, text: string, min: number, max: number): number {
  const number = /^[0-9]+$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`--${name} ${text} is not a number from ${min} to ${max}`);
}

function doorOf(text: string): Door {
  if (text === 'http' || text === 'binary') return text;
  throw new UsageError(`--door ${text} is not http or binary`);
}

function settingsOf({ coordinator, zookeeper }: Values): Record<string, string> {
  if (coordinator === 'local') return {};
  return { HOLDFAST_COORDINATOR: coordinator, HOLDFAST_ZOOKEEPER_SERVERS: zookeeper };
}

async function main(parameters: readonly string[]): Promise<number> {
  const values = readValues(parameters);
  const isKill = values.switchovers === undefined;
  const blows = whole(
    isKill ? 'kills' : 'switchovers',
    values.switchovers ?? values.kills,
    0,
    1000,
  );
  const seconds = values.seconds ?? String(Math.max(5, 3 * blows));
  const options = {
    blow: isKill ? ('kill' as const) : ('switchover' as const),
    blows,
    ratePerSecond: whole('rate', values.rate, 1, 100_000),
    seconds: whole('seconds', seconds, 1, 86_400),
    nodes: whole('nodes', values.nodes, 2, 9),
    door: doorOf(values.door),
    settings: settingsOf(values),
  };
  const folder = values.data ?? (await mkdtemp(join(tmpdir(), 'holdfast-demo-')));
  // Its nodes end with it; what they wrote goes too.
  process.once('SIGINT', () => {
    if (values.data === undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
    process.exit(130);
  });
  const screen = new Screen(values.json ? process.stderr : process.stdout);
  try {
    const report: Report = await runDemo({ ...options, folder, screen });
    process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : formatReport(report));
    return isClean(report) ? 0 : 1;
  } finally {
    if (values.data === undefined) await rm(folder, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const isUsage = error instanceof UsageError;
  process.stderr.write(isUsage ? `${error.message}\n${USAGE}\n` : `${String(error)}\n`);
  process.exitCode = isUsage ? 2 : 1;
}
