// What this driver knows of the Kafka cluster: brokers, and who leads the topic's one partition.
// Every broker is asked at once, and the leader is believed in when he has answered himself: a
// frozen broker, first in the list or named as leader by the others, costs nobody any time.

import { type API, initProducerIdV5, listOffsetsV9, metadataV12 } from '@platformatic/kafka';
import { OperationalError } from '../../base/errors.ts';
import type { EngineHost } from '../engine-options.ts';
import { Link } from './link.ts';
import type { KafkaSettings } from './options.ts';
import { KafkaCode } from './requests.ts';

const CONTROL_IN_FLIGHT_MAX = 16;
const EARLIEST = -2n;
const LATEST = -1n;
const NO_EPOCH = -1;

export type Topology = {
  readonly topicId: string;
  readonly partitionCount: number;
  readonly leaderId: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  /** Ids of replicas that have all that is acknowledged. */
  readonly inSync: readonly number[];
  readonly brokers: ReadonlyMap<number, EngineHost>;
};

export type Leader = Topology & { readonly host: EngineHost };

type Asked =
  | { readonly kind: 'topology'; readonly topology: Topology }
  | { readonly kind: 'missing' }
  | { readonly kind: 'leaderless' };

/** Nobody said anything of use; tried again. */
export class NoLeader extends Error {}

/** Every broker that answered, and most did, knows no such topic. */
export class TopicMissing extends Error {}

export class Cluster {
  readonly settings: KafkaSettings;
  readonly #links = new Map<string, Link>();
  readonly #pending = new Map<string, Promise<Asked>>();
  /** Whether the broker answered when it was asked last. */
  readonly #answered = new Map<string, boolean>();
  readonly #discovered = new Map<string, EngineHost>();
  #topology: Topology | undefined;
  #isClosed = false;

  constructor(settings: KafkaSettings) {
    this.settings = settings;
    for (const host of settings.hosts) this.#discovered.set(keyOf(host), host);
  }

  /** As it was heard last. */
  get topology(): Topology | undefined {
    return this.#topology;
  }

  /** Whether the broker of this id answered last time. */
  answers(id: number): boolean {
    const host = this.#topology?.brokers.get(id);
    return host !== undefined && this.#answered.get(keyOf(host)) === true;
  }

