// The Kafka driver of the journal: a topic with one partition, acknowledged by the replicas in
// sync, one record for each entry. Kafka refuses whom a higher epoch has deposed and keeps one copy
// of what was sent twice, but it does not compare what an entry follows: the fencing is the
// readers'. What it can promise, and under which settings, is in README.md here.

import type { Entry } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
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
import { Chain } from './chain.ts';
import { Cluster, type Leader, unavailable } from './cluster.ts';
import { Discarding } from './discarding.ts';
import { placesOf } from './health.ts';
import { type LogRecord, offsetNumber, offsetText, readLog } from './log-reader.ts';
import { type KafkaSettings, settingsOf } from './options.ts';
import { ProducerIdentity } from './producer-identity.ts';
import { Producer } from './producer.ts';
import { checkTopic, findTopic, inSyncMin } from './topic.ts';

/** So soon it is heard that a frozen leader has been replaced. */
const LOOK_MS = 250;

export function createJournal(options: EngineJournalOptions): Journal {
  return new KafkaJournal(settingsOf(options));
}

/** What lives from `open` to `close`. */
type Opened = {
  readonly cluster: Cluster;
  readonly chain: Chain;
  /** Only with mode `write`. */
  readonly producer: Producer | undefined;
  readonly ending: AbortController;
  readonly looking: NodeJS.Timeout;
};

class KafkaJournal implements Journal {
  readonly guarantees = {
    fencing: 'reader',
    durability: 'replicated',
    exclusive: false,
  } as const;
  readonly #settings: KafkaSettings;
  #opened: Opened | undefined;
  /** Ends what lives from `open` to `close`, from before it is all there. */
  #opening: AbortController | undefined;
  #positionAcked = 0;
  #closing: Promise<void> | undefined;

  constructor(settings: KafkaSettings) {
    this.#settings = settings;
  }

  async open(options: JournalOpenOptions): Promise<JournalOpening> {
    const { mode, from, signal } = options;
    signal.throwIfAborted();
    const start = from === undefined ? null : offsetNumber(from);
    await this.close();
    this.#closing = undefined;
    this.#positionAcked = 0;
    const cluster = new Cluster(this.#settings);
    const ending = new AbortController();
    this.#opening = ending;
    const either = AbortSignal.any([signal, ending.signal]);
    try {
      const chain = await this.#prepare(cluster, mode, start, either);
      // Reading ends without error when it is told to: what was read then is not all.
      either.throwIfAborted();
      const allocate = (): Promise<bigint> => cluster.newProducerId();
      const identity = new ProducerIdentity(allocate, chain);
      const producer = mode === 'write' ? new Producer(cluster, identity) : undefined;
      const looking = setInterval(() => void cluster.lookRound(), LOOK_MS);
      this.#opened = { cluster, chain, producer, ending, looking };
    } catch (error) {
      cluster.close();
      signal.throwIfAborted();
      if (ending.signal.aborted) throw notOpen('It was closed while it was being opened.');
      throw error instanceof OperationalError ? error : unavailable(String(error), error);
    }
    return { bounds: this.bounds(), tornBytes: 0, notes: [] };
  }

  append(entry: Entry): Promise<EngineOffset> {
    const producer = this.#opened?.producer;
    if (producer === undefined || this.#closing !== undefined) {
      return Promise.reject(notOpen('Open the journal for writing first.'));
    }
    return this.#settle(entry.position, producer.append(entry));
  }

  async #settle(position: number, appended: Promise<number>): Promise<EngineOffset> {
    const offset = await appended;
    this.#positionAcked = position;
    return offsetText(offset);
  }

  async *read(options: ReadOptions): AsyncIterable<readonly StoredEntry[]> {
    const { from, follow, signal } = options;
    if (signal.aborted) return;
    const opened = this.#opened;
    if (opened === undefined) throw notOpen('Open the journal first.');
    const { chain, ending } = opened;
    const reading = {
      from: from === null ? null : offsetNumber(from),
      isExact: from !== null,
      follow,
      signal: AbortSignal.any([signal, ending.signal]),
    };
    for await (const records of this.#records(opened, reading)) {
      for (const record of records) chain.see(record);
      yield records.map(({ stored }) => stored);
    }
  }

