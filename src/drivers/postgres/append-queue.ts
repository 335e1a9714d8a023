// The way of an append to the server. What waits while a statement is under way goes together in
// the next one: on one head row statements cannot overlap, but one statement can carry much.
//
//   refused   the compare found another head: certainly not appended, and the queue goes on
//   full      certainly not appended; taken again from the position after the last success
//   broken    everything else: what was sent has an unknown outcome, what was not is not sent, and
//             nothing is taken any more
//
// Success is believed only when the server gave no warning, and only when the settings that made
// the commit wait for standbys stood after it: both a cancelled wait and an emptied list of
// standbys let a commit go that no standby has, and report success.

import pg from 'pg';
import { type Entry, EntryKind } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import type { EngineOffset } from '../../ports/journal.ts';
import { offsetOf } from './offsets.ts';
import type { PostgresSettings } from './options.ts';
import type { Row, Session } from './session.ts';
import { STANDING_SETTINGS, flawOf } from './settings-check.ts';
import { appendStatement, follows } from './statements.ts';

/** One statement carries so much at most: more gains nothing and takes memory on both sides. */
const STATEMENT_ENTRIES_MAX = 16;
const STATEMENT_BYTES_MAX = 4 * 1024 * 1024;

/** SQLSTATE class 53: out of disk, memory, connections. Of these the disk is what can be told. */
const DISK_FULL = '53100';

type Waiting = {
  readonly entry: Entry;
  readonly done: PromiseWithResolvers<EngineOffset>;
};

export type AppendQueueOptions = {
  readonly session: Session;
  readonly settings: PostgresSettings;
  /** Position of the last entry. */
  readonly position: number;
  readonly onAppended: (position: number) => void;
};

export class AppendQueue {
  readonly #options: AppendQueueOptions;
  #waiting: Waiting[] = [];
  #sent: readonly Waiting[] = [];
  #running: Promise<void> | undefined;
  #positionWritten: number;
  /** Warnings of the time when the journal was opened. */
  readonly #warningsBefore: number;
  /** Why nothing is taken, until an append at the position after the last success. */
  #full: OperationalError | undefined;
  #broken: OperationalError | undefined;

  constructor(options: AppendQueueOptions) {
    this.#options = options;
    this.#positionWritten = options.position;
    this.#warningsBefore = options.session.warnings.length;
    options.session.onLost = ({ message }) => this.#break(message);
  }

  append(entry: Entry): Promise<EngineOffset> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    if (this.#full !== undefined) {
      if (entry.position !== this.#positionWritten + 1) return Promise.reject(this.#full);
      this.#full = undefined;
    }
    const done = Promise.withResolvers<EngineOffset>();
    this.#waiting.push({ entry, done });
    this.#running ??= this.#run();
    return done.promise;
  }

  /** What was sent has an unknown outcome from now on. */
  giveUp(reason: string): void {
    this.#break(reason);
  }

  /**
   * Nothing more is sent or taken; resolves when what was sent has settled and the connection is
   * closed, within the bound.
   */
  async close(): Promise<void> {
    const { session, settings } = this.#options;
    this.#refuseAll(this.#waiting.splice(0), closed('The journal is being closed.'));
    const { closeMs } = settings.bounds;
    const timer = setTimeout(() => session.destroy('the journal was closed'), closeMs);
    await this.#running;
    clearTimeout(timer);
    this.#broken ??= closed('The journal is closed.');
    await session.end(closeMs);
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    // Those that are called in one go wait for each other, since they can go together.
    await Promise.resolve();
    while (this.#waiting.length > 0 && this.#broken === undefined) {
      this.#sent = this.#take();
      await this.#send(this.#sent);
      this.#sent = [];
    }
    // In the same turn as the look at the queue: who appends next finds nobody at work.
    this.#running = undefined;
  }

