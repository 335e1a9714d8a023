// A socket that speaks frames. What is sent in one turn leaves in one write; what the other side
// does not take is counted, so that whoever sends can stop. The end of the socket, from whichever
// side and for whatever reason, is told once.

import type { Socket } from 'node:net';
import { crc32 } from 'node:zlib';
import { type Frame, FrameReader } from '../../base/frame-reader.ts';
import { HANDSHAKE_BYTES_MAX } from './frames.ts';

/** Below it frames are copied into one buffer; above it the kernel gathers them (writev). */
const COPIED_BYTES_MAX = 64 * 1024;
/** A last word must have left by then. */
const LINGER_MS = 1000;
const KEEP_ALIVE_MS = 1000;
const POOLED_BYTES_MAX = 4096;

export type FrameSocketOwner = {
  readonly onFrame: (frame: Frame) => void;
  /** The bytes are no frames; nothing more is read. `start`: the first bytes that came. */
  readonly onFault: (fault: string, start: Uint8Array) => void;
  readonly onClosed: (why: string) => void;
};

export class FrameSocket {
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  #owner: FrameSocketOwner;
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #givenBytes = 0;
  #takenBytes = 0;
  #takenMs = performance.now();
  #start: Uint8Array | undefined;
  #isOver = false;
  #why = 'The connection was closed.';
  #linger: NodeJS.Timeout | undefined;

  constructor(socket: Socket, owner: FrameSocketOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.#reader = new FrameReader({
      crc32,
      payloadBytesMax: HANDSHAKE_BYTES_MAX,
      allocate: (bytes) =>
        bytes <= POOLED_BYTES_MAX ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes),
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.destroy(`The connection failed: ${error.message}.`));
    // Half an end is an end: nobody here goes on sending to whoever sends no more.
    socket.on('end', () => this.destroy('The other side ended the connection.'));
    socket.on('close', () => this.#closed());
  }

  /** All that was ever sent, and what of it the kernel has taken. */
  get givenBytes(): number {
    return this.#givenBytes;
  }

  get takenBytes(): number {
    return this.#takenBytes;
  }

  get unsentBytes(): number {
    return this.#givenBytes - this.#takenBytes;
  }

  /** How long something has been waiting without anything being taken. */
  get stalledMs(): number {
    return this.unsentBytes === 0 ? 0 : performance.now() - this.#takenMs;
  }

  /** Whoever was told of frames until now hears nothing more, its end included. */
  handOver(owner: FrameSocketOwner, payloadBytesMax: number): void {
    this.#owner = owner;
    this.#reader.payloadBytesMax = payloadBytesMax;
  }

  send(...parts: readonly Uint8Array[]): void {
    if (this.#isOver) return;
    if (this.unsentBytes === 0) this.#takenMs = performance.now();
    if (this.#parts.length === 0) process.nextTick(() => this.#write());
    for (const part of parts) {
      this.#parts.push(part);
      this.#partBytes += part.byteLength;
      this.#givenBytes += part.byteLength;
    }
  }

  /** A last word, and the end. */
  end(last: Uint8Array, why: string): void {
    if (this.#isOver) return;
    this.#write();
    this.#isOver = true;
    this.#why = why;
    this.#socket.end(last);
    // Unread bytes would turn the end into a reset, and the last word would be lost with it.
    this.#socket.resume();
    this.#linger = setTimeout(() => this.#socket.destroy(), LINGER_MS);
  }

  destroy(why: string): void {
    if (!this.#isOver) this.#why = why;
    this.#isOver = true;
    this.#socket.destroy();
  }

  #read(chunk: Uint8Array): void {
    if (this.#isOver) return;
    this.#start ??= chunk.slice(0, 8);
    this.#reader.push(chunk);
    while (!this.#isOver) {
      const reading = this.#reader.next();
      if (reading.kind === 'frame') {
        this.#owner.onFrame(reading.frame);
      } else {
        if (reading.kind === 'fault') this.#owner.onFault(reading.fault, this.#start);
        return;
      }
    }
  }

  #write(): void {
    const parts = this.#parts;
    const bytes = this.#partBytes;
    if (parts.length === 0 || this.#isOver) return;
    this.#parts = [];
    this.#partBytes = 0;
    const taken = (): void => {
      this.#takenBytes += bytes;
      this.#takenMs = performance.now();
    };
    if (parts.length === 1) {
      this.#socket.write(parts[0]!, taken);
    } else if (bytes <= COPIED_BYTES_MAX) {
      this.#socket.write(Buffer.concat(parts, bytes), taken);
    } else {
      const last = parts.pop()!;
      this.#socket.cork();
      for (const part of parts) this.#socket.write(part);
      this.#socket.write(last, taken);
      this.#socket.uncork();
    }
  }

  #closed(): void {
    this.#isOver = true;
    this.#parts = [];
    clearTimeout(this.#linger);
    this.#owner.onClosed(this.#why);
  }
}
