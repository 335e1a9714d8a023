// The Kafka cluster under test: its brokers are killed, frozen and started again here, and its log
// is written and read past the driver.

import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTopicsV7, deleteRecordsV2, deleteTopicsV6 } from '@platformatic/kafka';
import { engineUp } from '../../../deploy/engines/control.ts';
import { kafka } from '../../../deploy/engines/kafka.ts';
import { type Place, folderOf, portOf } from '../../../deploy/engines/place.ts';
import { hasEnded, signalProcess } from '../../../deploy/engines/processes.ts';
import { processOf } from '../../../deploy/engines/servers.ts';
import type { Entry } from '../../../src/base/entry.ts';
import type { EngineJournalOptions } from '../../../src/drivers/engine-options.ts';
import { Cluster } from '../../../src/drivers/kafka/cluster.ts';
import { createJournal } from '../../../src/drivers/kafka/driver.ts';
import { settingsOf } from '../../../src/drivers/kafka/options.ts';
import { type BatchIdentity, encodeBatch } from '../../../src/drivers/kafka/record-batch.ts';
import { type ProduceAnswer, produceRequest } from '../../../src/drivers/kafka/requests.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { until } from '../../support/until.ts';
import { placeUnderTest } from '../place-variable.ts';

const END_MS_MAX = 10_000;
const ANSWER_MS_MAX = 10_000;

/** What an operator must say himself, since Kafka has other defaults. */
const RIGHT = { 'retention.ms': '-1', 'retention.bytes': '-1', 'max.message.bytes': '2000000' };

export type Signal = 'SIGKILL' | 'SIGSTOP' | 'SIGCONT';

export class Brokers {
  readonly #place: Place;

  private constructor(place: Place) {
    this.#place = place;
  }

  static async find(): Promise<Brokers> {
    return new Brokers(await placeUnderTest());
  }

  get names(): readonly string[] {
    return kafka.servers;
  }

  /** Of the broker with this number, from 1. */
  nameOf(id: number): string {
    return this.names[id - 1]!;
  }

