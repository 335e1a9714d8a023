// The tables and the statements. One table holds the entries, one row each; its primary key and
// the row before are all that an append is compared with, so there is no head that could say
// something else than the entries. The barrier's row is what `open` changes to learn that all
// before it is replicated.

import { type Entry, EntryKind, equalBytes } from '../../base/entry.ts';

/** Names of a database stand in statements and cannot be parameters; the place allows no quotes. */
export class Statements {
  readonly database: string;
  readonly #entries: string;
  readonly #barrier: string;

  constructor(database: string) {
    this.database = database;
    this.#entries = `\`${database}\`.journal`;
    this.#barrier = `\`${database}\`.journal_barrier`;
  }

  get createDatabase(): string {
    return `create database if not exists \`${this.database}\``;
  }

  /** `size` stands in the row, so that what a batch would weigh is known without reading it. */
  get createTables(): readonly string[] {
    return [
      `create table if not exists ${this.#entries} (
        position bigint unsigned not null primary key,
        epoch bigint unsigned not null,
        digest binary(32) not null,
        size int unsigned not null,
        entry mediumblob not null
      ) engine=InnoDB`,
      `create table if not exists ${this.#barrier} (
        id tinyint unsigned not null primary key,
        nonce binary(16) not null
      ) engine=InnoDB`,
    ];
  }

  get tables(): string {
    return `select table_name as name from information_schema.tables where table_schema = ?
      and table_name in ('journal', 'journal_barrier')`;
  }

  get barrier(): string {
    return `insert into ${this.#barrier} (id, nonce) values (1, ?)
      on duplicate key update nonce = values(nonce)`;
  }

  get bounds(): string {
    return `select coalesce(min(position), 0) as first, coalesce(max(position), 0) as last
      from ${this.#entries}`;
  }

  get digestAt(): string {
    return `select digest from ${this.#entries} where position = ?`;
  }

  get entriesFrom(): string {
    return `select position, entry from ${this.#entries}
      where position >= ? order by position limit ?`;
  }

  get sizesFrom(): string {
    return `select position, size from ${this.#entries}
      where position >= ? order by position limit ?`;
  }

  get discard(): string {
    return `delete from ${this.#entries} where position <= ?`;
  }

  /**
   * Compare and append: the first row's position is computed from the row before it, found by
   * position, epoch and digest. Where it is not found the position is null, and the server refuses
   * the whole statement; where another row has the place already the primary key does. The rows
   * behind the first are chained to it by their bytes, which the driver has compared.
   */
  append(first: Entry, count: number): string {
    const head =
      first.position === 1
        ? `select if(count(*) = 0 and ? = 0 and ? = unhex(repeat('00', 32)), 1, null) as next
            from ${this.#entries}`
        : `select position + 1 as next from ${this.#entries}
            where position = ? and epoch = ? and digest = ?`;
    const more = ', (?, ?, ?, ?, ?)'.repeat(count - 1);
    return `insert into ${this.#entries} (position, epoch, digest, size, entry)
      values ((select next from (${head}) as head), ?, ?, ?, ?)${more}`;
  }
}

/** The values of `Statements.append` for entries that are chained to each other. */
export function appendValues(entries: readonly Entry[]): (number | Buffer)[] {
  const values: (number | Buffer)[] = [];
  for (const [index, entry] of entries.entries()) {
    const { position, epoch, digest, bytes } = entry;
    if (index > 0) values.push(position);
    else {
      if (position > 1) values.push(position - 1);
      values.push(epochBefore(entry), bufferOf(entry.previousDigest));
    }
    values.push(epoch, bufferOf(digest), bytes.byteLength, bufferOf(bytes));
  }
  return values;
}

/** An opening raises the epoch by one; everything else stands in the epoch of the entry before. */
export function epochBefore({ kind, epoch }: Entry): number {
  return kind === EntryKind.opening ? epoch - 1 : epoch;
}

/** Whether `next` may be appended in one statement with, and behind, `entry`. */
export function isChained(entry: Entry, next: Entry): boolean {
  return (
    next.position === entry.position + 1 &&
    epochBefore(next) === entry.epoch &&
    equalBytes(next.previousDigest, entry.digest)
  );
}

/** A view, not a copy. */
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
