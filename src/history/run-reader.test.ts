import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TemporaryFolder } from '../../test/support/temporary-folder.ts';
import { writeIdWords } from '../base/ids.ts';
import { Prng } from '../base/prng.ts';
import { TRANSFER_WORDS, TransferWord } from '../base/transfer-record.ts';
import { LatestRuns } from './latest-runs.ts';
import { type Chunk, NONE, chunkBytes, viewChunk } from './layout.ts';
import { PageCache } from './page-cache.ts';
import { unpackRecord } from './packed-record.ts';
import { RunReader } from './run-reader.ts';
import { RunWriter } from './run-writer.ts';

const SIZE = 24_000;
const HOT = 7;

/** Account 7 is in all but each tenth transfer; ids are not in order, and many share their time. */
function hotChunk(prng: Prng): Chunk {
  const chunk = viewChunk(new ArrayBuffer(chunkBytes(SIZE)), SIZE);
  for (let number = 0; number < SIZE; number++) {
    const o = number * TRANSFER_WORDS;
    const unixMs = 1_790_000_000_000 + prng.below(3) * (prng.chance(0.01) ? 1e6 : 1);
    const random = (BigInt(prng.uint32()) << 32n) | BigInt(number);
    writeIdWords(chunk.records, o, (BigInt(unixMs) << 80n) | random);
    const isHot = number % 10 !== 3;
    chunk.debits[number] = isHot ? HOT : 1000 + (number % 17);
    chunk.credits[number] = 2000 + (number % 1013);
    for (let word = TransferWord.debitAccountId; word < TransferWord.timestampNs; word++) {
      if (prng.chance(0.4)) chunk.records[o + word] = prng.uint32();
    }
    chunk.records[o + TransferWord.timestampNs] = 10 * number;
    chunk.records[o + TransferWord.timestampNs + 1] = 5;
  }
  return chunk;
}

async function written(run: number, chunk: Chunk, check: (reader: RunReader) => void) {
  await using folder = await TemporaryFolder.make();
  const writer = new RunWriter(folder.path, SIZE, new LatestRuns());
  const entry = writer.write({ run, chunk, expiredIds: [] });
  const reader = RunReader.open(folder.path, entry, new PageCache());
  check(reader);
  reader.close();
}

test('a hot account is read from anywhere, in both directions', async () => {
  const prng = new Prng(1);
  const chunk = hotChunk(prng);
  const hot = Array.from({ length: SIZE }, (_, number) => number).filter((n) => n % 10 !== 3);
  await written(0, chunk, (reader) => {
    const group = reader.group(HOT);
    assert.ok(group !== undefined);
    assert.ok(group.words > 60 * 4096, 'it is much larger than what is read at once');
    const record = new Uint32Array(TRANSFER_WORDS);
    for (let round = 0; round < 200; round++) {
      const bound = round === 0 ? 0 : round === 1 ? SIZE : prng.below(SIZE);
      const count = prng.pick([1, 5, 3000]);
      const visited: number[] = [];
      const visit = (words: Uint32Array, at: number, number: number): boolean => {
        unpackRecord(words, at, record, 0);
        const o = number * TRANSFER_WORDS;
        assert.deepEqual(record, chunk.records.slice(o, o + TRANSFER_WORDS));
        visited.push(number);
        return visited.length < count;
      };
      reader.forward(group, bound, visit);
      const behind = hot.findIndex((number) => number >= bound);
      assert.deepEqual(visited.splice(0), behind === -1 ? [] : hot.slice(behind, behind + count));
      reader.backward(group, bound, visit);
      const before = hot.filter((number) => number < bound);
      assert.deepEqual(visited, before.slice(-count).reverse());
    }
  });
});

test('every id is found where it is, and no other one', async () => {
  const chunk = hotChunk(new Prng(2));
  await written(3, chunk, (reader) => {
    const record = new Uint32Array(TRANSFER_WORDS);
    for (let number = 0; number < SIZE; number += 7) {
      const o = number * TRANSFER_WORDS;
      assert.equal(reader.findId(chunk.records, o), number);
      reader.record(number, record, 0);
      assert.deepEqual(record, chunk.records.slice(o, o + TRANSFER_WORDS));
      record[3] = record[3]! ^ 0x8000_0000;
      assert.equal(reader.findId(record, 0), NONE);
    }
    assert.ok(reader.meta.idRanges.length > 1);
  });
});

test('a time leads to the first transfer at or after it', async () => {
  const chunk = hotChunk(new Prng(3));
  await written(0, chunk, (reader) => {
    const at = (ns: bigint): number => reader.firstAtOrAfter((5n << 32n) + ns);
    assert.deepEqual([at(-1n), at(0n), at(1n), at(10n)], [0, 0, 1, 1]);
    assert.deepEqual([at(239_989n), at(239_990n), at(239_991n)], [23_999, 23_999, SIZE]);
  });
});
