// One look at one PostgreSQL server: everything that the plan wants to know of it, in one question
// and a second one for the journal's head. It needs a superuser, as the acts do.
//
// What is noted on a member stands in its postgresql.auto.conf, as settings of a class of our own
// (`holdfast.term`): that file is written durably, on standbys too, and stays when the server is
// restarted or promoted. It is read as the file says it, not as the last reload left it.

import { POSTGRES_HEAD, headOf } from './journal-head.ts';
import { type MemberView, unreachable } from './members.ts';
import { FENCE_LABEL, parseAcknowledging } from './postgres-acknowledging.ts';
import { parseConninfo, sourceOf } from './postgres-conninfo.ts';
import {
  type Credentials,
  PostgresSession,
  type Row,
  type Server,
  textOf,
} from './postgres-session.ts';

export const NOTE = {
  term: 'holdfast.term',
  promotedTerm: 'holdfast.promoted_term',
  /** primary_conninfo before the seal, without its password. */
  sealedFrom: 'holdfast.sealed_from',
  /** synchronous_standby_names before the fence. */
  fencedFrom: 'holdfast.fenced_from',
} as const;

export function noteOf(name: string): string {
  return `(select setting from pg_file_settings where name = '${name}'
    order by seqno desc limit 1)`;
}

const LOOK = `select pg_is_in_recovery() as "isStandby",
  ${noteOf(NOTE.term)} as "term", ${noteOf(NOTE.promotedTerm)} as "promotedTerm",
  ${noteOf(NOTE.sealedFrom)} as "sealedFrom", ${noteOf(NOTE.fencedFrom)} as "fencedFrom",
  current_setting('primary_conninfo') as "conninfo",
  current_setting('primary_slot_name') as "slot",
  current_setting('synchronous_standby_names') as "acknowledging",
  current_setting('synchronous_commit') as "commit",
  current_setting('fsync') as "fsync", current_setting('full_page_writes') as "pages",
  current_setting('data_checksums') as "checksums", current_setting('wal_log_hints') as "hints",
  current_setting('cluster_name') as "clusterName",
  case when pg_is_in_recovery()
    then greatest(coalesce(pg_last_wal_receive_lsn(), '0/0'), pg_last_wal_replay_lsn())
    else pg_current_wal_flush_lsn() end::text as "received",
  case when pg_is_in_recovery() then pg_last_wal_replay_lsn()::text end as "applied",
  case when pg_is_in_recovery()
    then greatest(coalesce(pg_last_wal_receive_lsn(), '0/0'), pg_last_wal_replay_lsn())
      - pg_last_wal_replay_lsn() else 0 end::text as "lag",
  case when pg_is_in_recovery()
    then (select max(substr(name, 1, 8)) from pg_ls_waldir() where name ~ '^[0-9A-F]{8}[0-9A-F.]')
    else substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end as "timeline",
  exists (select from pg_stat_wal_receiver) as "isReceiving",
  (select json_agg(application_name) from pg_stat_replication
    where state = 'streaming') as "attached",
  exists (select from pg_stat_activity where application_name ~* '^patroni') as "hasPatroni",
  (select string_agg(distinct sourcefile, ', ') from pg_settings
    where sourcefile ~ '(postgresql\\.base\\.conf|patroni\\.dynamic\\.json)$') as "patroniFile",
  (select count(*) = 3 from pg_settings where source = 'command line'
    and name in ('cluster_name', 'hot_standby', 'wal_level')) as "isStartedAsByPatroni"`;

export type PostgresView = MemberView & {
  /** Without a password where it comes from the note of a seal. */
  readonly conninfo: string;
  readonly slot: string;
  /** synchronous_commit, of new sessions. */
  readonly commit: string;
};

