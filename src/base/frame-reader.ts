// From chunks of a stream to frames. Pure: it is fed, and asked for the next frame until it wants
// more. A payload that lies in one chunk is a view of that chunk, unless it is a small part of it;
// any other is copied once, into a buffer of its own whose start is aligned. What is kept between
// calls is one chunk and one payload, and a payload is begun only when `admit` has said yes.

import { assert } from './assert.ts';
import {
  type Crc32,
  FRAME_HEADER_BYTES,
  type FrameFault,
  type FrameHeader,
  payloadChecksum,
  readFrameHeader,
} from './protocol.ts';

export type Frame = FrameHeader & {
  /** Whoever keeps it keeps the chunk that it came in. */
  readonly payload: Uint8Array;
};

export type FrameReading =
  | { readonly kind: 'frame'; readonly frame: Frame }
  /** The frame is not finished: push the next chunk. */
  | { readonly kind: 'more' }
  /** `admit` said no: ask again when that has changed, and push nothing meanwhile. */
  | { readonly kind: 'blocked' }
  /** `request` is 0 where the header itself cannot be believed. The reader is of no further use. */
  | {
      readonly kind: 'fault';
      readonly fault: FrameFault | 'too_large';
      readonly request: number;
    };

export type FrameReaderOptions = {
  readonly crc32: Crc32;
  readonly payloadBytesMax: number;
  /** Asked once a header has been read and before its payload takes memory. */
  readonly admit?: (header: FrameHeader) => boolean;
  /** Memory for a payload that is copied; need not be zeroed, it is filled. */
  readonly allocate?: (bytes: number) => Uint8Array;
  /** Hears of each chunk that has been read to its end and of which no payload is a view. */
  readonly onChunkRead?: (chunk: Uint8Array) => void;
};

/** A view keeps at most so much, and so many times its own length, of its chunk alive. */
const VIEWED_BYTES_MAX = 4096;
const VIEWED_SHARE = 8;

const NOTHING = new Uint8Array(0);
const MORE = { kind: 'more' } as const;
const BLOCKED = { kind: 'blocked' } as const;

export class FrameReader {
  payloadBytesMax: number;
  readonly #crc32: Crc32;
  readonly #admit: (header: FrameHeader) => boolean;
  readonly #allocate: (bytes: number) => Uint8Array;
  readonly #onChunkRead: (chunk: Uint8Array) => void;
  readonly #partialHeader = new Uint8Array(FRAME_HEADER_BYTES);
  #partialHeaderBytes = 0;
  #chunk: Uint8Array = NOTHING;
  #offset = 0;
  /** A payload of the present chunk is a view of it. */
  #isViewed = false;
  #header: FrameHeader | undefined;
  #isAdmitted = false;
  #payload: Uint8Array | undefined;
  #payloadFilled = 0;
  /** Of what is filled of a payload that is copied. */
  #payloadChecksum = 0;

  constructor(options: FrameReaderOptions) {
    this.payloadBytesMax = options.payloadBytesMax;
    this.#crc32 = options.crc32;
    this.#admit = options.admit ?? (() => true);
    this.#allocate = options.allocate ?? ((bytes) => new Uint8Array(bytes));
    this.#onChunkRead = options.onChunkRead ?? (() => undefined);
  }

  /** Whether part of a frame has come and its rest is awaited. */
  get isInsideFrame(): boolean {
    return this.#partialHeaderBytes > 0 || this.#header !== undefined;
  }

  /** The reader keeps `chunk` until it has been read; nobody may write to it again. */
  push(chunk: Uint8Array): void {
    assert(this.#offset === this.#chunk.byteLength, 'a chunk is read before the next one comes');
    this.#chunk = chunk;
    this.#offset = 0;
  }

  next(): FrameReading {
    if (this.#header === undefined) {
      const reading = this.#readHeader();
      if (reading !== undefined) return reading;
    }
    const header = this.#header;
    assert(header !== undefined, 'a header was read');
    if (!this.#isAdmitted) {
      if (!this.#admit(header)) return BLOCKED;
      this.#isAdmitted = true;
    }
    const payload = this.#readPayload(header);
    if (payload === undefined) return MORE;
    const checksum =
      this.#payload === undefined ? payloadChecksum(payload, this.#crc32) : this.#payloadChecksum;
    this.#header = undefined;
    this.#isAdmitted = false;
    this.#payload = undefined;
    if (checksum !== header.payloadChecksum) {
      return { kind: 'fault', fault: 'payload_checksum', request: header.request };
    }
    return { kind: 'frame', frame: { ...header, payload } };
  }

  /** Sets the header, or says why there is none yet. */
  #readHeader(): FrameReading | undefined {
    const available = this.#chunk.byteLength - this.#offset;
    let source = this.#chunk;
    let offset = this.#offset;
    if (this.#partialHeaderBytes > 0 || available < FRAME_HEADER_BYTES) {
      const taken = Math.min(available, FRAME_HEADER_BYTES - this.#partialHeaderBytes);
      this.#partialHeader.set(
        this.#chunk.subarray(this.#offset, this.#offset + taken),
        this.#partialHeaderBytes,
      );
      this.#partialHeaderBytes += taken;
      this.#offset += taken;
      if (this.#partialHeaderBytes < FRAME_HEADER_BYTES) {
        this.#releaseChunk();
        return MORE;
      }
      this.#partialHeaderBytes = 0;
      source = this.#partialHeader;
      offset = 0;
    } else {
      this.#offset += FRAME_HEADER_BYTES;
    }
    const reading = readFrameHeader(source, offset);
    if (reading.kind === 'fault') return { ...reading, request: 0 };
    const { header } = reading;
    if (header.payloadBytes > this.payloadBytesMax) {
      return { kind: 'fault', fault: 'too_large', request: header.request };
    }
    this.#header = header;
    return undefined;
  }

  #readPayload({ payloadBytes }: FrameHeader): Uint8Array | undefined {
    const available = this.#chunk.byteLength - this.#offset;
    if (this.#payload === undefined) {
      if (available >= payloadBytes && this.#mayView(payloadBytes)) {
        const payload = this.#chunk.subarray(this.#offset, this.#offset + payloadBytes);
        this.#isViewed = true;
        this.#offset += payloadBytes;
        return payload;
      }
      this.#payload = this.#allocate(payloadBytes);
      this.#payloadFilled = 0;
      this.#payloadChecksum = 0;
    }
    const taken = Math.min(available, payloadBytes - this.#payloadFilled);
    const part = this.#chunk.subarray(this.#offset, this.#offset + taken);
    this.#payload.set(part, this.#payloadFilled);
    // While it is near, and while the rest is still on its way.
    this.#payloadChecksum = this.#crc32(part, this.#payloadChecksum);
    this.#payloadFilled += taken;
    this.#offset += taken;
    if (this.#payloadFilled === payloadBytes) return this.#payload;
    this.#releaseChunk();
    return undefined;
  }

  /** A small view would keep all of a large chunk alive: that is counted by nobody. */
  #mayView(payloadBytes: number): boolean {
    return this.#chunk.byteLength <= VIEWED_BYTES_MAX + VIEWED_SHARE * payloadBytes;
  }

  /** An empty chunk holds no memory while the next one is awaited. */
  #releaseChunk(): void {
    assert(this.#offset === this.#chunk.byteLength, 'all of the chunk has been read');
    const chunk = this.#chunk;
    const isViewed = this.#isViewed;
    this.#chunk = NOTHING;
    this.#offset = 0;
    this.#isViewed = false;
    if (!isViewed) this.#onChunkRead(chunk);
  }
}
