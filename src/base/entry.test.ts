import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import {
  DIGEST_BYTES,
  type Entry,
  type EntryHeader,
  EntryKind,
  readEntry,
  readEntryHeader,
  sealEntry,
  toHex,
} from './entry.ts';
import { ENTRY_HEADER_BYTES } from './limits.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');

function sample(): Entry {
  const body = Uint8Array.from({ length: 16 }, (_, index) => index + 1);
  const bytes = new Uint8Array(ENTRY_HEADER_BYTES + body.byteLength);
  bytes.set(body, ENTRY_HEADER_BYTES);
  const header: EntryHeader = {
    kind: EntryKind.commands,
    commandCount: 3,
    clusterId: new Uint8Array(16).fill(0xc1),
    timeline: 1,
    position: 5,
    epoch: 2,
    durable: 4,
    timeNs: 1_700_000_000_000_000_001n,
    rulesVersion: 1,
    eventCount: 7,
    bodyBytes: body.byteLength,
    outcomePosition: 4,
    outcomeDigest: new Uint8Array(DIGEST_BYTES).fill(0x0d),
    previousDigest: new Uint8Array(DIGEST_BYTES).fill(0x9d),
  };
  return sealEntry(header, bytes, sha256);
}

// Stored for ever: if this test has to change, the format has changed, and old journals are lost.
const SAMPLE_HEADER_HEX =
  '484f4c4446415354' +
  '01000100' +
  '03000000' +
  'c1'.repeat(16) +
  '0100000000000000' +
  '0500000000000000' +
  '0200000000000000' +
  '0400000000000000' +
  '01002a36fe9c9717' +
  '01000000' +
  '07000000' +
  '10000000' +
  '00000000' +
  '0400000000000000' +
  '0d'.repeat(32) +
  '9d'.repeat(32) +
  '00'.repeat(32);

test('the header has the bytes that it has always had', () => {
  const entry = sample();
  assert.equal(toHex(entry.bytes.subarray(64, ENTRY_HEADER_BYTES)), SAMPLE_HEADER_HEX);
  assert.equal(toHex(entry.bytes.subarray(0, 32)), toHex(sha256(entry.bytes.subarray(32))));
  assert.equal(toHex(entry.bytes.subarray(32, 64)), toHex(sha256(entry.bytes.subarray(64, 256))));
});

test('a sealed entry reads back, also with more bytes behind it', () => {
  const entry = sample();
  const longer = new Uint8Array(entry.bytes.byteLength + 24).fill(0xff);
  longer.set(entry.bytes);
  const reading = readEntry(longer, sha256);
  assert.equal(reading.kind, 'entry');
  if (reading.kind !== 'entry') return;
  assert.deepEqual({ ...reading.entry }, { ...entry });
});

test('every flipped bit is noticed, and lengths are believed only under the header digest', () => {
  const entry = sample();
  for (let index = 0; index < entry.bytes.byteLength; index++) {
    for (const mask of [0x01, 0x80]) {
      const bytes = entry.bytes.slice();
      bytes[index] = bytes[index]! ^ mask;
      assert.equal(readEntry(bytes, sha256).kind, 'fault', `byte ${index}`);
      const header = readEntryHeader(bytes, sha256);
      const inHeader = index >= DIGEST_BYTES && index < ENTRY_HEADER_BYTES;
      assert.equal(header.kind, inHeader ? 'fault' : 'header', `byte ${index}`);
    }
  }
});

test('too few bytes are short, not corrupt', () => {
  const { bytes } = sample();
  assert.deepEqual(readEntry(bytes.slice(0, 100), sha256), { kind: 'fault', fault: 'short' });
  assert.deepEqual(readEntry(bytes.slice(0, -1), sha256), { kind: 'fault', fault: 'short' });
});
