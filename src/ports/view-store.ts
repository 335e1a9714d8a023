// Where views are kept: tables of flat rows, which anybody may read with the store's own tools. A
// store knows columns and keys and nothing of money. What is written in one call is there as a
// whole or not at all, also after a crash at any point: so a view stores in the same call how far
// it has come, and every row is in it exactly once. Durability is not asked for: a store that has
// forgotten its last writes after a loss of power is a little behind, and is fed again from there.

/** Integers outside 64 bits with sign do not fit a cell: they are written as text. */
export type Cell = string | bigint | null;

/** Cells in the order of the table's columns. */
export type Row = readonly Cell[];

export type ViewColumn = {
  readonly name: string;
  /** `exact`: an integer as `integer` while it fits 64 bits with sign, its decimal digits after. */
  readonly type: 'text' | 'integer' | 'exact';
  readonly isNullable?: true;
};

export type ViewTable = {
  readonly name: string;
  readonly columns: readonly ViewColumn[];
  /** Columns that tell a row from all others. One integer, or several of any type. */
  readonly key: readonly string[];
  readonly indexes: readonly {
    readonly columns: readonly string[];
    readonly isUnique?: true;
    /** Only rows with this value in this integer column. */
    readonly where?: { readonly column: string; readonly is: bigint };
  }[];
};

export type ViewSchema = {
  /** A store of another version is not read and not changed: it is made again. */
  readonly version: number;
  readonly tables: readonly ViewTable[];
  /** What people read: a name, and a query over the tables in standard SQL. */
  readonly queries: readonly { readonly name: string; readonly sql: string }[];
};

export type Change =
  /** Rows with keys that are not there yet. */
  | { readonly kind: 'add'; readonly table: string; readonly rows: readonly Row[] }
  /** Whole rows; each replaces the one that has its key. */
  | { readonly kind: 'put'; readonly table: string; readonly rows: readonly Row[] }
  /** Sets one column of rows that are there: pairs of what `by` is and the new value. */
  | {
      readonly kind: 'set';
      readonly table: string;
      readonly by: string;
      readonly column: string;
      readonly rows: readonly (readonly [Cell, Cell])[];
    };

/** Rows whose columns `equal` these, in the order of one further column. */
export type Scan = {
  readonly table: string;
  readonly equal?: Readonly<Record<string, Cell>>;
  /** Both bounds are included. */
  readonly by: string;
  readonly from?: Cell | undefined;
  readonly through?: Cell | undefined;
  readonly order?: 'rising' | 'falling';
  readonly limit?: number | undefined;
};

export interface ViewReader {
  scan(scan: Scan): Row[];
  /** For each value the row that has it in a column with one row for each value; or undefined. */
  find(table: string, by: string, values: readonly Cell[]): (Row | undefined)[];
}

export interface ViewStore {
  /**
   * Opens what is there, or makes it empty (`new`). `unusable`: there is something, and it is of
   * another version, damaged, or none of ours; nothing was changed, and `remove` may be called.
   * A store that is opened to read only is never made: `absent`.
   */
  open(): { readonly kind: 'new' | 'known' | 'absent' } | { kind: 'unusable'; why: string };

  /** All or nothing, in the order given. Throws VIEWS_UNUSABLE when the store is damaged. */
  write(changes: readonly Change[]): void;

  /** What `look` reads is one state of the store, whatever is written meanwhile. */
  reading<T>(look: (reader: ViewReader) => T): T;

  /** Everything in it, for good. The store is closed before and may be opened after. */
  remove(): void;

  /** Idempotent. */
  close(): void;
}
