// From tables and scans to the words of SQLite. Names come from our own schema, values are bound.

import type { Scan, ViewColumn, ViewSchema, ViewTable } from '../../ports/view-store.ts';

/** `exact` is a column of any type: small numbers as integers, larger ones as digits. */
const TYPES = { text: 'TEXT', integer: 'INTEGER', exact: 'ANY' } as const;

export function creationOf({ version, tables, queries }: ViewSchema): string {
  return [
    ...tables.flatMap(tableStatements),
    ...queries.map(({ name, sql }) => `CREATE VIEW ${name} AS\n${sql};`),
    `PRAGMA user_version = ${version};`,
  ].join('\n');
}

function tableStatements({ name, columns, key, indexes }: ViewTable): string[] {
  // One integer is SQLite's own row number; anything else is kept in the order of the key.
  const single = key.length === 1 ? columns.find((column) => column.name === key[0]) : undefined;
  const isRowNumber = single?.type === 'integer';
  const ending = isRowNumber ? 'STRICT' : 'STRICT, WITHOUT ROWID';
  const lines = [...columns.map(columnLine), `PRIMARY KEY (${key.join(', ')})`];
  return [
    `CREATE TABLE ${name} (\n  ${lines.join(',\n  ')}\n) ${ending};`,
    ...indexes.map(({ columns: parts, isUnique, where }) => {
      const unique = isUnique === true ? 'UNIQUE ' : '';
      const only = where === undefined ? '' : ` WHERE ${where.column} = ${where.is}`;
      const index = `${name}_by_${parts.join('_')}`;
      return `CREATE ${unique}INDEX ${index} ON ${name} (${parts.join(', ')})${only};`;
    }),
  ];
}

function columnLine({ name, type, isNullable }: ViewColumn): string {
  return `${name} ${TYPES[type]}${isNullable === true ? '' : ' NOT NULL'}`;
}

/** `add` is much faster: nobody looks for what would have to be replaced. */
export function rowStatement(kind: 'add' | 'put', { name, columns }: ViewTable): string {
  const places = columns.map(() => '?').join(', ');
  const verb = kind === 'add' ? 'INSERT' : 'INSERT OR REPLACE';
  return `${verb} INTO ${name} VALUES (${places})`;
}

/** Columns that an index over some rows only asks for: SQLite wants to see their value. */
export function literalColumns({ indexes }: ViewTable): ReadonlySet<string> {
  return new Set(indexes.flatMap(({ where }) => (where === undefined ? [] : [where.column])));
}

export function scanStatement(scan: Scan, literals: ReadonlySet<string>): string {
  const { table, equal = {}, by, from, through, order = 'rising', limit } = scan;
  const conditions = [
    ...Object.entries(equal).map(([column, value]) => {
      const isLiteral = literals.has(column) && typeof value === 'bigint';
      return `${column} = ${isLiteral ? String(value) : '?'}`;
    }),
    ...(from === undefined ? [] : [`${by} >= ?`]),
    ...(through === undefined ? [] : [`${by} <= ?`]),
  ];
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  const direction = order === 'rising' ? 'ASC' : 'DESC';
  const bound = limit === undefined ? '' : ' LIMIT ?';
  return `SELECT * FROM ${table}${where} ORDER BY ${by} ${direction}${bound}`;
}
