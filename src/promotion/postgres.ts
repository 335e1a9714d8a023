// PostgreSQL's hand of the supervision: streaming replication without Patroni. How an act is
// guarded: one session takes an advisory lock of the server (they work on standbys), reads the
// stored term from the server's file, compares, acts, and goes. So an act and another operator's
// claim of a higher term on the same server come one after the other, and the lower one is refused.

import { setTimeout as pause } from 'node:timers/promises';
import { type Act, ActFailed, type EngineHand, type Sounding, TermRefused } from './hand.ts';
import { labelOf } from './members.ts';
import { FENCE_LABEL, formatAcknowledging } from './postgres-acknowledging.ts';
import {
  formatConninfo,
  lacksPassword,
  parseConninfo,
  pointedAt,
  shownConninfo,
  withoutPassword,
} from './postgres-conninfo.ts';
import {
  NOTE,
  type PostgresView,
  WAITING,
  lookAtPostgres,
  noteOf,
  readHead,
} from './postgres-look.ts';
import {
  APPLICATION_NAME,
  type Credentials,
  PostgresSession,
  type Row,
  type Server,
  literal,
  textOf,
} from './postgres-session.ts';

export type PostgresHandOptions = {
  readonly servers: readonly Server[];
  readonly credentials: Credentials;
  /** For standbys whose own connection string lost its password by the seal; '' = none. */
  readonly replicationPassword: string;
};

/** Any number, but always this: whoever acts on a server holds the lock. */
const LOCK = 4_716_201_912;

const RELOAD = 'select pg_reload_conf()';
const LOOK_MS = 50;
const RECEIVER_MS_MAX = 15_000;
const APPLY_MS_MAX = 60_000;
const CATCH_UP_MS_MAX = 15_000;
/** A standby looks for its primary every wal_retrieve_retry_interval, 5 s by default. */
const FOLLOW_MS_MAX = 30_000;
const CHECKPOINT_MS_MAX = 120_000;
const PROMOTE_SECONDS_MAX = 60;
const PROVE_MS_MAX = 10_000;

export function nameOf({ host, port }: Server): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

export class PostgresHand implements EngineHand {
  readonly engine = 'postgres';
  readonly #options: PostgresHandOptions;
  readonly #servers: ReadonlyMap<string, Server>;
  #views = new Map<string, PostgresView>();
  /** Connection strings with their passwords, as they were before they were sealed away. */
  readonly #conninfos = new Map<string, string>();

  constructor(options: PostgresHandOptions) {
    this.#options = options;
    this.#servers = new Map(options.servers.map((server) => [nameOf(server), server]));
  }

