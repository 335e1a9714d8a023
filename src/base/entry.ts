// The journal entry's header: 256 bytes in front of the body. Stored for ever, so its layout is
// fixed (docs/adr/0002). All numbers little-endian.
//
//   offset bytes field
//        0    32 digest           SHA-256 of everything after it: bytes 32 .. end of body
//       32    32 header digest    SHA-256 of bytes 64 .. 255: lengths can be trusted on their own
//       64     8 magic            "HOLDFAST"
//       72     2 version          1
//       74     2 kind             EntryKind
//       76     4 command count    frames in the body
//       80    16 cluster id
//       96     8 timeline         from 1
//      104     8 position         from 1, gap-free
//      112     8 epoch            from 1, rises only by an opening
//      120     8 durable          highest position acknowledged when this entry was sealed
//      128     8 time             nanoseconds since 1970: of the entry's first event
//      136     4 rules version
//      140     4 event count      timestamps used: event i has time + i
//      144     4 body bytes       a multiple of 8
//      148     4 zero
//      152     8 outcome position the earlier position that the outcome digest is of (0 = none)
//      160    32 outcome digest   chained digest of all outcomes up to that position
//      192    32 previous digest  the digest of the entry before: the chain
//      224    32 zero
//
// The digests are computed by the caller (`base` has no crypto): `sealEntry` takes the hash.

import { assert } from './assert.ts';
import { ENTRY_BYTES_MAX, ENTRY_HEADER_BYTES } from './limits.ts';

export const DIGEST_BYTES = 32;

export const EntryKind = {
  /** Commands for the domain. */
  commands: 1,
  /** A leader opens its epoch; body: canonical JSON {nonce, ...}. */
  opening: 2,
  /** Last entry of a log; names its successor. */
  roll: 3,
} as const;
export type EntryKindName = keyof typeof EntryKind;

export type EntryHeader = {
  readonly kind: number;
  readonly commandCount: number;
  /** 16 bytes. */
  readonly clusterId: Uint8Array;
  readonly timeline: number;
  readonly position: number;
  readonly epoch: number;
  readonly durable: number;
  readonly timeNs: bigint;
  readonly rulesVersion: number;
  readonly eventCount: number;
  readonly bodyBytes: number;
  readonly outcomePosition: number;
  /** 32 bytes. */
  readonly outcomeDigest: Uint8Array;
  /** 32 bytes. */
  readonly previousDigest: Uint8Array;
};

/** A sealed entry: its header and the bytes of header and body together, digests in place. */
export type Entry = EntryHeader & {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** 32 bytes; of an entry that was sealed here they outlive `bytes`. */
  readonly digest: Uint8Array;
};

/** SHA-256. Given from outside so that this file stays pure. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array;

const MAGIC = 0x5453_4146_444c_4f48n; // "HOLDFAST" read as a little-endian number
const VERSION = 1;

const Offset = {
  digest: 0,
  headerDigest: 32,
  magic: 64,
  version: 72,
  kind: 74,
  commandCount: 76,
  clusterId: 80,
  timeline: 96,
  position: 104,
  epoch: 112,
  durable: 120,
  timeNs: 128,
  rulesVersion: 136,
  eventCount: 140,
  bodyBytes: 144,
  outcomePosition: 152,
  outcomeDigest: 160,
  previousDigest: 192,
} as const;

/**
 * Fills the header in front of the body that already stands in `bytes` at ENTRY_HEADER_BYTES, and
 * seals it. `bytes` is exactly header and body; the entry keeps it, nobody may write to it again.
 */
export function sealEntry(
  header: EntryHeader,
  bytes: Uint8Array<ArrayBuffer>,
  sha256: Sha256,
): Entry {
  assert(bytes.byteLength === ENTRY_HEADER_BYTES + header.bodyBytes, 'the body fills the entry');
  assert(header.bodyBytes % 8 === 0, 'bodies are multiples of 8 bytes');
  assert(bytes.byteLength <= ENTRY_BYTES_MAX, 'an entry is at most 1 MiB');
  assert(header.clusterId.byteLength === 16, 'a cluster id is 16 bytes');
  assert(header.position >= 1 && header.epoch >= 1, 'positions and epochs count from 1');
  assert(header.durable < header.position, 'what is being sealed is not durable yet');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  bytes.fill(0, 0, ENTRY_HEADER_BYTES);
  view.setBigUint64(Offset.magic, MAGIC, true);
  view.setUint16(Offset.version, VERSION, true);
  view.setUint16(Offset.kind, header.kind, true);
  view.setUint32(Offset.commandCount, header.commandCount, true);
  bytes.set(header.clusterId, Offset.clusterId);
  view.setBigUint64(Offset.timeline, BigInt(header.timeline), true);
  view.setBigUint64(Offset.position, BigInt(header.position), true);
  view.setBigUint64(Offset.epoch, BigInt(header.epoch), true);
  view.setBigUint64(Offset.durable, BigInt(header.durable), true);
  view.setBigUint64(Offset.timeNs, header.timeNs, true);
  view.setUint32(Offset.rulesVersion, header.rulesVersion, true);
  view.setUint32(Offset.eventCount, header.eventCount, true);
  view.setUint32(Offset.bodyBytes, header.bodyBytes, true);
  view.setBigUint64(Offset.outcomePosition, BigInt(header.outcomePosition), true);
  bytes.set(header.outcomeDigest, Offset.outcomeDigest);
  bytes.set(header.previousDigest, Offset.previousDigest);
  bytes.set(sha256(bytes.subarray(Offset.magic, ENTRY_HEADER_BYTES)), Offset.headerDigest);
  bytes.set(sha256(bytes.subarray(DIGEST_BYTES)), Offset.digest);
  return { ...header, bytes, digest: bytes.slice(0, DIGEST_BYTES) };
}