/** Never throws: what cannot be asked has a problem. */
export async function lookAtPostgres(
  server: Server,
  name: string,
  credentials: Credentials,
): Promise<PostgresView> {
  try {
    await using session = await PostgresSession.connect(server, credentials);
    const [row] = await session.rows(LOOK);
    if (row === undefined) throw new Error('it answered nothing');
    return viewOf(name, row, await readHead(session));
  } catch (error) {
    return { ...unreachable(name, problemOf(error)), conninfo: '', slot: '', commit: '' };
  }
}

function problemOf(error: unknown): string {
  const text = error instanceof Error ? error.message || String(error) : String(error);
  const code = (error as { readonly code?: unknown }).code;
  return code === '42501' ? `${text}; supervision needs a superuser` : text;
}

const NO_TABLE = '42P01';

export async function readHead(session: PostgresSession): Promise<MemberView['head']> {
  try {
    return headOf((await session.rows(POSTGRES_HEAD))[0]);
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === NO_TABLE) return undefined;
    throw error;
  }
}

function viewOf(name: string, row: Row, head: MemberView['head']): PostgresView {
  const text = (key: string): string => textOf(row, key);
  const isStandby = row['isStandby'] === true;
  const conninfo = text('conninfo') === '' ? text('sealedFrom') : text('conninfo');
  const set = text('acknowledging');
  const isFenced = set.includes(FENCE_LABEL);
  const lag = text('lag');
  return {
    name,
    label: labelIn(conninfo) || text('clusterName'),
    problem: '',
    role: isStandby ? 'standby' : 'primary',
    term: Number(row['term'] ?? 0),
    promotedTerm: Number(row['promotedTerm'] ?? 0),
    timeline: Number.parseInt(text('timeline') || '0', 16),
    isSealed: isStandby && text('conninfo') === '',
    isFenced: !isStandby && isFenced,
    isReceiving: row['isReceiving'] === true,
    isApplied: !isStandby || lag === '0',
    source: isStandby ? sourceOf(conninfo) : '',
    received: text('received'),
    lag: isStandby ? `${lag} bytes` : '',
    head,
    acknowledging: parseAcknowledging(isFenced ? text('fencedFrom') : set),
    attached: Array.isArray(row['attached']) ? row['attached'].map(String) : [],
    faults: faultsOf(text, isStandby, isFenced),
    patroniSigns: patroniSignsOf(row),
    conninfo,
    slot: text('slot'),
    commit: text('commit'),
  };
}

function labelIn(conninfo: string): string {
  return conninfo === '' ? '' : (parseConninfo(conninfo).get('application_name') ?? '');
}

/** Values of synchronous_commit under which a commit waits until a standby has it on disk. */
export const WAITING: readonly string[] = ['on', 'remote_apply'];

function faultsOf(text: (key: string) => string, isStandby: boolean, isFenced: boolean): string[] {
  const faults: string[] = [];
  if (text('fsync') !== 'on') faults.push('fsync is off: what is confirmed may not be on a disk');
  if (text('pages') !== 'on') faults.push('full_page_writes is off: torn pages after a crash');
  if (text('checksums') !== 'on' && text('hints') !== 'on') {
    faults.push('neither data checksums nor wal_log_hints: pg_rewind cannot be used');
  }
  if (isStandby || isFenced) return faults;
  if (text('acknowledging').trim() === '') {
    faults.push('synchronous_standby_names is empty: what is answered is on one server');
  }
  if (!WAITING.includes(text('commit'))) {
    faults.push(`synchronous_commit is ${text('commit')}: set it to on`);
  }
  return faults;
}

function patroniSignsOf(row: Row): string[] {
  const signs: string[] = [];
  if (row['hasPatroni'] === true) signs.push('a connection calls itself Patroni');
  if (typeof row['patroniFile'] === 'string') signs.push(`settings from ${row['patroniFile']}`);
  if (row['isStartedAsByPatroni'] === true) {
    signs.push('cluster_name, hot_standby and wal_level stand on its command line');
  }
  return signs;
}
