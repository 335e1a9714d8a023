// The bytes of a fresh read: they never change, and what cannot be meant is refused by name.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFreshRead, encodeFreshRead } from './fresh-read.ts';
import { FrameKind } from './protocol.ts';

const READ = {
  position: 0x0001_2345_6789_abcd,
  isStrong: true,
  kind: FrameKind.lookupAccounts,
  payload: new Uint8Array(16).fill(0xa5),
} as const;

const GOLDEN = `cdab8967452301002100010000000000${'a5'.repeat(16)}`;

test('a fresh read has these bytes', () => {
  const bytes = encodeFreshRead(READ);
  assert.equal(Buffer.from(bytes).toString('hex'), GOLDEN);
  assert.deepEqual(decodeFreshRead(bytes), READ);
  const local = { ...READ, isStrong: false, position: 0, payload: new Uint8Array(0) };
  assert.deepEqual(decodeFreshRead(encodeFreshRead(local)), local);
});

test('every field that cannot be meant is named', () => {
  for (const [offset, value, field] of [
    [7, 1, 'position'],
    [10, 2, 'consistency'],
    [11, 1, 'zero'],
    [15, 1, 'zero'],
  ] as const) {
    const bytes = encodeFreshRead(READ);
    bytes[offset] = value;
    const reading = decodeFreshRead(bytes);
    assert.equal('field' in reading ? reading.field : undefined, field);
  }
});
