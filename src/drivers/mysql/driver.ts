// The journal on MySQL/MariaDB: a primary and replicas, lossless semi-synchronous. The primary is
// found, its settings are checked (settings-check.ts), appends compare and go through one line
// (append-line.ts), and count when a replica says that it has them (witnesses.ts).

import { randomBytes } from 'node:crypto';
import type { Entry } from '../../base/entry.ts';
import type {
  EngineOffset,
  Journal,
  JournalBounds,
  JournalHealth,
  JournalOpenOptions,
  JournalOpening,
  ReadOptions,
  StoredEntry,
} from '../../ports/journal.ts';
import { isOperationalError } from '../../base/errors.ts';
import type { EngineJournalOptions } from '../engine-options.ts';
import { AppendLine } from './append-line.ts';
import { discardRows } from './discard.ts';
import {
  LinkLost,
  ServerErrno,
  ServerRefusal,
  closed,
  isRefusal,
  messageOf,
  nameOf,
  noEntryAt,
  unavailable,
} from './errors.ts';
import type { Link } from './link.ts';
import { type Member, type PrimaryMember, closeAll, lookAtAll, primaryOf } from './members.ts';
import { CLOSE_MS_MAX, type MySqlSettings, OPEN_MS_MAX, settingsOf } from './options.ts';
import { type CheckedSettings, checkSettings } from './settings-check.ts';
import { Statements } from './statements.ts';
import { Tail, connectToPrimary, positionOf } from './tail.ts';
import { Witnesses, parseGtids } from './witnesses.ts';

export function createJournal(options: EngineJournalOptions): Journal {
  return new MySqlJournal(settingsOf(options));
}

/** Looking at all members, within what `open` takes. */
const LOOK_MS_MAX = 2000;

type Writing = { readonly line: AppendLine; readonly witnesses: Witnesses };

class MySqlJournal implements Journal {
  readonly guarantees = {
    fencing: 'native',
    durability: 'replicated',
    exclusive: false,
  } as const;
  readonly #settings: MySqlSettings;
  readonly #statements: Statements;
  #state: 'closed' | 'reading' | 'writing' = 'closed';
  #bounds: JournalBounds = { first: 0, last: 0 };
  #writing: Writing | undefined;
  #ending = new AbortController();
  #places: JournalHealth['places'] = [];
  readonly #waiting = new Set<() => void>();

  constructor(settings: MySqlSettings) {
    this.#settings = settings;
    this.#statements = new Statements(settings.database);
  }

