// One connection to one broker. Whatever goes wrong on it ends it: an answer that comes late is
// never taken for the answer to something else, and whoever needs a broker makes a new one.

import { type Socket, isIP } from 'node:net';
import { type API, Connection, ResponseError, Writer } from '@platformatic/kafka';
import type { EngineHost } from '../engine-options.ts';
import type { KafkaSecurity } from './options.ts';

export type LinkOptions = {
  readonly connectMs: number;
  /** For one answer; the connection ends where it does not come in time. */
  readonly answerMs: number;
  readonly security: KafkaSecurity;
  /** Requests on the way at once. */
  readonly inFlightMax: number;
};

/** A request as bytes, behind its header. */
export type RawRequest<Answer> = {
  readonly key: number;
  readonly version: number;
  readonly payload: Buffer;
  readonly parse: (answer: Buffer) => Answer;
};

export class Link {
  readonly #connection: Connection;
  readonly #host: EngineHost;
  #connecting: Promise<void> | undefined;
  #hasEnded = false;

  constructor(host: EngineHost, options: LinkOptions) {
    const { connectMs, answerMs, inFlightMax, security } = options;
    this.#host = host;
    const { tls, credentials } = security;
    this.#connection = new Connection('holdfast', {
      connectTimeout: connectMs,
      requestTimeout: answerMs,
      maxInflights: inFlightMax,
      ...(tls !== undefined && { tls: tls.ca === undefined ? {} : { ca: tls.ca } }),
      ...(tls !== undefined && isIP(host.host) === 0 && { tlsServerName: host.host }),
      ...(credentials !== undefined && {
        sasl: { mechanism: 'PLAIN', username: credentials.user, password: credentials.password },
      }),
    });
    const ended = (): void => {
      this.#hasEnded = true;
    };
    this.#connection.on('error', ended).on('close', ended);
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  connect(): Promise<void> {
    this.#connecting ??= this.#connect();
    return this.#connecting;
  }

  async #connect(): Promise<void> {
    try {
      // With the callback left out it returns a promise.
      await this.#connection.connect(this.#host.host, this.#host.port);
      if (this.#hasEnded) throw new Error('The connection was ended while it was made.');
    } catch (error) {
      this.end();
      throw error;
    }
  }

  /** An answer that says an error rejects with the library's ResponseError. */
  async call<Parameters extends unknown[], Answer>(
    api: API<Parameters, Answer>,
    ...parameters: Parameters
  ): Promise<Answer> {
    await this.connect();
    try {
      return await api.async(this.#connection, ...parameters);
    } catch (error) {
      if (!(error instanceof ResponseError)) this.end();
      throw error;
    }
  }

  /** To be called when it is connected: requests go out in call order. */
  send<Answer>({ key, version, payload, parse }: RawRequest<Answer>): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#connection.send<Buffer>(
      key,
      version,
      () => Writer.create().append(payload),
      (_correlation, _key, _version, reader) => reader.buffer.buffer,
      true,
      true,
      (error, answer) => {
        try {
          if (error !== null || answer === undefined) throw error ?? new Error('No answer.');
          resolve(parse(answer));
        } catch (fault) {
          this.end();
          reject(fault instanceof Error ? fault : new Error(String(fault)));
        }
      },
    );
    return promise;
  }

  /** Idempotent; what is under way rejects. */
  end(): void {
    this.#hasEnded = true;
    const socket = socketOf(this.#connection);
    // With an error also one that is still being made ends.
    if (socket !== undefined && !socket.destroyed) socket.destroy(new Error('It was ended.'));
  }
}

/** There is none before it was asked to connect. */
function socketOf(connection: { readonly socket?: Socket }): Socket | undefined {
  return connection.socket;
}
