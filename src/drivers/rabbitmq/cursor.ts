// Reads the log from a place on, over the borders of streams, and over the loss of brokers: what it
// delivered last is found again in its place and compared before anything behind it is delivered.
// Streams do not sync to disk; a log that was rewritten behind a crash of several brokers shows
// itself here (JOURNAL_DIVERGED).

import { setTimeout as pause } from 'node:timers/promises';
import { toHex } from '../../base/entry.ts';
import type { EngineHost } from '../engine-options.ts';
import type { BrokerConnection, SharedConnection } from './connection.ts';
import { type Delivered, StreamConsumer, endOf } from './consumer.ts';
import { BrokerFailure, diverged, failureOf, unavailable } from './failures.ts';
import { decodeDriverRecord, isDriverRecord, sha256 } from './records.ts';

const RETRY_MS = 50;
const ROUND_TRIP_MS_MAX = 1500;

/** The first record comes at once where it is there. */
const START_MS_MAX = 800;

export type SegmentRef = { readonly segment: number; readonly stream: string };

export type LogRecord = SegmentRef & {
  readonly offset: number;
  /** A view of the network's buffers: to be copied or let go soon. */
  readonly content: Buffer;
  /** This record ends its stream; that one goes on. */
  readonly successor: SegmentRef | undefined;
};

export type CursorStart = SegmentRef & {
  /** undefined = the first record of the stream. */
  readonly offset: number | undefined;
};

type Last = { readonly offset: number; readonly digest: string };

export class Cursor {
  readonly #shared: SharedConnection;
  #at: SegmentRef;
  /** What must come first, and whether it is known already. */
  #wanted: number | undefined;
  #last: Last | undefined;
  #successor: SegmentRef | undefined;
  #consumer: StreamConsumer | undefined;
  #quietMs = 0;

  constructor(shared: SharedConnection, { segment, stream, offset }: CursorStart) {
    this.#shared = shared;
    this.#at = { segment, stream };
    this.#wanted = offset;
  }

  /** The stream that `next` reads from. */
  get at(): SegmentRef {
    return this.#successor ?? this.#at;
  }

  /** The last record that was delivered of it; undefined = none yet. */
  get offset(): number | undefined {
    return this.#successor === undefined ? this.#last?.offset : undefined;
  }

