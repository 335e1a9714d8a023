// One look at one MariaDB server. What is noted on a member stands in a table of its own schema,
// written past the binlog (`sql_log_bin=0`): it belongs to that server, is written durably though
// the server is read-only, and replicates nowhere.

import { headOf, mysqlHead } from './journal-head.ts';
import { type MemberView, unreachable } from './members.ts';
import {
  type MySqlCredentials,
  type MySqlRow,
  type MySqlServer,
  MySqlSession,
  cell,
} from './mysql-session.ts';

/** Whom a sealed replica is told to follow: a name that stands for nobody (RFC 2606). */
export const SEALED_HOST = 'holdfast-sealed.invalid';

export const NOTES = 'holdfast_supervision.notes';

const OWN = `select @@global.read_only as readOnly, @@global.gtid_binlog_pos as written,
  @@global.gtid_slave_pos as applied, @@global.gtid_strict_mode as strict,
  @@global.sync_binlog as syncBinlog, @@global.sync_relay_log as syncRelayLog,
  @@global.innodb_flush_log_at_trx_commit as flushes,
  @@global.rpl_semi_sync_master_enabled as isSemiSync,
  @@global.rpl_semi_sync_slave_enabled as isAcknowledging,
  @@global.rpl_semi_sync_master_wait_point as waitPoint,
  @@global.rpl_semi_sync_master_timeout as waitMs`;

/** Some 24 days: with less the server goes on alone one day, and says nothing. */
const WAIT_MS_MIN = 2_000_000_000;

export type MySqlView = MemberView & {
  readonly isReadOnly: boolean;
  readonly hasReplication: boolean;
  readonly sourceUser: string;
};

/** Never throws. Who is attached to a primary its replicas say: `withAttached`. */
export async function lookAtMySql(
  server: MySqlServer,
  name: string,
  credentials: MySqlCredentials,
): Promise<MySqlView> {
  try {
    await using session = await MySqlSession.connect(server, credentials);
    const [own] = await session.rows(OWN);
    const [replication] = await session.rows('show all slaves status');
    const [notes] = await session.rows(`select * from ${NOTES}`).catch(orNone);
    const [head] = await session.rows(mysqlHead(credentials.database)).catch(orNone);
    return viewOf(name, { own, replication, notes, head });
  } catch (error) {
    const problem = error instanceof Error ? error.message || String(error) : String(error);
    return {
      ...unreachable(name, problem),
      isReadOnly: false,
      hasReplication: false,
      sourceUser: '',
    };
  }
}

const MISSING = ['ER_NO_SUCH_TABLE', 'ER_BAD_DB_ERROR'];

function orNone(error: unknown): readonly MySqlRow[] {
  if (MISSING.includes(String((error as { readonly code?: unknown }).code))) return [];
  throw error;
}

type Seen = Readonly<Record<'own' | 'replication' | 'notes' | 'head', MySqlRow | undefined>>;

function viewOf(name: string, { own, replication, notes, head }: Seen): MySqlView {
  const isStandby = replication !== undefined;
  const isReadOnly = cell(own, 'readOnly') === '1';
  const host = cell(replication, 'Master_Host');
  const isSealed = isStandby && host === SEALED_HOST;
  const received = cell(replication, 'Gtid_IO_Pos');
  const applied = cell(own, 'applied');
  const isSemiSync = cell(own, 'isSemiSync') === '1';
  const source = isSealed
    ? cell(notes, 'sealed_from')
    : `${host}:${cell(replication, 'Master_Port')}`;
  return {
    name,
    label: name,
    problem: '',
    role: isStandby ? 'standby' : 'primary',
    term: Number(cell(notes, 'term')),
    promotedTerm: Number(cell(notes, 'promoted_term')),
    timeline: 0,
    isSealed,
    isFenced: !isStandby && isReadOnly,
    isReceiving: !isSealed && cell(replication, 'Slave_IO_Running') === 'Yes',
    isApplied: received === '' || received === applied,
    source: isStandby ? source : '',
    received: isStandby ? received || applied : cell(own, 'written'),
    lag: isStandby ? lagOf(received, applied) : '',
    head: headOf(head),
    // A server that was started again has forgotten how it was set: then it is not known.
    acknowledging:
      !isStandby && !isReadOnly
        ? { quorum: isSemiSync ? 1 : 0, labels: [], isAnybody: true }
        : undefined,
    attached: [],
    faults: faultsOf(own, replication, isReadOnly),
    patroniSigns: [],
    isReadOnly,
    hasReplication: isStandby,
    sourceUser: cell(replication, 'Master_User'),
  };
}

function lagOf(received: string, applied: string): string {
  const lag = sequenceOf(received) - sequenceOf(applied);
  return received === '' || lag <= 0 ? '0 commits' : `${lag} commits`;
}

/** Of `domain-server-sequence`, the highest. */
export function sequenceOf(gtids: string): number {
  return Math.max(0, ...[...gtids.matchAll(/\d+-\d+-(\d+)/g)].map(([, number]) => Number(number)));
}

function faultsOf(
  own: MySqlRow | undefined,
  replication: MySqlRow | undefined,
  isReadOnly: boolean,
): string[] {
  const faults: string[] = [];
  const must = (name: string, wanted: string, text: string): void => {
    if (cell(own, name) !== wanted) faults.push(text);
  };
  must('strict', '1', 'gtid_strict_mode is off: branches would not be noticed');
  must('syncBinlog', '1', 'sync_binlog is not 1: what is confirmed may not be on a disk');
  must('flushes', '1', 'innodb_flush_log_at_trx_commit is not 1: commits may be lost');
  if (replication !== undefined) {
    must('syncRelayLog', '1', 'sync_relay_log is not 1: its acknowledgement is not on a disk');
    must('isAcknowledging', '1', 'rpl_semi_sync_slave_enabled is off: it acknowledges nothing');
    if (!isReadOnly) faults.push('read_only is off: it could be written to');
    const error = cell(replication, 'Last_IO_Error') || cell(replication, 'Last_SQL_Error');
    if (error !== '' && cell(replication, 'Master_Host') !== SEALED_HOST) faults.push(error);
  } else if (!isReadOnly) {
    must(
      'isSemiSync',
      '1',
      'rpl_semi_sync_master_enabled is off: what is answered is on one server',
    );
    must('waitPoint', 'AFTER_SYNC', 'rpl_semi_sync_master_wait_point is not AFTER_SYNC');
    if (Number(cell(own, 'waitMs')) < WAIT_MS_MIN) {
      faults.push('rpl_semi_sync_master_timeout is short: then it goes on alone without a word');
    }
  }
  return faults;
}

export function withAttached(views: readonly MySqlView[]): readonly MySqlView[] {
  return views.map((view) => {
    if (view.role !== 'primary' || view.problem !== '') return view;
    const attached = views
      .filter((other) => other.isReceiving && other.source === view.name)
      .map(({ label }) => label);
    return { ...view, attached };
  });
}
