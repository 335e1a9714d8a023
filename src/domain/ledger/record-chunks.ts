// Records of a fixed number of 32-bit words in chunks of a fixed number of records. A table grows
// by one chunk at a time and nothing is ever copied, so growth costs no pause and the addresses of
// what stands in a chunk never change.
//
// Behind `beforeWrite` stands what checkpoints need: which chunks have changed since the last one,
// and, while one is being copied, the records of chunks that wait for their turn as they were when
// it began. A chunk is watched in one of three ways:
//
//   none    changed since it was last copied: writing needs nothing
//   clean   unchanged since then: its first write makes it `none`
//   held    to be copied as it was: the first write of each record keeps the record
//
// New chunks begin as `clean`, and a write to a clean chunk keeps a record that nobody will ask
// for: the machine's compiler has then seen the whole way of a held chunk long before the first
// capture. Otherwise the first one would throw the compiled hot path away, and the next batches
// would take three times as long.

import { assert } from '../../base/assert.ts';
import { KeptRecords } from './kept-records.ts';
import { SpareChunks } from './spare-chunks.ts';

export const CHUNK_BITS = 14;
/** 16 Ki records: 2 MiB of transfers or accounts, which the machine zeroes lazily. */
export const CHUNK_RECORDS = 1 << CHUNK_BITS;
export const CHUNK_MASK = CHUNK_RECORDS - 1;

const Watch = { none: 0, clean: 1, held: 2 } as const;

/** A chunk of a table that is being copied. */
export type ChunkToCopy = {
  readonly chunk: number;
  /** Records of it that are in use: all but in the last chunk. */
  readonly records: number;
  /** Of the copy: words, then a status byte for each record where the table has them. */
  readonly bytes: number;
  /** False: it is byte for byte what was copied the last time. */
  readonly isChanged: boolean;
  /** Whether it is to be copied: what has changed, and what is wanted. */
  readonly isCopied: boolean;
};

export class RecordChunks {
  readonly chunks: Uint32Array[] = [];
  readonly recordWords: number;
  /** What the next chunks are taken from. */
  readonly spares: SpareChunks;
  /** A byte for each record, in chunks like theirs; whoever owns the table makes them. */
  readonly #statuses: Uint8Array<ArrayBuffer>[] | undefined;
  readonly #watches: number[] = [];
  /** Records in use when the chunk was last copied. */
  readonly #recordsCopied: number[] = [];
  /** Of a held chunk its own; of the others the one that nobody asks. */
  readonly #keepers: KeptRecords[] = [];
  #idleKeeper: KeptRecords;
  /** What has been copied or is held since `beginCopy`; undefined when nobody copies. */
  #copying: Set<number> | undefined;

  constructor(recordWords: number, statuses?: Uint8Array<ArrayBuffer>[]) {
    this.recordWords = recordWords;
    this.spares = new SpareChunks(recordWords * CHUNK_RECORDS);
    this.#statuses = statuses;
    this.#idleKeeper = new KeptRecords(recordWords, CHUNK_RECORDS);
  }

  /** Makes sure that the record exists; records come into being in rising order. */
  reserve(record: number): void {
    if (record >>> CHUNK_BITS === this.chunks.length) this.#addChunk(0);
  }

