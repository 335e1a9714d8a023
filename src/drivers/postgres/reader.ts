// Reads entries from the primary, each read on a connection of its own. A standby would show rows
// before the primary's commit has been answered, and may be behind.
//
// What is delivered is one chain, checked as it passes: each entry one position on and over the
// digest of the one before. So a new connection, also to another primary, goes on only where the
// last delivered entry stands as it was delivered; where it does not, the journal was rewritten.

import { hash } from 'node:crypto';
import pg from 'pg';
import { type Entry, equalBytes, readEntry } from '../../base/entry.ts';
import { OperationalError, isOperationalError } from '../../base/errors.ts';
import type { ReadOptions, StoredEntry } from '../../ports/journal.ts';
import { notThere, offsetOf, positionOf } from './offsets.ts';
import type { PostgresBounds } from './options.ts';
import { type Row, type Session, SessionLost } from './session.ts';
import { FIRST, LISTEN, digestAt, entriesFrom } from './statements.ts';

/** One batch. */
const BATCH_ENTRIES_MAX = 512;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
const RETRY_MS = 50;

const NO_TABLE = '42P01';

export type ReaderParts = {
  readonly bounds: PostgresBounds;
  /**
   * A connection to the primary, the caller's to end; undefined where there is no such database
   * yet. Rejects with JOURNAL_UNAVAILABLE.
   */
  readonly connect: () => Promise<Session | undefined>;
  readonly onDelivered: (first: number, last: number) => void;
};

type Delivered = { readonly position: number; readonly digest: Uint8Array };

export class Reader {
  readonly #parts: ReaderParts;
  readonly #options: ReadOptions;
  #session: Session | undefined;
  #delivered: Delivered | undefined;
  readonly #closed = Promise.withResolvers<undefined>();
  #isClosed = false;
  /** Something may have changed since the last look. */
  #isWoken = false;
  #wake: (() => void) | undefined;

  constructor(parts: ReaderParts, options: ReadOptions) {
    this.#parts = parts;
    this.#options = options;
  }

  async *entries(): AsyncIterable<readonly StoredEntry[]> {
    const { signal, follow } = this.#options;
    const stop = (): void => this.close();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) this.close();
    try {
      while (!this.#isClosed) {
        const batch = await this.#next();
        if (this.#isClosed) return;
        if (batch.length > 0) {
          this.#parts.onDelivered(batch[0]!.entry.position, batch.at(-1)!.entry.position);
          yield batch;
        } else if (follow) await this.#untilWoken();
        else return;
      }
    } finally {
      signal.removeEventListener('abort', stop);
      this.close();
    }
  }

  /** Ends it without error, wherever it is. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#closed.resolve(undefined);
    this.#session?.destroy('the reader was closed');
    this.look();
  }

  look(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  /** Asks the primary anew at the next look: another may be it. */
  leave(reason: string): void {
    this.#session?.destroy(reason);
    this.look();
  }

  async #next(): Promise<readonly StoredEntry[]> {
    const deadlineMs = performance.now() + this.#parts.bounds.reconnectMs;
    for (;;) {
      try {
        this.#isWoken = false;
        const session = await this.#connected();
        return session === undefined ? [] : await this.#fetch(session);
      } catch (error) {
        if (this.#isClosed) return [];
        const isPassing =
          error instanceof SessionLost || isOperationalError(error, 'JOURNAL_UNAVAILABLE');
        if (!isPassing) throw failureOf(error);
        if (performance.now() > deadlineMs) throw unavailable(error);
        await this.#pause(RETRY_MS);
      }
    }
  }

