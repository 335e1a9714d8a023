// The reading end. The server pushes nothing, so it is asked: every few milliseconds while entries
// come, rarely while none do, and at once when somebody says that there is more. What is read is
// checked by its digest and by its chain to what was read before; a reader that loses its server
// goes on at the primary of then, where the last entry that it gave out must still stand.

import { setTimeout as pause } from 'node:timers/promises';
import { type Entry, equalBytes, readEntry, toHex } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import { ENTRY_BYTES_MAX } from '../../base/limits.ts';
import type { EngineOffset, ReadOptions, StoredEntry } from '../../ports/journal.ts';
import {
  ServerErrno,
  ServerRefusal,
  LinkLost,
  isRefusal,
  messageOf,
  nameOf,
  noEntryAt,
  rewritten,
  unavailable,
} from './errors.ts';
import type { Link, Row } from './link.ts';
import { closeAll, lookAtAll, primaryOf } from './members.ts';
import { type MySqlSettings, RECONNECT_MS_MAX } from './options.ts';
import { sha256 } from './sha256.ts';
import type { Statements } from './statements.ts';

const LOOK_MS_MIN = 2;
const LOOK_MS_MAX = 25;
const LOOK_GROWTH = 1.25;
const RETRY_MS = 50;

/** A look takes so many, whatever they weigh; behind a full one their sizes are asked first. */
const LOOK_ENTRIES_MAX = 8;
const BATCH_ENTRIES_MAX = 512;
const BATCH_BYTES_MAX = 8 * ENTRY_BYTES_MAX;

/** While nothing comes the servers are asked so often who is the primary. */
const PRIMARY_LOOK_MS = 2000;

const OFFSET = /^p(?<position>[1-9][0-9]{0,15})$/;

export function offsetOf(position: number): EngineOffset {
  return `p${position}`;
}

/** Throws JOURNAL_DIVERGED for what is no offset. */
export function positionOf(offset: EngineOffset): number {
  const position = Number(OFFSET.exec(offset)?.groups?.['position']);
  if (!Number.isSafeInteger(position)) throw noEntryAt(offset);
  return position;
}

export type TailOptions = ReadOptions & {
  readonly settings: MySqlSettings;
  readonly statements: Statements;
  /** Of the journal as a whole: closed. */
  readonly ending: AbortSignal;
  /** Resolves when there may be more, or either signal has aborted. */
  readonly more: (withinMs: number) => Promise<void>;
  readonly onRead: (position: number) => void;
};

/** The primary's link, for the caller to close. */
export async function connectToPrimary(settings: MySqlSettings, withinMs: number): Promise<Link> {
  const members = await lookAtAll(settings, withinMs);
  try {
    const { link } = primaryOf(members);
    closeAll(members.filter((member) => member.link !== link));
    return link;
  } catch (error) {
    closeAll(members);
    throw error;
  }
}

export class Tail {
  readonly #options: TailOptions;
  #link: Link | undefined;
  /** The position to read next; undefined = the first that there is. */
  #next: number | undefined;
  /** What was given out last. */
  #last: { readonly position: number; readonly digest: Uint8Array } | undefined;
  #isBehind = false;
  #primarySeenMs = performance.now();

  constructor(options: TailOptions) {
    this.#options = options;
    this.#next = options.from === null ? undefined : positionOf(options.from);
  }

  async *read(): AsyncGenerator<readonly StoredEntry[]> {
    const { follow, more } = this.#options;
    let lookMs = LOOK_MS_MIN;
    try {
      while (!this.#isOver) {
        const batch = await this.#lookOrReconnect();
        if (batch === undefined) return;
        if (batch.length > 0) {
          lookMs = LOOK_MS_MIN;
          yield batch;
          continue;
        }
        if (!follow) return;
        await more(lookMs);
        lookMs = Math.min(LOOK_MS_MAX, lookMs * LOOK_GROWTH);
      }
    } finally {
      this.#link?.destroy();
    }
  }

