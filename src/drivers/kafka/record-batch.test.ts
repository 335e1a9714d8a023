// Record batches: what was encoded is decoded, and nothing that was changed is.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BatchFault, decodeBatches, encodeBatch } from './record-batch.ts';

const IDENTITY = { producerId: 7n, producerEpoch: 32_767, sequence: 2 ** 31 - 1 };

test('values, identity and offsets come back as they were', () => {
  const values = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 100 });
  fc.assert(
    fc.property(values, fc.nat(), (list, first) => {
      const batch = encodeBatch(list, IDENTITY);
      batch.writeBigInt64BE(BigInt(first), 0);
      const [decoded, ...more] = decodeBatches(batch);
      assert.equal(more.length, 0);
      assert.deepEqual(decoded?.identity, IDENTITY);
      assert.equal(decoded?.lastOffset, first + list.length - 1);
      for (const [index, value] of list.entries()) {
        assert.equal(decoded?.records[index]?.offset, first + index);
        assert.deepEqual(new Uint8Array(decoded.records[index].value), value);
      }
    }),
  );
});

test('a batch that was cut by the broker is left out, those before it are not', () => {
  const one = encodeBatch([new Uint8Array(100)], IDENTITY);
  const two = encodeBatch([new Uint8Array(200)], IDENTITY);
  for (const cut of [1, 60, 61, 100]) {
    const bytes = Buffer.concat([one, two.subarray(0, two.byteLength - cut)]);
    assert.equal(decodeBatches(bytes).length, 1, `without ${cut} bytes`);
  }
});

test('no changed byte behind the head goes unnoticed', () => {
  const batch = encodeBatch([new Uint8Array(40).fill(3), new Uint8Array(8)], IDENTITY);
  for (let at = 16; at < batch.byteLength; at++) {
    const changed = Buffer.from(batch);
    changed[at] = changed[at]! ^ 0x10;
    assert.throws(() => decodeBatches(changed), BatchFault, `byte ${at}`);
  }
});