  async look(): Promise<readonly PostgresView[]> {
    const { credentials } = this.#options;
    const views = await Promise.all(
      [...this.#servers].map(([name, server]) => lookAtPostgres(server, name, credentials)),
    );
    this.#views = new Map(views.map((view) => [view.name, view]));
    for (const { name, conninfo, isSealed } of views) {
      if (conninfo !== '' && !(isSealed && this.#conninfos.has(name))) {
        this.#conninfos.set(name, conninfo);
      }
    }
    return views;
  }

  async carryOut(act: Act, term: number): Promise<void> {
    try {
      await this.#guarded(act, term);
      await this.#settled(act);
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
    const view = this.#views.get(act.member);
    switch (act.kind) {
      case 'fence':
        return [
          ...set('synchronous_standby_names', namesOf(view)),
          'alter system reset default_transaction_read_only',
          ...unset(NOTE.fencedFrom),
          RELOAD,
        ];
      case 'seal':
        return [
          ...set('primary_conninfo', shown(view?.conninfo ?? '')),
          ...unset(NOTE.sealedFrom),
          RELOAD,
        ];
      case 'ready':
        return [...set('synchronous_standby_names', namesOf(view)), RELOAD];
      case 'follow':
        return [...set('primary_conninfo', ''), RELOAD];
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
    const text = `select exists (select from pg_stat_wal_receiver) as "isReceiving",
      current_setting('primary_conninfo') as "conninfo",
      pg_last_wal_replay_lsn()::text as "applied"`;
    const [row] = await session.rows(text);
    if (row?.['isReceiving'] !== false || row['conninfo'] !== '') {
      throw new ActFailed('seal', member, `${member} still receives: its head is not its last.`);
    }
    return { head: await readHead(session), received: String(row['applied']) };
  }

  compareReceived(a: string, b: string): number {
    const [first, second] = [lsnOf(a), lsnOf(b)];
    return first === second ? 0 : first > second ? 1 : -1;
  }

  async close(): Promise<void> {
    // Every session ends with its act.
  }

  /** The statements of the act, in one session that holds the server's lock, under its term. */
  async #guarded(act: Act, term: number): Promise<void> {
    if (act.kind === 'catch-up') return;
    await using session = await this.#connect(act.member);
    await session.rows(`select pg_advisory_lock(${LOCK})`);
    const [row] = await session.rows(`select ${noteOf(NOTE.term)} as "term"`);
    const stored = Number(row?.['term'] ?? 0);
    const isRefused = act.kind === 'claim' ? stored >= term : stored > term;
    if (isRefused) throw new TermRefused(act.member, stored, term);
    if (act.kind !== 'claim' && stored < term) await runAll(session, storing(term));
    if (act.kind === 'prove') {
      // A commit that nobody acknowledges waits on when its connection ends, and must hold no lock.
      await session.rows(`select pg_advisory_unlock(${LOCK})`);
      return await this.#prove(session, act.member);
    }
    await runAll(session, this.#statementsOf(act, term, false));
    if (act.kind === 'promote') await this.#checkPromoted(session, act.member);
  }

  /** Until the act has come about; nothing is changed here. */
  async #settled(act: Act): Promise<void> {
    switch (act.kind) {
      case 'fence':
        await this.#untilRow(act, RECEIVER_MS_MAX, NOBODY_COUNTS, 'its standbys still count');
        return await this.#sendAway(act.member);
      case 'catch-up':
        return await this.#untilCaughtUp(act);
      case 'seal':
        await this.#untilRow(act, RECEIVER_MS_MAX, RECEIVER_GONE, 'its receiver does not end');
        return await this.#untilApplied(act);
      case 'ready':
        return await this.#untilReady(act);
      case 'follow':
        return await this.#untilFollows(act);
      case 'claim':
      case 'promote':
      case 'prove':
        return;
      default:
        return act satisfies never;
    }
  }

  #statementsOf(act: Act, term: number, isShown: boolean): readonly string[] {
    const view = this.#views.get(act.member);
    switch (act.kind) {
      case 'claim':
        return storing(term);
      case 'fence':
        return [
          ...(view?.isFenced === true ? [] : set(NOTE.fencedFrom, namesOf(view))),
          ...set('synchronous_standby_names', FENCE_LABEL),
          ...set('default_transaction_read_only', 'on'),
          RELOAD,
          ...(isShown ? [SEND_AWAY] : []),
        ];
      case 'catch-up':
        return isShown ? ['select pg_last_wal_receive_lsn()'] : [];
      case 'seal':
        return [
          ...(view?.isSealed === true
            ? []
            : set(NOTE.sealedFrom, withoutPassword(view?.conninfo ?? ''))),
          ...set('primary_conninfo', ''),
          RELOAD,
        ];
      case 'ready':
        return [
          ...set('synchronous_standby_names', formatAcknowledging(act.acknowledging)),
          ...(WAITING.includes(view?.commit ?? '') ? [] : set('synchronous_commit', 'on')),
          'alter system reset default_transaction_read_only',
          ...unset(NOTE.fencedFrom),
          RELOAD,
          ...(isShown ? ['checkpoint'] : []),
        ];
      case 'promote':
        return [
          ...set(NOTE.promotedTerm, String(term)),
          ...(view?.role === 'primary'
            ? []
            : [`select pg_promote(true, ${PROMOTE_SECONDS_MAX}) as "isPromoted"`]),
          RELOAD,
        ];
      case 'follow':
        return this.#following(act.member, act.primary, isShown);
      case 'prove':
        return ['set synchronous_commit = on', BARRIER];
      default:
        return act satisfies never;
    }
  }

  #following(member: string, primary: string, isShown: boolean): readonly string[] {
    const view = this.#views.get(member);
    const label = labelOf({ name: member, label: view?.label ?? '' });
    const conninfo = this.conninfoFor(member, primary, label);
    if (!isShown && lacksPassword(parseConninfo(conninfo))) {
      const why = `${member}: the password that it followed with was not kept when it was sealed.`;
      throw new ActFailed('follow', member, `${why} Name it: --replication-password-file.`);
    }
    return [
      ...set('primary_conninfo', isShown ? shown(conninfo) : conninfo),
      ...((view?.slot ?? '') === '' ? [] : set('primary_slot_name', '')),
      ...unset(NOTE.sealedFrom),
      RELOAD,
    ];
  }

  /** What a standby follows with: its own string or another's, pointed at the primary. */
  conninfoFor(member: string, primary: string, label: string): string {
    const { replicationPassword } = this.#options;
    const pairs = pointedAt(this.#template(member), this.#servers.get(primary)!, label);
    if (replicationPassword !== '') pairs.set('password', replicationPassword);
    return formatConninfo(pairs);
  }

  /** Its own connection string, or another standby's. */
  #template(member: string): string {
    const own = this.#conninfos.get(member) ?? '';
    if (own !== '') return own;
    const other = [...this.#conninfos.values()].find((conninfo) => conninfo !== '');
    if (other === undefined) return `user=${this.#options.credentials.user || 'postgres'}`;
    const pairs = parseConninfo(other);
    // Files of another machine.
    for (const name of ['passfile', 'sslcert', 'sslkey']) pairs.delete(name);
    return formatConninfo(pairs);
  }

  async #checkPromoted(session: PostgresSession, member: string): Promise<void> {
    const [row] = await session.rows('select pg_is_in_recovery() as "isStandby"');
    if (row?.['isStandby'] === false) return;
    const why = `${member} is not promoted yet after ${PROMOTE_SECONDS_MAX} s.`;
    throw new ActFailed('promote', member, why);
  }

  /** Never cancelled: where the deadline passes the connection ends, and the commit goes on. */
  async #prove(session: PostgresSession, member: string): Promise<void> {
    await session.rows('set synchronous_commit = on');
    await session.rows('set default_transaction_read_only = off');
    const [row] = await session.rows(`select current_setting('synchronous_standby_names') as "n"`);
    const names = textOf(row, 'n');
    if (names.trim() === '' || names.includes(FENCE_LABEL)) {
      throw new ActFailed('prove', member, `${member}: synchronous_standby_names is '${names}'.`);
    }
    try {
      await session.rows(BARRIER, PROVE_MS_MAX);
    } catch (error) {
      const why = `Nobody acknowledges to ${member}: it has too few standbys that follow it.`;
      throw new ActFailed('prove', member, why, error);
    }
    if (!session.isWarned) return;
    const why = `A commit on ${member} was let go before it was on a standby: somebody cancelled it.`;
    throw new ActFailed('prove', member, why);
  }