  async open(options: JournalOpenOptions): Promise<JournalOpening> {
    options.signal.throwIfAborted();
    await this.close();
    const untilMs = performance.now() + OPEN_MS_MAX;
    const members = await lookAtAll(this.#settings, LOOK_MS_MAX);
    let isKept = false;
    try {
      options.signal.throwIfAborted();
      this.#notePlaces(members);
      const primary = primaryOf(members);
      const { mode } = options;
      const what = { settings: this.#settings, mode };
      const checked = await checkSettings(members, primary.link, what);
      if (mode === 'write') {
        const opened = { members, primary, checked, untilMs };
        this.#writing = await this.#startWriting(opened);
        isKept = true;
      }
      await this.#findBounds(primary.link, options.from);
    } catch (error) {
      await this.#stopWriting(0);
      throw openFailure(error);
    } finally {
      if (!isKept) closeAll(members);
    }
    this.#ending = new AbortController();
    this.#state = options.mode === 'write' ? 'writing' : 'reading';
    return { bounds: this.#bounds, tornBytes: 0, notes: [] };
  }

  append(entry: Entry): Promise<EngineOffset> {
    if (this.#state !== 'writing' || this.#writing === undefined) {
      return Promise.reject(closed('The journal is not open for writing.'));
    }
    return this.#writing.line.append(entry);
  }

  async *read(options: ReadOptions): AsyncGenerator<readonly StoredEntry[]> {
    if (this.#state === 'closed') return;
    const ending = this.#ending.signal;
    const tail = new Tail({
      ...options,
      settings: this.#settings,
      statements: this.#statements,
      ending,
      more: (withinMs) => this.#more(withinMs, [options.signal, ending]),
      onRead: (position) => this.#reached(position),
    });
    yield* tail.read();
  }

  bounds(): JournalBounds {
    return this.#bounds;
  }

  async discardThrough(position: number): Promise<void> {
    if (this.#state === 'closed') throw closed('The journal is closed.');
    try {
      const link = await connectToPrimary(this.#settings, LOOK_MS_MAX);
      try {
        await discardRows(link, this.#statements, position);
        await this.#findBounds(link, undefined);
      } finally {
        link.destroy();
      }
    } catch (error) {
      throw openFailure(error);
    }
  }

  /** The engine keeps nothing of it: the archive does. */
  async *readDiscarded(): AsyncIterable<readonly StoredEntry[]> {}

  look(): void {
    for (const wake of this.#waiting) wake();
  }

  health(): JournalHealth {
    const witnesses = new Map(
      this.#writing?.witnesses.views().map((view) => [view.name, view]) ?? [],
    );
    return {
      places: this.#places.map((place) => {
        const view = witnesses.get(place.name);
        if (view === undefined) return place;
        const state = view.isActive ? 'active' : 'dropped';
        return { name: place.name, state, detail: view.detail };
      }),
    };
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    this.#ending.abort();
    this.look();
    await this.#stopWriting(CLOSE_MS_MAX);
  }

  /** The members' links are taken over, or closed when it rejects. */
  async #startWriting({ members, primary, checked, untilMs }: Opened): Promise<Writing> {
    const { link } = primary;
    const replicas = members.filter((member) => member !== primary);
    const witnesses = new Witnesses(replicas, this.#settings);
    const line = new AppendLine({
      link,
      statements: this.#statements,
      packetBytesMax: checked.packetBytesMax,
      confirm: checked.trustsPrimary ? undefined : (...what) => witnesses.confirm(...what),
      onAppended: (position) => {
        this.#reached(position);
        this.look();
      },
    });
    try {
      await this.#create(link, untilMs);
      await this.#passBarrier(link, { witnesses, checked, untilMs });
      return { line, witnesses };
    } catch (error) {
      await line.close(0);
      await witnesses.close();
      throw error;
    }
  }

  /** Changes nothing where the tables are: no DDL at run time. */
  async #create(link: Link, untilMs: number): Promise<void> {
    await this.#checkReplicas(link);
    const { database, tables, createDatabase, createTables } = this.#statements;
    const found = await link.ask(tables, [database]);
    if (found.length === createTables.length) return;
    const leftMs = (): number => untilMs - performance.now();
    const isThere = await link.ask(
      'select 1 from information_schema.schemata where schema_name = ?',
      [database],
    );
    if (isThere.length === 0) await link.ask(createDatabase, [], leftMs());
    for (const statement of createTables) await link.ask(statement, [], leftMs());
  }

  /** Where nobody would acknowledge, the barrier would only wait, and hold its row for the next. */
  async #checkReplicas(link: Link): Promise<void> {
    if (this.#settings.waived.has('rpl_semi_sync_master_enabled')) return;
    const rows = await link.ask("show global status like 'rpl_semi_sync_master_%'");
    const values = new Map(
      rows.map((row) => [String(row['Variable_name']).toLowerCase(), String(row['Value'])]),
    );
    const isOn = values.get('rpl_semi_sync_master_status') === 'ON';
    if (isOn && Number(values.get('rpl_semi_sync_master_clients')) > 0) return;
    throw unavailable(`No replica acknowledges what ${nameOf(link.host)} writes.`);
  }

  /**
   * After a restart of the primary alone, rows can be read that no replica has and nobody was told
   * of. What is committed behind them and confirmed by a replica has them in front of it.
   */
  async #passBarrier(
    link: Link,
    { witnesses, checked, untilMs }: Pick<Opened, 'checked' | 'untilMs'> & { witnesses: Witnesses },
  ): Promise<void> {
    const leftMs = (): number => untilMs - performance.now();
    const { gtid } = await link.change(this.#statements.barrier, [randomBytes(16)], leftMs());
    if (checked.trustsPrimary) return;
    const [wanted] = parseGtids(gtid ?? '');
    if (wanted === undefined) throw unavailable(`${nameOf(link.host)} does not name its GTIDs.`);
    await witnesses.confirm(wanted, leftMs(), new AbortController().signal);
  }

  async #findBounds(link: Link, from: EngineOffset | undefined): Promise<void> {
    const fromPosition = from === undefined ? 0 : positionOf(from);
    try {
      const [row] = await link.read(this.#statements.bounds, []);
      this.#bounds = { first: Number(row?.['first']), last: Number(row?.['last']) };
    } catch (error) {
      if (!isRefusal(error, ServerErrno.unknownTable, ServerErrno.unknownDatabase)) throw error;
      this.#bounds = { first: 0, last: 0 };
    }
    const { first, last } = this.#bounds;
    if (from !== undefined && (fromPosition < first || fromPosition > last)) throw noEntryAt(from);
  }

  async #stopWriting(withinMs: number): Promise<void> {
    const writing = this.#writing;
    this.#writing = undefined;
    await writing?.line.close(withinMs);
    await writing?.witnesses.close();
  }

  #reached(position: number): void {
    const { first, last } = this.#bounds;
    if (position <= last) return;
    this.#bounds = { first: first === 0 ? position : first, last: position };
  }

  async #more(withinMs: number, signals: readonly AbortSignal[]): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = (): void => resolve();
    const timer = setTimeout(wake, withinMs);
    this.#waiting.add(wake);
    for (const signal of signals) signal.addEventListener('abort', wake);
    if (!signals.some(({ aborted }) => aborted)) await promise;
    clearTimeout(timer);
    this.#waiting.delete(wake);
    for (const signal of signals) signal.removeEventListener('abort', wake);
  }

  #notePlaces(members: readonly Member[]): void {
    this.#places = members.map(({ host, kind, detail }) => {
      const name = nameOf(host);
      const isActive = kind === 'primary' || kind === 'replica';
      if (isActive) return { name, state: 'active', detail: '' };
      const since = `since ${new Date().toISOString()}`;
      const why = detail === '' ? 'it replicates from nobody' : detail;
      return { name, state: 'dropped', detail: `${since}: ${why}` };
    });
  }
}

type Opened = {
  readonly members: readonly Member[];
  readonly primary: PrimaryMember;
  readonly checked: CheckedSettings;
  readonly untilMs: number;
};

/** Before anything is open, whatever happens on the way means that it may be tried again. */
function openFailure(error: unknown): unknown {
  if (isOperationalError(error)) return error;
  if (error instanceof LinkLost || error instanceof ServerRefusal) {
    return unavailable(messageOf(error), error);
  }
  return error;
}
