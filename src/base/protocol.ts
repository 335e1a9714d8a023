// The binary protocol: frames on a byte stream, the same in both directions. A frame is a header of
// 32 bytes and a payload whose length is a multiple of 8, so that every frame, and every transfer
// in one, begins at a multiple of 8 of the stream. All numbers little-endian, ids big-endian.
//
//   offset bytes field
//        0     4 magic            "HFBP"
//        4     2 version          of the protocol; in a hello: the highest that the client speaks
//        6     2 kind             FrameKind; an answer has the kind of its request + 128
//        8     8 request number   the client's own, at most 2^53 - 1; 0 where there is no request
//       16     4 payload bytes    a multiple of 8
//       20     4 zero
//       24     4 payload checksum CRC-32 of the payload
//       28     4 header checksum  CRC-32 of bytes 0 .. 27: the length can be trusted on its own
//
// TCP's own checksum has 16 bits and is not computed on loopback at all, and TLS is optional; the
// CRC-32 of zlib finds every burst of up to 32 bits and costs a tenth of a SHA-256. It guards
// against damage, not against people: that is what TLS is for. `base` has no zlib, so whoever reads
// or writes frames hands the function in for long payloads.
//
// Layouts of payloads stand at their codecs (base/answers.ts) and in docs/reference/protocol.md.

import { assert } from './assert.ts';
import { smallCrc32 } from './crc32.ts';
import { TRANSFERS_PER_REQUEST_MAX } from './limits.ts';
import { TRANSFER_BYTES } from './transfer-record.ts';

export const FRAME_HEADER_BYTES = 32;
export const PROTOCOL_VERSION = 1;

/** Requests: a full batch of transfers, rounded up to the size of a journal entry. */
export const REQUEST_PAYLOAD_BYTES_MAX = 1024 * 1024;

/** Answers: 8,189 records with their states, or the status of very many ledgers. */
export const ANSWER_PAYLOAD_BYTES_MAX = 16 * 1024 * 1024;

/** Before a key has been shown, nobody may fill memory. */
export const HELLO_PAYLOAD_BYTES_MAX = 4096;

export const FrameKind = {
  hello: 1,
  ping: 2,
  createTransfers: 16,
  createAccounts: 17,
  defineLedger: 18,
  freezeAccount: 19,
  unfreezeAccount: 20,
  createPosting: 21,
  revertTransfer: 22,
  revertPosting: 23,
  lookupTransfers: 32,
  lookupAccounts: 33,
  listLedgers: 34,
  status: 35,
  queryTransfers: 36,
  queryAccounts: 37,
  /** One of those above that read the books, and how fresh it must be (fresh-read.ts). */
  freshRead: 40,
  /** Added to the kind of a request: its answer. 129 = welcome, 130 = pong. */
  answer: 128,
  problem: 254,
  goodbye: 255,
} as const;

/**
 * CRC-32 as zlib computes it, going on from that of the bytes before. Given from outside so that
 * this file stays pure.
 */
export type Crc32 = (bytes: Uint8Array, before?: number) => number;

export type FrameHeader = {
  readonly version: number;
  readonly kind: number;
  readonly request: number;
  readonly payloadBytes: number;
  readonly payloadChecksum: number;
};

/** Why bytes are not a frame. Behind any of these the stream cannot be read on. */
export type FrameFault = 'magic' | 'header_checksum' | 'reserved' | 'length' | 'payload_checksum';

export type FrameHeaderReading =
  | { readonly kind: 'header'; readonly header: FrameHeader }
  | { readonly kind: 'fault'; readonly fault: FrameFault };

const MAGIC = 0x5042_4648; // "HFBP" read as a little-endian number
const CHECKED_BYTES = 28;
/** Up to here the table is as fast as a call of native code. */
const SMALL_BYTES_MAX = 64;
const TWO_32 = 0x1_0000_0000;

const Offset = {
  magic: 0,
  version: 4,
  kind: 6,
  request: 8,
  payloadBytes: 16,
  reserved: 20,
  payloadChecksum: 24,
  headerChecksum: 28,
} as const;

/** Reads the 32 bytes at `offset`; the payload is not looked at. */
export function readFrameHeader(bytes: Uint8Array, offset: number): FrameHeaderReading {
  assert(offset + FRAME_HEADER_BYTES <= bytes.byteLength, 'a whole header is there');
  if (readU32(bytes, offset + Offset.magic) !== MAGIC) return { kind: 'fault', fault: 'magic' };
  const checked = smallCrc32(bytes, offset, offset + CHECKED_BYTES);
  if (readU32(bytes, offset + Offset.headerChecksum) !== checked) {
    return { kind: 'fault', fault: 'header_checksum' };
  }
  const high = readU32(bytes, offset + Offset.request + 4);
  const request = high * TWO_32 + readU32(bytes, offset + Offset.request);
  if (readU32(bytes, offset + Offset.reserved) !== 0 || !Number.isSafeInteger(request)) {
    return { kind: 'fault', fault: 'reserved' };
  }
  const payloadBytes = readU32(bytes, offset + Offset.payloadBytes);
  if (payloadBytes % 8 !== 0) return { kind: 'fault', fault: 'length' };
  const versionAndKind = readU32(bytes, offset + Offset.version);
  const header = {
    version: versionAndKind & 0xffff,
    kind: versionAndKind >>> 16,
    request,
    payloadBytes,
    payloadChecksum: readU32(bytes, offset + Offset.payloadChecksum),
  };
  return { kind: 'header', header };
}

