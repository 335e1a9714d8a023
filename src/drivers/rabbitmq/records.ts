// What stands in the streams: sealed entries as they are, and the driver's own records, which never
// reach a reader of the journal. A record of the driver is a prefix that no entry begins with (an
// entry begins with its SHA-256) and canonical JSON.

import { hash } from 'node:crypto';
import { type Entry, readEntry } from '../../base/entry.ts';
import { canonicalBytes } from '../../base/canonical-json.ts';
import { OperationalError } from '../../base/errors.ts';
import type { EngineOffset } from '../../ports/journal.ts';
import { diverged } from './failures.ts';

const PREFIX = 'holdfast.stream.record/1\n';
const PREFIX_BYTES = Buffer.from(PREFIX, 'latin1');

/** The last accepted entry before a place in the log; position 0 = there is none. */
export type HeadMark = {
  readonly position: number;
  readonly epoch: number;
  /** Lower-case hex. */
  readonly digest: string;
};

export const BEFORE_ALL: HeadMark = { position: 0, epoch: 0, digest: '' };

export type DriverRecord =
  /** The first record of a stream: which segment it is; the root stream's is not always first. */
  | { readonly kind: 'begin'; readonly segment: number; readonly stream: string }
  /** The end of a stream: the first of these names the successor, everything behind it is void. */
  | { readonly kind: 'roll'; readonly segment: number; readonly stream: string }
  /** What stands before it is durable, since it was acknowledged. */
  | { readonly kind: 'barrier'; readonly nonce: string }
  /** Root stream only: a segment that the rolls lead to, and the head in front of it. */
  | {
      readonly kind: 'segment';
      readonly segment: number;
      readonly stream: string;
      readonly after: HeadMark;
    }
  /** Root stream only: nothing before `oldest` is needed; the streams that may be deleted. */
  | { readonly kind: 'discarded'; readonly oldest: number; readonly streams: readonly string[] };

const OFFSET = /^r(?<segment>[1-9][0-9]{0,8})\.(?<offset>0|[1-9][0-9]{0,14})$/;

export function offsetOf(segment: number, offset: number): EngineOffset {
  return `r${segment}.${offset}`;
}

/** Throws JOURNAL_DIVERGED for what is no offset of this engine. */
export function parseOffset(text: EngineOffset): {
  readonly segment: number;
  readonly offset: number;
} {
  const { segment, offset } = OFFSET.exec(text)?.groups ?? {};
  if (segment === undefined) throw diverged(`"${text}" is no offset of a journal in RabbitMQ.`);
  return { segment: Number(segment), offset: Number(offset) };
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}

export function encodeRecord(record: DriverRecord): Buffer {
  return Buffer.concat([PREFIX_BYTES, canonicalBytes(record)]);
}

export function isDriverRecord(content: Buffer): boolean {
  return (
    content.byteLength > PREFIX_BYTES.byteLength &&
    content.compare(PREFIX_BYTES, 0, PREFIX_BYTES.byteLength, 0, PREFIX_BYTES.byteLength) === 0
  );
}

/** Throws JOURNAL_CORRUPT; `place` is for people. */
export function decodeDriverRecord(content: Buffer, place: string): DriverRecord {
  try {
    const value: unknown = JSON.parse(content.toString('utf8', PREFIX_BYTES.byteLength));
    if (isRecord(value)) return value;
  } catch {
    // Said below.
  }
  throw corrupt(place, 'a record of the driver that cannot be read');
}

/** A copy that is aligned and does not keep the network's buffers. Throws JOURNAL_CORRUPT. */
export function decodeEntry(content: Buffer, place: string): Entry {
  const bytes = new Uint8Array(content.byteLength);
  bytes.set(content);
  const reading = readEntry(bytes, sha256);
  if (reading.kind === 'fault') throw corrupt(place, `no entry (${reading.fault})`);
  if (reading.entry.bytes.byteLength !== bytes.byteLength) {
    throw corrupt(place, 'more than one entry');
  }
  return reading.entry;
}

function corrupt(place: string, what: string): OperationalError {
  return new OperationalError('JOURNAL_CORRUPT', {
    detail: `The record at ${place} is ${what}.`,
    wayOut:
      'Nobody but Holdfast may publish to its streams: find out who did, and restore to a recovery point before it.',
  });
}

function isRecord(value: unknown): value is DriverRecord {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  const fields = value as { readonly [name: string]: unknown };
  switch (fields['kind']) {
    case 'begin':
    case 'roll':
      return isNumber(fields['segment']) && typeof fields['stream'] === 'string';
    case 'barrier':
      return typeof fields['nonce'] === 'string';
    case 'segment':
      return (
        isNumber(fields['segment']) &&
        typeof fields['stream'] === 'string' &&
        isMark(fields['after'])
      );
    case 'discarded': {
      const streams = fields['streams'];
      return (
        isNumber(fields['oldest']) &&
        Array.isArray(streams) &&
        streams.every((name) => typeof name === 'string')
      );
    }
    default:
      return false;
  }
}

function isMark(value: unknown): value is HeadMark {
  if (typeof value !== 'object' || value === null) return false;
  const fields = value as { readonly [name: string]: unknown };
  return (
    isNumber(fields['position']) &&
    isNumber(fields['epoch']) &&
    typeof fields['digest'] === 'string'
  );
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
