// Reads the log: a fetch loop of its own, on a connection of its own, up to the high watermark.
// The client library's consumer is not used: it joins groups, asks only the first broker, and reads
// past a wrong checksum.
//
// Whenever the connection or the leader was lost, reading goes on only after the record that was
// delivered last has been found in its place again, digest for digest.

import { hash } from 'node:crypto';
import { ResponseError } from '@platformatic/kafka';
import { equalBytes, readEntry } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import type { StoredEntry } from '../../ports/journal.ts';
import {
  type Cluster,
  type Leader,
  NoLeader,
  TopicMissing,
  causeOf,
  pause,
  unavailable,
} from './cluster.ts';
import type { Link } from './link.ts';
import { BatchFault, type BatchIdentity, type RawBatch } from './record-batch.ts';
import { type FetchAnswer, KafkaCode, fetchRequest } from './requests.ts';

const FETCH_BYTES_MAX = 4 * 1024 * 1024;
const FETCH_GRACE_MS = 1000;
const TOPIC_LOOK_MS = 100;
const OFFSET = /^k([0-9]{1,15})$/;

export type LogRecord = {
  readonly stored: StoredEntry;
  readonly offset: number;
  /** Of its producer; the sequence is the record's own. */
  readonly identity: BatchIdentity;
};

export type LogReading = {
  readonly cluster: Cluster;
  /** Null = from where the log begins. */
  readonly from: number | null;
  /** The first record must stand at `from`; false = reading may begin at the end as well. */
  readonly isExact: boolean;
  readonly follow: boolean;
  /** Without `follow`: reading goes on at least until here. */
  readonly endMin: number;
  /** How long nobody may be there to read from. */
  readonly patienceMs: number;
  readonly onLogStart?: (offset: number) => void;
  readonly signal: AbortSignal;
};

export function offsetText(offset: number): string {
  return `k${offset}`;
}

/** Throws JOURNAL_DIVERGED for a text that is no offset of this engine. */
export function offsetNumber(text: string): number {
  const digits = OFFSET.exec(text)?.[1];
  if (digits === undefined) throw noSuchOffset(text);
  return Number(digits);
}

/** Batches of records in log order. Ends without error when the signal aborts. */
export async function* readLog(reading: LogReading): AsyncGenerator<readonly LogRecord[]> {
  const reader = new LogReader(reading);
  try {
    yield* reader.run();
  } finally {
    reader.end();
  }
}

/** Failed in a way that another attempt may mend. */
class Again extends Error {}

class LogReader {
  readonly #reading: LogReading;
  #leader: Leader | undefined;
  #link: Link | undefined;
  /** Offset of the next record to deliver; undefined until the beginning is known. */
  #next: number | undefined;
  #end = Number.POSITIVE_INFINITY;
  #last: { readonly offset: number; readonly digest: Uint8Array } | undefined;
  #mustVerify = false;
  #topicId: string | undefined;
  #failingSinceMs: number | undefined;
  readonly #onAbort = (): void => this.#link?.end();