  async #connected(): Promise<Session | undefined> {
    if (this.#session?.isLost === false) return this.#session;
    const session = await this.#connect();
    if (this.#isClosed) return undefined;
    if (session === undefined) {
      // No database, no entries: only who wants none can be served.
      this.#atPlace();
      return undefined;
    }
    this.#session = session;
    session.onNotification = () => this.look();
    session.onLost = () => this.look();
    if (this.#options.follow) await session.ask(LISTEN, this.#parts.bounds.questionMs);
    await this.#verify(session);
    return session;
  }

  /** Whoever closes it does not wait for servers that do not answer. */
  async #connect(): Promise<Session | undefined> {
    const connecting = this.#parts.connect();
    const session = await Promise.race([connecting, this.#closed.promise]);
    if (this.#isClosed) {
      connecting.then(
        (late) => late?.destroy('the reader was closed'),
        () => undefined,
      );
    }
    return session;
  }

  #atPlace(): void {
    const { from } = this.#options;
    const delivered = this.#delivered;
    if (delivered !== undefined) throw rewritten(delivered.position);
    if (from !== null) throw notThere(from);
  }

  /** What was delivered last stands there still, or was discarded since. */
  async #verify(session: Session): Promise<void> {
    const delivered = this.#delivered;
    if (delivered === undefined) return;
    const { questionMs } = this.#parts.bounds;
    const [row] = await session.ask(digestAt(delivered.position), questionMs);
    const digest = row?.['digest'];
    if (digest instanceof Uint8Array && equalBytes(digest, delivered.digest)) return;
    const [found] = await session.ask(FIRST, questionMs);
    // The chain goes on behind it, and shows whether it is the same.
    if (row === undefined && found?.['first'] === delivered.position + 1) return;
    throw rewritten(delivered.position);
  }

  async #fetch(session: Session): Promise<readonly StoredEntry[]> {
    const { from } = this.#options;
    const delivered = this.#delivered;
    const start =
      delivered === undefined ? (from === null ? 0 : positionOf(from)) : delivered.position + 1;
    const rows = await this.#ask(session, start);
    if (rows.length === 0 && delivered === undefined && from !== null) throw notThere(from);
    const batch: StoredEntry[] = [];
    for (const row of rows) {
      const entry = entryOf(row);
      if (this.#delivered === undefined) {
        if (from !== null && entry.position !== start) throw notThere(from);
      } else if (!isNext(entry, this.#delivered)) throw rewritten(this.#delivered.position);
      this.#delivered = { position: entry.position, digest: entry.digest.slice() };
      batch.push({ entry, offset: offsetOf(entry.position) });
    }
    return batch;
  }

  async #ask(session: Session, start: number): Promise<readonly Row[]> {
    try {
      const question = entriesFrom(start, BATCH_ENTRIES_MAX, BATCH_BYTES_MAX);
      return await session.ask(question, this.#parts.bounds.questionMs);
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || error.code !== NO_TABLE) throw error;
      this.#atPlace();
      return [];
    }
  }

  async #untilWoken(): Promise<void> {
    if (this.#isWoken) return;
    await this.#pause(this.#parts.bounds.pollMs);
  }

  /** Or until it is woken or closed. */
  async #pause(ms: number): Promise<void> {
    const woken = Promise.withResolvers<void>();
    const timer = setTimeout(woken.resolve, ms);
    this.#wake = woken.resolve;
    if (this.#isClosed) woken.resolve();
    await woken.promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }
}

/** The row's entry, its digests checked; JOURNAL_CORRUPT otherwise. */
export function entryOf({ position, bytes }: Row): Entry {
  if (!(bytes instanceof Uint8Array) || !(bytes.buffer instanceof ArrayBuffer)) {
    throw corrupt(position, 'type');
  }
  const reading = readEntry(
    new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    sha256,
  );
  if (reading.kind === 'fault') throw corrupt(position, reading.fault);
  if (reading.entry.position !== position) throw corrupt(position, 'position');
  return reading.entry;
}

function isNext(entry: Entry, { position, digest }: Delivered): boolean {
  return entry.position === position + 1 && equalBytes(entry.previousDigest, digest);
}

function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

function rewritten(position: number): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail: `What was read through position ${position} is not in the journal (any more), or what follows it is gone.`,
    wayOut: 'Read again from a checkpoint of the cluster.',
  });
}

function corrupt(position: unknown, fault: string): OperationalError {
  return new OperationalError('JOURNAL_CORRUPT', {
    detail: `The row of position ${String(position)} in holdfast_journal is damaged (${fault}).`,
    wayOut: 'Compare it with the standbys; promote one whose row is sound.',
  });
}

function unavailable(error: unknown): OperationalError {
  return new OperationalError('JOURNAL_UNAVAILABLE', {
    detail: error instanceof Error ? error.message : String(error),
    wayOut: 'Read again; nothing was changed.',
    cause: error,
  });
}

/** What the server refuses to a reader (a right, a table that is being changed). */
function failureOf(error: unknown): unknown {
  return error instanceof pg.DatabaseError ? unavailable(error) : error;
}
