// A lean closed-loop HTTP/1.1 client for measurements: keep-alive connections on bare sockets, each
// with one request under way, requests made by hand, and of an answer only what is needed (its
// status and where it ends). It costs a fraction of any server that it measures.

import { once } from 'node:events';
import { type Socket, connect } from 'node:net';

export type LoadOptions = {
  readonly url: string;
  readonly path: string;
  readonly key: string;
  readonly connections: number;
  /** Requests that are counted, all connections together. */
  readonly requests: number;
  /** The status that every answer must have. */
  readonly status: number;
  /** The next body; ASCII. */
  readonly body: () => string;
};

export type LoadFigures = {
  readonly seconds: number;
  /** Sorted. */
  readonly latenciesMs: Float64Array;
};

const READ_BYTES = 64 * 1024;
const HEAD_END = '\r\n\r\n';
const LENGTH_PATTERN = /\r\ncontent-length: *(\d+)/i;

/** Sends `requests` requests and resolves when all are answered; rejects at the first wrong one. */
export async function runHttpLoad(options: LoadOptions): Promise<LoadFigures> {
  const { hostname, port, host } = new URL(options.url);
  const head =
    `POST ${options.path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${options.key}\r\n` +
    'Content-Type: application/json\r\nContent-Length: ';
  const latenciesMs = new Float64Array(options.requests);
  let sent = 0;
  let answered = 0;
  const loop = async (): Promise<void> => {
    const line = await Line.open({ host: hostname, port: Number(port), status: options.status });
    try {
      while (sent < options.requests) {
        sent++;
        const body = options.body();
        const sentMs = performance.now();
        await line.ask(`${head}${body.length}${HEAD_END}${body}`);
        latenciesMs[answered++] = performance.now() - sentMs;
      }
    } finally {
      line.close();
    }
  };
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: options.connections }, loop));
  const seconds = (performance.now() - startedMs) / 1000;
  return { seconds, latenciesMs: latenciesMs.sort() };
}

type Target = { readonly host: string; readonly port: number; readonly status: number };

/** One connection with at most one request under way. */
class Line {
  readonly #socket: Socket;
  readonly #statusLine: string;
  #received = '';
  #expected = 0;
  #waiting: PromiseWithResolvers<void> | undefined;

  private constructor(to: Target) {
    this.#statusLine = `HTTP/1.1 ${to.status} `;
    // One buffer for a connection, read before the next piece comes.
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    this.#socket = connect({
      host: to.host,
      port: to.port,
      noDelay: true,
      onread: {
        buffer,
        callback: (bytes) => {
          this.#receive(buffer.toString('latin1', 0, bytes));
          return true;
        },
      },
    });
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('The server closed the connection.')));
  }

  static async open(to: Target): Promise<Line> {
    const line = new Line(to);
    await once(line.#socket, 'connect');
    return line;
  }

  ask(request: string): Promise<void> {
    this.#waiting = Promise.withResolvers<void>();
    this.#socket.write(request, 'latin1');
    return this.#waiting.promise;
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }

  #receive(text: string): void {
    this.#received = this.#received === '' ? text : this.#received + text;
    if (this.#expected === 0) this.#readHead();
    if (this.#expected === 0 || this.#received.length < this.#expected) return;
    const waiting = this.#waiting;
    const isRight = this.#received.startsWith(this.#statusLine);
    const answer = this.#received;
    this.#received = '';
    this.#expected = 0;
    this.#waiting = undefined;
    if (isRight) waiting?.resolve();
    else waiting?.reject(new Error(`Not the answer that was expected: ${answer}`));
  }

  #readHead(): void {
    const end = this.#received.indexOf(HEAD_END);
    if (end < 0) return;
    const length = LENGTH_PATTERN.exec(this.#received)?.[1];
    if (length === undefined) return this.#fail(new Error('An answer without Content-Length.'));
    this.#expected = end + HEAD_END.length + Number(length);
  }
}
