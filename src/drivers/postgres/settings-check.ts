// What a server must be set to before money is trusted to it. Each check has a name, the setting's,
// under which an operator may waive it.

import { OperationalError } from '../../base/errors.ts';
import type { PostgresSettings } from './options.ts';
import type { Question, Row } from './session.ts';

/** What a server says of itself when it is connected to. */
export type ServerWord = {
  readonly isStandby: boolean;
  /** Rises with each promotion. */
  readonly timeline: number;
  /** The same for all members of one cluster. */
  readonly systemId: string;
  readonly settings: Readonly<Record<string, string>>;
};

const ASKED = [
  'synchronous_standby_names',
  'synchronous_commit',
  'fsync',
  'full_page_writes',
  'wal_level',
  'max_wal_senders',
  'server_version_num',
  'client_min_messages',
  'transaction_isolation',
  'data_checksums',
];

/** A promotion shows in the name of the WAL file at once, in the control file only later. */
export const SERVER_WORD: Question = {
  text: `select pg_is_in_recovery() as "isStandby",
      case when pg_is_in_recovery()
        then (select greatest(timeline_id, min_recovery_end_timeline)
              from pg_control_checkpoint(), pg_control_recovery())
        else ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int
      end as "timeline",
      (select system_identifier::text from pg_control_system()) as "systemId",
      ${ASKED.map((name) => `current_setting('${name}') as "${name}"`).join(', ')}`,
};

export function serverWordOf(row: Row): ServerWord {
  const { isStandby, timeline, systemId, ...settings } = row;
  return {
    isStandby: isStandby === true,
    timeline: Number(timeline),
    systemId: String(systemId),
    settings: Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [name, String(value)]),
    ),
  };
}

/**
 * Asked behind every append, and executed when the append has been committed: who empties the list
 * of standbys lets all commits go that wait for one, and they report success.
 */
export const STANDING_SETTINGS: Question = {
  name: 'holdfast_standing_settings',
  text: `select current_setting('synchronous_standby_names') as "synchronous_standby_names",
      current_setting('synchronous_commit') as "synchronous_commit",
      current_setting('fsync') as "fsync"`,
};

type Check = {
  readonly name: string;
  /** Also of a standby: one that is counted on must keep what it confirms. */
  readonly ofStandby: boolean;
  readonly isMet: (setting: (name: string) => string) => boolean;
  readonly must: string;
};

/** The first minor releases that wait for standbys from the first commit after a start on. */
const RELEASES_SOUND: readonly (readonly [major: number, minor: number])[] = [
  [14, 18],
  [15, 13],
  [16, 9],
  [17, 5],
];

export const CHECKS: readonly Check[] = [
  {
    name: 'synchronous_standby_names',
    ofStandby: false,
    isMet: (setting) => setting('synchronous_standby_names').trim() !== '',
    must: "must name standbys, as in 'ANY 1 (n2, n3)': what is answered would be on one server",
  },
  {
    name: 'synchronous_commit',
    ofStandby: false,
    isMet: (setting) => ['on', 'remote_apply'].includes(setting('synchronous_commit')),
    must: 'must be on in a session that asks for it: something between here and there resets it',
  },
  {
    name: 'client_min_messages',
    ofStandby: false,
    isMet: (setting) => setting('client_min_messages') !== 'error',
    must: 'must let warnings through to a session that asks for them',
  },
  {
    name: 'transaction_isolation',
    ofStandby: false,
    isMet: (setting) => setting('transaction_isolation') === 'read committed',
    must: 'must be read committed in a session that asks for it',
  },
  {
    name: 'max_wal_senders',
    ofStandby: false,
    isMet: (setting) => Number(setting('max_wal_senders')) > 0,
    must: 'must be above 0: commits would not wait for standbys',
  },
  {
    name: 'wal_level',
    ofStandby: false,
    isMet: (setting) => ['replica', 'logical'].includes(setting('wal_level')),
    must: 'must be replica or logical: a standby could not follow',
  },
  {
    name: 'fsync',
    ofStandby: true,
    isMet: (setting) => setting('fsync') === 'on',
    must: 'must be on: what is confirmed would not be on a disk',
  },
  {
    name: 'full_page_writes',
    ofStandby: true,
    isMet: (setting) => setting('full_page_writes') === 'on',
    must: 'must be on: a torn page could not be mended after a crash',
  },
  {
    name: 'server_version',
    ofStandby: true,
    isMet: (setting) => isSound(Number(setting('server_version_num'))),
    must:
      'must be 14.18, 15.13, 16.9, 17.5 or later: older ones do not wait for standbys in the ' +
      'first moments after a start',
  },
];

function isSound(version: number): boolean {
  const [major, minor] = [Math.floor(version / 10_000), version % 10_000];
  const known = RELEASES_SOUND.find((release) => release[0] === major);
  return known === undefined ? major > 17 : minor >= known[1];
}

/** Throws JOURNAL_UNSAFE with everything that is wrong and not waived; the rest is logged. */
export function checkServers(
  servers: readonly { readonly name: string; readonly word: ServerWord }[],
  { waived, log }: PostgresSettings,
): void {
  const wrong: string[] = [];
  for (const { name, word } of servers) {
    const setting = (key: string): string => word.settings[key] ?? '';
    for (const check of CHECKS) {
      if ((word.isStandby && !check.ofStandby) || check.isMet(setting)) continue;
      const found = setting(check.name === 'server_version' ? 'server_version_num' : check.name);
      const sentence = `${name}: ${check.name} ('${found}') ${check.must}.`;
      if (waived.has(check.name)) log('warning', `Waived. ${sentence}`);
      else wrong.push(sentence);
    }
    if (setting('data_checksums') === 'off') {
      log('warning', `${name}: data checksums are off; damage on its disk is found late.`);
    }
  }
  const systems = new Set(servers.map(({ word }) => word.systemId));
  if (systems.size > 1) {
    wrong.push('The servers are not members of one cluster: their system identifiers differ.');
  }
  if (wrong.length === 0) return;
  throw new OperationalError('JOURNAL_UNSAFE', {
    detail: wrong.join(' '),
    wayOut: 'Set the server so, or waive the check by its name (HOLDFAST_JOURNAL_WAIVED).',
  });
}

/** What is wrong with what a commit was made under; undefined = nothing. */
export function flawOf(row: Row | undefined, waived: ReadonlySet<string>): string | undefined {
  const setting = (key: string): string => {
    const value = row?.[key];
    return typeof value === 'string' ? value : '';
  };
  const names = ['synchronous_standby_names', 'synchronous_commit', 'fsync'];
  const flaw = CHECKS.find(
    ({ name, isMet }) => names.includes(name) && !waived.has(name) && !isMet(setting),
  );
  return flaw && `${flaw.name} is '${setting(flaw.name)}' now`;
}
