// Records of a fixed number of 32-bit words in chunks of a fixed number of records. A table grows
// by one chunk at a time and nothing is ever copied, so growth costs no pause and the addresses of
// what stands in a chunk never change.

export const CHUNK_BITS = 14;
/** 16 Ki records: 2 MiB of transfers or accounts, which the machine zeroes lazily. */
export const CHUNK_RECORDS = 1 << CHUNK_BITS;
export const CHUNK_MASK = CHUNK_RECORDS - 1;

export class RecordChunks {
  readonly chunks: Uint32Array<ArrayBuffer>[] = [];
  readonly recordWords: number;
  /** 1 for each chunk that was written to since whoever copies the table last put it to 0. */
  readonly written: number[] = [];

  constructor(recordWords: number) {
    this.recordWords = recordWords;
  }

  /** Makes sure that the record exists; records come into being in rising order. */
  reserve(record: number): void {
    if (record >>> CHUNK_BITS === this.chunks.length) {
      this.chunks.push(new Uint32Array(this.recordWords * CHUNK_RECORDS));
      this.written.push(1);
    }
  }

  /** Comes before every change of a record: who copies the table must know what has changed. */
  beforeWrite(record: number): void {
    this.written[record >>> CHUNK_BITS] = 1;
  }

  /** The words among which the record stands. */
  wordsOf(record: number): Uint32Array<ArrayBuffer> {
    return this.chunks[record >>> CHUNK_BITS]!;
  }

  /** The record's first word in `wordsOf(record)`. */
  offsetOf(record: number): number {
    return (record & CHUNK_MASK) * this.recordWords;
  }
}
