// The servers' settings under which what is acknowledged could be lost. Each has its own name, by
// which an operator may waive it; README.md says what each is for.

import { OperationalError } from '../../base/errors.ts';
import { nameOf } from './errors.ts';
import type { Link } from './link.ts';
import type { Member } from './members.ts';
import { ASK_MS_MAX, type MySqlSettings, PACKET_BYTES_MIN } from './options.ts';

/** Some 24 days: nobody waits so long for a replica before looking after it. */
const WAIT_MS_MIN = 2_000_000_000;

type Check = {
  /** Of the server's variable, and of the check. */
  readonly name: string;
  readonly must: string;
  readonly isMet: (value: string) => boolean;
};

const on = (name: string): Check => ({
  name,
  must: 'ON',
  isMet: (value) => value === 'ON' || value === '1',
});
const exactly = (name: string, must: string): Check => ({
  name,
  must,
  isMet: (value) => value.toUpperCase() === must,
});
const atLeast = (name: string, least: number): Check => ({
  name,
  must: `${least} or more`,
  isMet: (value) => Number(value) >= least,
});

const OF_ALL: readonly Check[] = [
  on('log_bin'),
  exactly('binlog_format', 'ROW'),
  exactly('sync_binlog', '1'),
  exactly('innodb_flush_log_at_trx_commit', '1'),
  on('innodb_doublewrite'),
  on('gtid_strict_mode'),
  on('log_slave_updates'),
];

const OF_PRIMARY: readonly Check[] = [
  on('rpl_semi_sync_master_enabled'),
  exactly('rpl_semi_sync_master_wait_point', 'AFTER_SYNC'),
  atLeast('rpl_semi_sync_master_timeout', WAIT_MS_MIN),
  on('rpl_semi_sync_master_wait_no_slave'),
  atLeast('max_allowed_packet', PACKET_BYTES_MIN),
];

const OF_REPLICA: readonly Check[] = [
  on('read_only'),
  on('rpl_semi_sync_slave_enabled'),
  exactly('sync_relay_log', '1'),
  on('relay_log_recovery'),
  atLeast('slave_max_allowed_packet', PACKET_BYTES_MIN),
];

/** What a failover changes on the way: who only reads acknowledges nothing, and need not mind. */
const OF_FAILOVER: ReadonlySet<string> = new Set(['read_only', 'rpl_semi_sync_master_enabled']);

type Finding = { readonly name: string; readonly detail: string };

/** What the checks have found that matters later. */
export type CheckedSettings = {
  readonly packetBytesMax: number;
  /** Acknowledged by the primary's word alone: the operator has said so. */
  readonly trustsPrimary: boolean;
};

/** Throws JOURNAL_UNSAFE with every setting that is wrong and not waived. */
export async function checkSettings(
  members: readonly Member[],
  primary: Link,
  { settings, mode }: { readonly settings: MySqlSettings; readonly mode: 'write' | 'read' },
): Promise<CheckedSettings> {
  const reachable = members.filter(({ link, kind }) => link === primary || kind === 'replica');
  const variables = new Map<Member, ReadonlyMap<string, string>>();
  await Promise.all(
    reachable.map(async (member) => {
      // A replica that went away meanwhile is one that cannot be asked.
      const found = await variablesOf(member.link!).catch((error: unknown) => {
        if (member.link === primary) throw error;
        return undefined;
      });
      if (found !== undefined) variables.set(member, found);
    }),
  );
  const findings: Finding[] = [];
  let packetBytesMax = PACKET_BYTES_MIN;
  for (const member of reachable) {
    const values = variables.get(member);
    if (values === undefined) continue;
    const isPrimary = member.link === primary;
    if (isPrimary) packetBytesMax = Number(values.get('max_allowed_packet'));
    for (const check of [...OF_ALL, ...(isPrimary ? OF_PRIMARY : OF_REPLICA)]) {
      if (mode === 'read' && OF_FAILOVER.has(check.name)) continue;
      findings.push(...failed(check, nameOf(member.host), values.get(check.name)));
    }
    if (!isPrimary) findings.push(...replicationFindings(member));
  }
  findings.push(...(await accountFindings(primary)));
  const confirming = confirmationFindings(members, primary);
  judge([...findings, ...confirming], settings);
  return { packetBytesMax, trustsPrimary: confirming.length > 0 };
}

async function variablesOf(link: Link): Promise<ReadonlyMap<string, string>> {
  const names = [...OF_ALL, ...OF_PRIMARY, ...OF_REPLICA].map(({ name }) => `'${name}'`);
  const rows = await link.ask(
    `show global variables where variable_name in (${names.join(', ')})`,
    [],
    ASK_MS_MAX,
  );
  return new Map(rows.map((row) => [String(row['Variable_name']), String(row['Value'])]));
}

function failed(
  { name, must, isMet }: Check,
  server: string,
  value: string | undefined,
): Finding[] {
  if (value !== undefined && isMet(value)) return [];
  const found = value === undefined ? 'is not known' : `is ${value === '' ? 'empty' : value}`;
  return [{ name, detail: `${name} of ${server} ${found} and must be ${must}` }];
}

function replicationFindings({ host, replication }: Member): Finding[] {
  if (String(replication?.['Using_Gtid'] ?? 'No') !== 'No') return [];
  const detail = `${nameOf(host)} must replicate by GTID (master_use_gtid=slave_pos)`;
  return [{ name: 'master_use_gtid', detail }];
}

/** An account that may write where `read_only` is set would write on a primary that was deposed. */
async function accountFindings(link: Link): Promise<Finding[]> {
  const rows = await link.ask('show grants');
  const grants = rows.map((row) => Object.values(row).map(String).join(' '));
  const mayAnyway = grants.some(
    (grant) =>
      /\bON \*\.\*/.test(grant) && /\b(ALL PRIVILEGES|READ_ONLY ADMIN|SUPER)\b/.test(grant),
  );
  if (!mayAnyway) return [];
  const detail = 'the user may write where read_only is set; revoke READ_ONLY ADMIN, SUPER';
  return [{ name: 'user_obeys_read_only', detail }];
}

/** Without a replica's own word an append whose waiting was ended by KILL seems acknowledged. */
function confirmationFindings(members: readonly Member[], primary: Link): Finding[] {
  const name = 'replica_confirmation';
  if (members.length < 2) {
    return [{ name, detail: 'only one server is named: name the replicas too, they are asked' }];
  }
  const denied = members.filter(({ link, mayAskReplication }) => {
    return link !== undefined && link !== primary && !mayAskReplication;
  });
  if (denied.length === 0) return [];
  const names = denied.map(({ host }) => nameOf(host)).join(', ');
  return [{ name, detail: `${names} must let the user ask: grant slave monitor on *.* to it` }];
}

function judge(findings: readonly Finding[], { waived, log }: MySqlSettings): void {
  const wrong = findings.filter(({ name }) => !waived.has(name));
  for (const { name, detail } of findings) {
    if (waived.has(name)) log('warning', `mysql: waived (${name}): ${detail}`);
  }
  if (wrong.length === 0) return;
  const words = wrong.map(({ name, detail }) => `${detail} (${name})`);
  throw new OperationalError('JOURNAL_UNSAFE', {
    detail: `Acknowledged payments could be lost: ${words.join('; ')}.`,
    wayOut:
      'Set what is named, or waive it by the name in brackets; src/drivers/mysql/README.md says ' +
      'what each is for.',
  });
}
