// Appends. An entry counts when the brokers have confirmed it and it has been read back in the
// present segment: the confirmation carries no offset, and what stands behind a roll is void. The
// reading back is the tail of the log, which shows also what others append, and rolls.
//
// A full segment ends with a roll. Its successor is made, durably and under a name that nobody
// else can have, before the roll names it; the first roll in the stream counts, whoever wrote it,
// and everybody goes on in the stream that it names. Nobody ever makes a stream that was named
// before: one that was discarded cannot come back empty.

import { setTimeout as pause } from 'node:timers/promises';
import { type Entry, toHex } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import type { EngineOffset, JournalBounds } from '../../ports/journal.ts';
import type { Chain } from './chain.ts';
import type { Brokers } from './connection.ts';
import type { Cursor, LogRecord, SegmentRef } from './cursor.ts';
import { diverged, failureOf, within } from './failures.ts';
import type { HeadTracker } from './head-tracker.ts';
import type { RabbitSettings } from './options.ts';
import type { Publisher } from './publisher.ts';
import { decodeEntry, isDriverRecord, offsetOf } from './records.ts';
import { awaitReplicas } from './settings-check.ts';

const CLOSE_MS_MAX = 1000;
const ROUND_TRIP_MS_MAX = 3000;

/** So full, a segment's successor is made: it is to be some seconds old when it is used. */
const PREPARE_PART = 0.5;

/** While its successor is not old enough, a segment takes more than its size. */
const EXCESS_PART = 2;

type Pending = {
  readonly entry: Entry;
  readonly key: string;
  readonly done: PromiseWithResolvers<EngineOffset>;
  readonly timer: NodeJS.Timeout;
  isSent: boolean;
  isConfirmed: boolean;
  /** Where it was read back. */
  offset: EngineOffset | undefined;
};

export type WriterStart = {
  readonly brokers: Brokers;
  readonly publisher: Publisher;
  /** Has read everything that can be read. */
  readonly cursor: Cursor;
  readonly chain: Chain;
  readonly tracker: HeadTracker;
  /** What the present segment holds already. */
  readonly segmentBytes: number;
};

export class Writer {
  readonly #brokers: Brokers;
  readonly #settings: RabbitSettings;
  readonly #publisher: Publisher;
  readonly #cursor: Cursor;
  readonly #chain: Chain;
  readonly #tracker: HeadTracker;
  readonly #ending = new AbortController();
  /** In call order: first those that were sent, then those that wait. */
  readonly #pending: Pending[] = [];
  #sentCount = 0;
  #segment: SegmentRef;
  #segmentBytes: number;
  /** Until here the present segment has been read. */
  #end: number;
  #successor: Promise<string> | undefined;
  /** Its name, also before it is there. */
  #stream: string | undefined;
  /** Since when the successor is there; undefined = not yet. */
  #madeMs: number | undefined;
  #rolling: string | undefined;
  #rollIsDue = false;
  #failure: OperationalError | undefined;
  readonly #following: Promise<void>;
  /** The log goes on in another segment. */
  onRolled: () => void = () => undefined;

