// Opens the journal: finds its segments, makes the first one where there is none, and reads through
// the end. A writer puts a barrier behind what can be read: when that is confirmed, so is all that
// stands before it.

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { EngineOffset, JournalOpenOptions } from '../../ports/journal.ts';
import { Chain, type KnownSegment, locate, readChain } from './chain.ts';
import type { Brokers, SharedConnection } from './connection.ts';
import { endOf } from './consumer.ts';
import { Cursor, type CursorStart, type LogRecord } from './cursor.ts';
import { BrokerFailure, diverged, failureOf, unavailable, within } from './failures.ts';
import { HeadTracker } from './head-tracker.ts';
import type { Publisher } from './publisher.ts';
import {
  BEFORE_ALL,
  type DriverRecord,
  decodeDriverRecord,
  decodeEntry,
  isDriverRecord,
  offsetOf,
  parseOffset,
} from './records.ts';
import {
  awaitReplicas,
  judge,
  rootFindings,
  sizeFindings,
  streamFindings,
  whoKnowsRoot,
} from './settings-check.ts';

const LOOK_MS = 20;
const ROUND_TRIP_MS_MAX = 3000;

/** Where reading begins. */
export async function startOf(
  shared: SharedConnection,
  chain: Chain,
  from: EngineOffset | null | undefined,
  signal: AbortSignal,
): Promise<CursorStart> {
  if (from !== null && from !== undefined) {
    const { segment, offset } = parseOffset(from);
    return { ...(await locate(shared, chain, segment, signal)), offset };
  }
  const { oldest, root } = chain;
  return oldest === undefined
    ? { segment: 0, stream: root, offset: undefined }
    : { segment: oldest.segment, stream: oldest.stream, offset: undefined };
}

/** What was read through to its end. */
export type Scan = {
  readonly cursor: Cursor;
  readonly tracker: HeadTracker;
  /** Bytes of the last segment; undefined when reading began within it. */
  readonly segmentBytes: number | undefined;
  /** Segments that the root stream does not know. */
  readonly learnt: readonly number[];
};

/** The root stream and the first segment are there and as they must be. */
export async function prepare(
  shared: SharedConnection,
  publisher: Publisher,
  { from, signal }: Pick<JournalOpenOptions, 'from' | 'signal'>,
): Promise<Chain> {
  const { brokers } = shared;
  const { settings } = brokers;
  const isNew = from === undefined;
  const { name } = settings;
  await makeRoot(brokers, publisher, isNew);
  const root = await streamFindings(publisher, name);
  judge([...root, ...(await sizeFindings(publisher))], settings);
  await begin(publisher, name, signal);
  const chain = await readChain(shared, signal);
  const newest = chain?.newest;
  if (chain !== undefined && newest !== undefined) {
    judge(await streamFindings(publisher, newest.stream), settings);
    return chain;
  }
  judge(await rootFindings(brokers), settings);
  return await beginChain(shared, publisher, signal);
}

/**
 * Makes the root stream where nobody knows one: a broker that was frozen can have lost sight of
 * what the others have. Who has read the journal before never makes it.
 */
async function makeRoot(brokers: Brokers, publisher: Publisher, isNew: boolean): Promise<void> {
  const { name, times } = brokers.settings;
  const deadlineMs = performance.now() + times.openMs / 2;
  while (!(await isThere(publisher, name))) {
    if (!isNew) throw unavailable(`The brokers do not know the journal ${name}.`);
    const place = await whoKnowsRoot(brokers);
    if (place === undefined) {
      await publisher.declare(name);
      return;
    }
    // Somebody may just be making it.
    if (performance.now() < deadlineMs) continue;
    const { host, port } = publisher.connection.host;
    throw unavailable(
      `${place} knows the journal ${name}, and ${host}:${port} does not: restart it.`,
    );
  }
}

async function isThere(publisher: Publisher, stream: string): Promise<boolean> {
  try {
    await publisher.onChannel((channel) => channel.checkQueue(stream));
    return true;
  } catch (error) {
    const failure = failureOf(error);
    if (failure instanceof BrokerFailure && failure.kind === 'missing') return false;
    throw error;
  }
}

/**
 * A root stream of which nothing is delivered may be empty, since whoever made it crashed. One
 * record more does no harm where it is not.
 */
async function begin(publisher: Publisher, root: string, signal: AbortSignal): Promise<void> {
  const boundMs = ROUND_TRIP_MS_MAX;
  try {
    if ((await endOf(publisher.connection, root, { boundMs, signal })) !== undefined) return;
  } catch (error) {
    // A broker without a replica cannot say.
    if (!(error instanceof BrokerFailure) || error.kind !== 'foreign') throw error;
  }
  const record = { kind: 'begin', segment: 0, stream: root } as const;
  await within(publisher.publishRecord(root, record), boundMs, `the first record of ${root}`);
}