  async #sendAway(member: string): Promise<void> {
    await using session = await this.#connect(member);
    await session.rows(SEND_AWAY);
  }

  async #untilCaughtUp(act: Act & { readonly kind: 'catch-up' }): Promise<void> {
    await using primary = await this.#connect(act.primary);
    const [row] = await primary.rows('select pg_current_wal_flush_lsn()::text as "lsn"');
    const goal = String(row?.['lsn']);
    const test = `greatest(coalesce(pg_last_wal_receive_lsn(), '0/0'), pg_last_wal_replay_lsn())
      >= ${literal(goal)}::pg_lsn`;
    const why = `it has not received all that ${act.primary} has written (${goal})`;
    await this.#untilRow(act, CATCH_UP_MS_MAX, test, why);
  }

  /** Half a record may stand at the end of what was received: then replay just stops before it. */
  async #untilApplied(act: Act): Promise<void> {
    await using session = await this.#connect(act.member);
    const question = `select pg_last_wal_replay_lsn()::text as "applied", ${IS_IDLE} as "isIdle",
      coalesce(pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn(), true) as "isAll"`;
    const deadlineMs = performance.now() + APPLY_MS_MAX;
    let stands = { at: '', sinceMs: performance.now() };
    for (;;) {
      const [row] = await session.rows(question);
      const at = String(row?.['applied']);
      const isIdle = row?.['isIdle'] === true;
      if (at !== stands.at) stands = { at, sinceMs: performance.now() };
      const stoodMs = performance.now() - stands.sinceMs;
      if (isIdle && stoodMs >= (row?.['isAll'] === true ? STILL_MS : STUCK_MS)) return;
      if (performance.now() > deadlineMs) {
        const why = `${act.member} does not apply all that it received (paused, or held up?).`;
        throw new ActFailed(act.kind, act.member, why);
      }
      await pause(LOOK_MS);
    }
  }

  /**
   * A new connection sees the setting when the server has passed it on; the process that decides
   * whether commits wait takes it up before it begins the checkpoint that follows.
   */
  async #untilReady(act: Act & { readonly kind: 'ready' }): Promise<void> {
    const wanted = formatAcknowledging(act.acknowledging);
    const test = `current_setting('synchronous_standby_names') = ${literal(wanted)}`;
    await this.#untilRow(act, RECEIVER_MS_MAX, test, 'it has not taken its settings up');
    await using session = await this.#connect(act.member);
    await session.rows('checkpoint', CHECKPOINT_MS_MAX);
  }

  async #untilFollows(act: Act & { readonly kind: 'follow' }): Promise<void> {
    const { member, primary } = act;
    const label = labelOf({ name: member, label: this.#views.get(member)?.label ?? '' });
    const test = `exists (select from pg_stat_replication
      where application_name = ${literal(label)} and state = 'streaming')`;
    const why = `${member} (${label}) does not stream from ${primary}; its log says why`;
    await this.#untilRow({ kind: act.kind, member: primary }, FOLLOW_MS_MAX, test, why);
  }

  /** Asks anew, each time by a new connection, until the condition holds. */
  async #untilRow(
    { kind, member }: Pick<Act, 'kind' | 'member'>,
    withinMs: number,
    condition: string,
    why: string,
  ): Promise<void> {
    const deadlineMs = performance.now() + withinMs;
    for (;;) {
      await using session = await this.#connect(member);
      const [row] = await session.rows(`select ${condition} as "isSo"`);
      if (row?.['isSo'] === true) return;
      if (performance.now() > deadlineMs) throw new ActFailed(kind, member, `${member}: ${why}.`);
      await pause(LOOK_MS);
    }
  }

  async #connect(member: string): Promise<PostgresSession> {
    const server = this.#servers.get(member);
    if (server === undefined) throw new Error(`${member} is none of the members`);
    return await PostgresSession.connect(server, this.#options.credentials);
  }
}

