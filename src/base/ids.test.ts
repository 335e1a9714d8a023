import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ID_MAX,
  formatId,
  idWordsUnixMs,
  parseId,
  readId,
  readIdWords,
  transferIdFrom,
  transferIdUnixMs,
  writeId,
  writeIdWords,
} from './ids.ts';

const anyId = fc.bigInt({ min: 0n, max: ID_MAX });

test('an id reads back from its text, and only from its own kind', () => {
  fc.assert(
    fc.property(anyId, (id) => {
      assert.equal(parseId('transfer', formatId('transfer', id)), id);
      assert.equal(parseId('account', formatId('transfer', id)), undefined);
    }),
  );
  for (const text of ['', 'tr_', 'tr_0', `tr_${'G'.repeat(32)}`, `tr_${'A'.repeat(32)}`]) {
    assert.equal(parseId('transfer', text), undefined, text);
  }
});

test('bytes in a record are big-endian, and the word views agree with them', () => {
  fc.assert(
    fc.property(anyId, (id) => {
      const bytes = new Uint8Array(16);
      writeId(new DataView(bytes.buffer), 0, id);
      assert.equal(Buffer.from(bytes).toString('hex'), id.toString(16).padStart(32, '0'));
      assert.equal(readId(new DataView(bytes.buffer), 0), id);
      const words = new Uint32Array(bytes.buffer);
      assert.equal(readIdWords(words, 0), id);
      assert.equal(idWordsUnixMs(words, 0), transferIdUnixMs(id));
      const written = new Uint32Array(4);
      writeIdWords(written, 0, id);
      assert.deepEqual(written, words);
    }),
  );
});

test('a UUIDv7 without its dashes is a transfer id that carries its milliseconds', () => {
  const uuid = '01930a2b-4c5d-7e6f-8091-a2b3c4d5e6f7';
  const id = parseId('transfer', `tr_${uuid.replaceAll('-', '')}`);
  assert.equal(id === undefined ? undefined : transferIdUnixMs(id), 0x0193_0a2b_4c5d);
  assert.equal(transferIdUnixMs(transferIdFrom(1_700_000_000_000, ID_MAX)), 1_700_000_000_000);
});
