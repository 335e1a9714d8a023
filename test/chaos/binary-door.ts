// One attempt at a request over the binary protocol, and what its sender can know of the outcome.
// The client library would repeat what was lost; here each repetition must be on record, so frames
// are sent by hand. One connection carries all requests; when it breaks, those under way are
// unknown.

import { crc32 } from 'node:zlib';
import { type Socket, connect } from 'node:net';
import { type Frame, FrameReader } from '../../src/base/frame-reader.ts';
import { readCreatedTransfers } from '../../src/base/answers.ts';
import {
  ANSWER_PAYLOAD_BYTES_MAX,
  FRAME_HEADER_BYTES,
  FrameKind,
  PROTOCOL_VERSION,
  frameHeaderFor,
  textFrame,
} from '../../src/base/protocol.ts';
import { type AttemptAnswer, answerOfProblem } from './attempt-answer.ts';

const CONNECT_MS_MAX = 1000;

type Waiting = (answer: AttemptAnswer | Error) => void;

export class BinaryDoor {
  readonly #key: string;
  #url: string;
  readonly #answerMsMax: number | undefined;
  #connection: Connection | undefined;

  /** Nothing heard after `answerMsMax`: unknown; undefined = as long as the connection lasts. */
  constructor(url: string, key: string, answerMsMax?: number) {
    this.#url = url;
    this.#key = key;
    this.#answerMsMax = answerMsMax;
  }

  /** The node is at another address now; what is in flight at the old one is lost. */
  connectTo(url: string): void {
    this.#url = url;
    this.close();
  }

  close(): void {
    this.#connection?.end();
    this.#connection = undefined;
  }

  /** `records` of transfers, 128 bytes each. */
  async attempt(records: Uint8Array): Promise<AttemptAnswer> {
    if (this.#connection === undefined || this.#connection.isEnded) {
      this.#connection = new Connection(new URL(this.#url), this.#key);
    }
    const connection = this.#connection;
    if (!(await connection.opened)) return { kind: 'not-executed' };
    return await connection.request(FrameKind.createTransfers, records, this.#answerMsMax);
  }
}

class Connection {
  readonly #socket: Socket;
  readonly #reader = new FrameReader({ crc32, payloadBytesMax: ANSWER_PAYLOAD_BYTES_MAX });
  readonly #waiting = new Map<number, Waiting>();
  readonly #welcomed = Promise.withResolvers<boolean>();
  #last = 0;
  isEnded = false;

  constructor(url: URL, key: string) {
    this.#socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
    const timer = setTimeout(() => this.end(), CONNECT_MS_MAX);
    void this.opened.then(() => clearTimeout(timer));
    this.#socket.on('connect', () => {
      const payload = textFrame(JSON.stringify({ key, version_min: 1 }));
      this.#write(FrameKind.hello, 0, payload.subarray(FRAME_HEADER_BYTES));
    });
    this.#socket.on('data', (chunk: Buffer) => this.#heard(chunk));
    this.#socket.on('error', () => this.end());
    this.#socket.on('close', () => this.end());
  }

  /** False when no request can have been sent. */
  get opened(): Promise<boolean> {
    return this.#welcomed.promise;
  }

  request(kind: number, payload: Uint8Array, answerMsMax?: number): Promise<AttemptAnswer> {
    if (this.isEnded) return Promise.resolve({ kind: 'not-executed' });
    const { promise, resolve, reject } = Promise.withResolvers<AttemptAnswer>();
    const request = ++this.#last;
    const giveUp = (): void => {
      this.#waiting.delete(request);
      resolve({ kind: 'unknown' });
    };
    const timer = answerMsMax === undefined ? undefined : setTimeout(giveUp, answerMsMax);
    this.#waiting.set(request, (answer) => {
      clearTimeout(timer);
      if (answer instanceof Error) reject(answer);
      else resolve(answer);
    });
    this.#write(kind, request, payload);
    return promise;
  }

  end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.#socket.destroy();
    this.#welcomed.resolve(false);
    for (const settle of this.#waiting.values()) settle({ kind: 'unknown' });
    this.#waiting.clear();
  }

  #write(kind: number, request: number, payload: Uint8Array): void {
    const address = { kind, request, version: PROTOCOL_VERSION };
    this.#socket.cork();
    this.#socket.write(frameHeaderFor(payload, address, crc32));
    this.#socket.write(payload);
    this.#socket.uncork();
  }

  #heard(chunk: Buffer): void {
    this.#reader.push(chunk);
    for (;;) {
      const reading = this.#reader.next();
      if (reading.kind === 'frame') this.#take(reading.frame);
      else if (reading.kind === 'fault') return this.end();
      else return;
    }
  }

  #take(frame: Frame): void {
    if (frame.kind === FrameKind.hello + FrameKind.answer) this.#welcomed.resolve(true);
    const settle = this.#waiting.get(frame.request);
    if (settle === undefined) return;
    this.#waiting.delete(frame.request);
    if (frame.kind === FrameKind.problem) {
      settle(answerOfProblem(JSON.parse(Buffer.from(frame.payload).toString('utf8'))));
      return;
    }
    const created = readCreatedTransfers(frame.payload);
    if (created === undefined) settle(new Error('the answer to a batch cannot be read'));
    else settle({ kind: 'answered', codes: [...created.codes], position: created.position });
  }
}