/** Why bytes are not an entry. `short` = more bytes are needed than were given. */
export type EntryFault = 'short' | 'magic' | 'version' | 'header_digest' | 'length' | 'digest';

export type HeaderReading =
  | { readonly kind: 'header'; readonly header: EntryHeader; readonly totalBytes: number }
  | { readonly kind: 'fault'; readonly fault: EntryFault };

export type EntryReading =
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'fault'; readonly fault: EntryFault };

/** Reads a header and checks it by its own digest; the body is not looked at. */
export function readEntryHeader(bytes: Uint8Array, sha256: Sha256): HeaderReading {
  if (bytes.byteLength < ENTRY_HEADER_BYTES) return { kind: 'fault', fault: 'short' };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getBigUint64(Offset.magic, true) !== MAGIC) return { kind: 'fault', fault: 'magic' };
  const digest = sha256(bytes.subarray(Offset.magic, ENTRY_HEADER_BYTES));
  if (!equalBytes(digest, bytes.subarray(Offset.headerDigest, Offset.magic))) {
    return { kind: 'fault', fault: 'header_digest' };
  }
  if (view.getUint16(Offset.version, true) !== VERSION) return { kind: 'fault', fault: 'version' };
  const bodyBytes = view.getUint32(Offset.bodyBytes, true);
  if (bodyBytes % 8 !== 0 || ENTRY_HEADER_BYTES + bodyBytes > ENTRY_BYTES_MAX) {
    return { kind: 'fault', fault: 'length' };
  }
  const header: EntryHeader = {
    kind: view.getUint16(Offset.kind, true),
    commandCount: view.getUint32(Offset.commandCount, true),
    clusterId: bytes.slice(Offset.clusterId, Offset.clusterId + 16),
    timeline: Number(view.getBigUint64(Offset.timeline, true)),
    position: Number(view.getBigUint64(Offset.position, true)),
    epoch: Number(view.getBigUint64(Offset.epoch, true)),
    durable: Number(view.getBigUint64(Offset.durable, true)),
    timeNs: view.getBigUint64(Offset.timeNs, true),
    rulesVersion: view.getUint32(Offset.rulesVersion, true),
    eventCount: view.getUint32(Offset.eventCount, true),
    bodyBytes,
    outcomePosition: Number(view.getBigUint64(Offset.outcomePosition, true)),
    outcomeDigest: bytes.slice(Offset.outcomeDigest, Offset.outcomeDigest + DIGEST_BYTES),
    previousDigest: bytes.slice(Offset.previousDigest, Offset.previousDigest + DIGEST_BYTES),
  };
  return { kind: 'header', header, totalBytes: ENTRY_HEADER_BYTES + bodyBytes };
}

/**
 * Reads a whole entry from the front of `bytes` and checks both digests. The entry keeps a view of
 * `bytes` (whose start must be 8-byte aligned for the domain to read transfers in place).
 */
export function readEntry(bytes: Uint8Array<ArrayBuffer>, sha256: Sha256): EntryReading {
  const reading = readEntryHeader(bytes, sha256);
  if (reading.kind === 'fault') return reading;
  if (bytes.byteLength < reading.totalBytes) return { kind: 'fault', fault: 'short' };
  const entryBytes = bytes.subarray(0, reading.totalBytes);
  const digest = entryBytes.subarray(0, DIGEST_BYTES);
  if (!equalBytes(sha256(entryBytes.subarray(DIGEST_BYTES)), digest)) {
    return { kind: 'fault', fault: 'digest' };
  }
  return { kind: 'entry', entry: { ...reading.header, bytes: entryBytes, digest } };
}

/** The entry's body: a view, not a copy. */
export function entryBody(entry: Entry): Uint8Array<ArrayBuffer> {
  return entry.bytes.subarray(ENTRY_HEADER_BYTES);
}

export function entryKindName(kind: number): EntryKindName | undefined {
  for (const [name, value] of Object.entries(EntryKind)) {
    if (value === kind) return name as EntryKindName;
  }
  return undefined;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  for (let index = 0; index < a.byteLength; index++) {
    if (a[index] !== b[index]) return false;
  }
  return true;
}

export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}
