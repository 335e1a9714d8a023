// The PostgreSQL driver: the journal is a table on a primary with synchronous standbys. Fencing is
// the engine's own: an append is one statement that compares epoch, position and digest of the head
// row and moves it on. Durable is what standbys confirmed; README.md says what that rests on.
//
// Opening for writing commits a barrier first. What can be read after a primary's restart, or after
// a wait that somebody broke off, may be on no standby yet; since the log of a primary is replayed
// in order, a confirmed barrier makes everything before it durable.

import pg from 'pg';
import { assert } from '../../base/assert.ts';
import { type Entry, equalBytes } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import type {
  EngineOffset,
  Journal,
  JournalBounds,
  JournalGuarantees,
  JournalHealth,
  JournalOpenOptions,
  JournalOpening,
  ReadOptions,
  StoredEntry,
} from '../../ports/journal.ts';
import type { EngineJournalOptions } from '../engine-options.ts';
import { AppendQueue } from './append-queue.ts';
import { createDatabase, createTables, passBarrier } from './creation.ts';
import { type Primary, findPrimary } from './members.ts';
import { notThere, positionOf } from './offsets.ts';
import { type PostgresSettings, settingsOf } from './options.ts';
import { Reader } from './reader.ts';
import { type Row, type Session, SessionLost, nameOf } from './session.ts';
import { checkServers } from './settings-check.ts';
import { BOUNDS, FIRST, HAS_TABLES, LAYOUT_VERSION, digestAt, discardStep } from './statements.ts';
import { Watch } from './watch.ts';

/** In one step: what is deleted is written to the log, and appends wait behind it. */
const DISCARD_ENTRIES_MAX = 64;
const EMPTY: JournalBounds = { first: 0, last: 0 };

export function createJournal(options: EngineJournalOptions): Journal {
  return new PostgresJournal(settingsOf(options));
}

type Open = {
  readonly queue: AppendQueue | undefined;
  readonly watch: Watch;
};

class PostgresJournal implements Journal {
  readonly guarantees: JournalGuarantees;
  readonly #settings: PostgresSettings;
  readonly #readers = new Set<Reader>();
  #open: Open | undefined;
  #bounds = EMPTY;
  #timelineSeen = 0;

  constructor(settings: PostgresSettings) {
    this.#settings = settings;
    this.guarantees = { fencing: 'native', durability: durabilityOf(settings), exclusive: false };
  }

