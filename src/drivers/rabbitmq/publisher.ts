// Publishes to streams on a connection of its own (a broker that is short of memory or disk stops
// reading from whoever publishes, and readers must go on), and waits for the brokers' confirmation.
// It never publishes anything twice.

import type { Channel, ConfirmChannel } from 'amqplib';
import type { BrokerConnection, Brokers } from './connection.ts';
import { BrokerFailure, failureOf, within } from './failures.ts';
import { type DriverRecord, encodeRecord } from './records.ts';

/** Of every stream of the journal: nothing here lets the engine drop what it holds. */
export const STREAM_ARGUMENTS: Readonly<Record<string, unknown>> = {
  'x-queue-type': 'stream',
  'x-initial-cluster-size': 3,
};

const ROUND_TRIP_MS_MAX = 3000;

export class Publisher {
  readonly connection: BrokerConnection;
  readonly #channel: ConfirmChannel;
  readonly #returned = new Set<string>();
  #count = 0;

  private constructor(connection: BrokerConnection, channel: ConfirmChannel) {
    this.connection = connection;
    this.#channel = channel;
    // A message for a stream that is not there comes back before it is confirmed.
    channel.on('return', ({ properties }) => this.#returned.add(String(properties.messageId)));
  }

  /** Rejects with BrokerFailure. */
  static async open(brokers: Brokers): Promise<Publisher> {
    const connection = await brokers.connect();
    try {
      const boundMs = brokers.settings.times.openMs;
      return new Publisher(connection, await connection.confirmChannel(boundMs));
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  /** Why the broker takes nothing at the moment; undefined when it does. */
  get blocked(): string | undefined {
    return this.connection.blocked;
  }

  /**
   * Sent in call order; resolves when it is confirmed. Rejects with BrokerFailure: `missing` when
   * there is no such stream, otherwise it may have been taken or not. No bound.
   */
  publish(stream: string, content: Uint8Array): Promise<void> {
    const confirmed = Promise.withResolvers<void>();
    const messageId = `${(this.#count += 1)}`;
    const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
    try {
      this.#channel.publish(
        '',
        stream,
        bytes,
        { mandatory: true, persistent: true, messageId },
        (error: unknown) => {
          if (error !== null) confirmed.reject(failureOf(error));
          else if (!this.#returned.delete(messageId)) confirmed.resolve();
          else confirmed.reject(new BrokerFailure('missing', `There is no stream ${stream}.`));
        },
      );
    } catch (error) {
      confirmed.reject(failureOf(error));
    }
    return confirmed.promise;
  }

  async publishRecord(stream: string, record: DriverRecord): Promise<void> {
    await this.publish(stream, encodeRecord(record));
  }

  async declare(stream: string): Promise<void> {
    await this.onChannel((channel) =>
      channel.assertQueue(stream, { durable: true, arguments: STREAM_ARGUMENTS }),
    );
  }

  /** A stream of the journal that nobody else knows yet, with its first record. */
  async makeSegment(segment: number, stream: string): Promise<void> {
    await this.declare(stream);
    await within(
      this.publishRecord(stream, { kind: 'begin', segment, stream }),
      ROUND_TRIP_MS_MAX,
      `the first record of ${stream}`,
    );
  }

  /** Nothing happens where there is none. */
  async deleteStream(stream: string): Promise<void> {
    await this.onChannel((channel) => channel.deleteQueue(stream));
  }

  /** On a channel of its own, which a refusal may close. */
  async onChannel<Result>(body: (channel: Channel) => Promise<Result>): Promise<Result> {
    const channel = await this.connection.channel(ROUND_TRIP_MS_MAX);
    try {
      const result = await within(body(channel), ROUND_TRIP_MS_MAX, 'an answer');
      channel.close().catch(() => undefined);
      return result;
    } catch (error) {
      throw failureOf(error);
    }
  }

  onUnblocked(listener: () => void): void {
    this.connection.onUnblocked = listener;
  }

  /** What was not sent yet never is. */
  destroy(): void {
    this.connection.destroy();
  }
}
