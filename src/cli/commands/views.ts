// `holdfast views status|rebuild` and `holdfast export`: on the data folder. Looking and exporting
// work beside a running node; what is rebuilt is removed here and made by the node.

import { type Command, Option } from 'commander';
import { NODE_OPTION, dataFolder, nodeFolder } from '../connection.ts';
import { ExitCode } from '../exit-codes.ts';
import { CliFailure, usageFailure } from '../failure.ts';
import { LEDGER_RANGE, readNumber } from '../inputs.ts';
import type { GlobalOptions, Io } from '../io.ts';
import { Output } from '../output.ts';
import { readPeriodEnd } from '../period.ts';
import type { Run } from '../run.ts';

type OfNode = { readonly node?: string };

type ExportOptions = OfNode & {
  readonly format: 'csv' | 'parquet';
  readonly out: string;
  readonly from?: string;
  readonly to?: string;
  readonly ledger?: string;
};

const TABLES = ['movements', 'balances', 'entries'] as const;

export function addViewsCommands(program: Command, run: Run): void {
  const group = program.command('views').description('tables for people, offline');
  group
    .command('status')
    .description('how far they are; the node may be running')
    .option(...NODE_OPTION)
    .action(run<OfNode>(({ io, options }) => showStatus(io, options)));
  group
    .command('rebuild')
    .description('remove them, to be made again at the next start; the node must be stopped')
    .option(...NODE_OPTION)
    .action(
      run<OfNode>(async ({ io, options }) => {
        const own = nodeFolder(io, options);
        const { removeViews } = await import('../../main.ts');
        await removeViews(dataFolder(io, options), own);
        const output = new Output(io, options);
        if (output.isJson) output.json({ removed: true });
        else output.line('removed; the node makes them again when it starts with HOLDFAST_VIEWS');
        return ExitCode.ok;
      }),
    );
}

export function addExportCommands(program: Command, run: Run): void {
  const group = program.command('export').description('tables of the views as files');
  for (const table of TABLES) {
    const command = group
      .command(table)
      .description(`the table ${table} (docs/reference/views.md)`)
      .addOption(
        new Option('--format <format>', 'csv or parquet')
          .choices(['csv', 'parquet'])
          .default('csv'),
      )
      .requiredOption('--out <file>', 'what is there is replaced when the new one is complete')
      .option('--ledger <number>', 'of this ledger')
      .option(...NODE_OPTION);
    if (table !== 'balances') {
      command
        .option('--from <time>', 'first day like 2026-01-05, or moment')
        .option('--to <time>', 'last one');
    }
    command.action(run<ExportOptions>(({ io, options }) => exportTable(io, options, table)));
  }
}

async function showStatus(io: Io, options: GlobalOptions & OfNode): Promise<number> {
  const { lookAtViews } = await import('../../main.ts');
  const { file, verdict, reason, state, bytes } = lookAtViews(nodeFolder(io, options));
  if (verdict === 'absent') {
    throw new CliFailure({
      exitCode: ExitCode.notFound,
      code: 'views_not_found',
      message: `There are no views: ${file} is not there.`,
      money: 'Nothing was read or changed.',
      action: 'Start the node with HOLDFAST_VIEWS=sqlite, or name one with --data and --node.',
    });
  }
  const output = new Output(io, options);
  const standing = state?.standing;
  if (output.isJson) {
    output.json({
      verdict,
      reason: reason ?? null,
      file,
      bytes,
      position: standing?.position ?? null,
      timestamp_ns: standing === undefined ? null : String(standing.timeNs),
      transfers: standing?.transfers ?? null,
      accounts: standing?.accounts ?? null,
    });
  } else {
    output.pairs([
      ['views', file],
      ['verdict', verdict === 'complete' ? output.good(verdict) : output.bad(verdict)],
      ...(reason === undefined ? [] : [['reason', reason] as const]),
      ['position', String(standing?.position ?? '')],
      ['transfers', String(standing?.transfers ?? '')],
      ['accounts', String(standing?.accounts ?? '')],
      ['bytes', String(bytes)],
    ]);
  }
  return verdict === 'unusable' ? ExitCode.failed : ExitCode.ok;
}

async function exportTable(
  io: Io,
  options: GlobalOptions & ExportOptions,
  table: (typeof TABLES)[number],
): Promise<number> {
  const { format, out, from, to, ledger } = options;
  const asked = {
    table,
    ledger: ledger === undefined ? undefined : readNumber('--ledger', ledger, LEDGER_RANGE),
    fromNs: from === undefined ? undefined : readPeriodEnd('--from', from, 'begin'),
    throughNs: to === undefined ? undefined : readPeriodEnd('--to', to, 'end'),
  };
  if (out === '') throw usageFailure('--out names no file.');
  const { openExport } = await import('../../main.ts');
  const { writeExport } = await import('../export-file.ts');
  const opened = openExport(nodeFolder(io, options), asked);
  try {
    const rows = await writeExport({ format, out, columns: opened.columns, rows: opened.rows });
    const { position, timeNs } = opened.state.standing;
    const output = new Output(io, options);
    if (output.isJson) {
      output.json({ table, format, out, rows, position, timestamp_ns: String(timeNs) });
    } else {
      output.line(`${out}: ${rows} rows of ${table}, the books at position ${position}`);
    }
    return ExitCode.ok;
  } finally {
    opened.close();
  }
}
