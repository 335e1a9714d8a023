import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  TRANSFER_BYTES,
  type Transfer,
  TransferFlag,
  TransferWord,
  decodeTransfers,
  encodeTransfers,
} from './transfer-record.ts';
import { readIdWords } from './ids.ts';
import { read128 } from './u128.ts';

const SAMPLE: Transfer = {
  id: 0x0102030405060708090a0b0c0d0e0f10n,
  debitAccountId: 0x11n,
  creditAccountId: 0x22n,
  amount: (1n << 64n) | 0x0102n,
  pendingId: 0x33n,
  userData128: 0x44n,
  userData64: 0x0506n,
  userData32: 0x0708,
  timeoutSeconds: 0x090a,
  ledger: 978,
  code: 0x0b0c,
  flags: TransferFlag.linked | TransferFlag.pending,
  timestampNs: 0x0d0en,
};

// Stored for ever: if this test has to change, the format has changed, and old journals are lost.
const SAMPLE_HEX =
  '0102030405060708090a0b0c0d0e0f10' +
  '00000000000000000000000000000011' +
  '00000000000000000000000000000022' +
  '02010000000000000100000000000000' +
  '00000000000000000000000000000033' +
  '00000000000000000000000000000044' +
  '0605000000000000' +
  '08070000' +
  '0a090000' +
  'd2030000' +
  '0c0b' +
  '0300' +
  '0e0d000000000000';

test('the 128-byte record has the bytes that it has always had', () => {
  assert.equal(Buffer.from(encodeTransfers([SAMPLE])).toString('hex'), SAMPLE_HEX);
  assert.deepEqual(decodeTransfers(Buffer.from(SAMPLE_HEX, 'hex')), [SAMPLE]);
});

test('word offsets name the same fields as byte offsets', () => {
  const words = new Uint32Array(encodeTransfers([SAMPLE]).buffer);
  assert.equal(readIdWords(words, TransferWord.id), SAMPLE.id);
  assert.equal(readIdWords(words, TransferWord.debitAccountId), SAMPLE.debitAccountId);
  assert.equal(readIdWords(words, TransferWord.creditAccountId), SAMPLE.creditAccountId);
  assert.equal(read128(words, TransferWord.amount), SAMPLE.amount);
  assert.equal(readIdWords(words, TransferWord.pendingId), SAMPLE.pendingId);
  assert.equal(words[TransferWord.timeoutSeconds], SAMPLE.timeoutSeconds);
  assert.equal(words[TransferWord.ledger], SAMPLE.ledger);
  assert.equal(words[TransferWord.codeAndFlags], SAMPLE.code | (SAMPLE.flags << 16));
});

test('every record reads back as it was written', () => {
  const u = (bits: bigint) => fc.bigInt({ min: 0n, max: (1n << bits) - 1n });
  const n = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 });
  const transfer = fc.record<Transfer>(
    {
      id: u(128n),
      debitAccountId: u(128n),
      creditAccountId: u(128n),
      amount: u(128n),
      pendingId: u(128n),
      userData128: u(128n),
      userData64: u(64n),
      userData32: n(32),
      timeoutSeconds: n(32),
      ledger: n(32),
      code: n(16),
      flags: n(16),
      timestampNs: u(64n),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(transfer, { maxLength: 4 }), (transfers) => {
      const bytes = encodeTransfers(transfers);
      assert.equal(bytes.byteLength, transfers.length * TRANSFER_BYTES);
      assert.deepEqual(decodeTransfers(bytes), transfers);
    }),
  );
});