  portOf(name: string, port: string): number {
    return portOf(this.#place, name, port);
  }

  get place(): Place {
    return this.#place;
  }

  async signal(name: string, signal: Signal): Promise<void> {
    const mark = await processOf(this.#place, name);
    if (mark === undefined) throw new Error(`${name} was never started.`);
    await signalProcess(mark, signal);
    if (signal === 'SIGKILL' && !(await hasEnded(mark, END_MS_MAX))) {
      throw new Error(`${name} does not end.`);
    }
  }

  /** Whatever was done to it, afterwards it is whole. */
  async mend(): Promise<void> {
    for (const name of this.names) await this.signal(name, 'SIGCONT');
    await engineUp(kafka, this.#place.folder, 0);
  }

  /** A topic of its own; not made yet. */
  topic(parameters: EngineJournalOptions['parameters'] = {}): TopicUnderTest {
    return new TopicUnderTest(this, parameters);
  }
}

export class TopicUnderTest implements AsyncDisposable {
  readonly brokers: Brokers;
  readonly name = `holdfast-test-${randomUUID()}`;
  readonly warnings: string[] = [];
  readonly #parameters: EngineJournalOptions['parameters'];
  readonly cluster: Cluster;
  readonly #journals: Journal[] = [];

  constructor(brokers: Brokers, parameters: EngineJournalOptions['parameters']) {
    this.brokers = brokers;
    this.#parameters = parameters;
    this.cluster = new Cluster(settingsOf(this.options()));
  }

  options(overrides: Partial<EngineJournalOptions> = {}): EngineJournalOptions {
    return {
      hosts: this.hosts('client'),
      user: '',
      password: '',
      name: this.name,
      parameters: this.#parameters,
      waived: [],
      log: (_level, text) => this.warnings.push(text),
      ...overrides,
    };
  }

  hosts(port: string): EngineJournalOptions['hosts'] {
    return this.brokers.names.map((name) => ({
      host: '127.0.0.1',
      port: this.brokers.portOf(name, port),
    }));
  }

  journal(overrides: Partial<EngineJournalOptions> = {}): Journal {
    const journal = createJournal(this.options(overrides));
    this.#journals.push(journal);
    return journal;
  }

  /** Name of the broker that leads the partition. */
  async leader(): Promise<string> {
    const { signal } = new AbortController();
    const { leaderId } = await this.cluster.untilLeader(ANSWER_MS_MAX, signal);
    return this.brokers.nameOf(leaderId);
  }

  /** Past the driver; without `identity` as a client that nothing fences. */
  async produce(
    entries: readonly Entry[],
    identity?: BatchIdentity,
    brokerMs = ANSWER_MS_MAX / 2,
  ): Promise<ProduceAnswer> {
    const { signal } = new AbortController();
    const leader = await this.cluster.untilLeader(ANSWER_MS_MAX, signal);
    const link = this.cluster.newLink(leader.host, ANSWER_MS_MAX, 1);
    try {
      await link.connect();
      const batch = encodeBatch(
        entries.map(({ bytes }) => bytes),
        identity,
      );
      return await link.send(produceRequest(this.name, batch, brokerMs));
    } finally {
      link.end();
    }
  }

  /** As an operator would, with whatever settings. */
  async make(wanted: {
    readonly partitions: number;
    readonly replicas: number;
    readonly settings: Readonly<Record<string, string>>;
  }): Promise<void> {
    const topic = {
      name: this.name,
      numPartitions: wanted.partitions,
      replicationFactor: wanted.replicas,
      assignments: [],
      configs: Object.entries({ ...RIGHT, ...wanted.settings }).map(([name, value]) => ({
        name,
        value,
      })),
    };
    await this.cluster.callAny(createTopicsV7.api, [topic], ANSWER_MS_MAX, false);
  }

  /** What no driver does: the log is empty afterwards. */
  async deleteAll(): Promise<void> {
    const { signal } = new AbortController();
    const leader = await this.cluster.untilLeader(ANSWER_MS_MAX, signal);
    const link = this.cluster.newLink(leader.host, ANSWER_MS_MAX, 1);
    const partitions = [{ partitionIndex: 0, offset: -1n }];
    await link.call(deleteRecordsV2.api, [{ name: this.name, partitions }], ANSWER_MS_MAX);
    link.end();
  }

  /** Until each broker has written down that the log begins there. */
  async untilStartKept(offset: number): Promise<void> {
    for (const name of this.brokers.names) {
      const folder = join(folderOf(this.brokers.place, name), 'data');
      await until(async () => {
        const text = await readFile(join(folder, 'log-start-offset-checkpoint'), 'utf8');
        return text.includes(`${this.name} 0 ${offset}\n`);
      }, `${name} keeps where the log begins`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const journal of this.#journals) await journal.close();
    try {
      await this.cluster.callAny(deleteTopicsV6.api, [{ name: this.name }], ANSWER_MS_MAX);
    } catch {
      // It was never made.
    }
    this.cluster.close();
  }
}

/** The way to each broker that goes through a proxy, by the broker's name. */
export class Proxies implements AsyncDisposable {
  readonly byName: ReadonlyMap<string, TcpProxy>;

  private constructor(byName: ReadonlyMap<string, TcpProxy>) {
    this.byName = byName;
  }

  static async start(brokers: Brokers): Promise<Proxies> {
    const byName = new Map<string, TcpProxy>();
    for (const name of brokers.names) {
      const inner = brokers.portOf(name, 'inner');
      byName.set(name, await TcpProxy.start(inner, brokers.portOf(name, 'outer')));
    }
    return new Proxies(byName);
  }

  set mode(mode: TcpProxy['mode']) {
    for (const proxy of this.byName.values()) proxy.mode = mode;
  }

  /** The next append reaches its broker; nothing comes back any more, for any connection. */
  holdBehindNextAppend(): void {
    for (const proxy of this.byName.values()) {
      proxy.losesAnswerTo = (request) => {
        const isAppend = isProduce(request);
        // Only when it has been passed on.
        if (isAppend) queueMicrotask(() => this.#holdAll());
        return isAppend;
      };
    }
  }

  #holdAll(): void {
    for (const proxy of this.byName.values()) proxy.losesAnswerTo = undefined;
    this.mode = 'hold';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.byName.values()) await proxy[Symbol.asyncDispose]();
  }
}

/** The first part of a request for an append. */
export function isProduce(request: Buffer): boolean {
  return request.byteLength > 12 && request.readInt16BE(4) === 0;
}