  bounds(): JournalBounds {
    const { chain } = this.#opened ?? {};
    const last = Math.max(chain?.head?.position ?? 0, this.#positionAcked);
    return { first: last === 0 ? 0 : (chain?.first?.position ?? 1), last };
  }

  async discardThrough(position: number): Promise<void> {
    const opened = this.#opened;
    if (opened === undefined) throw notOpen('Open the journal first.');
    const { cluster, chain, ending } = opened;
    const { signal } = ending;
    const reading = { from: chain.next, isExact: false, follow: false, signal };
    for await (const records of this.#records(opened, reading)) {
      for (const record of records) chain.see(record);
    }
    await new Discarding(cluster, chain, signal).through(position);
  }

  /** Kafka keeps nothing of it. */
  async *readDiscarded(): AsyncIterable<readonly StoredEntry[]> {}

  health(): JournalHealth {
    return { places: this.#opened === undefined ? [] : placesOf(this.#opened.cluster) };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const opened = this.#opened;
    if (opened === undefined) {
      this.#opening?.abort();
      return;
    }
    clearInterval(opened.looking);
    await opened.producer?.close();
    opened.ending.abort();
    opened.cluster.close();
    this.#opened = undefined;
  }

  /** Finds the topic and judges it, and reads what is there. */
  async #prepare(
    cluster: Cluster,
    mode: 'write' | 'read',
    start: number | null,
    signal: AbortSignal,
  ): Promise<Chain> {
    const leader = await findTopic(cluster, mode === 'write', signal);
    if (leader === undefined && start === null) return new Chain(0, false);
    if (leader !== undefined) await checkTopic(cluster, leader);
    if (leader === undefined || mode === 'read') return await scan(cluster, start, 0, signal);
    await this.#checkTakesWrites(cluster, leader);
    // What the leader has and his followers have not yet: it becomes readable, before an opening
    // that is appended now, and so must have been read by whoever appends that.
    const writtenEnd = await cluster.writtenEnd(leader);
    return await scan(cluster, start, writtenEnd, signal);
  }

  /**
   * That brokers are down the cluster's own description may not say: two of three down are also
   * the majority of its controllers. So they are counted by their answers.
   */
  async #checkTakesWrites(cluster: Cluster, leader: Leader): Promise<void> {
    const least = await inSyncMin(cluster, leader);
    if (leader.inSync.length < least || !(await cluster.untilAnswered(least))) {
      throw unavailable(`fewer than ${least} replicas of the partition are there.`);
    }
  }

  #records(
    { cluster, producer, chain }: Opened,
    reading: Omit<
      Parameters<typeof readLog>[0],
      'cluster' | 'endMin' | 'patienceMs' | 'onLogStart'
    >,
  ): AsyncIterable<readonly LogRecord[]> {
    return readLog({
      ...reading,
      cluster,
      endMin: producer?.ackedEnd ?? 0,
      patienceMs: this.#settings.times.readMs,
      // Another node may have discarded.
      onLogStart: (offset) => noteStart(chain, offset),
    });
  }
}

function noteStart(chain: Chain, offset: number): void {
  if (chain.first === undefined || offset <= chain.first.offset) return;
  const place = chain.placeFrom(offset);
  if (place !== undefined) chain.discarded(place);
}

/** Reads the log from `start`, or all of it: what is there, and who wrote last. */
async function scan(
  cluster: Cluster,
  start: number | null,
  endMin: number,
  signal: AbortSignal,
): Promise<Chain> {
  let logStart = 0;
  let chain: Chain | undefined;
  const onLogStart = (offset: number): void => {
    logStart = offset;
  };
  const patienceMs = cluster.settings.times.openMs;
  const reading = { cluster, follow: false, endMin, patienceMs, onLogStart, signal };
  const isExact = start !== null;
  for await (const records of readLog({ ...reading, from: start, isExact })) {
    // Where something was discarded the log begins with an entry of the history.
    chain ??= new Chain(records[0]!.offset, isExact || logStart > 0);
    for (const record of records) chain.see(record);
  }
  chain ??= new Chain(logStart, false);
  if (start !== null && start > logStart) {
    const first = await firstOf(cluster, signal);
    if (first !== undefined) chain.began(first);
  }
  return chain;
}

async function firstOf(
  cluster: Cluster,
  signal: AbortSignal,
): Promise<{ readonly position: number; readonly offset: number } | undefined> {
  const ending = new AbortController();
  const patienceMs = cluster.settings.times.openMs;
  const reading = { cluster, from: null, isExact: false, follow: false, endMin: 0, patienceMs };
  const either = AbortSignal.any([signal, ending.signal]);
  for await (const [record] of readLog({ ...reading, signal: either })) {
    ending.abort();
    if (record === undefined) continue;
    return { position: record.stored.entry.position, offset: record.offset };
  }
  return undefined;
}

function notOpen(wayOut: string): OperationalError {
  return new OperationalError('JOURNAL_CLOSED', { wayOut });
}