  /** The next records, at least one; none when the signal aborts. All are of one stream. */
  async next(signal: AbortSignal): Promise<readonly LogRecord[]> {
    this.#cross();
    while (!signal.aborted) {
      const consumer = (this.#consumer ??= await this.#open(signal));
      if (consumer === undefined) break;
      const taken = consumer.take();
      if (taken.length > 0) {
        this.#quietMs = 0;
        const records = this.#deliver(taken);
        if (records.length > 0) return records;
        continue;
      }
      if (consumer.failure === undefined) await this.#wait(consumer, signal);
      else this.close();
    }
    return [];
  }

  /** Up to here the present stream can be read now; -1 = nothing. Rejects like `next`. */
  async end(signal: AbortSignal): Promise<number> {
    this.#cross();
    const { segment, stream } = this.#at;
    const end = await this.#retry(signal, async (connection) => {
      const found = await endOf(connection, stream, { boundMs: ROUND_TRIP_MS_MAX, signal });
      // A segment was begun before anybody knew of it: who delivers nothing of it is only slow.
      if (found !== undefined || segment === 0) return found;
      throw new BrokerFailure('lost', `Nothing of ${stream} is delivered.`);
    });
    return end ?? -1;
  }

  close(): void {
    this.#consumer?.close();
    this.#consumer = undefined;
  }

  #cross(): void {
    if (this.#successor === undefined) return;
    this.close();
    this.#at = this.#successor;
    this.#successor = undefined;
    this.#wanted = undefined;
    this.#last = undefined;
  }

  async #wait(consumer: StreamConsumer, signal: AbortSignal): Promise<void> {
    const { pingMs, verifyMs } = this.#shared.brokers.settings.times;
    const beganMs = performance.now();
    await consumer.wait(pingMs, signal);
    if (performance.now() - beganMs < pingMs || signal.aborted) return;
    this.#quietMs += pingMs;
    if (this.#quietMs >= verifyMs) {
      this.#quietMs = 0;
      this.close();
      return;
    }
    try {
      await consumer.ping(pingMs);
    } catch (error) {
      this.#shared.giveUp(consumer.connection, failureOf(error).message);
    }
  }

  #gone(cause: unknown): Error {
    const { stream } = this.#at;
    return diverged(`The stream ${stream} of the journal is not there (any more).`, cause);
  }

  #deliver(taken: readonly Delivered[]): readonly LogRecord[] {
    const { segment, stream } = this.#at;
    const records: LogRecord[] = [];
    for (const { offset, content } of taken) {
      if (this.#last === undefined) {
        const start = this.#wanted ?? 0;
        if (offset < start) continue;
        if (offset > start) throw this.#startsLate(offset, start);
      } else if (offset <= this.#last.offset) {
        continue;
      }
      // Offsets may be left out: each file of a stream begins with a record of the engine's own.
      this.#last = { offset, digest: identityOf(content) };
      if (isDriverRecord(content)) this.#meet(offset, content);
      else if (offset === 0 && segment > 0) throw this.#foreign();
      const successor = this.#successor;
      records.push({ segment, stream, offset, content, successor });
      // What stands behind the first roll is void: it was never in the log.
      if (successor !== undefined) break;
    }
    return records;
  }

  #startsLate(offset: number, start: number): Error {
    const { stream } = this.#at;
    return diverged(`The stream ${stream} begins with offset ${offset}, and ${start} was wanted.`);
  }

  #meet(offset: number, content: Buffer): void {
    const { segment, stream } = this.#at;
    const record = decodeDriverRecord(content, `${stream}, offset ${offset}`);
    if (offset === 0 && segment > 0) {
      const isOurs = record.kind === 'begin' && record.segment === segment;
      if (!isOurs || record.stream !== stream) throw this.#foreign();
    }
    if (record.kind !== 'roll') return;
    if (record.segment !== segment + 1) {
      throw diverged(`Segment ${segment} (${stream}) is followed by segment ${record.segment}.`);
    }
    this.#successor = { segment: record.segment, stream: record.stream };
  }

  #foreign(): Error {
    const { segment, stream } = this.#at;
    return diverged(`The stream ${stream} does not begin as segment ${segment} of this journal.`);
  }

  /** A consumer whose next delivery is the next record; undefined when the signal aborts. */
  async #open(signal: AbortSignal): Promise<StreamConsumer | undefined> {
    return await this.#retry(signal, (connection) => this.#attach(connection, signal));
  }

  async #attach(connection: BrokerConnection, signal: AbortSignal): Promise<StreamConsumer> {
    const { stream } = this.#at;
    const start = this.#last?.offset ?? this.#wanted;
    const consumer = await StreamConsumer.open(connection, stream, start ?? 'first', {
      boundMs: ROUND_TRIP_MS_MAX,
    });
    try {
      // The first record of a stream may be waited for; one that was there before must be there.
      if (start !== undefined) await this.#confirm(consumer, start, signal);
      return consumer;
    } catch (error) {
      consumer.close();
      throw error;
    }
  }

  async #confirm(consumer: StreamConsumer, start: number, signal: AbortSignal): Promise<void> {
    await consumer.wait(START_MS_MAX, signal);
    const first = consumer.first;
    if (first === undefined) {
      if (signal.aborted) return;
      if (consumer.failure !== undefined) throw consumer.failure;
      await this.#missing(start, signal);
      throw new BrokerFailure('lost', `This broker has no offset ${start} of it (yet).`);
    }
    if (first.offset !== start) {
      throw diverged(`The stream ${this.#at.stream} has no offset ${start} (any more).`);
    }
    if (this.#last !== undefined && identityOf(first.content) !== this.#last.digest) {
      throw diverged(
        `The stream ${this.#at.stream} holds another record at offset ${start} than the one that was read there: the log was rewritten.`,
      );
    }
  }

  /**
   * Throws JOURNAL_DIVERGED when a majority of the brokers says that the stream ends before the
   * offset: what was once delivered had been on a majority. One broker alone may just be behind.
   */
  async #missing(offset: number, signal: AbortSignal): Promise<void> {
    const { brokers } = this.#shared;
    const { hosts } = brokers.settings;
    const { stream } = this.#at;
    const ends = await Promise.all(
      hosts.map(async (host) => {
        try {
          const connection = await brokers.connectTo(host);
          try {
            return await endOf(connection, stream, { boundMs: ROUND_TRIP_MS_MAX, signal });
          } finally {
            connection.destroy();
          }
        } catch {
          return undefined;
        }
      }),
    );
    const shorter = ends.filter((end) => end !== undefined && end < offset).length;
    const has = ends.some((end) => end !== undefined && end >= offset);
    if (!has && 2 * shorter > hosts.length) {
      throw diverged(`The stream ${stream} ends before offset ${offset}.`);
    }
  }

  /** Until it succeeds on some broker, or the bound has passed (JOURNAL_UNAVAILABLE). */
  async #retry<Result>(
    signal: AbortSignal,
    attempt: (connection: BrokerConnection) => Promise<Result>,
  ): Promise<Result | undefined> {
    try {
      return await withBroker(this.#shared, signal, attempt);
    } catch (error) {
      if (error instanceof BrokerFailure && error.kind === 'missing') throw this.#gone(error);
      throw error;
    }
  }
}

/**
 * Carries out what reads, on one broker after the other. Rejects with JOURNAL_UNAVAILABLE when none
 * could for so long as readers may look for one; what is not about brokers rejects at once. That a
 * stream is missing is believed when a majority says so: one that was frozen may come back with a
 * view of its own. undefined when the signal aborts.
 */
export async function withBroker<Result>(
  shared: SharedConnection,
  signal: AbortSignal,
  attempt: (connection: BrokerConnection) => Promise<Result>,
): Promise<Result | undefined> {
  const { hosts, times } = shared.brokers.settings;
  const deadlineMs = performance.now() + times.reconnectMs;
  const missingAt = new Set<EngineHost>();
  for (;;) {
    let connection: BrokerConnection | undefined;
    try {
      connection = await shared.get();
      if (signal.aborted) return undefined;
      return await attempt(connection);
    } catch (error) {
      const failure = failureOf(error);
      if (!(failure instanceof BrokerFailure)) throw failure;
      if (failure.kind === 'missing' && connection !== undefined) {
        missingAt.add(connection.host);
        if (2 * missingAt.size > hosts.length) throw failure;
      }
      if (connection !== undefined) shared.giveUp(connection, failure.message);
      if (signal.aborted) return undefined;
      if (performance.now() > deadlineMs) {
        throw unavailable('No broker lets the journal be read.', failure);
      }
    }
    await pause(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}

function identityOf(content: Buffer): string {
  // An entry begins with its digest; whoever decodes it checks that.
  return toHex(isDriverRecord(content) ? sha256(content) : content.subarray(0, 32));
}