/** It waits for more to come, and is not paused, delayed or held up by somebody's query. */
const IS_IDLE = `exists (select from pg_stat_activity where backend_type = 'startup'
  and wait_event in ('RecoveryRetrieveRetryInterval', 'RecoveryWalStream'))`;

/** Nothing was received and not applied for so long: all is applied. */
const STILL_MS = 100;
/** What was received ends in the middle of a record that will never be complete. */
const STUCK_MS = 1000;

const BARRIER = `select pg_logical_emit_message(true, 'holdfast', 'barrier') is not null as "isSo"`;

const NOBODY_COUNTS = `not exists (select from pg_stat_replication where sync_priority > 0)`;
const RECEIVER_GONE = `current_setting('primary_conninfo') = ''
  and not exists (select from pg_stat_wal_receiver)`;
const SEND_AWAY = `select count(pg_terminate_backend(pid)) from pg_stat_activity
  where backend_type = 'client backend' and application_name <> '${APPLICATION_NAME}'`;

/** A setting that no module has declared must be known to the session before it can be stored. */
function set(name: string, value: string): string[] {
  const alter = `alter system set ${name} = ${literal(value)}`;
  return name.startsWith('holdfast.') ? [`set ${name} = ${literal(value)}`, alter] : [alter];
}

function unset(name: string): string[] {
  return [`set ${name} = ''`, `alter system reset ${name}`];
}

function storing(term: number): string[] {
  return [...set(NOTE.term, String(term)), RELOAD];
}

function namesOf(view: PostgresView | undefined): string {
  const acknowledging = view?.acknowledging;
  if (acknowledging === undefined || acknowledging.quorum === 0) return '';
  return acknowledging.isAnybody ? '*' : formatAcknowledging(acknowledging);
}

function shown(conninfo: string): string {
  return conninfo === '' ? '' : shownConninfo(conninfo);
}

async function runAll(
  session: PostgresSession,
  statements: readonly string[],
): Promise<readonly Row[]> {
  let rows: readonly Row[] = [];
  for (const statement of statements) {
    const isLong = /pg_promote|^checkpoint/.test(statement);
    rows = await session.rows(statement, isLong ? CHECKPOINT_MS_MAX : undefined);
  }
  return rows;
}

/** `0/3000148` as a number. */
function lsnOf(text: string): bigint {
  const [high = '0', low = '0'] = text.split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}
