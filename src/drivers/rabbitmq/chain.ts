// The segments of the journal. The root stream, which bears the journal's name and is never
// deleted, is segment 0: its first roll names segment 1. The chain itself is in the rolls alone;
// behind the first one the root stream holds what was learnt from them, so that nobody has to walk
// through all segments: their names, and which of them are not needed any more. Whoever writes such
// a record has read the roll in its place, so all of them are true, whoever wrote them and however
// late they come.

import { randomBytes } from 'node:crypto';
import type { BrokerConnection, SharedConnection } from './connection.ts';
import { StreamConsumer, endOf } from './consumer.ts';
import { Cursor, type SegmentRef, withBroker } from './cursor.ts';
import { BrokerFailure, diverged } from './failures.ts';
import { BEFORE_ALL, type DriverRecord, type HeadMark, decodeDriverRecord } from './records.ts';

const ROUND_TRIP_MS_MAX = 1500;

export type KnownSegment = SegmentRef & {
  /** The head in front of its first entry. */
  readonly after: HeadMark;
};

export class Chain {
  readonly root: string;
  readonly #known = new Map<number, KnownSegment>();
  #oldest = 1;
  /** Streams that may be deleted, named by the last discarding. */
  #leftovers: readonly string[] = [];

  constructor(root: string) {
    this.root = root;
  }

  /** The first segment that is still needed. */
  get oldest(): KnownSegment | undefined {
    return this.#known.get(this.#oldest);
  }

  get newest(): KnownSegment | undefined {
    return this.#known.get(Math.max(0, ...this.#known.keys()));
  }

  get leftovers(): readonly string[] {
    return this.#leftovers;
  }

  of(segment: number): KnownSegment | undefined {
    return this.#known.get(segment);
  }

  isDiscarded(segment: number): boolean {
    return segment < this.#oldest;
  }

  /** Segments that end at or before the position. */
  upTo(position: number): readonly KnownSegment[] {
    const ended: KnownSegment[] = [];
    for (let number = this.#oldest; ; number++) {
      const segment = this.#known.get(number);
      const end = this.#known.get(number + 1)?.after.position;
      if (segment === undefined || end === undefined || end > position) return ended;
      ended.push(segment);
    }
  }

  /** A record of the root stream, in its order. */
  learn(record: DriverRecord): void {
    if (record.kind === 'roll' && !this.#known.has(1) && this.#oldest === 1) {
      this.add({ segment: 1, stream: record.stream, after: BEFORE_ALL });
    }
    if (record.kind === 'segment') this.add(record);
    if (record.kind !== 'discarded' || record.oldest <= this.#oldest) return;
    this.#oldest = record.oldest;
    this.#leftovers = record.streams;
    for (const number of this.#known.keys()) {
      if (number < this.#oldest) this.#known.delete(number);
    }
  }

  /** Throws JOURNAL_DIVERGED when another stream is known to be that segment. */
  add({ segment, stream, after }: KnownSegment): void {
    if (this.isDiscarded(segment)) return;
    const known = this.#known.get(segment);
    if (known === undefined) this.#known.set(segment, { segment, stream, after });
    else if (known.stream !== stream) {
      throw diverged(`Segment ${segment} is ${known.stream}, and also said to be ${stream}.`);
    }
  }

  newName(segment: number): string {
    return `${this.root}.${segment}.${randomBytes(8).toString('hex')}`;
  }
}

/** What the root stream says now; undefined where there is none. JOURNAL_UNAVAILABLE. */
export async function readChain(
  shared: SharedConnection,
  signal: AbortSignal,
): Promise<Chain | undefined> {
  const root = shared.brokers.settings.name;
  try {
    return await withBroker(shared, signal, async (connection) => {
      const chain = new Chain(root);
      for (const record of await readRoot(connection, root, signal)) chain.learn(record);
      return chain;
    });
  } catch (error) {
    if (error instanceof BrokerFailure && error.kind === 'missing') return undefined;
    throw error;
  }
}

async function readRoot(
  connection: BrokerConnection,
  root: string,
  signal: AbortSignal,
): Promise<readonly DriverRecord[]> {
  const boundMs = ROUND_TRIP_MS_MAX;
  const end = await endOf(connection, root, { boundMs, signal });
  const records: DriverRecord[] = [];
  // It was begun when it was made: who delivers nothing of it is only slow, or has no leader yet.
  if (end === undefined) throw new BrokerFailure('lost', `Nothing of ${root} is delivered.`);
  const consumer = await StreamConsumer.open(connection, root, 'first', { boundMs });
  try {
    for (let next = 0; next <= end && !signal.aborted; ) {
      await consumer.wait(boundMs, signal);
      const taken = consumer.take();
      if (taken.length === 0) {
        throw consumer.failure ?? new BrokerFailure('lost', `${root} cannot be read through.`);
      }
      for (const { offset, content } of taken) {
        if (next === 0 && offset > 0) throw diverged(`The begin of ${root} is gone.`);
        records.push(decodeDriverRecord(content, `${root}, offset ${offset}`));
        next = offset + 1;
      }
    }
    return records;
  } finally {
    consumer.close();
  }
}

/** The stream of a segment: as the root stream knows it, or found through the rolls behind it. */
export async function locate(
  shared: SharedConnection,
  chain: Chain,
  segment: number,
  signal: AbortSignal,
): Promise<SegmentRef> {
  const known = chain.of(segment);
  if (known !== undefined) return known;
  const newest = chain.newest;
  if (chain.isDiscarded(segment) || newest === undefined || segment < newest.segment) {
    throw diverged(`Segment ${segment} of the journal was discarded or never was.`);
  }
  const cursor = new Cursor(shared, { ...newest, offset: undefined });
  try {
    while (!signal.aborted && cursor.at.segment < segment) {
      const end = await cursor.end(signal);
      const { segment: before } = cursor.at;
      while ((cursor.offset ?? -1) < end && cursor.at.segment === before) {
        await cursor.next(signal);
        signal.throwIfAborted();
      }
      if (cursor.at.segment === before) {
        throw diverged(`The journal has no segment ${segment}: it ends with ${before}.`);
      }
    }
    return cursor.at;
  } finally {
    cursor.close();
  }
}
