// A TCP proxy that can do to connections what networks and frozen machines do: swallow everything,
// be slow, cut, and lose one answer.

import { type Server, type Socket, connect, createServer } from 'node:net';

/** `hold`: connections are accepted and stay, and nothing that is sent arrives. */
export type ProxyMode = 'pass' | 'hold';

type Pair = { readonly inner: Socket; readonly outer: Socket };

export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #mode: ProxyMode = 'pass';
  /** Each way, before anything is passed on. */
  delayMs = 0;
  /** A request for which this is true is passed on, but its connection is cut before the answer. */
  losesAnswerTo: ((request: Buffer) => boolean) | undefined;
  answersLost = 0;
  /** A request for which this is true is not passed on: its connection is cut. */
  losesRequest: ((request: Buffer) => boolean) | undefined;

  private constructor(target: number) {
    this.#server = createServer((outer) => this.#accept(outer, target));
  }

  static async start(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy is closed.');
    return address.port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  get mode(): ProxyMode {
    return this.#mode;
  }

  /** A connection that was held never passes again: only those made later do. */
  set mode(mode: ProxyMode) {
    this.#mode = mode;
    if (mode === 'hold') {
      for (const { inner, outer } of this.#pairs) {
        for (const socket of [inner, outer]) socket.removeAllListeners('data').resume();
      }
    }
  }

  cut(): void {
    for (const { inner, outer } of this.#pairs) {
      inner.destroy();
      outer.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(outer: Socket, target: number): void {
    const inner = connect({ host: '127.0.0.1', port: target });
    const pair: Pair = { inner, outer };
    this.#pairs.add(pair);
    const end = (): void => {
      this.#pairs.delete(pair);
      inner.destroy();
      outer.destroy();
    };
    for (const socket of [inner, outer]) {
      socket.setNoDelay(true);
      socket.on('error', end);
      socket.on('close', end);
    }
    if (this.#mode === 'hold') {
      // Read and thrown away, so that its end is seen.
      inner.resume();
      outer.resume();
      return;
    }
    let isLosing = false;
    outer.on('data', (chunk: Buffer) => {
      if (this.losesRequest?.(chunk) === true) {
        this.losesRequest = undefined;
        end();
        return;
      }
      if (this.losesAnswerTo?.(chunk) === true) isLosing = true;
      this.#pass(inner, chunk);
    });
    inner.on('data', (chunk: Buffer) => {
      if (!isLosing) {
        this.#pass(outer, chunk);
        return;
      }
      this.answersLost += 1;
      this.losesAnswerTo = undefined;
      end();
    });
  }

  #pass(socket: Socket, chunk: Buffer): void {
    if (this.delayMs === 0) socket.write(chunk);
    else setTimeout(() => socket.writable && socket.write(chunk), this.delayMs);
  }
}
