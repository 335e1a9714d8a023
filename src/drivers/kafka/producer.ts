// Appends: batches on their way to the partition's leader, in order. Each batch has the journal's
// producer id, the entry's epoch and a sequence of its own, so that the broker refuses who was
// deposed and keeps one copy of what is sent twice: whatever is in doubt is sent again, the same
// bytes, until it is answered or its time is over.

import { assert } from '../../base/assert.ts';
import type { Entry } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import { ENTRY_BYTES_MAX } from '../../base/limits.ts';
import { type Cluster, pause } from './cluster.ts';
import type { Link } from './link.ts';
import type { ProducerIdentity } from './producer-identity.ts';
import { encodeBatch } from './record-batch.ts';
import { KafkaCode, type ProduceAnswer, produceRequest } from './requests.ts';

/** The broker remembers so many batches of a producer, to know a repetition. */
const BATCHES_IN_FLIGHT_MAX = 5;
const BROKER_GRACE_MS = 200;
const REST_MS_MAX = 150;

/** Refused, whatever is tried: neither time nor another leader helps. */
const HOPELESS: ReadonlySet<number> = new Set([
  KafkaCode.messageTooLarge,
  KafkaCode.recordListTooLarge,
  KafkaCode.topicAuthorizationFailed,
  KafkaCode.clusterAuthorizationFailed,
  KafkaCode.invalidTimestamp,
  KafkaCode.unsupportedVersion,
  KafkaCode.invalidRecord,
]);

/** Its epoch or sequence does not fit what the broker knows of the producer. */
const OUT_OF_STEP: ReadonlySet<number> = new Set([
  KafkaCode.outOfOrderSequence,
  KafkaCode.duplicateSequence,
  KafkaCode.unknownProducerId,
]);

type Append = {
  readonly entry: Entry;
  readonly deadlineMs: number;
  readonly done: PromiseWithResolvers<number>;
};

type Batch = {
  readonly appends: readonly Append[];
  readonly payload: ReturnType<typeof produceRequest>;
  readonly epoch: number;
  /** An attempt may have written it. */
  isDoubtful: boolean;
};

type Sent = { readonly batch: Batch; readonly answer: Promise<ProduceAnswer> };

/** Failed in a way that another attempt may mend. */
class Again extends Error {}

export class Producer {
  readonly #cluster: Cluster;
  readonly #identity: ProducerIdentity;
  #waiting: Append[] = [];
  /** Cut from what waited and not settled yet, oldest first. */
  #batches: Batch[] = [];
  #link: Link | undefined;
  /** The link, while it is connected and its answers are taken. */
  #pumping: Link | undefined;
  /** On the present connection, oldest first. */
  #sent: Sent[] = [];
  #running: Promise<void> | undefined;
  #failure: OperationalError | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The epoch in which a batch was acknowledged: the broker knows this producer. */
  #epochKnown: number | undefined;
  readonly #ending = new AbortController();
  #ackedEnd = 0;
  /** In vain, since the last acknowledgement. */
  #attempts = 0;

  constructor(cluster: Cluster, identity: ProducerIdentity) {
    this.#cluster = cluster;
    this.#identity = identity;
  }

  /** Behind the last record that was acknowledged here; 0 = none was. */
  get ackedEnd(): number {
    return this.#ackedEnd;
  }

