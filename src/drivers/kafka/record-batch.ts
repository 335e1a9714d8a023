// Kafka's record batches, as bytes. They are made and read here and not by the client library,
// since what is sent again after an unknown outcome must be the same bytes, and since the library
// reads past a wrong checksum. Big-endian; `varint` is zigzag.
//
//   offset bytes field
//        0     8 offset of the first record   given by the broker
//        8     4 length                       of all that follows
//       12     4 epoch of the partition's leader
//       16     1 magic                        2
//       17     4 checksum                     CRC-32C of all that follows
//       21     2 attributes                   bits 0-2 compression, 5 control batch
//       23     4 offset of the last record, from the first
//       27     8 first time, 8 greatest time  none: the broker's clock decides nothing here
//       43     8 producer id                  one for the journal
//       51     2 producer epoch               the entry's epoch (identity.ts)
//       53     4 sequence of the first record counts records of this producer epoch from 0
//       57     4 count of records
//       61       records: varint length, attributes 0, varint time, varint offset from the first,
//                varint key length (-1), varint value length, value, varint count of headers

import { crc32c } from '@platformatic/kafka';

const HEAD_BYTES = 61;
const LENGTH_AT = 8;
const MAGIC_AT = 16;
const CHECKSUM_AT = 17;
const CHECKED_FROM = 21;
const MAGIC = 2;
const COMPRESSION_BITS = 0b111;
const CONTROL_BIT = 0b10_0000;
const NO_TIME = -1n;

export type BatchIdentity = {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** Of the first record. */
  readonly sequence: number;
};

/** Around one value of up to `valueBytes`, at most. */
export const BATCH_OVERHEAD_BYTES = 128;

/** A record without producer (`undefined`) is neither fenced nor told from its repetition. */
export function encodeBatch(
  values: readonly Uint8Array[],
  identity: BatchIdentity | undefined,
): Buffer<ArrayBuffer> {
  const bodies = values.map((value, index) => recordBodyBytes(value, index));
  const recordBytes = bodies.reduce((sum, bytes) => sum + varintBytes(bytes) + bytes, 0);
  const batch = Buffer.alloc(HEAD_BYTES + recordBytes);
  batch.writeInt32BE(batch.byteLength - LENGTH_AT - 4, LENGTH_AT);
  batch.writeInt32BE(-1, 12);
  batch.writeInt8(MAGIC, MAGIC_AT);
  batch.writeInt32BE(values.length - 1, 23);
  batch.writeBigInt64BE(NO_TIME, 27);
  batch.writeBigInt64BE(NO_TIME, 35);
  batch.writeBigInt64BE(identity?.producerId ?? -1n, 43);
  batch.writeInt16BE(identity?.producerEpoch ?? -1, 51);
  batch.writeInt32BE(identity?.sequence ?? -1, 53);
  batch.writeInt32BE(values.length, 57);
  let at = HEAD_BYTES;
  for (const [index, value] of values.entries()) {
    at = writeVarint(batch, at, bodies[index]!);
    // Attributes and time stay zero.
    at = writeVarint(batch, at + 2, index);
    at = writeVarint(batch, at, -1);
    at = writeVarint(batch, at, value.byteLength);
    batch.set(value, at);
    // No headers: one zero.
    at += value.byteLength + 1;
  }
  batch.writeUInt32BE(crc32c(batch.subarray(CHECKED_FROM)), CHECKSUM_AT);
  return batch;
}

export type RawRecord = {
  readonly offset: number;
  /** A view of what was read. */
  readonly value: Uint8Array;
};

export type RawBatch = {
  readonly identity: BatchIdentity;
  /** Of its last record. */
  readonly lastOffset: number;
  readonly records: readonly RawRecord[];
};

/** Why bytes are no batch; the offset where it begins. */
export class BatchFault extends Error {
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

/** The whole batches in front; a broker may cut the last one. Throws BatchFault. */
export function decodeBatches(bytes: Buffer): RawBatch[] {
  const batches: RawBatch[] = [];
  for (let at = 0; bytes.byteLength - at >= HEAD_BYTES; ) {
    const end = at + LENGTH_AT + 4 + bytes.readInt32BE(at + LENGTH_AT);
    if (end > bytes.byteLength) break;
    batches.push(decodeBatch(bytes.subarray(at, end)));
    at = end;
  }
  return batches;
}

function decodeBatch(batch: Buffer): RawBatch {
  const first = Number(batch.readBigInt64BE(0));
  if (batch.byteLength < HEAD_BYTES || batch.readInt8(MAGIC_AT) !== MAGIC) {
    throw new BatchFault(first, 'it is no record batch of format 2');
  }
  if (batch.readUInt32BE(CHECKSUM_AT) !== crc32c(batch.subarray(CHECKED_FROM))) {
    throw new BatchFault(first, 'its checksum is wrong');
  }
  const attributes = batch.readInt16BE(21);
  if ((attributes & COMPRESSION_BITS) !== 0) {
    throw new BatchFault(first, 'it is compressed, which this driver never does');
  }
  const isControl = (attributes & CONTROL_BIT) !== 0;
  return {
    identity: {
      producerId: batch.readBigInt64BE(43),
      producerEpoch: batch.readInt16BE(51),
      sequence: batch.readInt32BE(53),
    },
    lastOffset: first + batch.readInt32BE(23),
    records: isControl ? [] : decodeRecords(batch, first),
  };
}

function decodeRecords(batch: Buffer, first: number): RawRecord[] {
  const records: RawRecord[] = [];
  const cursor = new Cursor(batch, first);
  for (let left = batch.readInt32BE(57); left > 0; left--) {
    const length = cursor.varint();
    const next = cursor.at + length;
    cursor.at += 1;
    cursor.varint();
    const offset = first + cursor.varint();
    const keyBytes = Math.max(0, cursor.varint());
    cursor.at += keyBytes;
    const valueBytes = Math.max(0, cursor.varint());
    const value = batch.subarray(cursor.at, cursor.at + valueBytes);
    if (length < 0 || value.byteLength !== valueBytes || next > batch.byteLength) {
      throw new BatchFault(first, 'a record is longer than its batch');
    }
    records.push({ offset, value });
    cursor.at = next;
  }
  return records;
}

class Cursor {
  at = HEAD_BYTES;
  readonly #bytes: Buffer;
  readonly #offset: number;

  constructor(bytes: Buffer, offset: number) {
    this.#bytes = bytes;
    this.#offset = offset;
  }

  /** Values above 2^53 come out inexact: they are times, which nobody looks at. */
  varint(): number {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.at];
      if (byte === undefined) throw new BatchFault(this.#offset, 'it ends within a record');
      this.at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number((value >> 1n) ^ -(value & 1n));
    }
    throw new BatchFault(this.#offset, 'a number in it has no end');
  }
}

function recordBodyBytes(value: Uint8Array, index: number): number {
  const lengths = varintBytes(index) + varintBytes(-1) + varintBytes(value.byteLength);
  return 2 + lengths + value.byteLength + 1;
}

/** Of a whole number up to 2^30. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = zigzag(value); rest >= 0x80; rest >>>= 7) bytes += 1;
  return bytes;
}

function writeVarint(buffer: Buffer, at: number, value: number): number {
  let next = at;
  let rest = zigzag(value);
  for (; rest >= 0x80; rest >>>= 7) {
    buffer[next] = (rest & 0x7f) | 0x80;
    next += 1;
  }
  buffer[next] = rest;
  return next + 1;
}

function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0;
}
