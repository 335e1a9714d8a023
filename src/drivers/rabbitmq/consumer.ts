// One consumer of one stream: what a broker's own replica delivers from a place on, in order,
// buffered up to the prefetch.

import type { Channel } from 'amqplib';
import type { BrokerConnection } from './connection.ts';
import { BrokerFailure, failureOf, within } from './failures.ts';

/** Records under way to a reader: with the largest entries they take so many MiB. */
export const PREFETCH = 64;

/** More than a stream's last chunk holds: it is looked through at once. */
const PREFETCH_OF_END = 10_000;

/** A broker that has something to deliver does so within milliseconds, a busy one later. */
const FIRST_MS_MAX = 1000;

export type Delivered = { readonly offset: number; readonly content: Buffer };

export type StreamStart = number | 'first' | 'last';

export class StreamConsumer {
  readonly connection: BrokerConnection;
  readonly #channel: Channel;
  readonly #prefetch: number;
  readonly #buffered: Delivered[] = [];
  /** Of the last record that came. */
  #acknowledge: (() => void) | undefined;
  #takenCount = 0;
  #failure: BrokerFailure | undefined;
  #isClosed = false;
  #wake: (() => void) | undefined;

  private constructor(connection: BrokerConnection, channel: Channel, prefetch: number) {
    this.connection = connection;
    this.#channel = channel;
    this.#prefetch = prefetch;
    channel.on('error', (error) => this.#fail(failureOf(error)));
    channel.on('close', () => this.#fail(new BrokerFailure('lost', 'The channel was closed.')));
  }

  /** Rejects with BrokerFailure. */
  static async open(
    connection: BrokerConnection,
    stream: string,
    start: StreamStart,
    { boundMs, prefetch = PREFETCH }: { readonly boundMs: number; readonly prefetch?: number },
  ): Promise<StreamConsumer> {
    const channel = await connection.channel(boundMs);
    const consumer = new StreamConsumer(connection, channel, prefetch);
    try {
      await within(channel.prefetch(prefetch), boundMs, 'the prefetch');
      const consuming = channel.consume(stream, (message) => consumer.#receive(message), {
        arguments: { 'x-stream-offset': start },
      });
      await within(consuming, boundMs, `to read ${stream}`);
      return consumer;
    } catch (error) {
      consumer.close();
      throw consumer.#failure ?? failureOf(error);
    }
  }

  /** Why nothing comes any more; what is buffered can still be taken. */
  get failure(): BrokerFailure | undefined {
    return this.#failure;
  }

  /** What comes next; it stays. */
  get first(): Delivered | undefined {
    return this.#buffered[0];
  }

  /** All that has come; room for more is given. */
  take(): readonly Delivered[] {
    const taken = this.#buffered.splice(0);
    this.#takenCount += taken.length;
    // Not for each record: it costs the broker as much as a small record does.
    if (2 * this.#takenCount < this.#prefetch) return taken;
    this.#takenCount = 0;
    if (this.#failure === undefined && !this.#isClosed) this.#acknowledge?.();
    return taken;
  }

  /** Until something has come, it has failed, the bound has passed or the signal aborts. */
  async wait(boundMs: number, signal: AbortSignal): Promise<void> {
    if (this.#buffered.length > 0 || this.#failure !== undefined || signal.aborted) return;
    const woken = Promise.withResolvers<void>();
    this.#wake = woken.resolve;
    const timer = setTimeout(woken.resolve, boundMs);
    signal.addEventListener('abort', this.#wake, { once: true });
    await woken.promise;
    clearTimeout(timer);
    signal.removeEventListener('abort', this.#wake);
    this.#wake = undefined;
  }

  /** Resolves when the broker has answered: what it had sent before has come. */
  async ping(boundMs: number): Promise<void> {
    try {
      await within(this.#channel.prefetch(this.#prefetch), boundMs, 'whether it lives');
    } catch (error) {
      throw this.#failure ?? failureOf(error);
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#failure !== undefined) return;
    this.#channel.close().catch(() => undefined);
  }

  #receive(message: Parameters<Parameters<Channel['consume']>[1]>[0]): void {
    if (message === null) {
      // The stream was deleted, or it changes its leader: who reads it anew hears which.
      this.#fail(new BrokerFailure('lost', 'The broker ended the reading.'));
      return;
    }
    const offset: unknown = message.properties.headers?.['x-stream-offset'];
    if (typeof offset !== 'number') {
      this.#fail(new BrokerFailure('lost', 'A record came without its offset.'));
      return;
    }
    this.#buffered.push({ offset, content: message.content });
    this.#acknowledge = () => this.#channel.ack(message, true);
    this.#wake?.();
  }

  #fail(failure: Error): void {
    this.#failure ??= failure instanceof BrokerFailure ? failure : undefined;
    this.#wake?.();
  }
}

/**
 * The offset of the last record that this broker can deliver; undefined where it delivers none: the
 * stream is empty, or what is there is not committed yet. Rejects with BrokerFailure.
 */
export async function endOf(
  connection: BrokerConnection,
  stream: string,
  { boundMs, signal }: { readonly boundMs: number; readonly signal: AbortSignal },
): Promise<number | undefined> {
  const prefetch = PREFETCH_OF_END;
  const consumer = await StreamConsumer.open(connection, stream, 'last', { boundMs, prefetch });
  try {
    await consumer.wait(FIRST_MS_MAX, signal);
    // It has begun with the last chunk: all of that comes before the answer.
    await consumer.ping(boundMs);
    return consumer.take().at(-1)?.offset;
  } finally {
    consumer.close();
  }
}
