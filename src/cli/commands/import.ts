// `holdfast import`: a CSV file of transfers or accounts. Ids come from a manifest
// (client/import-manifest.ts), so running it again, also after a crash in the middle, does nothing
// twice: what is there answers `exists`.

import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { formatId } from '../../base/ids.ts';
import type { BatchAnswer, Client } from '../../client/http-client.ts';
import type { BatchResult, Ledger } from '../../client/wire.ts';
import { connect, dataFolder } from '../connection.ts';
import { ExitCode } from '../exit-codes.ts';
import { CliFailure, refusedLocally, toFailure } from '../failure.ts';
import type { ImportTable } from '../import-rows.ts';
import { Output } from '../output.ts';
import type { Run } from '../run.ts';

type ImportOptions = {
  readonly file: string;
  readonly manifest?: string;
  readonly dryRun?: boolean;
};

const FILE_BYTES_MAX = 256 * 1024 * 1024;
const ROWS_PER_BATCH = 1000;
const REFUSALS_SHOWN_MAX = 10;

export function addImportCommand(program: Command, run: Run): void {
  program
    .command('import')
    .description('import transfers or accounts from a CSV file; again changes nothing')
    .requiredOption('--file <file>', 'CSV with a heading (docs/reference/cli.md)')
    .option('--manifest <file>', 'where the ids come from (<data>/imports/<sha256>.json)')
    .option('-n, --dry-run', 'check the whole file and send nothing')
    .action(
      run<ImportOptions>(async ({ io, options }) => {
        const output = new Output(io, options);
        const bytes = await readImportFile(options.file);
        const { readTable } = await import('../import-rows.ts');
        const table = readTable(bytes);
        await using client = await connect(io, options);
        const ledgers = await client.ledgers.list();
        const { manifestPath, sha256Hex } = await import('../../client/import-manifest.ts');
        const digest = sha256Hex(bytes);
        const folder = dataFolder(io, options);
        const path = options.manifest ?? manifestPath(folder, digest);
        if (options.dryRun === true) return await dryRun(output, table, ledgers);
        return await importTable(client, output, { table, ledgers, digest, manifestPath: path });
      }),
    );
}

async function readImportFile(file: string): Promise<Buffer> {
  try {
    const { size } = await stat(file);
    if (size <= FILE_BYTES_MAX) return await readFile(file);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CliFailure({
      exitCode: ExitCode.failed,
      code: 'file_unreadable',
      message: `${join(file)} cannot be read: ${reason}.`,
      money: 'Nothing was sent.',
    });
  }
  throw refusedLocally('file_too_large', `${file} is larger than ${FILE_BYTES_MAX} bytes.`);
}

async function dryRun(
  output: Output,
  table: ImportTable,
  ledgers: readonly Ledger[],
): Promise<number> {
  const { readAccounts, readTransfers } = await import('../import-rows.ts');
  if (table.kind === 'accounts') readAccounts(table.rows, ledgers);
  else readTransfers(table.rows, ledgers, (rowNumber) => BigInt(rowNumber));
  const rows = table.rows.length;
  if (output.isJson) output.json({ kind: table.kind, rows, dry_run: true });
  else output.line(`${rows} rows of ${table.kind} can be read. Nothing was sent.`);
  return ExitCode.ok;
}

type ImportWork = {
  readonly table: ImportTable;
  readonly ledgers: readonly Ledger[];
  readonly digest: string;
  readonly manifestPath: string;
};

type Tally = {
  created: number;
  existed: number;
  readonly refusals: { row: number; id: string; code: string; detail: string }[];
};

async function importTable(client: Client, output: Output, work: ImportWork): Promise<number> {
  const { readAccounts, readTransfers } = await import('../import-rows.ts');
  const { openManifest, rowTransferId } = await import('../../client/import-manifest.ts');
  const { table, ledgers } = work;
  const tally: Tally = { created: 0, existed: 0, refusals: [] };
  const extra: { manifest?: string } = {};
  if (table.kind === 'accounts') {
    const accounts = readAccounts(table.rows, ledgers);
    await inBatches(output, accounts, tally, (batch) => client.accounts.createBatch(batch));
  } else {
    readTransfers(table.rows, ledgers, (rowNumber) => BigInt(rowNumber));
    const { manifest, path } = await openManifest(work.manifestPath, work.digest);
    const idOf = (rowNumber: number): bigint => rowTransferId(manifest, rowNumber);
    const transfers = readTransfers(table.rows, ledgers, idOf);
    extra.manifest = path;
    await inBatches(output, transfers, tally, (batch) => client.transfers.createBatch(batch));
  }
  report(output, table, tally, extra);
  return tally.refusals.length === 0 ? ExitCode.ok : ExitCode.refused;
}

/**
 * One batch after the other, in the order of the file: later rows may need the money of earlier.
 */
async function inBatches<T>(
  output: Output,
  items: readonly T[],
  tally: Tally,
  create: (batch: readonly T[]) => Promise<BatchAnswer>,
): Promise<void> {
  for (let start = 0; start < items.length; start += ROWS_PER_BATCH) {
    const batch = items.slice(start, start + ROWS_PER_BATCH);
    const { results } = await create(batch).catch((error: unknown) => {
      throw withWayOut(error);
    });
    for (const [index, result] of results.entries()) count(tally, start + index + 1, result);
    if (output.isTerminal) output.note(`${start + batch.length} of ${items.length} rows`);
  }
}

/** The ids are the manifest's, so the way out is always the same command. */
function withWayOut(error: unknown): CliFailure {
  const { exitCode, code, message, money, errors } = toFailure(error);
  const action = 'Run the same import again: what was done is not done twice.';
  return new CliFailure({ exitCode, code, message, money, action, errors }, error);
}

function count(tally: Tally, row: number, result: BatchResult): void {
  if (result.status === 'created') tally.created++;
  else if (result.status === 'exists') tally.existed++;
  else {
    const { id, code, detail } = result;
    tally.refusals.push({ row, id: id.toString(16).padStart(32, '0'), code, detail });
  }
}

function report(
  output: Output,
  table: ImportTable,
  tally: Tally,
  extra: { readonly manifest?: string },
): void {
  const { created, existed, refusals } = tally;
  const prefix = table.kind === 'accounts' ? 'account' : 'transfer';
  const named = refusals.map((item) => ({ ...item, id: formatId(prefix, BigInt(`0x${item.id}`)) }));
  if (output.isJson) {
    const rows = table.rows.length;
    const refused = named.length;
    output.json({ kind: table.kind, rows, created, existed, refused, refusals: named, ...extra });
    return;
  }
  output.pairs([
    ['rows', `${table.rows.length} (${table.kind})`],
    ['created', String(created)],
    ['existed', `${existed} (done before, not done again)`],
    ['refused', String(named.length)],
    ...(extra.manifest === undefined ? [] : [['manifest', extra.manifest] as const]),
  ]);
  for (const { row, code, detail } of named.slice(0, REFUSALS_SHOWN_MAX)) {
    output.note(`row ${row}: ${code}. ${detail}`);
  }
  const more = named.length - REFUSALS_SHOWN_MAX;
  if (more > 0) output.note(`and ${more} more; --json lists them all`);
  if (named.length > 0 && table.kind === 'transfers') {
    output.note('To try them again put these rows, and only these, into a file of their own.');
  }
}