  /** The longest run from the front that one statement can carry. */
  #take(): readonly Waiting[] {
    let count = 0;
    let bytes = 0;
    for (const { entry } of this.#waiting) {
      const previous = this.#waiting[count - 1]?.entry;
      bytes += entry.bytes.byteLength;
      const isTooMuch = count === STATEMENT_ENTRIES_MAX || bytes > STATEMENT_BYTES_MAX;
      if (count > 0 && (isTooMuch || !follows(entry, previous!))) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  async #send(sent: readonly Waiting[]): Promise<void> {
    const { session, settings, onAppended } = this.#options;
    const { appendMs } = settings.bounds;
    const appended = session.ask(appendStatement(sent.map(({ entry }) => entry)), appendMs);
    const stood = session.ask(STANDING_SETTINGS, appendMs);
    // It rejects with the session, as the append does.
    stood.catch(() => undefined);
    let added: number;
    try {
      added = Number((await appended)[0]?.['added']);
    } catch (error) {
      this.#failed(sent, error);
      return;
    }
    if (added === 0) {
      this.#refuseAll([...sent, ...this.#waiting.splice(0)], fenced(sent[0]!.entry));
      return;
    }
    const flaw = await this.#flawOf(stood);
    if (this.#broken !== undefined) return;
    if (flaw !== undefined || added !== sent.length) {
      this.#break(`Its success is in doubt: ${flaw ?? `${added} entries were added`}.`);
      return;
    }
    for (const { entry, done } of sent) {
      this.#positionWritten = entry.position;
      onAppended(entry.position);
      done.resolve(offsetOf(entry.position));
    }
  }

  /** Why the success of an append cannot be believed; undefined = it can. */
  async #flawOf(stood: Promise<readonly Row[]>): Promise<string | undefined> {
    const { session, settings } = this.#options;
    try {
      const [standing] = await stood;
      const warning = session.warnings.slice(this.#warningsBefore).at(-1);
      return warning ?? flawOf(standing, settings.waived);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #failed(sent: readonly Waiting[], error: unknown): void {
    if (this.#broken !== undefined) return;
    if (!(error instanceof pg.DatabaseError)) {
      this.#break(error instanceof Error ? error.message : String(error));
      return;
    }
    // The server refused the statement before its commit: it certainly did not happen.
    const everything = [...sent, ...this.#waiting.splice(0)];
    if (error.code === DISK_FULL) {
      this.#full = new OperationalError('JOURNAL_FULL', {
        detail: `PostgreSQL says: ${error.message}.`,
        wayOut: 'Append again from the position after the last success.',
        cause: error,
      });
      this.#refuseAll(everything, this.#full);
      return;
    }
    this.#broken = closed(`PostgreSQL refused an append: ${error.message} (${error.code}).`, error);
    this.#refuseAll(everything, this.#broken);
  }

  /** Nobody can say what became of what was sent; the rest was not tried. */
  #break(reason: string): void {
    if (this.#broken !== undefined) return;
    this.#broken = closed(`An earlier append has an unknown outcome or was not tried. ${reason}`);
    const sent = this.#sent;
    if (sent.length > 0) this.#refuseAll(sent, unknown(sent, reason));
    this.#refuseAll(this.#waiting.splice(0), this.#broken);
    this.#options.session.destroy(reason);
  }

  #refuseAll(refused: readonly Waiting[], error: OperationalError): void {
    for (const { done } of refused) done.reject(error);
  }
}

function fenced({ position, epoch, kind }: Entry): OperationalError {
  const what = kind === EntryKind.opening ? `The opening of epoch ${epoch}` : 'The entry';
  return new OperationalError('JOURNAL_FENCED', {
    detail: `${what} at position ${position} does not follow the journal's last entry.`,
    wayOut: 'Nothing of it was written. Read the tail.',
  });
}

function unknown(sent: readonly Waiting[], reason: string): OperationalError {
  const [first, last] = [sent[0]!.entry.position, sent.at(-1)!.entry.position];
  const what = first === last ? `position ${first}` : `positions ${first} to ${last}`;
  return new OperationalError('JOURNAL_UNKNOWN_OUTCOME', {
    detail: `The append of ${what} may or may not have happened. ${reason}`,
    wayOut: 'Open the journal anew, append an opening and read back.',
  });
}

function closed(detail: string, cause?: unknown): OperationalError {
  const wayOut = 'Open the journal anew and read its tail.';
  return new OperationalError('JOURNAL_CLOSED', { detail, wayOut, cause });
}
