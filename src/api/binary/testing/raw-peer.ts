// For tests of the binary door: a peer that sends whatever bytes it is told to, and notes every
// frame that comes back and how the connection ended.

import { crc32 } from 'node:zlib';
import { type Socket, connect } from 'node:net';
import { type Frame, FrameReader } from '../../../base/frame-reader.ts';
import { ANSWER_PAYLOAD_BYTES_MAX, FrameKind, frameHeaderFor } from '../../../base/protocol.ts';
import { textFrame } from '../../../base/protocol.ts';
import {
  TRANSFER_DEFAULTS,
  type Transfer,
  encodeTransfers,
} from '../../../base/transfer-record.ts';
import { FAKE_API_KEY, FAKE_TIME_MS, LEDGER } from '../../testing/fake-node.ts';

const WAIT_MS_MAX = 10_000;
const HEADER_BYTES = 32;

export class RawPeer implements AsyncDisposable {
  readonly frames: Frame[] = [];
  readonly socket: Socket;
  isEnded = false;
  #wake = Promise.withResolvers<void>();
  readonly #reader = new FrameReader({ crc32, payloadBytesMax: ANSWER_PAYLOAD_BYTES_MAX });

  private constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1' });
    this.socket.setNoDelay(true);
    this.socket.on('data', (chunk: Buffer) => this.#heard(chunk));
    this.socket.on('error', () => this.socket.destroy());
    this.socket.on('close', () => {
      this.isEnded = true;
      this.#notify();
    });
  }

  static async connect(port: number): Promise<RawPeer> {
    const peer = new RawPeer(port);
    await new Promise((resolve) => peer.socket.once('connect', resolve));
    return peer;
  }

  /** Connected, and the hello answered. */
  static async open(port: number, key = FAKE_API_KEY): Promise<RawPeer> {
    const peer = await RawPeer.connect(port);
    peer.hello({ key, version_min: 1 });
    const welcome = await peer.frameWhere(
      ({ kind }) => kind === FrameKind.hello + FrameKind.answer,
    );
    peer.frames.splice(peer.frames.indexOf(welcome), 1);
    return peer;
  }

  hello(body: object, version = 1): void {
    const payload = textFrame(JSON.stringify(body)).subarray(HEADER_BYTES);
    this.write(frame(FrameKind.hello, 0, payload, version));
  }

  request(kind: number, request: number, payload: Uint8Array = new Uint8Array(0)): void {
    this.write(frame(kind, request, payload));
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Waits for a frame that passes the test. */
  async frameWhere(passes: (frame: Frame) => boolean): Promise<Frame> {
    let found: Frame | undefined;
    await this.until(() => (found = this.frames.find(passes)) !== undefined);
    return found!;
  }

  async answerTo(request: number): Promise<Frame> {
    return this.frameWhere((frame) => frame.request === request);
  }

  async ended(): Promise<void> {
    await this.until(() => this.isEnded);
  }

  /** Waits until it holds; looks whenever something came. */
  async until(holds: () => boolean): Promise<void> {
    const endMs = performance.now() + WAIT_MS_MAX;
    while (!holds()) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0 || this.isEnded)
        throw new Error(`waited in vain; heard ${this.#heardText()}`);
      const timer = setTimeout(() => this.#notify(), Math.min(leftMs, 20));
      await this.#wake.promise;
      clearTimeout(timer);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    const closed = this.isEnded
      ? Promise.resolve()
      : new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    this.socket.destroy();
    return closed;
  }

  #heard(chunk: Buffer): void {
    this.#reader.push(chunk);
    for (;;) {
      const reading = this.#reader.next();
      if (reading.kind === 'fault') throw new Error(`the node sent no frame: ${reading.fault}`);
      if (reading.kind !== 'frame') break;
      this.frames.push(reading.frame);
    }
    this.#notify();
  }

  #notify(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  #heardText(): string {
    return this.frames.map(({ kind, payload }) => `${kind}: ${textOf(payload)}`).join('\n');
  }
}

export function frame(kind: number, request: number, payload: Uint8Array, version = 1): Uint8Array {
  const header = frameHeaderFor(payload, { kind, request, version }, crc32);
  return Buffer.concat([header, payload]);
}

export function jsonPayload(value: object): Uint8Array {
  return textFrame(JSON.stringify(value)).subarray(HEADER_BYTES);
}

export function textOf(payload: Uint8Array): string {
  return Buffer.from(payload).toString('utf8').trimEnd();
}

export function codeOf(problem: Frame): unknown {
  return (JSON.parse(textOf(problem.payload)) as { readonly code?: unknown }).code;
}

/** A transfer of 12.50 from account 1 to account 2, with an id of the fake engine's time. */
export function transfer(number: number, change: Partial<Transfer> = {}): Transfer {
  return {
    ...TRANSFER_DEFAULTS,
    id: (BigInt(FAKE_TIME_MS) << 80n) | BigInt(number),
    debitAccountId: 1n,
    creditAccountId: 2n,
    amount: 1250n,
    ledger: LEDGER,
    code: 1,
    ...change,
  };
}

export function batch(first: number, count: number): Uint8Array {
  return encodeTransfers(Array.from({ length: count }, (_, index) => transfer(first + index)));
}