  constructor(start: WriterStart) {
    const { brokers, publisher, cursor, chain, tracker, segmentBytes } = start;
    this.#brokers = brokers;
    this.#settings = brokers.settings;
    this.#publisher = publisher;
    this.#cursor = cursor;
    this.#chain = chain;
    this.#tracker = tracker;
    this.#segmentBytes = segmentBytes;
    this.#segment = cursor.at;
    this.#end = cursor.offset ?? -1;
    publisher.onUnblocked(() => this.#pump());
    void publisher.connection.ended.then((error) => this.#fail(error));
    this.#following = this.#follow();
  }

  get isBroken(): boolean {
    return this.#failure !== undefined;
  }

  /** Everything that was acknowledged here stands before or at this place. */
  get end(): { readonly segment: number; readonly offset: number } {
    return { segment: this.#segment.segment, offset: this.#end };
  }

  get segment(): SegmentRef {
    return this.#segment;
  }

  bounds(): JournalBounds {
    const last = this.#tracker.head.position;
    const first = (this.#chain.oldest?.after.position ?? 0) + 1;
    return last < first ? { first: 0, last: 0 } : { first, last };
  }

  append(entry: Entry): Promise<EngineOffset> {
    if (this.#failure !== undefined) return Promise.reject(notSent(entry, this.#failure));
    const done = Promise.withResolvers<EngineOffset>();
    const pending: Pending = {
      entry,
      key: toHex(entry.digest),
      done,
      timer: setTimeout(() => this.#fail(late(this.#publisher)), this.#settings.times.appendMs),
      isSent: false,
      isConfirmed: false,
      offset: undefined,
    };
    this.#pending.push(pending);
    this.#pump();
    return done.promise;
  }

  /** As soon as a new segment is there entries go to it. */
  rollSoon(): void {
    const { segment } = this.#segment;
    this.#prepare();
    this.#successor?.then(
      () => {
        this.#rollIsDue = this.#segment.segment === segment;
      },
      () => undefined,
    );
  }

  /** Deletes segments that end at or before the position, but never the last entry. */
  async discardThrough(position: number): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    const through = Math.min(position, this.#tracker.head.position - 1);
    const ended = this.#chain.upTo(through);
    const newest = ended.at(-1);
    if (newest === undefined) return;
    const streams = ended.map(({ stream }) => stream);
    const record = { kind: 'discarded', oldest: newest.segment + 1, streams } as const;
    // Said before it is done: whoever finds only a part of them gone knows why.
    await within(
      this.#publisher.publishRecord(this.#chain.root, record),
      ROUND_TRIP_MS_MAX,
      'discarding',
    ).catch((error: unknown) => {
      throw new OperationalError('JOURNAL_UNAVAILABLE', {
        detail: `Segments through ${newest.segment} could not be discarded: ${failureOf(error).message}.`,
        wayOut: 'It is tried again after the next checkpoint.',
        cause: error,
      });
    });
    this.#chain.learn(record);
    await this.deleteLeftovers();
  }

  /** What cannot be deleted now is tried again by the next opening. */
  async deleteLeftovers(): Promise<void> {
    for (const stream of this.#chain.leftovers) {
      try {
        await this.#publisher.deleteStream(stream);
      } catch (error) {
        this.#settings.log('warning', `${stream} was not deleted: ${failureOf(error).message}`);
      }
    }
  }

  /** What the rolls have said beside the root stream is put there. */
  async note(segment: number): Promise<void> {
    const known = this.#chain.of(segment);
    if (known === undefined || segment < 2) return;
    await this.#publisher.publishRecord(this.#chain.root, { kind: 'segment', ...known });
  }

  /** Ends appends in flight within a bound. */
  async close(): Promise<void> {
    const settled = Promise.allSettled(this.#pending.map(({ done }) => done.promise));
    await within(settled, CLOSE_MS_MAX, 'appends in flight').catch(() => undefined);
    await within(this.#dropSuccessor(), CLOSE_MS_MAX, 'cleaning up').catch(() => undefined);
    this.#fail(new OperationalError('JOURNAL_CLOSED', { wayOut: 'Open the journal first.' }));
    await this.#following;
  }

  /** A successor that no roll names is of no use to anybody. */
  async #dropSuccessor(): Promise<void> {
    if (this.#failure !== undefined || this.#rolling !== undefined) return;
    if (this.#madeMs === undefined || this.#stream === undefined) return;
    await this.#dropUnused(Promise.resolve(this.#stream));
  }

  #pump(): void {
    while (this.#sentCount < this.#pending.length && this.#failure === undefined) {
      if (this.#rolling !== undefined || this.#publisher.blocked !== undefined) return;
      const { segmentBytes } = this.#settings;
      const isFull = this.#segmentBytes >= segmentBytes || this.#rollIsDue;
      if (isFull || this.#segmentBytes >= PREPARE_PART * segmentBytes) this.#prepare();
      if (isFull && !this.#isSettling()) {
        this.#roll();
        return;
      }
      this.#send(this.#pending[this.#sentCount]!);
    }
  }

  #send(pending: Pending): void {
    const { bytes } = pending.entry;
    pending.isSent = true;
    this.#sentCount += 1;
    this.#segmentBytes += bytes.byteLength;
    this.#publisher.publish(this.#segment.stream, bytes).then(
      () => {
        pending.isConfirmed = true;
        this.#settle();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  #prepare(): void {
    if (this.#successor !== undefined) return;
    const number = this.#segment.segment + 1;
    const stream = this.#chain.newName(number);
    this.#stream = stream;
    this.#successor = this.#make(number, stream);
    this.#successor.catch((error: unknown) => {
      if (!this.#ending.signal.aborted) this.#fail(error);
    });
  }

  async #make(segment: number, stream: string): Promise<string> {
    await this.#publisher.makeSegment(segment, stream);
    await awaitReplicas(this.#brokers, stream);
    this.#madeMs = performance.now();
    await pause(this.#settings.times.settleMs, undefined, { signal: this.#ending.signal });
    return stream;
  }

  /** The successor is too young, and there is still room: nothing need wait for it. */
  #isSettling(): boolean {
    const { segmentBytes, times } = this.#settings;
    if (times.settleMs === 0 || this.#segmentBytes >= EXCESS_PART * segmentBytes) return false;
    return this.#madeMs === undefined || performance.now() - this.#madeMs < times.settleMs;
  }

  #roll(): void {
    const { segment, stream } = this.#segment;
    this.#rolling = stream;
    this.#rollIsDue = false;
    void this.#successor
      ?.then(async (successor) => {
        // Somebody else's roll may have come meanwhile.
        if (this.#segment.segment !== segment || this.#failure !== undefined) return;
        const record = { kind: 'roll', segment: segment + 1, stream: successor } as const;
        await within(
          this.#publisher.publishRecord(stream, record),
          this.#settings.times.appendMs,
          'the roll to the next segment',
        );
      })
      .catch((error: unknown) => this.#fail(error));
  }

  async #follow(): Promise<void> {
    try {
      for (;;) {
        const records = await this.#cursor.next(this.#ending.signal);
        if (records.length === 0) return;
        for (const record of records) this.#see(record);
        this.#settle();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#cursor.close();
    }
  }

  #see(record: LogRecord): void {
    const { segment, stream, offset, content, successor } = record;
    this.#end = offset;
    if (successor !== undefined) {
      this.#rolled(successor);
      return;
    }
    if (isDriverRecord(content)) return;
    const key = content.toString('hex', 0, 32);
    const pending = this.#pending.find((one) => one.offset === undefined && one.key === key);
    if (pending === undefined || !pending.isSent) {
      this.#tracker.see(decodeEntry(content, `${stream}, offset ${offset}`));
      return;
    }
    if (content.compare(pending.entry.bytes) !== 0) {
      throw diverged(`The stream ${stream} holds at offset ${offset} other bytes than were sent.`);
    }
    this.#tracker.see(pending.entry);
    pending.offset = offsetOf(segment, offset);
  }

  /** The present segment has ended; what was sent to it and not seen before its end is void. */
  #rolled(successor: SegmentRef): void {
    this.#chain.add({ ...successor, after: this.#tracker.head });
    const unused = this.#successor;
    this.#segment = successor;
    this.#segmentBytes = 0;
    this.#end = -1;
    this.#rolling = undefined;
    this.#rollIsDue = false;
    this.#successor = undefined;
    this.#madeMs = undefined;
    if (unused !== undefined) void this.#dropUnused(unused, successor.stream);
    this.note(successor.segment).catch((error: unknown) => this.#fail(error));
    if (this.#pending.some(({ isSent, offset }) => isSent && offset === undefined)) {
      this.#fail(new Error('Another writer ended the segment before the entry came to it.'));
      return;
    }
    this.onRolled();
    this.#pump();
  }

  /** A stream that was made and that no roll names in its place. */
  async #dropUnused(unused: Promise<string>, used?: string): Promise<void> {
    try {
      const stream = await unused;
      if (stream !== used) await this.#publisher.deleteStream(stream);
    } catch {
      // It stays, empty and unknown to anybody.
    }
  }

  /** In call order. */
  #settle(): void {
    for (;;) {
      const first = this.#pending[0];
      if (first === undefined || !first.isConfirmed || first.offset === undefined) return;
      this.#pending.shift();
      this.#sentCount -= 1;
      clearTimeout(first.timer);
      first.done.resolve(first.offset);
    }
  }

  /** Nothing is sent any more, and nothing that was sent is waited for. */
  #fail(cause: unknown): void {
    if (this.#failure !== undefined) return;
    const isOurs = cause instanceof OperationalError;
    const isSent = this.#sentCount > 0;
    this.#failure = isOurs ? cause : lost(cause);
    // Before anybody hears of it: the memory of the entries is not ours any more then.
    this.#publisher.destroy();
    this.#ending.abort();
    for (const pending of this.#pending.splice(0)) {
      clearTimeout(pending.timer);
      pending.done.promise.catch(() => undefined);
      if (pending.isSent) pending.done.reject(unknown(pending.entry, cause));
      else if (isSent || !isOurs) pending.done.reject(notSent(pending.entry, cause));
      else pending.done.reject(cause);
    }
    this.#sentCount = 0;
  }
}

function lost(cause: unknown): OperationalError {
  return new OperationalError('JOURNAL_CLOSED', {
    detail: `The journal is not open for writing any more: ${failureOf(cause).message}`,
    wayOut: 'Open the journal anew and read its tail.',
    cause,
  });
}

function late(publisher: Publisher): OperationalError {
  const { blocked } = publisher;
  return new OperationalError('JOURNAL_UNAVAILABLE', {
    detail:
      blocked === undefined
        ? 'The brokers do not confirm what is appended.'
        : `The broker takes no messages: ${blocked}.`,
    wayOut: 'Open the journal anew; see the memory, the disk and the log of the brokers.',
  });
}

function unknown(entry: Entry, cause: unknown): OperationalError {
  return new OperationalError('JOURNAL_UNKNOWN_OUTCOME', {
    detail: `The append of position ${entry.position} may or may not have happened: ${failureOf(cause).message}`,
    wayOut: 'Open the journal anew, append an opening and read back.',
    cause,
  });
}

function notSent(entry: Entry, cause: unknown): OperationalError {
  return new OperationalError('JOURNAL_CLOSED', {
    detail: `Position ${entry.position} was not sent: ${failureOf(cause).message}`,
    wayOut: 'Open the journal anew and read its tail.',
    cause,
  });
}