  get #isOver(): boolean {
    return this.#options.signal.aborted || this.#options.ending.aborted;
  }

  /** undefined when it was over meanwhile. */
  async #lookOrReconnect(): Promise<readonly StoredEntry[] | undefined> {
    const untilMs = performance.now() + RECONNECT_MS_MAX;
    for (;;) {
      if (this.#isOver) return undefined;
      try {
        const link = await this.#connected(untilMs);
        const batch = await this.#look(link);
        if (batch.length === 0) this.#lookForPrimary(link);
        return batch;
      } catch (error) {
        if (this.#isOver) return undefined;
        const isOfTheWay =
          error instanceof LinkLost ||
          error instanceof ServerRefusal ||
          (error instanceof OperationalError && error.code === 'JOURNAL_UNAVAILABLE');
        if (!isOfTheWay) throw error;
        this.#link?.destroy();
        if (performance.now() > untilMs) {
          throw unavailable(`The journal cannot be read: ${messageOf(error)}`, error);
        }
        await pause(RETRY_MS);
      }
    }
  }

  async #connected(untilMs: number): Promise<Link> {
    if (this.#link !== undefined && !this.#link.isLost) return this.#link;
    const { settings } = this.#options;
    const link = await connectToPrimary(settings, Math.max(200, untilMs - performance.now()));
    this.#link = link;
    this.#primarySeenMs = performance.now();
    await this.#checkLast(link);
    return link;
  }

  /** What was given out must stand where it was read, on this server too. */
  async #checkLast(link: Link): Promise<void> {
    const last = this.#last;
    if (last === undefined) return;
    const [row] = await this.#rows(link, this.#options.statements.digestAt, [last.position]);
    const digest = row?.['digest'];
    if (digest instanceof Uint8Array && equalBytes(digest, last.digest)) return;
    const found =
      digest instanceof Uint8Array ? `holds ${toHex(digest.subarray(0, 8))}` : 'has none';
    throw rewritten(
      `Position ${last.position} was read as ${toHex(last.digest.subarray(0, 8))}; ` +
        `${nameOf(link.host)}, the primary now, ${found} there.`,
    );
  }

  /**
   * A server that became a replica, or was cut off from all others, never says so by itself.
   * Asking goes on beside the reading: a server that does not answer would delay it.
   */
  #lookForPrimary(link: Link): void {
    if (this.#options.settings.hosts.length < 2) return;
    if (performance.now() - this.#primarySeenMs < PRIMARY_LOOK_MS) return;
    this.#primarySeenMs = performance.now();
    void connectToPrimary(this.#options.settings, RECONNECT_MS_MAX).then(
      (primary) => {
        if (primary.host !== link.host) link.destroy();
        primary.destroy();
      },
      () => link.destroy(),
    );
  }

  async #look(link: Link): Promise<readonly StoredEntry[]> {
    const next = this.#next ?? 0;
    const count = this.#isBehind ? await this.#countThatFits(link, next) : LOOK_ENTRIES_MAX;
    const rows = await this.#rows(link, this.#options.statements.entriesFrom, [next, count]);
    this.#isBehind = rows.length === count;
    const isFirst = this.#last === undefined;
    if (isFirst && this.#options.from !== null && Number(rows[0]?.['position']) !== next) {
      throw noEntryAt(this.#options.from);
    }
    return rows.map((row) => this.#stored(link, row));
  }

  async #countThatFits(link: Link, next: number): Promise<number> {
    const { sizesFrom } = this.#options.statements;
    const rows = await this.#rows(link, sizesFrom, [next, BATCH_ENTRIES_MAX]);
    let bytes = 0;
    let count = 0;
    for (const { size } of rows) {
      bytes += Number(size);
      if (bytes > BATCH_BYTES_MAX && count > 0) break;
      count += 1;
    }
    return Math.max(1, count);
  }

  /** A journal that nobody has made yet is an empty one. */
  async #rows(link: Link, statement: string, values: readonly number[]): Promise<readonly Row[]> {
    try {
      return await link.read(statement, values);
    } catch (error) {
      if (isRefusal(error, ServerErrno.unknownTable, ServerErrno.unknownDatabase)) return [];
      throw error;
    }
  }

  #stored(link: Link, row: Row): StoredEntry {
    const position = Number(row['position']);
    const entry = entryOf(row['entry'], position, link);
    const last = this.#last;
    if (last !== undefined && position !== last.position + 1) {
      const from = offsetOf(last.position + 1);
      throw position > last.position + 1 ? noEntryAt(from) : outOfOrder(link, position);
    }
    if (last !== undefined && !equalBytes(entry.previousDigest, last.digest)) {
      throw rewritten(`Position ${position} does not follow the entry that was read before it.`);
    }
    // The bytes are the caller's; the digest is needed longer than they may be.
    this.#last = { position, digest: entry.digest.slice() };
    this.#next = position + 1;
    this.#options.onRead(position);
    return { entry, offset: offsetOf(position) };
  }
}

/** In memory of its own, aligned as the domain reads it. */
function entryOf(value: unknown, position: number, link: Link): Entry {
  const raw = value instanceof Uint8Array ? value : new Uint8Array();
  const bytes = new Uint8Array(raw.byteLength);
  bytes.set(raw);
  const reading = readEntry(bytes, sha256);
  const fault =
    reading.kind === 'fault'
      ? reading.fault
      : reading.entry.position !== position
        ? `of position ${reading.entry.position}`
        : reading.entry.bytes.byteLength !== bytes.byteLength
          ? 'longer than its entry'
          : '';
  if (reading.kind === 'entry' && fault === '') return reading.entry;
  throw new OperationalError('JOURNAL_CORRUPT', {
    detail: `The row of position ${position} on ${nameOf(link.host)} is no entry (${fault}).`,
    wayOut:
      'Compare the row on the other servers; promote one that has it whole, and make this one anew.',
  });
}

function outOfOrder(link: Link, position: number): OperationalError {
  return new OperationalError('JOURNAL_CORRUPT', {
    detail: `${nameOf(link.host)} gave position ${position} out of order.`,
    wayOut: 'Check the table: its primary key does not hold.',
  });
}
