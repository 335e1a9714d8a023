// `npm run bench -- --workload NAME [--json]`: measures one workload and prints the method with the
// figures, as a table for people or as one line of JSON. Exit status: 0 measured; 1 a budget was
// missed (with --budget), or the books were wrong; 2 it cannot be run as asked.

import { existsSync, rmSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { resolve } from 'node:path';
import { tmpdir } from 'node:os';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { BenchRefused, BooksWrong } from './support/failures.ts';
import { type Machine, lookAtMachine, machineText, quietText } from './support/machine.ts';
import { type OptionTable, Settings, helpOf } from './support/settings.ts';
import { type Budget, type Report, type Table, type Workload, isMet } from './support/workload.ts';
import { applyWorkload } from './workloads/apply.ts';
import { checkpointWorkload } from './workloads/checkpoint.ts';
import { clusterWorkload } from './workloads/cluster.ts';
import { memoryWorkload } from './workloads/memory.ts';
import { replayWorkload } from './workloads/replay.ts';
import { restartWorkload } from './workloads/restart.ts';
import { singleWorkload } from './workloads/single.ts';
import { tbWorkload } from './workloads/tb.ts';
import { viewsWorkload } from './workloads/views.ts';

const WORKLOADS: readonly Workload[] = [
  tbWorkload,
  singleWorkload,
  applyWorkload,
  replayWorkload,
  memoryWorkload,
  checkpointWorkload,
  restartWorkload,
  clusterWorkload,
  viewsWorkload,
];

const COMMON: OptionTable = {
  workload: { kind: 'text', fallback: '', text: 'which one; --list names them' },
  json: { kind: 'flag', text: 'one line of JSON instead of tables' },
  budget: { kind: 'flag', text: 'exit status 1 when a figure misses its budget' },
  folder: {
    kind: 'text',
    fallback: '',
    text: 'make the data here; otherwise in the temporary folder',
  },
  list: { kind: 'flag', text: 'the workloads, one line each' },
  help: { kind: 'flag', text: 'this text' },
};

/** What was killed may still be writing for a moment. */
const REMOVING = { recursive: true, force: true, maxRetries: 5, retryDelay: 100 };
const EXIT_MISSED = 1;
const EXIT_REFUSED = 2;
const EXIT_INTERRUPTED = 130;

/** Where it writes: what was asked for, and what is said beside it. */
export type Output = {
  readonly print: (text: string) => void;
  readonly tell: (line: string) => void;
};

/** Resolves with the exit status. */
export async function bench(commandLine: readonly string[], output: Output): Promise<number> {
  try {
    return await measure(commandLine, output);
  } catch (error) {
    if (!(error instanceof BenchRefused || error instanceof BooksWrong)) throw error;
    const isWrong = error instanceof BooksWrong;
    output.tell(`${isWrong ? 'The books are wrong, so no figure counts: ' : ''}${error.message}`);
    return error instanceof BenchRefused ? EXIT_REFUSED : EXIT_MISSED;
  }
}

async function measure(commandLine: readonly string[], output: Output): Promise<number> {
  if (commandLine.includes('--help') || commandLine.includes('--list')) {
    output.print(commandLine.includes('--help') ? helpText() : listText());
    return 0;
  }
  const workload = workloadOf(commandLine);
  const settings = new Settings({ ...COMMON, ...workload.options }, commandLine);
  const folder = settings.text('folder');
  if (!existsSync(folder === '' ? tmpdir() : folder)) {
    throw new BenchRefused(`--folder ${folder} is not there.`);
  }
  await using parent = await TemporaryFolder.make(folder === '' ? tmpdir() : resolve(folder));
  const parentFolder = parent.path;
  // PostgreSQL runs as another user and must come through to its own folder.
  await chmod(parentFolder, 0o711);
  const onExit = (): void => rmSync(parentFolder, REMOVING);
  process.once('exit', onExit);
  const tell = (line: string): void => output.tell(`${workload.name}: ${line}`);
  const machine = await lookAtMachine(parentFolder);
  if (!machine.quiet) tell(quietText(machine));
  const report = await workload.run({ settings, parentFolder, tell });
  process.removeListener('exit', onExit);
  output.print(settings.flag('json') ? jsonText(workload, machine, report) : text(machine, report));
  const missed = report.budgets.filter((budget) => !isMet(budget));
  if (!settings.flag('budget') || missed.length === 0) return 0;
  tell(`${missed.length} of ${report.budgets.length} budgets missed`);
  return EXIT_MISSED;
}

function workloadOf(commandLine: readonly string[]): Workload {
  const place = commandLine.findIndex((word) => /^--workload(=|$)/.test(word));
  const name = commandLine[place]?.split('=')[1] ?? commandLine[place + 1];
  const workload = WORKLOADS.find((known) => place !== -1 && known.name === name);
  if (workload !== undefined) return workload;
  const asked = place === -1 ? 'Name a workload' : `There is no workload "${name ?? ''}"`;
  throw new BenchRefused(`${asked}: --workload ${WORKLOADS.map(({ name }) => name).join('|')}`);
}

function listText(): string {
  return WORKLOADS.map(({ name, summary }) => `${name.padEnd(12)}${summary}`).join('\n');
}

function helpText(): string {
  const parts = WORKLOADS.map(({ name, summary, options }) =>
    [`  ${name}: ${summary}`, ...helpOf(options)].join('\n'),
  );
  return [
    'npm run bench -- --workload NAME [options]',
    '',
    ...helpOf(COMMON),
    '',
    ...parts,
    '',
    'Exit status: 0 measured; 1 a budget was missed (with --budget), or the books were not what',
    'the client sent; 2 it cannot be run as asked, or not in this build.',
    '',
    'Figures, method and budgets: docs/benchmarks.md. Ratios hold on a shared machine, absolute',
    'figures only on a quiet one: the load before the run is printed with every result.',
  ].join('\n');
}

function jsonText(workload: Workload, machine: Machine, report: Report): string {
  const { method, figures, budgets } = report;
  const judged = budgets.map((budget) => ({ ...budget, met: isMet(budget) }));
  return JSON.stringify({ workload: workload.name, ...figures, machine, method, budgets: judged });
}

function text(machine: Machine, { method, tables, budgets }: Report): string {
  return [
    ...tables.map(tableText),
    budgets.map(budgetText).join('\n'),
    ['Method', ...method.map((sentence) => `- ${sentence}`)].join('\n'),
    `Machine: ${machineText(machine)}; ${quietText(machine)}`,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function tableText({ title, columns, rows }: Table): string {
  const lines = [columns, ...rows].filter((line) => line.some((cell) => cell !== ''));
  const widths = columns.map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? '').length)),
  );
  const written = lines.map((line) =>
    line
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!),
      )
      .join('  '),
  );
  return [title, ...written].join('\n');
}

function budgetText(budget: Budget): string {
  const { what, bound, limit, figure } = budget;
  const verdict = isMet(budget) ? 'met' : 'MISSED';
  const shown = figure === null ? 'not measured' : figure.toLocaleString('en');
  return `budget ${verdict}: ${what} is ${shown}, ${bound} ${limit.toLocaleString('en')} is wanted`;
}

if (import.meta.main) {
  // What was started ends with this process: whoever starts something says so to `exit`.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => process.exit(EXIT_INTERRUPTED));
  }
  process.exitCode = await bench(process.argv.slice(2), {
    print: (text) => process.stdout.write(`${text}\n`),
    tell: (line) => process.stderr.write(`${line}\n`),
  });
}
