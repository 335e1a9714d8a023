// The two requests of the live path, Produce and Fetch, as bytes.

import { fetchV15, produceV11, Reader, ResponseError } from '@platformatic/kafka';
import type { RawRequest } from './link.ts';
import { type RawBatch, decodeBatches } from './record-batch.ts';

const PRODUCE_KEY = 0;
const PRODUCE_VERSION = 11;
const FETCH_KEY = 1;
const FETCH_VERSION = 15;
const ALL_IN_SYNC = -1;
const UP_TO_HIGH_WATERMARK = 0;

/** Error numbers of the protocol that this driver decides by. */
export const KafkaCode = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopic: 3,
  messageTooLarge: 10,
  recordListTooLarge: 18,
  notEnoughReplicas: 19,
  topicAuthorizationFailed: 29,
  clusterAuthorizationFailed: 31,
  invalidTimestamp: 32,
  unsupportedVersion: 35,
  topicAlreadyExists: 36,
  outOfOrderSequence: 45,
  duplicateSequence: 46,
  invalidProducerEpoch: 47,
  unknownProducerId: 59,
  invalidRecord: 87,
  producerFenced: 90,
} as const;

export type ProduceAnswer = { readonly code: number; readonly baseOffset: number };

/** `brokerMs`: for the broker to wait for its followers. */
export function produceRequest(
  topic: string,
  batch: Buffer,
  brokerMs: number,
): RawRequest<ProduceAnswer> {
  const name = Buffer.from(topic);
  const head = Buffer.alloc(16 + name.byteLength + 9);
  // It begins with a zero: no Kafka transaction.
  let at = head.writeInt16BE(ALL_IN_SYNC, 1);
  at = head.writeInt32BE(brokerMs, at);
  at = head.writeUInt8(2, at);
  at = writeUnsignedVarint(head, at, name.byteLength + 1);
  at += name.copy(head, at);
  at = head.writeUInt8(2, at);
  at = head.writeInt32BE(0, at);
  at = writeUnsignedVarint(head, at, batch.byteLength + 1);
  // No tagged fields: of the partition, of the topic, of the request.
  const payload = Buffer.concat([head.subarray(0, at), batch, Buffer.alloc(3)]);
  return { key: PRODUCE_KEY, version: PRODUCE_VERSION, payload, parse: parseProduced };
}

function parseProduced(answer: Buffer): ProduceAnswer {
  let response;
  try {
    response = produceV11.parseResponse(0, PRODUCE_KEY, PRODUCE_VERSION, Reader.from(answer));
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error;
    response = error['response'] as ReturnType<typeof produceV11.parseResponse>;
  }
  const partition = response.responses[0]?.partitionResponses[0];
  if (partition === undefined) throw new Error('The answer names no partition.');
  return { code: partition.errorCode, baseOffset: Number(partition.baseOffset) };
}

export type FetchWanted = {
  readonly topicId: string;
  readonly leaderEpoch: number;
  readonly offset: number;
  readonly waitMs: number;
  readonly bytesMax: number;
};

export type FetchAnswer = {
  readonly code: number;
  /** Of the first record that is kept; -1 where the broker does not say. */
  readonly logStart: number;
  readonly batches: readonly RawBatch[];
};

export function fetchRequest(wanted: FetchWanted): RawRequest<FetchAnswer> {
  const { topicId, leaderEpoch, offset, waitMs, bytesMax } = wanted;
  const partition = {
    partition: 0,
    currentLeaderEpoch: leaderEpoch,
    fetchOffset: BigInt(offset),
    lastFetchedEpoch: -1,
    partitionMaxBytes: bytesMax,
  };
  const payload = fetchV15.createRequest(
    waitMs,
    1,
    bytesMax,
    UP_TO_HIGH_WATERMARK,
    0,
    -1,
    [{ topicId, partitions: [partition] }],
    [],
    '',
  ).buffer;
  return { key: FETCH_KEY, version: FETCH_VERSION, payload, parse: parseFetched };
}

/** One topic, one partition. Throws BatchFault where what was fetched is damaged. */
function parseFetched(answer: Buffer): FetchAnswer {
  const reader = Reader.from(answer);
  reader.readInt32();
  const sessionCode = reader.readInt16();
  reader.readInt32();
  const topics = reader.readUnsignedVarInt() - 1;
  if (sessionCode !== KafkaCode.none || topics < 1) {
    return { code: sessionCode, logStart: -1, batches: [] };
  }
  reader.readUUID();
  reader.readUnsignedVarInt();
  reader.readInt32();
  const code = reader.readInt16();
  reader.readInt64();
  reader.readInt64();
  const logStart = Number(reader.readInt64());
  for (let aborted = reader.readUnsignedVarInt() - 1; aborted > 0; aborted--) {
    reader.skip(16);
    reader.readTaggedFields();
  }
  reader.readInt32();
  const recordBytes = Math.max(0, reader.readUnsignedVarInt() - 1);
  const records = answer.subarray(reader.position, reader.position + recordBytes);
  return { code, logStart, batches: decodeBatches(records) };
}

function writeUnsignedVarint(buffer: Buffer, at: number, value: number): number {
  let next = at;
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) next = buffer.writeUInt8((rest & 0x7f) | 0x80, next);
  return buffer.writeUInt8(rest, next);
}
