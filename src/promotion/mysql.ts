// MariaDB's hand of the supervision: semi-synchronous replication by GTID. An act is guarded like
// PostgreSQL's: a session takes a lock of the server (GET_LOCK), reads the stored term, compares,
// acts, and goes.
//
// A seal is STOP SLAVE IO_THREAD, then all that was received is applied, then the replica is told
// to follow a name that stands for nobody, so that a server that is started again stays sealed. In
// that order: CHANGE MASTER throws away what was received and not applied.

import { setTimeout as pause } from 'node:timers/promises';
import { type Act, ActFailed, type EngineHand, type Sounding, TermRefused } from './hand.ts';
import { headOf, mysqlBarrier, mysqlHead } from './journal-head.ts';
import {
  type MySqlView,
  NOTES,
  SEALED_HOST,
  lookAtMySql,
  sequenceOf,
  withAttached,
} from './mysql-look.ts';
import {
  type MySqlCredentials,
  type MySqlServer,
  MySqlSession,
  cell,
  quotedText,
} from './mysql-session.ts';

export type MySqlHandOptions = {
  readonly servers: readonly MySqlServer[];
  readonly credentials: MySqlCredentials;
  /** For members that were no replicas before, which know none; '' = none. */
  readonly replicationPassword: string;
};

const LOCK = 'holdfast_supervision';
const LOCK_SECONDS = 8;
const LOOK_MS = 50;
const APPLY_SECONDS = 60;
const APPLY_MS_MAX = 65_000;
const CATCH_UP_MS_MAX = 15_000;
const FOLLOW_MS_MAX = 30_000;
const PROVE_MS_MAX = 10_000;

const OWN_NOTES = [
  'set sql_log_bin = 0',
  'create database if not exists holdfast_supervision',
  `create table if not exists ${NOTES} (
    id tinyint unsigned not null primary key,
    term bigint unsigned not null default 0,
    promoted_term bigint unsigned not null default 0,
    sealed_from varchar(300) not null default ''
  ) engine=InnoDB`,
  `insert ignore into ${NOTES} (id) values (1)`,
];

/** The primary does not know the member's last commit. */
const BRANCHED = /not in the master's binlog|diverged|out-of-order/i;
const TAKE_BACK =
  'It holds commits that the primary has not. Start it with --init-rpl-role=SLAVE, which takes ' +
  'back what nobody acknowledged; if it was started without before, copy the primary anew.';

const WITHOUT_REPLICATION = ['stop slave', 'reset slave all'];

export class MySqlHand implements EngineHand {
  readonly engine = 'mysql';
  readonly #options: MySqlHandOptions;
  readonly #servers: ReadonlyMap<string, MySqlServer>;
  #views = new Map<string, MySqlView>();

