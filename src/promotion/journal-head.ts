// Where the journal drivers keep the head of the journal, engine by engine: the one thing that the
// supervision knows of their tables. The head is the row that appends compare and move on; its
// digest stands for everything before it.

import type { Head } from './members.ts';

export const POSTGRES_HEAD = `select epoch::text as "epoch", position::text as "position",
  encode(digest, 'hex') as "digest" from holdfast_journal_head where id = 1`;

/** Digest of the entry at a position, where it has not been discarded. */
export function postgresDigestAt(position: number): string {
  return `select encode(digest, 'hex') as "digest" from holdfast_journal where position = ${position}`;
}

/** Undefined = there is no row, so no journal. */
export function headOf(row: Readonly<Record<string, unknown>> | undefined): Head | undefined {
  if (row === undefined) return undefined;
  const epoch = Number(row['epoch']);
  const position = Number(row['position']);
  if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(position)) return undefined;
  return { epoch, position, digest: String(row['digest']).toLowerCase() };
}

export function mysqlHead(database: string): string {
  return `select epoch, position, lower(hex(digest)) as digest
    from \`${database}\`.journal order by position desc limit 1`;
}

export function mysqlDigestAt(database: string, position: number): string {
  return `select lower(hex(digest)) as digest from \`${database}\`.journal
    where position = ${position}`;
}

/** A change of no content that is replicated, in a table that the driver has made for that. */
export function mysqlBarrier(database: string): string {
  return `insert into \`${database}\`.journal_barrier (id, nonce) values (1, random_bytes(16))
    on duplicate key update nonce = values(nonce)`;
}
