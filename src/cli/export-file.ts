// Rows of a table as a file: CSV, or Parquet in row groups. Rows come one by one and are never held
// as a whole. The file is written aside and takes its name when it is complete.

import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { csvLine } from '../base/csv.ts';

type Cell = string | bigint | null;

export type ExportFile = {
  readonly format: 'csv' | 'parquet';
  readonly out: string;
  readonly columns: readonly string[];
  readonly rows: Iterable<readonly Cell[]>;
};

/** Lines that are handed to the file at once. */
const LINES_AT_ONCE = 500;
const ROW_GROUP_ROWS = 100_000;

/** Numbers of 64 bits in Parquet; everything else is text, also user_data_64, which may not fit. */
const INTEGERS = new Set(['number', 'ledger', 'exponent', 'code', 'is_imported', 'user_data_32']);

/** Resolves with the number of rows. */
export async function writeExport(file: ExportFile): Promise<number> {
  const aside = `${file.out}.partial`;
  try {
    const count =
      file.format === 'csv' ? await writeCsv(file, aside) : await writeRows(file, aside);
    await rename(aside, file.out);
    return count;
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
}

async function writeCsv({ columns, rows }: ExportFile, path: string): Promise<number> {
  let count = 0;
  function* pieces(): Generator<string> {
    let piece = csvLine(columns);
    for (const row of rows) {
      piece += csvLine(row);
      count += 1;
      if (count % LINES_AT_ONCE !== 0) continue;
      yield piece;
      piece = '';
    }
    yield piece;
  }
  await pipeline(Readable.from(pieces()), createWriteStream(path));
  return count;
}

async function writeRows({ columns, rows }: ExportFile, path: string): Promise<number> {
  const { fileWriter, parquetWriteRows } = await import('hyparquet-writer');
  let count = 0;
  function* objects(): Generator<Record<string, Cell>> {
    for (const row of rows) {
      count += 1;
      yield Object.fromEntries(
        columns.map((name, index) => {
          const cell = row[index]!;
          return [name, isInteger(name) || cell === null ? cell : String(cell)];
        }),
      );
    }
  }
  await parquetWriteRows({
    writer: fileWriter(path),
    columns: columns.map((name) => {
      return { name, type: isInteger(name) ? 'INT64' : 'STRING', nullable: true };
    }),
    rows: objects(),
    rowGroupSize: ROW_GROUP_ROWS,
  });
  return count;
}

function isInteger(column: string): boolean {
  return column.endsWith('_minor') || column === 'timestamp_ns' || INTEGERS.has(column);
}
