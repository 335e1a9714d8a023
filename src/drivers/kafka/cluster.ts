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
/** Who asks for an offset: a consumer hears of committed records only, this replica of all. */
const CONSUMER = -1;
const DEBUGGING_REPLICA = -2;
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

/** Nobody said anything of use in time; it may be tried again. */
export class NoLeader extends Error {}

/** Every broker that answered, and most did, knows no such topic. */
export class TopicMissing extends Error {}

/** What one search for the leader has heard. */
class LeaderSearch {
  readonly #found = Promise.withResolvers<Leader>();
  readonly #end = new AbortController();
  readonly #heard = new Map<string, Asked>();
  readonly #failed = new Map<string, unknown>();
  readonly #epochMin: number;

  constructor(epochMin: number) {
    this.#epochMin = epochMin;
  }

  get leader(): Promise<Leader> {
    return this.#found.promise;
  }

  get ending(): AbortSignal {
    return this.#end.signal;
  }

  get isOver(): boolean {
    return this.#end.signal.aborted;
  }

  heard(key: string, answer: Asked): void {
    this.#heard.set(key, answer);
    this.#failed.delete(key);
  }

  failed(key: string, error: unknown): void {
    this.#failed.set(key, error);
    this.#heard.delete(key);
  }

  /** `count`: of the brokers that are asked. */
  look(count: number): void {
    const leader = this.#leader();
    if (leader !== undefined) {
      this.#found.resolve(leader);
      this.#end.abort();
      return;
    }
    const answers = [...this.#heard.values()];
    const isMissing = answers.every(({ kind }) => kind === 'missing');
    const isComplete = answers.length + this.#failed.size === count;
    if (!isMissing || !isComplete || 2 * answers.length <= count) return;
    this.#found.reject(new TopicMissing());
    this.#end.abort();
  }

  giveUp(): void {
    const [reason] = this.#failed.values();
    const why =
      this.#heard.size === 0
        ? `No broker answers (${causeOf(reason ?? 'all are silent')}).`
        : 'The partition has no leader that answers.';
    this.#found.reject(new NoLeader(why));
    this.#end.abort();
  }

  /** Named by the newest answer, and he says so himself. */
  #leader(): Leader | undefined {
    let newest: Topology | undefined;
    for (const asked of this.#heard.values()) {
      if (asked.kind !== 'topology') continue;
      if (newest === undefined || asked.topology.leaderEpoch > newest.leaderEpoch) {
        newest = asked.topology;
      }
    }
    if (newest === undefined || newest.leaderEpoch < this.#epochMin) return undefined;
    const host = newest.brokers.get(newest.leaderId);
    if (host === undefined) return undefined;
    const own = this.#heard.get(keyOf(host));
    if (own?.kind !== 'topology' || own.topology.leaderEpoch !== newest.leaderEpoch) {
      return undefined;
    }
    return { ...own.topology, host };
  }
}

export class Cluster {
  readonly settings: KafkaSettings;
  readonly #links = new Map<string, Link>();
  /** With the epoch of the partition's leader. */
  readonly #leaderLinks = new Map<Link, number>();
  readonly #pending = new Map<string, Promise<Asked>>();
  /** Whether the broker answered when it was asked last. */
  readonly #answered = new Map<string, boolean>();
  readonly #discovered = new Map<string, EngineHost>();
  #topology: Topology | undefined;
  readonly #ending = new AbortController();

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

  /**
   * The topic's leader, who has just answered. All are asked, again and again, so that nobody waits
   * for one that is frozen. Rejects with NoLeader after a while, or with TopicMissing.
   */
  async findLeader(): Promise<Leader> {
    const search = new LeaderSearch(this.#topology?.leaderEpoch ?? NO_EPOCH);
    const { askMs, retryMs } = this.settings.times;
    const late = setTimeout(() => search.giveUp(), askMs);
    const closed = (): void => search.giveUp();
    this.#ending.signal.addEventListener('abort', closed);
    const polled = new Set<string>();
    const poll = async (host: EngineHost): Promise<void> => {
      while (!search.isOver) {
        await this.#ask(host).then(
          (answer) => search.heard(keyOf(host), answer),
          (error: unknown) => search.failed(keyOf(host), error),
        );
        pollAll();
        search.look(polled.size);
        if (!search.isOver) await pause(retryMs, search.ending);
      }
    };
    const pollAll = (): void => {
      for (const [key, host] of this.#discovered) {
        if (polled.has(key)) continue;
        polled.add(key);
        void poll(host);
      }
    };
    try {
      if (this.#ending.signal.aborted) search.giveUp();
      else pollAll();
      return await search.leader;
    } finally {
      clearTimeout(late);
      this.#ending.signal.removeEventListener('abort', closed);
    }
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
    const [start, end] = await Promise.all([
      this.#offsetAt(leader, EARLIEST, CONSUMER),
      this.#offsetAt(leader, LATEST, CONSUMER),
    ]);
    return { start, end };
  }

  /** Behind the last record that the leader has, committed or not. */
  async writtenEnd(leader: Leader): Promise<number> {
    return await this.#offsetAt(leader, LATEST, DEBUGGING_REPLICA);
  }

  async #offsetAt(leader: Leader, timestamp: bigint, replica: number): Promise<number> {
    const partition = { partitionIndex: 0, currentLeaderEpoch: leader.leaderEpoch, timestamp };
    const topics = [{ name: this.settings.topic, partitions: [partition] }];
    const answer = await this.callLeader(leader, listOffsetsV9.api, replica, 0, topics);
    const offset = answer.topics[0]?.partitions[0]?.offset;
    if (offset === undefined) throw new Error('The answer names no partition.');
    return Number(offset);
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

  /** Asks all brokers: for `health`, and to hear soon of a new leader. Never rejects. */
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

  /** For appends or reading: ended as soon as it is known that somebody else leads. */
  leaderLink(leader: Leader, answerMs: number, inFlightMax: number): Link {
    const link = this.newLink(leader.host, answerMs, inFlightMax);
    for (const known of this.#leaderLinks.keys()) {
      if (known.hasEnded) this.#leaderLinks.delete(known);
    }
    this.#leaderLinks.set(link, leader.leaderEpoch);
    return link;
  }

  newLink(host: EngineHost, answerMs: number, inFlightMax: number): Link {
    const { times, security } = this.settings;
    const link = new Link(host, { connectMs: times.connectMs, answerMs, security, inFlightMax });
    if (this.#ending.signal.aborted) link.end();
    return link;
  }

  close(): void {
    this.#ending.abort();
    for (const link of this.#links.values()) link.end();
    for (const link of this.#leaderLinks.keys()) link.end();
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