/** Several may do so at the same time: the first roll of the root stream counts. */
async function beginChain(
  shared: SharedConnection,
  publisher: Publisher,
  signal: AbortSignal,
): Promise<Chain> {
  const { name: root, times } = shared.brokers.settings;
  let chain: Chain | undefined = new Chain(root);
  const stream = chain.newName(1);
  await publisher.makeSegment(1, stream);
  await awaitReplicas(shared.brokers, stream);
  await pause(times.settleMs, undefined, { signal });
  await within(
    publisher.publishRecord(root, { kind: 'roll', segment: 1, stream }),
    times.openMs,
    'the first segment',
  );
  const deadlineMs = performance.now() + times.openMs;
  while (chain?.newest === undefined) {
    signal.throwIfAborted();
    if (performance.now() > deadlineMs) throw unavailable(`${root} cannot be read back.`);
    chain = await readChain(shared, signal);
    if (chain?.newest === undefined) await pause(LOOK_MS);
  }
  if (chain.of(1)?.stream !== stream) await publisher.deleteStream(stream);
  return chain;
}

/** Reads through everything that can be read now, and puts a barrier behind it. */
export async function scanThrough(
  shared: SharedConnection,
  publisher: Publisher,
  chain: Chain,
  { from, signal }: Pick<JournalOpenOptions, 'from' | 'signal'>,
): Promise<Scan> {
  const { openMs } = shared.brokers.settings.times;
  const start = await startOf(shared, chain, from, signal);
  const scanner = new Scanner(new Cursor(shared, start), chain, from !== undefined);
  try {
    for (;;) {
      const barrier = new Barrier(publisher, scanner.cursor, chain);
      while (!barrier.isPassed && scanner.cursor.at.segment === barrier.segment) {
        const records = await barrier.next(AbortSignal.any([signal, AbortSignal.timeout(openMs)]));
        signal.throwIfAborted();
        if (records.length === 0) throw unavailable('The end of the journal cannot be read.');
        for (const record of records) scanner.see(record, barrier);
      }
      if (!barrier.isPassed) continue;
      await barrier.confirmed;
      return scanner.result();
    }
  } catch (error) {
    scanner.cursor.close();
    throw error;
  }
}

/** A barrier in the segment that the cursor is in, unless that is known to have ended. */
class Barrier {
  readonly segment: number;
  readonly nonce = randomUUID();
  readonly confirmed: Promise<void>;
  readonly #cursor: Cursor;
  readonly #lost = Promise.withResolvers<never>();
  isPassed = false;

  constructor(publisher: Publisher, cursor: Cursor, chain: Chain) {
    const { segment, stream } = cursor.at;
    this.segment = segment;
    this.#cursor = cursor;
    this.#lost.promise.catch(() => undefined);
    const hasEnded = chain.of(segment + 1) !== undefined;
    const { nonce } = this;
    this.confirmed = hasEnded
      ? Promise.resolve()
      : publisher.publishRecord(stream, { kind: 'barrier', nonce });
    this.confirmed.catch((error: Error) => this.#lost.reject(error));
  }

  /** Rejects when the barrier cannot come any more. */
  async next(signal: AbortSignal): Promise<readonly LogRecord[]> {
    const ending = new AbortController();
    const reading = this.#cursor.next(AbortSignal.any([signal, ending.signal]));
    try {
      return await Promise.race([reading, this.#lost.promise]);
    } catch (error) {
      ending.abort();
      await reading.catch(() => undefined);
      throw error;
    }
  }

  meet(record: DriverRecord): void {
    if (record.kind === 'barrier' && record.nonce === this.nonce) this.isPassed = true;
  }
}

class Scanner {
  readonly cursor: Cursor;
  readonly tracker: HeadTracker;
  readonly #chain: Chain;
  readonly #learnt: number[] = [];
  #trusts: boolean;
  #bytes: number | undefined;

  constructor(cursor: Cursor, chain: Chain, isFromHead: boolean) {
    this.cursor = cursor;
    this.#chain = chain;
    this.#trusts = isFromHead;
    this.#bytes = isFromHead ? undefined : 0;
    this.tracker = new HeadTracker(chain.of(cursor.at.segment)?.after ?? BEFORE_ALL);
  }

  see({ segment, stream, offset, content, successor }: LogRecord, barrier: Barrier): void {
    const place = `${stream}, offset ${offset}`;
    const isDriver = isDriverRecord(content);
    if (this.#trusts) {
      this.#trusts = false;
      if (isDriver) throw diverged(`There is no entry at ${offsetOf(segment, offset)}.`);
      this.tracker.trust(decodeEntry(content, place));
      return;
    }
    if (this.#bytes !== undefined) this.#bytes += content.byteLength;
    if (!isDriver) {
      this.tracker.see(decodeEntry(content, place));
      return;
    }
    if (successor === undefined) {
      barrier.meet(decodeDriverRecord(content, place));
      return;
    }
    this.#bytes = 0;
    const known: KnownSegment | undefined = this.#chain.of(successor.segment);
    if (known === undefined) this.#learnt.push(successor.segment);
    this.#chain.add({ ...successor, after: this.tracker.head });
  }

  result(): Scan {
    const { cursor, tracker } = this;
    return { cursor, tracker, segmentBytes: this.#bytes, learnt: this.#learnt };
  }
}