/** The checksum of a payload, by whichever way is shorter. */
export function payloadChecksum(payload: Uint8Array, crc32: Crc32): number {
  const { byteLength } = payload;
  return byteLength > SMALL_BYTES_MAX ? crc32(payload) : smallCrc32(payload, 0, byteLength);
}

export type FrameAddress = {
  readonly kind: number;
  readonly request: number;
  readonly version?: number;
};

/** A header of its own, for a payload that stands elsewhere and is not copied. */
export function frameHeaderFor(
  payload: Uint8Array,
  address: FrameAddress,
  crc32: Crc32,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES);
  writeFrameHeader(bytes, 0, payload, address, crc32);
  return bytes;
}

/** Writes the header of `payload` at `offset`; the payload itself may stand elsewhere. */
export function writeFrameHeader(
  target: Uint8Array,
  offset: number,
  payload: Uint8Array,
  address: FrameAddress,
  crc32: Crc32,
): void {
  writeHeader(target, offset, address, payload.byteLength, payloadChecksum(payload, crc32));
}

/** A header for a payload that stands in several places. */
export function frameHeaderOf(
  payload: { readonly bytes: number; readonly checksum: number },
  address: FrameAddress,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES);
  writeHeader(bytes, 0, address, payload.bytes, payload.checksum);
  return bytes;
}

/** Room for a header and `payloadBytes` (rounded up to a multiple of 8) behind it. */
export function newFrame(payloadBytes: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(FRAME_HEADER_BYTES + paddedBytes(payloadBytes));
}

/** Writes the header in front of the payload that already stands in `frame`; returns `frame`. */
export function sealFrame(
  frame: Uint8Array<ArrayBuffer>,
  address: FrameAddress,
  crc32: Crc32,
): Uint8Array<ArrayBuffer> {
  const bytes = frame.byteLength;
  // A view of a frame this small would give it memory of its own: dearer than the frame.
  const checksum =
    bytes <= FRAME_HEADER_BYTES + SMALL_BYTES_MAX
      ? smallCrc32(frame, FRAME_HEADER_BYTES, bytes)
      : crc32(frame.subarray(FRAME_HEADER_BYTES));
  writeHeader(frame, 0, address, bytes - FRAME_HEADER_BYTES, checksum);
  return frame;
}

const SPACE = 0x20;

/** A frame without its header whose payload is JSON: with spaces behind it, it still is. */
export function textFrame(text: string): Uint8Array<ArrayBuffer> {
  const payload = new TextEncoder().encode(text);
  const frame = newFrame(payload.byteLength);
  frame.set(payload, FRAME_HEADER_BYTES);
  frame.fill(SPACE, FRAME_HEADER_BYTES + payload.byteLength);
  return frame;
}

function writeHeader(
  target: Uint8Array,
  offset: number,
  { kind, request, version = PROTOCOL_VERSION }: FrameAddress,
  payloadBytes: number,
  checksum: number,
): void {
  assert(payloadBytes % 8 === 0, 'payloads are multiples of 8 bytes');
  assert(Number.isSafeInteger(request) && request >= 0, 'request numbers are below 2^53');
  writeU32(target, offset + Offset.magic, MAGIC);
  writeU32(target, offset + Offset.version, version | (kind << 16));
  writeU32(target, offset + Offset.request, request % TWO_32);
  writeU32(target, offset + Offset.request + 4, Math.floor(request / TWO_32));
  writeU32(target, offset + Offset.payloadBytes, payloadBytes);
  writeU32(target, offset + Offset.reserved, 0);
  writeU32(target, offset + Offset.payloadChecksum, checksum);
  const checked = smallCrc32(target, offset, offset + CHECKED_BYTES);
  writeU32(target, offset + Offset.headerChecksum, checked);
}

function readU32(bytes: Uint8Array, offset: number): number {
  return (
    (bytes[offset]! |
      (bytes[offset + 1]! << 8) |
      (bytes[offset + 2]! << 16) |
      (bytes[offset + 3]! << 24)) >>>
    0
  );
}

/** Byte by byte: a DataView would first give so small an array memory of its own. */
export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value;
  bytes[offset + 1] = value >>> 8;
  bytes[offset + 2] = value >>> 16;
  bytes[offset + 3] = value >>> 24;
}

export function paddedBytes(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** Eight bytes as a number that counts: exact up to 2^53 - 1, no BigInt is made. */
export function readCount(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * TWO_32 + view.getUint32(offset, true);
}

export function writeCount(view: DataView, offset: number, count: number): void {
  view.setUint32(offset, count % TWO_32, true);
  view.setUint32(offset + 4, Math.floor(count / TWO_32), true);
}

export function assertProtocolLimits(): void {
  assert(
    TRANSFERS_PER_REQUEST_MAX * TRANSFER_BYTES <= REQUEST_PAYLOAD_BYTES_MAX,
    'a full batch fits one frame',
  );
}
