import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { Prng } from './prng.ts';
import { smallCrc32 } from './crc32.ts';

test('it is the CRC-32 of zlib, for any part of any bytes', () => {
  assert.equal(smallCrc32(Buffer.from('123456789'), 0, 9), 0xcbf4_3926);
  const chance = new Prng(3);
  for (let turn = 0; turn < 500; turn++) {
    const bytes = Uint8Array.from({ length: chance.below(200) }, () => chance.below(256));
    const start = chance.below(bytes.byteLength + 1);
    const end = start + chance.below(bytes.byteLength - start + 1);
    assert.equal(smallCrc32(bytes, start, end), crc32(bytes.subarray(start, end)));
  }
});