  /** Comes before every change of a record and of its status byte. */
  beforeWrite(record: number): void {
    if (this.#watches[record >>> CHUNK_BITS] !== Watch.none) this.#attend(record);
  }

  /** The words among which the record stands. */
  wordsOf(record: number): Uint32Array {
    return this.chunks[record >>> CHUNK_BITS]!;
  }

  /** The record's first word in `wordsOf(record)`. */
  offsetOf(record: number): number {
    return (record & CHUNK_MASK) * this.recordWords;
  }

  /** Bytes of the copy of `records` records. */
  copyBytes(records: number): number {
    return records * (4 * this.recordWords + (this.#statuses === undefined ? 0 : 1));
  }

  /**
   * From here on the first `recordCount` records can be copied as they stand now: chunks that have
   * changed, and those that are `wanted` all the same.
   */
  beginCopy(recordCount: number, wanted: (chunk: number) => boolean = () => false): ChunkToCopy[] {
    assert(this.#copying === undefined, 'a table is copied once at a time');
    const count = Math.ceil(recordCount / CHUNK_RECORDS);
    assert(count === this.chunks.length, 'every chunk of a table has records in use');
    this.#copying = new Set();
    this.#idleKeeper = new KeptRecords(this.recordWords, CHUNK_RECORDS);
    const plan: ChunkToCopy[] = [];
    for (let chunk = 0; chunk < count; chunk++) {
      const records = Math.min(CHUNK_RECORDS, recordCount - chunk * CHUNK_RECORDS);
      const isChanged =
        this.#watches[chunk] !== Watch.clean || this.#recordsCopied[chunk] !== records;
      const isCopied = isChanged || wanted(chunk);
      if (isCopied) {
        this.#watches[chunk] = Watch.held;
        this.#keepers[chunk] = new KeptRecords(this.recordWords, CHUNK_RECORDS);
        this.#copying.add(chunk);
      }
      plan.push({ chunk, records, bytes: this.copyBytes(records), isChanged, isCopied });
    }
    return plan;
  }

  /** Copies a chunk as it was at `beginCopy`; `target` has its size, 4-byte aligned. */
  copy({ chunk, records, bytes }: ChunkToCopy, target: Uint8Array): void {
    assert(this.#watches[chunk] === Watch.held, 'a chunk is copied once');
    assert(target.byteLength === bytes, 'the copy of a chunk has its size');
    const words = new Uint32Array(target.buffer, target.byteOffset, records * this.recordWords);
    words.set(this.chunks[chunk]!.subarray(0, words.length));
    let statuses: Uint8Array | undefined;
    if (this.#statuses !== undefined) {
      statuses = target.subarray(words.byteLength);
      statuses.set(this.#statuses[chunk]!.subarray(0, records));
    }
    const kept = this.#keepers[chunk]!;
    kept.overlay(words, statuses, records);
    this.#keepers[chunk] = this.#idleKeeper;
    this.#recordsCopied[chunk] = records;
    // What had to be kept has changed since: the copy is what it was, not what it is.
    this.#watches[chunk] = kept.count === 0 ? Watch.clean : Watch.none;
  }

  /** `isKept`: all copies are safe; otherwise what was to be copied counts as changed. */
  endCopy(isKept: boolean): void {
    const copying = this.#copying;
    assert(copying !== undefined, 'what ends has begun');
    this.#copying = undefined;
    for (const chunk of copying) {
      if (isKept) {
        assert(this.#watches[chunk] !== Watch.held, 'what is complete has been copied');
        continue;
      }
      this.#keepers[chunk] = this.#idleKeeper;
      this.#watches[chunk] = Watch.none;
    }
  }

  /** Takes over the next chunk from a copy; it counts as unchanged. */
  addCopied(records: number, source: Uint8Array): void {
    assert(source.byteLength === this.copyBytes(records), 'the copy of a chunk has its size');
    const wordBytes = records * this.recordWords * 4;
    this.#addChunk(records);
    const chunk = this.chunks.length - 1;
    new Uint8Array(this.chunks[chunk]!.buffer).set(source.subarray(0, wordBytes));
    if (this.#statuses === undefined) return;
    const statuses = new Uint8Array(CHUNK_RECORDS);
    statuses.set(source.subarray(wordBytes));
    this.#statuses.push(statuses);
  }

  #addChunk(recordsCopied: number): void {
    this.chunks.push(this.spares.take());
    this.#watches.push(Watch.clean);
    this.#recordsCopied.push(recordsCopied);
    this.#keepers.push(this.#idleKeeper);
  }

  #attend(record: number): void {
    const chunk = record >>> CHUNK_BITS;
    this.#keepers[chunk]!.keep(record & CHUNK_MASK, this.chunks[chunk]!, this.#statuses?.[chunk]);
    if (this.#watches[chunk] === Watch.clean) this.#watches[chunk] = Watch.none;
  }
}