  append(entry: Entry): Promise<number> {
    if (this.#failure !== undefined) return Promise.reject(notTried());
    const { appendMs } = this.#cluster.settings.times;
    const done = Promise.withResolvers<number>();
    this.#waiting.push({ entry, deadlineMs: performance.now() + appendMs, done });
    if (this.#pumping !== undefined) this.#fill(this.#pumping);
    this.#running ??= this.#run();
    this.#watch();
    return done.promise;
  }

  /** What is in flight settles, within a bound; what does not is unknown. */
  async close(): Promise<void> {
    const closed = new OperationalError('JOURNAL_CLOSED');
    const { closeMs } = this.#cluster.settings.times;
    if (this.#running !== undefined && this.#failure === undefined) {
      const late = pause(closeMs, this.#ending.signal);
      await Promise.race([this.#running, late]);
    }
    this.#break(this.#batches.length === 0 ? closed : unknown(this.#batches[0]!, 'It was closed.'));
  }

  async #run(): Promise<void> {
    try {
      while (this.#failure === undefined && this.#batches.length + this.#waiting.length > 0) {
        try {
          await this.#pump(await this.#connected());
        } catch (error) {
          this.#dropLink();
          if (this.#failure !== undefined) return;
          if (error instanceof OperationalError) this.#break(error);
          else await this.#rest();
        }
      }
    } finally {
      this.#running = undefined;
    }
  }

  /** Longer with each attempt that got nowhere. */
  async #rest(): Promise<void> {
    const { retryMs } = this.#cluster.settings.times;
    this.#attempts += 1;
    const restMs = Math.min(REST_MS_MAX, retryMs * 2 ** Math.min(this.#attempts - 1, 10));
    await pause(restMs, this.#ending.signal);
  }

  async #connected(): Promise<Link> {
    if (this.#link?.hasEnded === false) return this.#link;
    const leader = await this.#cluster.findLeader();
    const epoch = this.#batches[0]?.epoch ?? this.#waiting[0]?.entry.epoch;
    if (epoch !== undefined) await this.#identity.prepare(epoch);
    const { produceMs } = this.#cluster.settings.times;
    const link = this.#cluster.leaderLink(leader, produceMs, BATCHES_IN_FLIGHT_MAX);
    // Kept, so that a break ends it while it is being made.
    this.#link = link;
    await link.connect();
    return link;
  }

  /** Sends what is there, again where it was sent before, and takes the answers in order. */
  async #pump(link: Link): Promise<void> {
    this.#sent = [];
    this.#pumping = link;
    const again = this.#batches.slice(0, this.#inFlightMax);
    for (const batch of again) this.#send(link, batch);
    for (;;) {
      this.#fill(link);
      const first = this.#sent[0];
      if (first === undefined) {
        if (this.#waiting.length === 0) return;
        if (link.hasEnded) throw new Again('The connection ended.');
        await this.#identity.prepare(this.#waiting[0]!.entry.epoch);
        continue;
      }
      const answer = await first.answer;
      this.#sent.shift();
      this.#take(first.batch, answer);
    }
  }

  /** A broker that does not know the producer yet takes its batches in any order. */
  get #inFlightMax(): number {
    const epoch = this.#batches[0]?.epoch ?? this.#waiting[0]?.entry.epoch;
    return epoch === this.#epochKnown ? BATCHES_IN_FLIGHT_MAX : 1;
  }

  #fill(link: Link): void {
    if (link.hasEnded) return;
    for (const batch of this.#batches.slice(this.#sent.length)) {
      if (this.#sent.length >= this.#inFlightMax) return;
      this.#send(link, batch);
    }
    while (this.#waiting.length > 0 && this.#sent.length < this.#inFlightMax) {
      const epoch = this.#waiting[0]!.entry.epoch;
      const isOther = this.#batches.length > 0 && this.#batches[0]!.epoch !== epoch;
      if (isOther || !this.#identity.isPrepared(epoch)) return;
      const batch = this.#cut(epoch);
      this.#batches.push(batch);
      this.#send(link, batch);
    }
  }

  /** As much of what waits as one batch holds. */
  #cut(epoch: number): Batch {
    let count = 0;
    let bytes = 0;
    for (const { entry } of this.#waiting) {
      bytes += entry.bytes.byteLength;
      if (count > 0 && (entry.epoch !== epoch || bytes > ENTRY_BYTES_MAX)) break;
      count += 1;
    }
    const appends = this.#waiting.splice(0, count);
    const { topic, times } = this.#cluster.settings;
    const bytesOf = appends.map(({ entry }) => entry.bytes);
    const records = encodeBatch(bytesOf, this.#identity.take(epoch, count));
    const payload = produceRequest(topic, records, times.produceMs - BROKER_GRACE_MS);
    return { appends, payload, epoch, isDoubtful: false };
  }

  #send(link: Link, batch: Batch): void {
    const answer = link.send(batch.payload);
    // Whoever waits for an earlier answer need not come to this one.
    answer.catch(() => undefined);
    this.#sent.push({ batch, answer });
  }

  #take(batch: Batch, { code, baseOffset }: ProduceAnswer): void {
    assert(batch === this.#batches[0], 'answers come in the order of the requests');
    if (code === KafkaCode.none && baseOffset >= 0) {
      this.#batches.shift();
      this.#epochKnown = batch.epoch;
      this.#attempts = 0;
      this.#ackedEnd = baseOffset + batch.appends.length;
      for (const [index, { done }] of batch.appends.entries()) done.resolve(baseOffset + index);
      this.#watch();
      return;
    }
    if (code === KafkaCode.invalidProducerEpoch || code === KafkaCode.producerFenced) {
      throw batch.isDoubtful
        ? unknown(batch, 'Meanwhile another epoch was opened.')
        : fenced(batch);
    }
    if (OUT_OF_STEP.has(code) || code === KafkaCode.none) {
      throw unknown(batch, `Kafka says that its sequence does not follow (${code}).`);
    }
    if (HOPELESS.has(code))
      throw batch.isDoubtful ? unknown(batch, text(code)) : refused(batch, code);
    // On too few replicas nothing was written; of everything else nobody knows.
    if (code !== KafkaCode.notEnoughReplicas) batch.isDoubtful = true;
    throw new Again(text(code));
  }

  #dropLink(): void {
    for (const { batch } of this.#sent) batch.isDoubtful = true;
    this.#sent = [];
    this.#pumping = undefined;
    this.#link?.end();
    this.#link = undefined;
  }

  /** One timer, for the append that waits longest. */
  #watch(): void {
    const oldest = this.#batches[0]?.appends[0] ?? this.#waiting[0];
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (oldest === undefined || this.#failure !== undefined) return;
    const { appendMs } = this.#cluster.settings.times;
    this.#timer = setTimeout(
      () => {
        const batch = this.#batches[0];
        const why = `Nobody answered for ${appendMs} ms.`;
        this.#break(batch === undefined ? unsent(why) : unknown(batch, why));
      },
      Math.max(0, oldest.deadlineMs - performance.now()),
    );
  }

  /** The first rejects with the error, all behind it as what they are; in call order. */
  #break(error: OperationalError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    clearTimeout(this.#timer);
    this.#ending.abort();
    this.#link?.end();
    let isFirst = true;
    for (const batch of this.#batches) {
      for (const { done } of batch.appends) {
        done.reject(isFirst ? error : unknown(batch, 'An append before it failed.'));
      }
      isFirst = false;
    }
    for (const { done } of this.#waiting) {
      done.reject(isFirst ? error : notTried());
      isFirst = false;
    }
    this.#batches = [];
    this.#waiting = [];
    this.#sent = [];
  }
}

const OPEN_ANEW = 'Open the journal anew, append an opening and read back.';

function text(code: number): string {
  return `Kafka answered ${code}.`;
}

function positionsOf({ appends }: Batch): string {
  const [first, last] = [appends[0]!.entry.position, appends.at(-1)!.entry.position];
  return first === last ? `position ${first}` : `positions ${first} to ${last}`;
}

function unknown(batch: Batch, why: string): OperationalError {
  return new OperationalError('JOURNAL_UNKNOWN_OUTCOME', {
    detail: `The append of ${positionsOf(batch)} may or may not have happened. ${why}`,
    wayOut: OPEN_ANEW,
  });
}

function unsent(why: string): OperationalError {
  return new OperationalError('JOURNAL_UNKNOWN_OUTCOME', {
    detail: `No leader of the partition was there to take the append. ${why}`,
    wayOut: OPEN_ANEW,
  });
}

function fenced(batch: Batch): OperationalError {
  return new OperationalError('JOURNAL_FENCED', {
    detail: `Kafka refused ${positionsOf(batch)}: an epoch above ${batch.epoch} has been opened.`,
    wayOut: 'Open the journal anew and read its tail.',
  });
}

function refused(batch: Batch, code: number): OperationalError {
  return new OperationalError('JOURNAL_FAILED', {
    detail: `Kafka refused ${positionsOf(batch)} for good. ${text(code)}`,
    wayOut: "Look at the topic's settings and at the rights of the journal's user.",
  });
}

function notTried(): OperationalError {
  return new OperationalError('JOURNAL_CLOSED', {
    detail: 'An earlier append failed, or the journal was closed; this one was not tried.',
    wayOut: 'Open the journal anew and read its tail.',
  });
}
