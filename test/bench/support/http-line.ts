// A lean HTTP/1.1 client for measurements: one keep-alive connection on a bare socket with at most
// one request under way, the request made by hand, and of an answer only what is needed: its status
// and where it ends. It costs a fraction of any server that it measures, and the same for all.

import { type Socket, connect } from 'node:net';

const READ_BYTES = 64 * 1024;
const HEAD_END = '\r\n\r\n';
const LENGTH_PATTERN = /\r\ncontent-length: *(\d+)/i;

export type Target = {
  readonly url: string;
  readonly path: string;
  readonly key: string;
  /** The status that every answer must have. */
  readonly status: number;
};

export class HttpLine {
  readonly #socket: Socket;
  readonly #head: string;
  readonly #statusLine: string;
  #received = '';
  #expected = 0;
  #waiting: PromiseWithResolvers<void> | undefined;

  private constructor(socket: Socket, { url, path, key, status }: Target) {
    this.#socket = socket;
    this.#head =
      `POST ${path} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: Bearer ${key}\r\n` +
      'Content-Type: application/json\r\nContent-Length: ';
    this.#statusLine = `HTTP/1.1 ${status} `;
  }

  static async open(target: Target): Promise<HttpLine> {
    const { hostname, port } = new URL(target.url);
    // One buffer for a connection, read before the next piece comes.
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    let receive = (_text: string): void => undefined;
    const callback = (bytes: number): boolean => {
      receive(buffer.toString('latin1', 0, bytes));
      return true;
    };
    const onread = { buffer, callback };
    const socket = connect({ host: hostname, port: Number(port), noDelay: true, onread });
    const line = new HttpLine(socket, target);
    receive = (text) => line.#receive(text);
    const opened = Promise.withResolvers<void>();
    socket.once('connect', opened.resolve);
    socket.on('error', (error) => {
      opened.reject(error);
      line.#fail(error);
    });
    socket.on('close', () => line.#fail(new Error('The server closed the connection.')));
    await opened.promise;
    return line;
  }

  /** Sends a body of ASCII; resolves when the answer has come whole and is the right one. */
  post(body: string): Promise<void> {
    this.#waiting = Promise.withResolvers<void>();
    this.#socket.write(`${this.#head}${body.length}${HEAD_END}${body}`, 'latin1');
    return this.#waiting.promise;
  }

  close(): void {
    this.#waiting = undefined;
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#received = this.#received === '' ? text : this.#received + text;
    if (this.#expected === 0) this.#readHead();
    if (this.#expected === 0 || this.#received.length < this.#expected) return;
    const answer = this.#received;
    const waiting = this.#waiting;
    this.#received = '';
    this.#expected = 0;
    this.#waiting = undefined;
    if (answer.startsWith(this.#statusLine)) waiting?.resolve();
    else waiting?.reject(new Error(`Not the answer that was expected: ${answer}`));
  }

  #readHead(): void {
    const end = this.#received.indexOf(HEAD_END);
    if (end === -1) return;
    const length = LENGTH_PATTERN.exec(this.#received)?.[1];
    if (length === undefined) this.#fail(new Error('An answer without Content-Length.'));
    else this.#expected = end + HEAD_END.length + Number(length);
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = undefined;
  }
}
