// Reads what people read, row by row, as one state of the file: for exports. Nothing is written,
// and a node that writes meanwhile is not kept waiting.

import { DatabaseSync } from 'node:sqlite';
import type { Cell, Row } from '../../ports/view-store.ts';

export type QueryRows = {
  readonly columns: readonly string[];
  readonly rows: Iterable<Row>;
};

export type RowsAsked = {
  /** One of the schema's queries. */
  readonly name: string;
  /** Columns and what they must be, at least or before. */
  readonly equal: Readonly<Record<string, Cell>>;
  readonly from: Readonly<Record<string, Cell>>;
  readonly before: Readonly<Record<string, Cell>>;
  readonly orderBy: readonly string[];
};

export class QueryFile {
  readonly #database: DatabaseSync;

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { readOnly: true });
    this.#database.exec('BEGIN');
  }

  rowsOf({ name, equal, from, before, orderBy }: RowsAsked): QueryRows {
    const parts = [
      ...Object.entries(equal).map(([column, value]) => [`${column} = ?`, value] as const),
      ...Object.entries(from).map(([column, value]) => [`${column} >= ?`, value] as const),
      ...Object.entries(before).map(([column, value]) => [`${column} < ?`, value] as const),
    ];
    const where = parts.length === 0 ? '' : ` WHERE ${parts.map(([text]) => text).join(' AND ')}`;
    const order = orderBy.length === 0 ? '' : ` ORDER BY ${orderBy.join(', ')}`;
    const statement = this.#database.prepare(`SELECT * FROM ${name}${where}${order}`);
    statement.setReadBigInts(true);
    statement.setReturnArrays(true);
    const columns = statement.columns().map((column) => column.name);
    const rows: Iterable<unknown> = statement.iterate(...parts.map(([, value]) => value));
    return { columns, rows: rows as Iterable<Row> };
  }

  close(): void {
    this.#database.close();
  }
}