  constructor(reading: LogReading) {
    this.#reading = reading;
    reading.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  end(): void {
    this.#reading.signal.removeEventListener('abort', this.#onAbort);
    this.#link?.end();
  }

  async *run(): AsyncGenerator<readonly LogRecord[]> {
    const { signal } = this.#reading;
    while (!signal.aborted) {
      try {
        if (this.#link === undefined) await this.#begin();
        if ((this.#next ?? 0) >= this.#end) return;
        const records = await this.#fetch();
        this.#failingSinceMs = undefined;
        if (records.length === 0) continue;
        yield records;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof TopicMissing && !(await this.#missing())) return;
        if (!(error instanceof TopicMissing)) await this.#failed(error);
      }
    }
  }

  /** The leader, a connection to him, and where to begin and to end. */
  async #begin(): Promise<void> {
    const { cluster, from, isExact, follow, endMin } = this.#reading;
    const { fetchWaitMs } = cluster.settings.times;
    const leader = await cluster.findLeader();
    this.#topicId ??= leader.topicId;
    if (leader.topicId !== this.#topicId) throw otherTopic(cluster.settings.topic);
    const bounds = await cluster.logBounds(leader);
    if (this.#next === undefined) {
      const next = from ?? bounds.start;
      const isThere = next >= bounds.start && (isExact ? next < bounds.end : next <= bounds.end);
      if (!isThere) throw noSuchOffset(offsetText(next));
      this.#next = next;
      if (!follow) this.#end = Math.max(bounds.end, endMin);
    }
    this.#reading.onLogStart?.(bounds.start);
    const link = cluster.leaderLink(leader, fetchWaitMs + FETCH_GRACE_MS, 1);
    this.#link = link;
    this.#leader = leader;
    if (this.#reading.signal.aborted) link.end();
    await link.connect();
    if (this.#last !== undefined) this.#mustVerify = true;
  }

  async #fetch(): Promise<LogRecord[]> {
    const { cluster, isExact, from } = this.#reading;
    const { times } = cluster.settings;
    const verified = this.#mustVerify ? this.#last : undefined;
    const next = verified?.offset ?? this.#next!;
    const answer = await this.#link!.send(
      fetchRequest({
        topicId: this.#leader!.topicId,
        leaderEpoch: this.#leader!.leaderEpoch,
        offset: next,
        waitMs: times.fetchWaitMs,
        bytesMax: FETCH_BYTES_MAX,
      }),
    );
    this.#judge(answer, next);
    const records = recordsOf(answer.batches, next);
    const first = records[0];
    if (first === undefined) {
      // Control records hold nothing to deliver.
      const lastOffset = answer.batches.at(-1)?.lastOffset;
      if (lastOffset !== undefined && verified === undefined) this.#next = lastOffset + 1;
      else if (this.#end !== Number.POSITIVE_INFINITY) throw new Again('The tail does not come.');
      return [];
    }
    if (isExact && this.#last === undefined && first.offset !== from) {
      throw noSuchOffset(offsetText(from ?? -1));
    }
    if (verified !== undefined) {
      const digest = first.stored.entry.digest;
      if (first.offset !== verified.offset || !equalBytes(digest, verified.digest)) {
        throw rewritten(verified.offset);
      }
      this.#mustVerify = false;
      records.shift();
    }
    const last = records.at(-1) ?? first;
    this.#next = last.offset + 1;
    this.#last = { offset: last.offset, digest: last.stored.entry.digest.slice() };
    return records;
  }

  #judge({ code, logStart }: FetchAnswer, next: number): void {
    if (code === KafkaCode.offsetOutOfRange) throw noSuchOffset(offsetText(next));
    if (code !== KafkaCode.none) throw new Again(`Kafka answered ${code} to a fetch.`);
    if (logStart >= 0) this.#reading.onLogStart?.(logStart);
  }

  /** Whether to go on: who follows waits for the topic to be made. */
  async #missing(): Promise<boolean> {
    const { cluster, follow, from, signal } = this.#reading;
    if (this.#topicId !== undefined || from !== null) {
      throw noSuchOffset(from === null ? 'of the log' : offsetText(from));
    }
    if (!follow) return false;
    this.#failingSinceMs = undefined;
    await pause(Math.max(TOPIC_LOOK_MS, cluster.settings.times.retryMs), signal);
    return true;
  }

  async #failed(error: unknown): Promise<void> {
    this.#link?.end();
    this.#link = undefined;
    if (error instanceof OperationalError) throw error;
    if (error instanceof BatchFault) throw corrupt(error.offset, error.message);
    const { cluster, patienceMs, signal } = this.#reading;
    const { retryMs } = cluster.settings.times;
    const isKnown = error instanceof Again || error instanceof NoLeader;
    if (!isKnown && !isOfNetwork(error)) throw error;
    const nowMs = performance.now();
    this.#failingSinceMs ??= nowMs;
    if (nowMs - this.#failingSinceMs > patienceMs) {
      throw unavailable(`the log cannot be read (${causeOf(error)}).`, error);
    }
    await pause(retryMs, signal);
  }
}

/** Errors of the library, of sockets and of brokers; not those of this driver's own mistakes. */
function isOfNetwork(error: unknown): boolean {
  if (error instanceof ResponseError) return true;
  const isProgramming =
    error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
  return error instanceof Error && !isProgramming;
}

/** A batch that begins before the offset is delivered from the offset on. */
function recordsOf(batches: readonly RawBatch[], from: number): LogRecord[] {
  const records: LogRecord[] = [];
  for (const { identity, records: raw } of batches) {
    for (const [index, { offset, value }] of raw.entries()) {
      if (offset < from) continue;
      const sequence = identity.sequence + index;
      const stored = { entry: entryOf(offset, value), offset: offsetText(offset) };
      records.push({ stored, offset, identity: { ...identity, sequence } });
    }
  }
  return records;
}

function entryOf(offset: number, value: Uint8Array): StoredEntry['entry'] {
  // A copy of its own: what was fetched is larger, and transfers are read in place.
  const reading = readEntry(new Uint8Array(value), sha256);
  if (reading.kind === 'fault') throw corrupt(offset, `no entry is there (${reading.fault})`);
  if (reading.entry.bytes.byteLength !== value.byteLength) {
    throw corrupt(offset, 'there is more than an entry');
  }
  return reading.entry;
}

function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

function corrupt(offset: number, why: string): OperationalError {
  return new OperationalError('JOURNAL_CORRUPT', {
    detail: `The record at offset ${offsetText(offset)} is damaged: ${why}.`,
    wayOut:
      "Find out which replica holds it (`kafka-dump-log` on each broker), let another one lead and refill the damaged one; or restore from the archive. See that nobody else may write to the journal's topic.",
  });
}

function noSuchOffset(offset: string): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail: `The journal has no entry at offset ${offset} (any more).`,
    wayOut: 'Start from another checkpoint.',
  });
}

function rewritten(offset: number): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail: `At offset ${offsetText(offset)} stands another entry than the one that was read there before.`,
    wayOut: 'Kafka has lost what it had acknowledged. Rebuild this node from a checkpoint.',
  });
}

function otherTopic(topic: string): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail: `The topic ${topic} was deleted and made anew while it was read.`,
    wayOut: 'Rebuild this node from a checkpoint.',
  });
}
