// The tables and the statements. The head row is what appends compare and move on, in the one
// statement that also writes the entries: two writers cannot both succeed, however late one comes.
//
//   holdfast_journal_head   one row: epoch, position and digest of the last entry; a counter that
//                           barriers raise; the version of this layout
//   holdfast_journal        an entry each, whole, in `bytes`; what stands beside it is for the
//                           order, for the foreign reader and for the eye
//
// DDL happens once, when the journal is created. `external`: bytes that look random are not worth
// a try to compress them.

import { type Entry, EntryKind, equalBytes } from '../../base/entry.ts';
import type { Question } from './session.ts';

export const LAYOUT_VERSION = 1;

/** Whoever creates the journal holds it, so that two do not at once. Any number would do. */
const CREATION_LOCK = 4_716_201_911;

const CHANNEL = 'holdfast_journal';

export const CREATE_TABLES: readonly string[] = [
  'begin',
  `select pg_advisory_xact_lock(${CREATION_LOCK})`,
  `create table if not exists holdfast_journal_head (
     id int primary key check (id = 1),
     layout int not null,
     epoch bigint not null,
     position bigint not null,
     digest bytea not null,
     barrier bigint not null
   ) with (fillfactor = 10)`,
  `create table if not exists holdfast_journal (
     position bigint primary key,
     epoch bigint not null,
     previous_digest bytea not null,
     digest bytea not null,
     bytes bytea not null
   ) with (autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05)`,
  'alter table holdfast_journal alter column bytes set storage external',
  `insert into holdfast_journal_head (id, layout, epoch, position, digest, barrier)
     select 1, ${LAYOUT_VERSION}, 0, 0, decode(repeat('00', 32), 'hex'), 0
     where not exists (select from holdfast_journal)
     on conflict do nothing`,
  'commit',
];

export const HAS_TABLES: Question = {
  text: `select to_regclass('holdfast_journal_head') is not null
            and to_regclass('holdfast_journal') is not null as "hasTables"`,
};

/** Commits only when the standbys have it, and with it all that was committed before. */
export const BARRIER: Question = {
  text: 'update holdfast_journal_head set barrier = barrier + 1 where id = 1 returning layout',
};

export const BOUNDS: Question = {
  text: `select layout, head.epoch, head.position, head.digest,
           coalesce((select min(position) from holdfast_journal), 0) as "first",
           last.epoch as "lastEpoch", last.digest as "lastDigest",
           coalesce((select max(position) from holdfast_journal), 0) as "last"
         from holdfast_journal_head as head
           left join holdfast_journal as last on last.position = head.position
         where head.id = 1`,
};

export const FIRST: Question = {
  text: 'select coalesce(min(position), 0) as "first" from holdfast_journal',
};

export const LISTEN: Question = { text: `listen ${CHANNEL}` };

export function digestAt(position: number): Question {
  return {
    name: 'holdfast_digest_at',
    text: 'select digest from holdfast_journal where position = $1',
    values: [position],
  };
}

/** Entries from a position on, in order: as many as fit, and one at least. */
export function entriesFrom(position: number, entriesMax: number, bytesMax: number): Question {
  return {
    name: 'holdfast_entries_from',
    text: `select position, bytes from (
             select position, bytes,
               sum(octet_length(bytes)) over (order by position) - octet_length(bytes) as before
             from (select position, bytes from holdfast_journal
                   where position >= $1 order by position limit $2) as next
           ) as counted where before < $3 order by position`,
    values: [position, entriesMax, bytesMax],
  };
}

/** Never the last entry, whatever the position. */
export function discardStep(position: number, entriesMax: number): Question {
  return {
    name: 'holdfast_discard',
    text: `with gone as (
             delete from holdfast_journal where position in (
               select position from holdfast_journal
               where position <= $1
                 and position < (select position from holdfast_journal_head where id = 1)
               order by position limit $2)
             returning 1)
           select count(*) as "count" from gone`,
    values: [position, entriesMax],
  };
}

const ENTRY_COLUMNS = 5;
const HEAD_PARAMETERS = 6;

/**
 * Appends entries of which each follows the one before (`follows`), all or none: the answer's one
 * row counts them. Readers are told when they are durable.
 */
export function appendStatement(entries: readonly Entry[]): Question {
  const first = entries[0]!;
  const last = entries.at(-1)!;
  const values: unknown[] = [
    epochBefore(first),
    first.position - 1,
    view(first.previousDigest),
    last.epoch,
    last.position,
    view(last.digest),
  ];
  for (const { position, epoch, previousDigest, digest, bytes } of entries) {
    values.push(position, epoch, view(previousDigest), view(digest), view(bytes));
  }
  return { name: `holdfast_append_${entries.length}`, text: appendText(entries.length), values };
}

/** Whether an entry can stand behind another in one statement, which compares only the first. */
export function follows(entry: Entry, previous: Entry): boolean {
  return (
    entry.position === previous.position + 1 &&
    epochBefore(entry) === previous.epoch &&
    equalBytes(entry.previousDigest, previous.digest)
  );
}

/** An opening raises the epoch by one; nothing else may. */
function epochBefore(entry: Entry): number {
  return entry.kind === EntryKind.opening ? entry.epoch - 1 : entry.epoch;
}

const appendTexts = new Map<number, string>();

function appendText(entryCount: number): string {
  const known = appendTexts.get(entryCount);
  if (known !== undefined) return known;
  const rows = Array.from({ length: entryCount }, (_, index) => {
    const number = HEAD_PARAMETERS + index * ENTRY_COLUMNS;
    return `($${number + 1}::bigint, $${number + 2}::bigint, $${number + 3}::bytea,
      $${number + 4}::bytea, $${number + 5}::bytea)`;
  });
  const text = `with head as (
      update holdfast_journal_head set epoch = $4, position = $5, digest = $6
      where id = 1 and epoch = $1 and position = $2 and digest = $3
      returning 1),
    added as (
      insert into holdfast_journal (position, epoch, previous_digest, digest, bytes)
      select entry.* from head, (values ${rows.join(', ')}) as entry
      returning 1)
    select (select count(*) from added) as "added", pg_notify('${CHANNEL}', '')`;
  appendTexts.set(entryCount, text);
  return text;
}

/** Sent as bytes, not as text. */
function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