  async open({ mode, from, signal }: JournalOpenOptions): Promise<JournalOpening> {
    signal.throwIfAborted();
    await this.close();
    const { openMs } = this.#settings.bounds;
    const opening = new Opening(this.#settings, performance.now() + openMs);
    const abort = (): void => opening.giveUp('it was called off');
    signal.addEventListener('abort', abort, { once: true });
    const timer = setTimeout(() => opening.giveUp(`not within ${openMs} ms`), openMs);
    try {
      const { primary, found } = await opening.run(mode, from, this.#timelineSeen);
      signal.throwIfAborted();
      this.#bounds = found;
      this.#take(mode, primary);
      const notes = primary === undefined ? [] : [tellPrimary(primary)];
      return { bounds: found, tornBytes: 0, notes };
    } catch (error) {
      opening.giveUp('the journal was not opened');
      signal.throwIfAborted();
      throw asUnavailable(error);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }

  #take(mode: 'write' | 'read', primary: Primary | undefined): void {
    const settings = this.#settings;
    this.#timelineSeen = Math.max(this.#timelineSeen, primary?.word.timeline ?? 0);
    const session = primary?.session;
    let queue: AppendQueue | undefined;
    if (mode === 'write') {
      assert(session !== undefined, 'who opens for writing is connected');
      const onAppended = (last: number): void => this.#reached(last, last);
      queue = new AppendQueue({ session, settings, position: this.#bounds.last, onAppended });
    } else void session?.end(settings.bounds.closeMs);
    const watch = new Watch({
      settings,
      timeline: this.#timelineSeen,
      onOvertaken: (timeline, name) => this.#overtaken(timeline, name),
    });
    this.#open = { queue, watch };
  }

  append(entry: Entry): Promise<EngineOffset> {
    const queue = this.#open?.queue;
    if (queue !== undefined) return queue.append(entry);
    const wayOut = 'Open the journal for writing first.';
    return Promise.reject(new OperationalError('JOURNAL_CLOSED', { wayOut }));
  }

  async *read(options: ReadOptions): AsyncIterable<readonly StoredEntry[]> {
    if (this.#open === undefined) return;
    if (options.from !== null) positionOf(options.from);
    const reader = new Reader(
      {
        bounds: this.#settings.bounds,
        connect: () => this.#connect(),
        onDelivered: (first, last) => this.#reached(first, last),
      },
      options,
    );
    this.#readers.add(reader);
    try {
      yield* reader.entries();
    } finally {
      this.#readers.delete(reader);
    }
  }

  bounds(): JournalBounds {
    return this.#bounds;
  }

  async discardThrough(position: number): Promise<void> {
    if (this.#open === undefined) {
      throw new OperationalError('JOURNAL_CLOSED', { wayOut: 'Open the journal first.' });
    }
    const { questionMs, closeMs } = this.#settings.bounds;
    try {
      const session = await this.#connect();
      if (session === undefined) return;
      try {
        const question = discardStep(position, DISCARD_ENTRIES_MAX);
        let count: number;
        do {
          const [gone] = await session.ask(question, questionMs);
          count = Number(gone?.['count']);
        } while (count === DISCARD_ENTRIES_MAX);
        const [left] = await session.ask(FIRST, questionMs);
        this.#bounds = { first: Number(left?.['first']), last: this.#bounds.last };
      } finally {
        void session.end(closeMs);
      }
    } catch (error) {
      throw asUnavailable(error);
    }
  }

  /** The engine frees what is discarded: checkpoints and the archive are what is kept. */
  async *readDiscarded(): AsyncIterable<readonly StoredEntry[]> {}

  look(): void {
    for (const reader of this.#readers) reader.look();
  }

  health(): JournalHealth {
    return { places: this.#open?.watch.places() ?? [] };
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    for (const reader of this.#readers) reader.close();
    await Promise.all([open?.queue?.close(), open?.watch.close()]);
  }

  /** A connection to the primary; undefined where there is no database yet. */
  async #connect(): Promise<Session | undefined> {
    const search = await findPrimary({
      settings: this.#settings,
      withinMs: this.#settings.bounds.reconnectMs,
      timelineSeen: this.#timelineSeen,
    });
    if (search.kind === 'no-database') return undefined;
    this.#timelineSeen = Math.max(this.#timelineSeen, search.primary.word.timeline);
    return search.primary.session;
  }

  #reached(first: number, last: number): void {
    const bounds = this.#bounds;
    this.#bounds = { first: bounds.first || first, last: Math.max(bounds.last, last) };
  }

  /** A standby was promoted: what the old primary says from now on is not the cluster's word. */
  #overtaken(timeline: number, name: string): void {
    this.#timelineSeen = Math.max(this.#timelineSeen, timeline);
    const reason = `${name} was promoted (timeline ${timeline})`;
    this.#settings.log('warning', `PostgreSQL: ${reason}.`);
    for (const reader of this.#readers) reader.leave(reason);
    this.#open?.queue?.giveUp(reason);
  }
}

/** One attempt to open: all of it within the bound, and nothing left connected when it fails. */
class Opening {
  readonly #settings: PostgresSettings;
  readonly #deadlineMs: number;
  #session: Session | undefined;
  #givenUp = '';

  constructor(settings: PostgresSettings, deadlineMs: number) {
    this.#settings = settings;
    this.#deadlineMs = deadlineMs;
  }

  giveUp(reason: string): void {
    this.#givenUp ||= reason;
    this.#session?.destroy(this.#givenUp);
  }

  async run(
    mode: 'write' | 'read',
    from: EngineOffset | undefined,
    timelineSeen: number,
  ): Promise<{ readonly primary: Primary | undefined; readonly found: JournalBounds }> {
    const position = from === undefined ? undefined : positionOf(from);
    let search = await this.#find(timelineSeen);
    if (search.kind === 'no-database' && mode === 'write') {
      await createDatabase(this.#settings, this.#leftMs, timelineSeen);
      search = await this.#find(timelineSeen);
    }
    const primary = search.kind === 'primary' ? search.primary : undefined;
    this.#session = primary?.session;
    if (this.#givenUp !== '') throw new SessionLost(`It was given up: ${this.#givenUp}.`);
    if (primary !== undefined) checkServers(primary.heard, this.#settings);
    if (mode === 'write') {
      if (primary === undefined) throw new SessionLost('The new database is not there.');
      await createTables(primary.session, this.#leftMs);
      await passBarrier(primary.session, this.#leftMs);
    }
    const found = primary === undefined ? EMPTY : await this.#lookAtEnds(primary.session);
    if (position === undefined) return { primary, found };
    const [row] = (await primary?.session.ask(digestAt(position), this.#leftMs)) ?? [];
    if (row === undefined) throw notThere(from!);
    return { primary, found };
  }

  get #leftMs(): number {
    return Math.max(1, this.#deadlineMs - performance.now());
  }

  async #find(timelineSeen: number): Promise<Awaited<ReturnType<typeof findPrimary>>> {
    return await findPrimary({ settings: this.#settings, withinMs: this.#leftMs, timelineSeen });
  }

  async #lookAtEnds(session: Session): Promise<JournalBounds> {
    const [has] = await session.ask(HAS_TABLES, this.#leftMs);
    if (has?.['hasTables'] !== true) return EMPTY;
    const [row] = await session.ask(BOUNDS, this.#leftMs);
    return endsOf(row);
  }
}

/** The head row and the last entry say the same, or somebody else has written to the tables. */
function endsOf(row: Row | undefined): JournalBounds {
  if (row === undefined) throw corrupt('has no head row');
  if (row['layout'] !== LAYOUT_VERSION) {
    throw corrupt(`has layout ${String(row['layout'])}, this release knows ${LAYOUT_VERSION}`);
  }
  const [last, first] = [Number(row['last']), Number(row['first'])];
  if (last !== row['position']) {
    throw corrupt(`ends at position ${last}, its head row says ${String(row['position'])}`);
  }
  if (last === 0) return EMPTY;
  const [digest, headDigest] = [row['lastDigest'], row['digest']];
  const isSame =
    digest instanceof Uint8Array &&
    headDigest instanceof Uint8Array &&
    equalBytes(digest, headDigest) &&
    row['lastEpoch'] === row['epoch'];
  if (!isSame) throw corrupt(`holds another entry at position ${last} than its head row says`);
  return { first, last };
}

function corrupt(what: string): OperationalError {
  return new OperationalError('JOURNAL_CORRUPT', {
    detail: `The journal's tables cannot be used: it ${what}.`,
    wayOut: 'Nobody but Holdfast may write to holdfast_journal and holdfast_journal_head.',
  });
}

function durabilityOf({ waived }: PostgresSettings): JournalGuarantees['durability'] {
  if (waived.has('fsync')) return 'none';
  const waits = ['synchronous_standby_names', 'synchronous_commit', 'max_wal_senders'];
  return waits.some((name) => waived.has(name)) ? 'local-fsync' : 'fsync-quorum';
}

function tellPrimary({ session, word }: Primary): string {
  return `PostgreSQL: ${nameOf(session.host)} is the primary, on timeline ${word.timeline}.`;
}

function asUnavailable(error: unknown): unknown {
  const isOurs = error instanceof pg.DatabaseError || error instanceof SessionLost;
  if (!isOurs) return error;
  return new OperationalError('JOURNAL_UNAVAILABLE', {
    detail: error.message,
    wayOut: 'It is tried again. Look at the primary, and whether its standbys follow it.',
    cause: error,
  });
}
