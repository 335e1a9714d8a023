// The RabbitMQ driver: a journal in streams, one for each segment (README.md beside this file).

import type { Entry } from '../../base/entry.ts';
import { OperationalError, isOperationalError } from '../../base/errors.ts';
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
import type { EngineJournalOptions } from '../engine-options.ts';
import { readChain } from './chain.ts';
import { Brokers, SharedConnection } from './connection.ts';
import { BrokerFailure, unavailable } from './failures.ts';
import { HeadTracker } from './head-tracker.ts';
import { prepare, scanThrough } from './opening.ts';
import { type RabbitSettings, type RabbitTimes, settingsOf } from './options.ts';
import { Publisher } from './publisher.ts';
import { BEFORE_ALL } from './records.ts';
import { readLog } from './reading.ts';
import { ReplicaKeeper } from './replica-keeper.ts';
import { Writer } from './writer.ts';

/** A segment of unknown size counts as half full when it holds so many records. */
const RECORDS_OF_UNKNOWN_SIZE = 4096;

/** `times`: for tests of bounds. */
export function createJournal(
  options: EngineJournalOptions,
  times: Partial<RabbitTimes> = {},
): Journal {
  return new RabbitJournal(settingsOf(options, times));
}

class RabbitJournal implements Journal {
  readonly guarantees = { fencing: 'reader', durability: 'replicated', exclusive: false } as const;
  readonly #settings: RabbitSettings;
  readonly #brokers: Brokers;
  #shared: SharedConnection | undefined;
  #writer: Writer | undefined;
  #keeper: ReplicaKeeper | undefined;
  #readBounds: JournalBounds = { first: 0, last: 0 };
  /** The head in front of the oldest segment, as a reader found it. */
  #before = BEFORE_ALL;
  #ending = new AbortController();

  constructor(settings: RabbitSettings) {
    this.#settings = settings;
    // Nodes spread over the brokers.
    const first = Math.floor(Math.random() * settings.hosts.length);
    this.#brokers = new Brokers(settings, first);
  }

  async open(options: JournalOpenOptions): Promise<JournalOpening> {
    options.signal.throwIfAborted();
    await this.close();
    this.#writer = undefined;
    this.#ending = new AbortController();
    const shared = new SharedConnection(this.#brokers);
    this.#shared = shared;
    try {
      if (options.mode === 'write') await this.#openForWriting(shared, options);
      else await this.#openForReading(shared, options);
      return { bounds: this.bounds(), tornBytes: 0, notes: [] };
    } catch (error) {
      await this.close();
      options.signal.throwIfAborted();
      if (isOperationalError(error)) throw error;
      if (!(error instanceof BrokerFailure)) throw error;
      throw unavailable('No majority of the brokers can be used.', error);
    }
  }

  async #openForWriting(shared: SharedConnection, options: JournalOpenOptions): Promise<void> {
    const settings = this.#settings;
    const publisher = await Publisher.open(this.#brokers);
    try {
      const chain = await prepare(shared, publisher, options);
      const scan = await scanThrough(shared, publisher, chain, options);
      const { cursor, tracker, learnt } = scan;
      const isLong = (cursor.offset ?? 0) >= RECORDS_OF_UNKNOWN_SIZE;
      const segmentBytes = scan.segmentBytes ?? (isLong ? settings.segmentBytes / 2 : 0);
      const writer = new Writer({
        brokers: this.#brokers,
        publisher,
        cursor,
        chain,
        tracker,
        segmentBytes,
      });
      this.#writer = writer;
      this.#keeper = new ReplicaKeeper(this.#brokers, writer);
      for (const segment of learnt) await writer.note(segment);
      void writer.deleteLeftovers();
    } catch (error) {
      this.#brokers.avoid(publisher.connection.host, String(error));
      publisher.destroy();
      throw error;
    }
  }

  async #openForReading(shared: SharedConnection, options: JournalOpenOptions): Promise<void> {
    const { from, signal } = options;
    const chain = await readChain(shared, signal);
    this.#before = chain?.oldest?.after ?? BEFORE_ALL;
    const first = this.#before.position + 1;
    const tracker = new HeadTracker(this.#before);
    let isHead = from !== undefined;
    const reading = readLog(shared, { from: from ?? null, follow: false, signal }, undefined);
    for await (const batch of reading) {
      for (const { entry } of batch) {
        if (isHead) tracker.trust(entry);
        else tracker.see(entry);
        isHead = false;
      }
    }
    const last = tracker.head.position;
    this.#readBounds = last < first ? { first: 0, last: 0 } : { first, last };
  }

  append(entry: Entry): Promise<EngineOffset> {
    if (this.#writer !== undefined) return this.#writer.append(entry);
    const wayOut = 'Open the journal for writing first.';
    return Promise.reject(new OperationalError('JOURNAL_CLOSED', { wayOut }));
  }

  async *read(options: ReadOptions): AsyncIterable<readonly StoredEntry[]> {
    const shared = this.#shared;
    if (shared === undefined) throw new OperationalError('JOURNAL_CLOSED');
    const signal = AbortSignal.any([options.signal, this.#ending.signal]);
    const writer = this.#writer;
    const end = writer === undefined || writer.isBroken ? undefined : writer.end;
    const tracker = new HeadTracker(this.#before);
    let isHead = options.from !== null;
    for await (const batch of readLog(shared, { ...options, signal }, end)) {
      if (writer === undefined) {
        for (const { entry } of batch) {
          if (isHead) tracker.trust(entry);
          else tracker.see(entry);
          isHead = false;
        }
        this.#sawThrough(tracker.head.position);
      }
      yield batch;
    }
  }

  bounds(): JournalBounds {
    return this.#writer?.bounds() ?? this.#readBounds;
  }

  async discardThrough(position: number): Promise<void> {
    if (this.#writer === undefined) throw new OperationalError('JOURNAL_CLOSED');
    await this.#writer.discardThrough(position);
  }

  /** What is discarded is deleted: the archive keeps it. */
  async *readDiscarded(): AsyncIterable<readonly StoredEntry[]> {}

  health(): JournalHealth {
    const places = this.#settings.hosts.map((host) => {
      const seen = this.#brokers.stateOf(host);
      return {
        name: `${host.host}:${host.port}`,
        state: seen?.isWell === false ? ('dropped' as const) : ('active' as const),
        detail: seen?.detail ?? '',
      };
    });
    return { places };
  }

  async close(): Promise<void> {
    const writer = this.#writer;
    const shared = this.#shared;
    this.#keeper?.close();
    this.#ending.abort();
    await writer?.close();
    shared?.close();
    if (this.#shared === shared) this.#shared = undefined;
  }

  #sawThrough(position: number): void {
    const { first, last } = this.#readBounds;
    this.#readBounds = { first: Math.max(first, 1), last: Math.max(last, position) };
  }
}
