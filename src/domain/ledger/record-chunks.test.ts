import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CHUNK_MASK, CHUNK_RECORDS, RecordChunks } from './record-chunks.ts';

/** A table of one word and one status byte for each record. */
class Bench {
  readonly statuses: Uint8Array<ArrayBuffer>[] = [];
  readonly records = new RecordChunks(1, this.statuses);
  count = 0;

  add(value: number): void {
    if ((this.count & CHUNK_MASK) === 0) this.statuses.push(new Uint8Array(CHUNK_RECORDS));
    this.records.reserve(this.count);
    this.count++;
    this.write(this.count - 1, value);
  }

  write(record: number, value: number): void {
    this.records.beforeWrite(record);
    this.records.wordsOf(record)[this.records.offsetOf(record)] = value;
    this.statuses[Math.floor(record / CHUNK_RECORDS)]![record & CHUNK_MASK] = value & 0xff;
  }

  fill(count: number): void {
    while (this.count < count) this.add(this.count + 1);
  }

  /** Copies what has changed; returns the numbers of those chunks. */
  checkpoint(): number[] {
    const plan = this.records.beginCopy(this.count);
    const changed = plan.filter(({ isChanged }) => isChanged);
    for (const step of changed) this.records.copy(step, new Uint8Array(step.bytes));
    this.records.endCopy(true);
    return changed.map(({ chunk }) => chunk);
  }
}

function valuesOf(copy: Uint8Array, records: number): { words: number[]; statuses: number[] } {
  const words = [...new Uint32Array(copy.buffer, copy.byteOffset, records)];
  return { words, statuses: [...copy.subarray(4 * records)] };
}

void describe('record chunks that are copied', () => {
  void it('copy a chunk as it was at the beginning, whatever was written since', () => {
    const bench = new Bench();
    bench.fill(5);
    const [step] = bench.records.beginCopy(bench.count);
    assert.ok(step !== undefined);
    bench.write(1, 100);
    bench.write(1, 101);
    bench.write(4, 102);
    bench.add(103);
    const copy = new Uint8Array(step.bytes);
    bench.records.copy(step, copy);
    bench.records.endCopy(true);
    const { words, statuses } = valuesOf(copy, 5);
    assert.deepEqual(words, [1, 2, 3, 4, 5]);
    assert.deepEqual(statuses, [1, 2, 3, 4, 5]);
    assert.deepEqual(bench.checkpoint(), [0], 'what was kept has changed since');
  });

  void it('say which chunks have changed since the last copy that was kept', () => {
    const bench = new Bench();
    bench.fill(2 * CHUNK_RECORDS + 10);
    assert.deepEqual(bench.checkpoint(), [0, 1, 2]);
    assert.deepEqual(bench.checkpoint(), []);
    bench.write(CHUNK_RECORDS, 7);
    bench.add(8);
    assert.deepEqual(bench.checkpoint(), [1, 2]);
    bench.fill(3 * CHUNK_RECORDS + 1);
    assert.deepEqual(bench.checkpoint(), [2, 3]);
  });

  void it('copy everything again that an aborted copy held or had copied, and nothing else', () => {
    const bench = new Bench();
    bench.fill(3 * CHUNK_RECORDS);
    bench.checkpoint();
    bench.write(0, 7);
    bench.write(CHUNK_RECORDS, 7);
    const plan = bench.records.beginCopy(bench.count).filter(({ isChanged }) => isChanged);
    bench.records.copy(plan[0]!, new Uint8Array(plan[0]!.bytes));
    bench.write(CHUNK_RECORDS + 1, 8);
    bench.records.endCopy(false);
    assert.deepEqual(bench.checkpoint(), [0, 1]);
  });

  void it('count as changed when a chunk was written to after its copy', () => {
    const bench = new Bench();
    bench.fill(2 * CHUNK_RECORDS);
    const plan = bench.records.beginCopy(bench.count);
    bench.records.copy(plan[0]!, new Uint8Array(plan[0]!.bytes));
    bench.write(3, 9);
    bench.records.copy(plan[1]!, new Uint8Array(plan[1]!.bytes));
    bench.records.endCopy(true);
    assert.deepEqual(bench.checkpoint(), [0]);
  });

  void it('copy what is wanted although it has not changed, as it was', () => {
    const bench = new Bench();
    bench.fill(2 * CHUNK_RECORDS);
    bench.checkpoint();
    const plan = bench.records.beginCopy(bench.count, (chunk) => chunk === 1);
    assert.deepEqual(
      plan.map(({ isChanged, isCopied }) => [isChanged, isCopied]),
      [
        [false, false],
        [false, true],
      ],
    );
    bench.write(CHUNK_RECORDS, 5);
    const copy = new Uint8Array(plan[1]!.bytes);
    bench.records.copy(plan[1]!, copy);
    bench.records.endCopy(true);
    assert.equal(valuesOf(copy, CHUNK_RECORDS).words[0], CHUNK_RECORDS + 1);
    assert.deepEqual(bench.checkpoint(), [1]);
  });

  void it('take over a copy, which then counts as unchanged', () => {
    const source = new Bench();
    source.fill(CHUNK_RECORDS + 3);
    const target = new Bench();
    for (const step of source.records.beginCopy(source.count)) {
      const copy = new Uint8Array(step.bytes);
      source.records.copy(step, copy);
      target.records.addCopied(step.records, copy);
    }
    source.records.endCopy(true);
    target.count = source.count;
    assert.deepEqual(target.records.chunks, source.records.chunks);
    assert.deepEqual(target.statuses, source.statuses);
    assert.deepEqual(target.checkpoint(), []);
    target.write(CHUNK_RECORDS + 2, 1);
    assert.deepEqual(target.checkpoint(), [1]);
  });
});
