// The cluster under test: its brokers are killed, frozen and started again here, and its streams
// are looked at and written to past the driver.

import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { engineUp } from '../../../deploy/engines/control.ts';
import { type Place, folderOf, portOf } from '../../../deploy/engines/place.ts';
import { hasEnded, signalProcess } from '../../../deploy/engines/processes.ts';
import { RABBITMQ_BROKERS, rabbitmq } from '../../../deploy/engines/rabbitmq.ts';
import { processOf } from '../../../deploy/engines/servers.ts';
import { serverUser } from '../../../deploy/engines/user.ts';
import { type Chain, readChain } from '../../../src/drivers/rabbitmq/chain.ts';
import { Brokers, SharedConnection } from '../../../src/drivers/rabbitmq/connection.ts';
import { createJournal } from '../../../src/drivers/rabbitmq/driver.ts';
import { type RabbitTimes, settingsOf } from '../../../src/drivers/rabbitmq/options.ts';
import { Publisher } from '../../../src/drivers/rabbitmq/publisher.ts';
import type { EngineJournalOptions } from '../../../src/drivers/engine-options.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { placeUnderTest } from '../place-variable.ts';
import { AmqpProxy, type Plans } from './amqp-proxy.ts';

const END_MS_MAX = 10_000;
const CONTROL = '/usr/lib/rabbitmq/lib/rabbitmq_server-3.10.8/sbin/rabbitmqctl';

export type AttachTo = {
  readonly ports?: readonly number[];
  readonly parameters?: Readonly<Record<string, string>>;
  readonly waived?: readonly string[];
  readonly times?: Partial<RabbitTimes>;
  readonly log?: EngineJournalOptions['log'];
};

export class Cluster {
  readonly #place: Place;

  private constructor(place: Place) {
    this.#place = place;
  }

  static async find(): Promise<Cluster> {
    return new Cluster(await placeUnderTest());
  }

  get names(): readonly string[] {
    return RABBITMQ_BROKERS;
  }

  get ports(): readonly number[] {
    return this.names.map((name) => this.portOf(name));
  }

  portOf(name: string): number {
    return portOf(this.#place, name, 'client');
  }

  async signal(name: string, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
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
    await engineUp(rabbitmq, this.#place.folder, 0);
  }

  /** The engine's own control program. */
  async control(name: string, ...parameters: readonly string[]): Promise<void> {
    const { environment = {} } = rabbitmq.command(this.#place, name);
    await promisify(execFile)(CONTROL, ['-n', `${name}@localhost`, ...parameters], {
      cwd: folderOf(this.#place, name),
      env: environment,
      ...(await serverUser()),
    });
  }

  /** A journal's name that nobody else has. */
  journal(): JournalPlace {
    return new JournalPlace(this, `test-${randomUUID()}`);
  }
}

/** One journal in the cluster, by its name. */
export class JournalPlace implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly name: string;
  readonly #opened: Journal[] = [];
  readonly #publishers: Publisher[] = [];
  readonly #shared: SharedConnection;

  constructor(cluster: Cluster, name: string) {
    this.cluster = cluster;
    this.name = name;
    this.#shared = new SharedConnection(this.#brokers(cluster.ports));
  }

  attach({ ports, parameters, waived, times, log }: AttachTo = {}): Journal {
    const options = this.#options({
      ports: ports ?? this.cluster.ports,
      ...(parameters && { parameters }),
      ...(waived && { waived }),
      ...(log && { log }),
    });
    // Only where brokers end do young streams matter.
    const journal = createJournal(options, { settleMs: 0, ...times });
    this.#opened.push(journal);
    return journal;
  }

  /** A writer of records beside the driver, at one broker. */
  async publisher(port?: number): Promise<Publisher> {
    const publisher = await Publisher.open(
      this.#brokers(port === undefined ? this.cluster.ports : [port]),
    );
    this.#publishers.push(publisher);
    return publisher;
  }

  async chain(): Promise<Chain> {
    const chain = await readChain(this.#shared, new AbortController().signal);
    if (chain === undefined) throw new Error(`There is no journal ${this.name}.`);
    return chain;
  }

  get shared(): SharedConnection {
    return this.#shared;
  }

  /** Closes what was opened and deletes the streams. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const journal of this.#opened) await journal.close();
    const { signal } = new AbortController();
    const chain = await readChain(this.#shared, signal).catch(() => undefined);
    const publisher = await this.publisher();
    for (let segment = 1; segment <= (chain?.newest?.segment ?? 0); segment++) {
      const stream = chain?.of(segment)?.stream;
      if (stream !== undefined) await publisher.deleteStream(stream);
    }
    await publisher.deleteStream(this.name);
    for (const each of this.#publishers) each.destroy();
    this.#shared.close();
  }

  #options({
    ports,
    parameters,
    waived,
    log,
  }: AttachTo & { readonly ports: readonly number[] }): EngineJournalOptions {
    return {
      hosts: ports.map((port) => ({ host: '127.0.0.1', port })),
      user: '',
      password: '',
      name: this.name,
      parameters: parameters ?? {},
      waived: waived ?? [],
      log: log ?? (() => undefined),
    };
  }

  #brokers(ports: readonly number[]): Brokers {
    return new Brokers(settingsOf(this.#options({ ports })), 0);
  }
}

/** A proxy in front of each broker. */
export class Proxies implements AsyncDisposable {
  readonly plans: Plans = { next: undefined };
  readonly all: AmqpProxy[] = [];

  static async start(cluster: Cluster): Promise<Proxies> {
    const proxies = new Proxies();
    for (const port of cluster.ports) {
      proxies.all.push(await AmqpProxy.start(port, proxies.plans));
    }
    return proxies;
  }

  get ports(): readonly number[] {
    return this.all.map(({ port }) => port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const proxy of this.all) await proxy[Symbol.asyncDispose]();
  }
}
