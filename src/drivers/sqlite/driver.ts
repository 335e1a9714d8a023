// The view store on SQLite, by what Node has of it. One file that any SQLite tool opens; WAL, so
// that whoever reads never keeps the writer waiting, nor the writer him. `synchronous = NORMAL`: no
// write waits for the disk, and after a loss of power the last ones may be missing, as the port
// allows. Calls are synchronous: they belong in a thread of their own.

import { closeSync, mkdirSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { assert } from '../../base/assert.ts';
import { OperationalError } from '../../base/errors.ts';
import type { Cell, Change, Row, Scan, ViewReader, ViewSchema } from '../../ports/view-store.ts';
import type { ViewStore, ViewTable } from '../../ports/view-store.ts';
import type { SqliteViewOptions } from './options.ts';
import { creationOf, literalColumns, rowStatement, scanStatement } from './statements.ts';

/** "HFVW": what `file` and other tools see that the database is ours by. */
const APPLICATION_ID = 0x48465657;
const PAGE_BYTES = 16_384;
const CACHE_KIB = 128 * 1024;
/** Pages of the log before it is written back: 32 MiB. */
const LOG_PAGES = 2048;
/** A tool that has the file locked for good is told of; one that reads is no hindrance. */
const BUSY_MS = 5000;
const SQLITE_BUSY = 5;
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;
const PASSING = new Set([SQLITE_BUSY, SQLITE_IOERR, SQLITE_FULL]);

export function createViewStore(schema: ViewSchema, options: SqliteViewOptions): ViewStore {
  return new SqliteViewStore(schema, options);
}

class SqliteViewStore implements ViewStore {
  readonly #schema: ViewSchema;
  readonly #tables: ReadonlyMap<string, ViewTable>;
  readonly #options: SqliteViewOptions;
  readonly #statements = new Map<string, StatementSync>();
  #database: DatabaseSync | undefined;

  constructor(schema: ViewSchema, options: SqliteViewOptions) {
    this.#schema = schema;
    this.#tables = new Map(schema.tables.map((table) => [table.name, table]));
    this.#options = options;
  }

  open(): ReturnType<ViewStore['open']> {
    const { file, mode } = this.#options;
    const isThere = (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0;
    if (mode === 'read' && !isThere) return { kind: 'absent' };
    if (mode === 'write') mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    try {
      // SQLite gives its other files the same rights.
      if (mode === 'write' && !isThere) closeSync(openSync(file, 'a', 0o600));
      const database = new DatabaseSync(file, { readOnly: mode === 'read' });
      this.#database = database;
      database.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
      if (!isThere) {
        this.#create(database);
        return { kind: 'new' };
      }
      const why = this.#strangeness(database);
      if (why === undefined) {
        if (mode === 'write') settle(database);
        return { kind: 'known' };
      }
      this.close();
      return { kind: 'unusable', why };
    } catch (error) {
      this.close();
      if (isPassing(error)) throw failure(error);
      return { kind: 'unusable', why: reasonOf(error) };
    }
  }

  #create(database: DatabaseSync): void {
    database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA application_id = ${APPLICATION_ID};`);
    settle(database);
    database.exec(`BEGIN;\n${creationOf(this.#schema)}\nCOMMIT;`);
  }

  #strangeness(database: DatabaseSync): string | undefined {
    const id = Number(numberOf(database, 'application_id'));
    const version = numberOf(database, 'user_version');
    if (id !== APPLICATION_ID) return 'it was not made by Holdfast';
    if (version === BigInt(this.#schema.version)) return undefined;
    return `it is of schema version ${version}, and this release has ${this.#schema.version}`;
  }

  write(changes: readonly Change[]): void {
    const database = this.#open();
    try {
      database.exec('BEGIN IMMEDIATE');
      for (const change of changes) this.#carryOut(change);
      database.exec('COMMIT');
    } catch (error) {
      takeBack(database);
      throw failure(error);
    }
  }

  #carryOut(change: Change): void {
    const table = this.#table(change.table);
    if (change.kind !== 'set') {
      const put = this.#prepare(rowStatement(change.kind, table));
      for (const row of change.rows) put.run(...row);
      return;
    }
    const { by, column } = change;
    const set = this.#prepare(`UPDATE ${table.name} SET ${column} = ? WHERE ${by} = ?`);
    for (const [value, next] of change.rows) set.run(next, value);
  }

  reading<T>(look: (reader: ViewReader) => T): T {
    const database = this.#open();
    const reader: ViewReader = {
      scan: (scan) => this.#scan(scan),
      find: (table, by, values) => this.#find(table, by, values),
    };
    try {
      database.exec('BEGIN');
      const seen = look(reader);
      database.exec('COMMIT');
      return seen;
    } catch (error) {
      takeBack(database);
      throw isSqlite(error) ? failure(error) : error;
    }
  }

  #scan(scan: Scan): Row[] {
    const { equal = {}, from, through, limit } = scan;
    const literals = literalColumns(this.#table(scan.table));
    const bound = Object.entries(equal).filter(([column]) => !literals.has(column));
    const values: Cell[] = bound.map(([, value]) => value);
    if (from !== undefined) values.push(from);
    if (through !== undefined) values.push(through);
    if (limit !== undefined) values.push(BigInt(limit));
    return rowsOf(this.#prepare(scanStatement(scan, literals)).all(...values));
  }

  #find(table: string, by: string, values: readonly Cell[]): (Row | undefined)[] {
    const find = this.#prepare(`SELECT * FROM ${this.#table(table).name} WHERE ${by} = ?`);
    return values.map((value) => rowsOf(find.all(value))[0]);
  }

  remove(): void {
    this.close();
    const { file } = this.#options;
    for (const name of [file, `${file}-wal`, `${file}-shm`]) rmSync(name, { force: true });
  }

  close(): void {
    const database = this.#database;
    this.#database = undefined;
    this.#statements.clear();
    if (database?.isOpen === true) database.close();
  }

  #open(): DatabaseSync {
    assert(this.#database !== undefined, 'a view store is opened before it is used');
    return this.#database;
  }

  #table(name: string): ViewTable {
    const table = this.#tables.get(name);
    assert(table !== undefined, 'the table stands in the schema');
    return table;
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const made = this.#open().prepare(sql);
    made.setReadBigInts(true);
    made.setReturnArrays(true);
    this.#statements.set(sql, made);
    return made;
  }
}

/** SQLite may have done so already. */
function takeBack(database: DatabaseSync): void {
  try {
    database.exec('ROLLBACK');
  } catch {
    // There was nothing to take back.
  }
}

function settle(database: DatabaseSync): void {
  database.exec(
    `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -${CACHE_KIB};` +
      `PRAGMA wal_autocheckpoint = ${LOG_PAGES};`,
  );
}

function numberOf(database: DatabaseSync, pragma: string): bigint {
  const statement = database.prepare(`PRAGMA ${pragma}`);
  statement.setReadBigInts(true);
  const row = statement.get();
  const value = row?.[pragma];
  return typeof value === 'bigint' ? value : -1n;
}

/** Rows come as arrays; there are no blobs and no reals in our tables. */
function rowsOf(rows: unknown): Row[] {
  return rows as Row[];
}

function isSqlite(error: unknown): error is Error & { readonly errcode: number } {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number';
}

/** Not the file's fault: it may be used again as it is. */
function isPassing(error: unknown): boolean {
  if (!isSqlite(error)) return error instanceof OperationalError;
  return PASSING.has(error.errcode & 0xff);
}

function failure(error: unknown): OperationalError {
  const code = isPassing(error) ? 'VIEWS_INCOMPLETE' : 'VIEWS_UNUSABLE';
  return new OperationalError(code, { detail: `SQLite: ${reasonOf(error)}.`, cause: error });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
