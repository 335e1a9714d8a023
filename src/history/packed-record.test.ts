import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { TRANSFER_WORDS } from '../base/transfer-record.ts';
import {
  PACKED_WORDS_MAX,
  lastLength,
  lastNumber,
  lastSide,
  packRecord,
  packedLength,
  packedLengthOf,
  unpackRecord,
} from './packed-record.ts';

const word = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff_ffff }));

test('a record is the same after it was packed, and can be read from both ends', () => {
  fc.assert(
    fc.property(
      fc.array(word, { minLength: TRANSFER_WORDS, maxLength: TRANSFER_WORDS }),
      fc.integer({ min: 0, max: 2 ** 25 - 1 }),
      fc.constantFrom(0, 1),
      (words, number, side) => {
        const record = Uint32Array.from(words);
        const packed = new Uint32Array(PACKED_WORDS_MAX + 1);
        const length = packRecord(record, 0, packed, 1, number * 2 + side);
        assert.equal(packedLengthOf(record, 0), length);
        assert.equal(packedLength(packed[1]!), length);
        const last = packed[length]!;
        assert.deepEqual(
          [lastLength(last), lastNumber(last), lastSide(last)],
          [length, number, side],
        );
        const target = new Uint32Array(TRANSFER_WORDS + 2).fill(9);
        unpackRecord(packed, 1, target, 1);
        assert.deepEqual(target.subarray(1, 1 + TRANSFER_WORDS), record);
        assert.deepEqual([target[0], target.at(-1)], [9, 9]);
      },
    ),
  );
});
