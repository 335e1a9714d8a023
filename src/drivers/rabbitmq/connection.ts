// Connections to brokers: one attempt for each host, the first that lets us in wins. Nothing here
// connects again by itself.

import { Socket } from 'node:net';
import { type Channel, type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { assert } from '../../base/assert.ts';
import type { EngineHost } from '../engine-options.ts';
import { BrokerFailure, failureOf, within } from './failures.ts';
import type { RabbitSettings } from './options.ts';

/** Half-dead connections that nobody uses are noticed after twice as long. */
const HEARTBEAT_SECONDS = 5;

export class BrokerConnection {
  readonly host: EngineHost;
  readonly #model: ChannelModel;
  readonly #ended = Promise.withResolvers<BrokerFailure>();
  #blocked: string | undefined;
  #failure: BrokerFailure | undefined;
  onUnblocked: () => void = () => undefined;

  private constructor(host: EngineHost, model: ChannelModel) {
    this.host = host;
    this.#model = model;
    let cause: unknown;
    model.on('error', (error) => {
      cause = error;
    });
    model.on('close', (error) => this.#end(error ?? cause));
    model.on('blocked', (reason) => {
      this.#blocked = reason;
    });
    model.on('unblocked', () => {
      this.#blocked = undefined;
      this.onUnblocked();
    });
  }

  /** Rejects with BrokerFailure. */
  static async open(host: EngineHost, settings: RabbitSettings): Promise<BrokerConnection> {
    const { user, password, vhost, times } = settings;
    const place = {
      hostname: host.host,
      port: host.port,
      username: user,
      password,
      vhost: encodeURIComponent(vhost),
      heartbeat: HEARTBEAT_SECONDS,
    };
    try {
      // Without `noDelay` large messages wait for delayed acknowledgements (Nagle): 4 times slower.
      const model = await connect(place, { timeout: times.connectMs, noDelay: true });
      return new BrokerConnection(host, model);
    } catch (error) {
      throw failureOf(error);
    }
  }

  /** Why the broker takes no messages (memory, disk); undefined when it does. */
  get blocked(): string | undefined {
    return this.#blocked;
  }

  get failure(): BrokerFailure | undefined {
    return this.#failure;
  }

  /** Resolves when it has ended. */
  get ended(): Promise<BrokerFailure> {
    return this.#ended.promise;
  }

  async channel(boundMs: number): Promise<Channel> {
    return await this.#make(() => this.#model.createChannel(), boundMs);
  }

  async confirmChannel(boundMs: number): Promise<ConfirmChannel> {
    return await this.#make(() => this.#model.createConfirmChannel(), boundMs);
  }

  /** At once, whatever stands in its buffers: nothing of it is sent any more. */
  destroy(): void {
    if (this.#failure !== undefined) return;
    const socket = socketOf(this.#model);
    this.#end(new BrokerFailure('lost', 'The connection was closed.'));
    socket.destroy(new Error('The connection was closed.'));
  }

  async #make<Made extends Channel>(make: () => Promise<Made>, boundMs: number): Promise<Made> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      const channel = await within(make(), boundMs, 'a new channel');
      // What a channel failed of is told by the call that failed, or by its end.
      channel.on('error', () => undefined);
      return channel;
    } catch (error) {
      throw failureOf(error);
    }
  }

  #end(cause: unknown): void {
    if (this.#failure !== undefined) return;
    const text = cause instanceof Error ? cause.message : 'The connection ended.';
    this.#failure = new BrokerFailure('lost', text, cause);
    this.#ended.resolve(this.#failure);
  }
}

/** The library's own way to end needs the broker's answer. */
function socketOf({ connection }: ChannelModel): Socket {
  const socket: unknown = 'stream' in connection ? connection.stream : undefined;
  assert(socket instanceof Socket, 'a connection of the library has its socket');
  return socket;
}

export type HostState = { readonly isWell: boolean; readonly detail: string };

/** The hosts, and what was last seen of each. */
export class Brokers {
  readonly settings: RabbitSettings;
  readonly #states = new Map<EngineHost, HostState>();
  #first: number;

  /** `first`: the host that is tried first. */
  constructor(settings: RabbitSettings, first: number) {
    this.settings = settings;
    this.#first = first;
  }

  stateOf(host: EngineHost): HostState | undefined {
    return this.#states.get(host);
  }

  /** The next connection is tried elsewhere first. */
  avoid(host: EngineHost, why: string): void {
    const { hosts } = this.settings;
    this.#note(host, { isWell: false, detail: why });
    if (hosts[this.#first % hosts.length] === host) this.#first += 1;
  }

  /** To whoever answers first; rejects with BrokerFailure when nobody does. */
  async connect(): Promise<BrokerConnection> {
    const { hosts, times } = this.settings;
    const order = hosts.map((_, index) => hosts[(this.#first + index) % hosts.length]!);
    const won = Promise.withResolvers<BrokerConnection>();
    const failures: string[] = [];
    let timer: NodeJS.Timeout | undefined;
    let isOver = false;
    const next = (): void => {
      clearTimeout(timer);
      const host = order.shift();
      if (host === undefined || isOver) return;
      // A frozen broker accepts connections and says nothing.
      timer = setTimeout(next, times.connectMs / 3);
      this.connectTo(host).then(
        (connection) => {
          if (isOver) connection.destroy();
          isOver = true;
          clearTimeout(timer);
          won.resolve(connection);
        },
        (error: Error) => {
          failures.push(`${host.host}:${host.port} ${error.message}`);
          if (failures.length < hosts.length) next();
          else won.reject(new BrokerFailure('lost', failures.join('; '), error));
        },
      );
    };
    next();
    return await won.promise;
  }

  async connectTo(host: EngineHost): Promise<BrokerConnection> {
    try {
      const connection = await BrokerConnection.open(host, this.settings);
      this.#note(host, { isWell: true, detail: '' });
      return connection;
    } catch (error) {
      this.#note(host, { isWell: false, detail: error instanceof Error ? error.message : '' });
      throw error;
    }
  }

  #note(host: EngineHost, state: HostState): void {
    this.#states.set(host, state);
  }
}

/** One connection that all readers share, made when it is wanted and again when it was lost. */
export class SharedConnection {
  readonly brokers: Brokers;
  #current: Promise<BrokerConnection> | undefined;
  #isClosed = false;

  constructor(brokers: Brokers) {
    this.brokers = brokers;
  }

  async get(): Promise<BrokerConnection> {
    for (;;) {
      if (this.#isClosed) throw new BrokerFailure('lost', 'The journal is closed.');
      this.#current ??= this.brokers.connect();
      const current = this.#current;
      try {
        const connection = await current;
        if (connection.failure === undefined) {
          if (!this.#isClosed) return connection;
          connection.destroy();
        }
      } catch (error) {
        if (this.#current === current) this.#current = undefined;
        throw error;
      }
      if (this.#current === current) this.#current = undefined;
    }
  }

  /** It does not do what it should: another broker is to be found. */
  giveUp(connection: BrokerConnection, why: string): void {
    this.brokers.avoid(connection.host, why);
    connection.destroy();
  }

  close(): void {
    this.#isClosed = true;
    this.#current?.then(
      (connection) => connection.destroy(),
      () => undefined,
    );
  }
}