  constructor(options: MySqlHandOptions) {
    this.#options = options;
    this.#servers = new Map(
      options.servers.map((server) => [`${server.host}:${server.port}`, server]),
    );
  }

  async look(): Promise<readonly MySqlView[]> {
    const { credentials } = this.#options;
    const views = withAttached(
      await Promise.all(
        [...this.#servers].map(([name, server]) => lookAtMySql(server, name, credentials)),
      ),
    );
    this.#views = new Map(views.map((view) => [view.name, view]));
    return views;
  }

  async carryOut(act: Act, term: number): Promise<void> {
    try {
      if (act.kind === 'catch-up') return await this.#untilCaughtUp(act);
      await this.#guarded(act, term);
      if (act.kind === 'follow') await this.#untilFollows(act);
    } catch (error) {
      if (error instanceof TermRefused || error instanceof ActFailed) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new ActFailed(act.kind, act.member, `${act.member}: ${why}.`, error);
    }
  }

  statements(act: Act, term: number): readonly string[] {
    return this.#statementsOf(act, term, true);
  }

  undoing(act: Act): readonly string[] {
    const source = this.#views.get(act.member)?.source ?? '';
    switch (act.kind) {
      case 'fence':
        return ['set global read_only = 0'];
      case 'seal':
        return source === '' ? [] : [...following(source, ''), 'start slave'];
      case 'ready':
        return ['set global rpl_semi_sync_master_enabled = 0'];
      case 'follow':
        return ['stop slave'];
      case 'claim':
      case 'catch-up':
      case 'promote':
      case 'prove':
        return [];
      default:
        return act satisfies never;
    }
  }

  async sound(member: string): Promise<Sounding> {
    await using session = await this.#connect(member);
    const [replication] = await session.rows('show all slaves status');
    const isSealed = cell(replication, 'Master_Host') === SEALED_HOST;
    if (!isSealed || cell(replication, 'Slave_IO_Running') === 'Yes') {
      throw new ActFailed('seal', member, `${member} still receives: its head is not its last.`);
    }
    const [own] = await session.rows('select @@global.gtid_slave_pos as applied');
    const [head] = await session
      .rows(mysqlHead(this.#options.credentials.database))
      .catch(() => []);
    return { head: headOf(head), received: cell(own, 'applied') };
  }

  compareReceived(a: string, b: string): number {
    return sequenceOf(a) - sequenceOf(b);
  }

  async close(): Promise<void> {
    // Every session ends with its act.
  }

  async #guarded(act: Act, term: number): Promise<void> {
    await using session = await this.#connect(act.member);
    const [lock] = await session.rows(`select get_lock('${LOCK}', ${LOCK_SECONDS}) as isMine`);
    if (cell(lock, 'isMine') !== '1') throw new Error('somebody else acts on it just now');
    for (const statement of OWN_NOTES) await session.rows(statement);
    const [row] = await session.rows(`select term from ${NOTES}`);
    const stored = Number(cell(row, 'term'));
    const isRefused = act.kind === 'claim' ? stored >= term : stored > term;
    if (isRefused) throw new TermRefused(act.member, stored, term);
    if (stored < term) await session.rows(`update ${NOTES} set term = ${term}`);
    if (act.kind === 'seal') await this.#applyReceived(session, act.member);
    if (act.kind === 'prove') return await this.#prove(session, act.member);
    for (const statement of this.#statementsOf(act, term, false)) await session.rows(statement);
  }

  #statementsOf(act: Act, term: number, isShown: boolean): readonly string[] {
    const view = this.#views.get(act.member);
    switch (act.kind) {
      case 'claim':
        return isShown ? [...OWN_NOTES, `update ${NOTES} set term = ${term}`] : [];
      case 'fence':
        return ['set global read_only = 1'];
      case 'catch-up':
        return isShown ? ['show all slaves status'] : [];
      case 'seal':
        return [
          ...(isShown ? ['stop slave io_thread', applied(view?.received ?? '')] : []),
          'stop slave',
          ...(view?.isSealed === true
            ? []
            : [`update ${NOTES} set sealed_from = ${quotedText(view?.source ?? '')}`]),
          `change master to master_host='${SEALED_HOST}', master_port=1, ` +
            'master_use_gtid=slave_pos',
        ];
      case 'ready':
        return [
          "set global rpl_semi_sync_master_wait_point = 'AFTER_SYNC'",
          'set global rpl_semi_sync_master_timeout = 4294967295',
          'set global rpl_semi_sync_master_wait_no_slave = 1',
          'set global rpl_semi_sync_master_enabled = 1',
        ];
      case 'promote':
        return [
          `update ${NOTES} set promoted_term = ${term}, sealed_from = ''`,
          ...(view?.hasReplication === true ? WITHOUT_REPLICATION : []),
          'set global read_only = 0',
        ];
      case 'follow':
        return this.#following(act.member, act.primary, isShown);
      case 'prove':
        return isShown ? [mysqlBarrier(this.#options.credentials.database)] : [];
      default:
        return act satisfies never;
    }
  }

  #following(member: string, primary: string, isShown: boolean): readonly string[] {
    const view = this.#views.get(member);
    const { replicationPassword } = this.#options;
    const user = [...this.#views.values()].find(({ sourceUser }) => sourceUser !== '')?.sourceUser;
    const isKnown = view?.hasReplication === true;
    if (!isShown && !isKnown && (user === undefined || replicationPassword === '')) {
      const why = `${member} was no replica before, and knows no password to follow with.`;
      throw new ActFailed('follow', member, `${why} Name it: --replication-password-file.`);
    }
    const password = isShown ? '***' : replicationPassword;
    const own =
      user === undefined || replicationPassword === ''
        ? ''
        : `, master_user=${quotedText(user)}, master_password=${quotedText(password)}`;
    return [
      'set global read_only = 1',
      'set global rpl_semi_sync_master_enabled = 0',
      isKnown ? 'stop slave' : 'set global gtid_slave_pos = @@global.gtid_current_pos',
      ...following(primary, own),
      `update ${NOTES} set sealed_from = ''`,
      'start slave',
    ];
  }

  /** Then nothing that was acknowledged is thrown away with the relay log. */
  async #applyReceived(session: MySqlSession, member: string): Promise<void> {
    const [before] = await session.rows('show all slaves status');
    if (cell(before, 'Master_Host') === SEALED_HOST) return;
    await session.rows('stop slave io_thread');
    await session.rows('start slave sql_thread');
    const [row] = await session.rows('show all slaves status');
    const received = cell(row, 'Gtid_IO_Pos');
    const [waited] = await session.rows(applied(received), APPLY_MS_MAX);
    if (cell(waited, 'result') === '0') return;
    const error = cell(row, 'Last_SQL_Error');
    const why = `${member} does not apply all that it received (${received}). ${error}`.trim();
    throw new ActFailed('seal', member, why);
  }

  /** The primary's answer alone is no proof: a replica must say that it has it. */
  async #prove(session: MySqlSession, primary: string): Promise<void> {
    await session.rows(`select release_lock('${LOCK}')`);
    await session.rows('set sql_log_bin = 1');
    const why = `Nobody acknowledges to ${primary}: it has no replica that follows it.`;
    try {
      await session.rows(mysqlBarrier(this.#options.credentials.database), PROVE_MS_MAX);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new ActFailed('prove', primary, `${why} (${reason})`, error);
    }
    const [row] = await session.rows('select @@last_gtid as gtid');
    const goal = sequenceOf(cell(row, 'gtid'));
    const isThere = async (): Promise<boolean> => {
      const views = await this.look();
      return views.some((view) => {
        return view.source === primary && view.isReceiving && sequenceOf(view.received) >= goal;
      });
    };
    await this.#until(isThere, PROVE_MS_MAX, new ActFailed('prove', primary, why));
  }

  async #untilCaughtUp(act: Act & { readonly kind: 'catch-up' }): Promise<void> {
    await using primary = await this.#connect(act.primary);
    const [row] = await primary.rows('select @@global.gtid_binlog_pos as written');
    const goal = cell(row, 'written');
    await using session = await this.#connect(act.member);
    const isThere = async (): Promise<boolean> => {
      const [replication] = await session.rows('show all slaves status');
      return sequenceOf(cell(replication, 'Gtid_IO_Pos')) >= sequenceOf(goal);
    };
    const why = `${act.member} has not received all that ${act.primary} has written (${goal}).`;
    await this.#until(isThere, CATCH_UP_MS_MAX, new ActFailed(act.kind, act.member, why));
  }

  async #untilFollows(act: Act & { readonly kind: 'follow' }): Promise<void> {
    await using session = await this.#connect(act.member);
    let error = '';
    const isFollowing = async (): Promise<boolean> => {
      const [row] = await session.rows('show all slaves status');
      error = cell(row, 'Last_IO_Error') || cell(row, 'Last_SQL_Error');
      const isRunning = cell(row, 'Slave_IO_Running') === 'Yes';
      return isRunning && cell(row, 'Slave_SQL_Running') === 'Yes' && error === '';
    };
    const failure = (): ActFailed => {
      const why = `${act.member} does not follow ${act.primary}: ${error || 'no error is told'}.`;
      return new ActFailed(
        act.kind,
        act.member,
        BRANCHED.test(error) ? `${why} ${TAKE_BACK}` : why,
      );
    };
    await this.#until(isFollowing, FOLLOW_MS_MAX, failure);
  }

  async #until(
    condition: () => Promise<boolean>,
    withinMs: number,
    failure: ActFailed | (() => ActFailed),
  ): Promise<void> {
    const deadlineMs = performance.now() + withinMs;
    while (!(await condition())) {
      if (performance.now() > deadlineMs) {
        throw failure instanceof ActFailed ? failure : failure();
      }
      await pause(LOOK_MS);
    }
  }

  async #connect(member: string): Promise<MySqlSession> {
    const server = this.#servers.get(member);
    if (server === undefined) throw new Error(`${member} is none of the members`);
    return await MySqlSession.connect(server, this.#options.credentials);
  }
}

function applied(received: string): string {
  return `select master_gtid_wait(${quotedText(received)}, ${APPLY_SECONDS}) as result`;
}

function following(server: string, credentials: string): string[] {
  const [host = '', port = ''] = server.split(/:(?=\d+$)/);
  return [
    `change master to master_host=${quotedText(host)}, master_port=${port}${credentials}, ` +
      'master_use_gtid=slave_pos',
  ];
}