  /** The topic's leader, who has just answered. Rejects with NoLeader or TopicMissing. */
  async findLeader(): Promise<Leader> {
    const hosts = [...this.#discovered.values()];
    const asked = hosts.map((host) => this.#ask(host));
    const confirmed = asked.map(async (answer) => await this.#confirm(await answer));
    try {
      return await Promise.any(confirmed);
    } catch (error) {
      if (!(error instanceof AggregateError)) throw error;
    }
    const answers = await Promise.allSettled(asked);
    const heard = answers.filter(({ status }) => status === 'fulfilled');
    const isMissing = answers.every(
      (answer) => answer.status === 'rejected' || answer.value.kind === 'missing',
    );
    if (isMissing && 2 * heard.length > answers.length) throw new TopicMissing();
    const reasons = answers.flatMap((answer) =>
      answer.status === 'rejected' ? [causeOf(answer.reason)] : [],
    );
    throw new NoLeader(
      heard.length === 0 ? `No broker answers (${reasons[0]}).` : 'The topic has no leader now.',
    );
  }

  /** As findLeader, until it succeeds or the time is over: then JOURNAL_UNAVAILABLE. */
  async untilLeader(withinMs: number, signal: AbortSignal): Promise<Leader> {
    const deadlineMs = performance.now() + withinMs;
    for (;;) {
      signal.throwIfAborted();
      try {
        return await this.findLeader();
      } catch (error) {
        if (!(error instanceof NoLeader)) throw error;
        if (performance.now() > deadlineMs) throw unavailable(error.message, error);
      }
      await pause(this.settings.times.retryMs, signal);
    }
  }

  /** Any broker that answers; controllers are asked through it. */
  async callAny<Parameters extends unknown[], Answer>(
    api: API<Parameters, Answer>,
    ...parameters: Parameters
  ): Promise<Answer> {
    const { host } = await this.findAnswering();
    return await this.link(host).call(api, ...parameters);
  }

  async callLeader<Parameters extends unknown[], Answer>(
    leader: Leader,
    api: API<Parameters, Answer>,
    ...parameters: Parameters
  ): Promise<Answer> {
    return await this.link(leader.host).call(api, ...parameters);
  }

  async findAnswering(): Promise<{ readonly host: EngineHost }> {
    const hosts = [...this.#discovered.values()];
    try {
      return await Promise.any(hosts.map(async (host) => ({ host, ...(await this.#ask(host)) })));
    } catch (error) {
      throw new NoLeader('No broker answers.', { cause: error });
    }
  }

  /** Where the log begins, and behind the last record that is committed. */
  async logBounds(leader: Leader): Promise<{ readonly start: number; readonly end: number }> {
    const ask = async (timestamp: bigint): Promise<number> => {
      const partition = { partitionIndex: 0, currentLeaderEpoch: leader.leaderEpoch, timestamp };
      const topics = [{ name: this.settings.topic, partitions: [partition] }];
      const answer = await this.callLeader(leader, listOffsetsV9.api, -1, 0, topics);
      const offset = answer.topics[0]?.partitions[0]?.offset;
      if (offset === undefined) throw new Error('The answer names no partition.');
      return Number(offset);
    };
    const [start, end] = await Promise.all([ask(EARLIEST), ask(LATEST)]);
    return { start, end };
  }

  /** A producer id that nobody has had. */
  async newProducerId(): Promise<bigint> {
    const answer = await this.callAny(initProducerIdV5.api, null, 60_000, -1n, NO_EPOCH);
    return answer.producerId;
  }

  /** Asks all, and returns when as many of the replicas as wanted have answered, or all settled. */
  async untilAnswered(count: number): Promise<boolean> {
    const enough = Promise.withResolvers<boolean>();
    const heard = new Set<string>();
    const replicas = new Set(this.#replicaHosts().map(keyOf));
    const asked = this.#replicaHosts().map(async (host) => {
      await this.#ask(host);
      heard.add(keyOf(host));
      if (heard.size >= count) enough.resolve(true);
    });
    void Promise.allSettled(asked).then(() => enough.resolve(heard.size >= count));
    return replicas.size >= count && (await enough.promise);
  }

  /** Asks all brokers, for `health`. Never rejects. */
  async lookRound(): Promise<void> {
    await Promise.allSettled([...this.#discovered.values()].map((host) => this.#ask(host)));
  }

  link(host: EngineHost): Link {
    const key = keyOf(host);
    const known = this.#links.get(key);
    if (known !== undefined && !known.hasEnded) return known;
    const { askMs } = this.settings.times;
    const link = this.newLink(host, askMs, CONTROL_IN_FLIGHT_MAX);
    this.#links.set(key, link);
    return link;
  }

  newLink(host: EngineHost, answerMs: number, inFlightMax: number): Link {
    const { times, security } = this.settings;
    const link = new Link(host, { connectMs: times.connectMs, answerMs, security, inFlightMax });
    if (this.#isClosed) link.end();
    return link;
  }

  close(): void {
    this.#isClosed = true;
    for (const link of this.#links.values()) link.end();
  }

  async #confirm(asked: Asked): Promise<Leader> {
    if (asked.kind !== 'topology') throw new NoLeader();
    const { topology } = asked;
    if (topology.leaderEpoch < (this.#topology?.leaderEpoch ?? NO_EPOCH)) throw new NoLeader();
    const host = topology.brokers.get(topology.leaderId);
    if (host === undefined) throw new NoLeader();
    const own = await this.#ask(host);
    if (own.kind !== 'topology' || own.topology.leaderId !== topology.leaderId)
      throw new NoLeader();
    return { ...own.topology, host };
  }

  #replicaHosts(): EngineHost[] {
    const { replicas, brokers } = this.#topology ?? { replicas: [], brokers: new Map() };
    return replicas.flatMap((id) => brokers.get(id) ?? []);
  }

  /** One question at a time to each broker. */
  #ask(host: EngineHost): Promise<Asked> {
    const key = keyOf(host);
    const pending = this.#pending.get(key) ?? this.#askNow(host);
    this.#pending.set(key, pending);
    return pending;
  }

  async #askNow(host: EngineHost): Promise<Asked> {
    const key = keyOf(host);
    try {
      const topic = this.settings.topic;
      // An answer with an error for the topic is an answer.
      const answer = await this.link(host)
        .call(METADATA, [topic], false, false)
        .catch((error: unknown) => answerOf(error));
      this.#answered.set(key, true);
      return this.#learn(answer);
    } catch (error) {
      this.#answered.set(key, false);
      throw error;
    } finally {
      this.#pending.delete(key);
    }
  }

  #learn(answer: MetadataResponse): Asked {
    const brokers = new Map<number, EngineHost>();
    for (const { nodeId, host, port } of answer.brokers) {
      brokers.set(nodeId, { host, port });
      this.#discovered.set(keyOf({ host, port }), { host, port });
    }
    const topic = answer.topics[0];
    if (topic?.errorCode === KafkaCode.unknownTopic) return { kind: 'missing' };
    const partition = topic?.partitions.find(({ partitionIndex }) => partitionIndex === 0);
    if (topic === undefined || partition === undefined) return { kind: 'leaderless' };
    const topology: Topology = {
      topicId: topic.topicId,
      partitionCount: topic.partitions.length,
      leaderId: partition.leaderId,
      leaderEpoch: partition.leaderEpoch,
      replicas: partition.replicaNodes,
      inSync: partition.isrNodes,
      brokers: new Map([...(this.#topology?.brokers ?? []), ...brokers]),
    };
    if (topology.leaderEpoch >= (this.#topology?.leaderEpoch ?? NO_EPOCH))
      this.#topology = topology;
    if (partition.leaderId < 0) return { kind: 'leaderless' };
    return { kind: 'topology', topology };
  }
}

const METADATA = metadataV12.api;

type MetadataResponse = Awaited<ReturnType<typeof METADATA.async>>;

function answerOf(error: unknown): MetadataResponse {
  if (error instanceof Error && 'response' in error && error.response !== undefined) {
    return error.response as MetadataResponse;
  }
  throw error;
}

export function keyOf({ host, port }: EngineHost): string {
  return `${host}:${port}`;
}

export function unavailable(detail: string, cause?: unknown): OperationalError {
  return new OperationalError('JOURNAL_UNAVAILABLE', {
    detail: `Kafka: ${detail}`,
    wayOut: 'Look at its brokers; the journal may be opened or read again at any time.',
    cause,
  });
}

/** Ends early, without error, when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, signal.aborted ? 0 : ms);
    signal.addEventListener('abort', done);
  });
}

/** The innermost reason, for people. */
export function causeOf(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause !== undefined) innermost = innermost.cause;
  return innermost instanceof Error ? innermost.message : String(innermost);
}
