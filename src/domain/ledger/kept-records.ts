// Records of one chunk as they were when a capture began: kept on their first change, so that the
// chunk can be copied later and still show that moment. Memory follows what is touched, not the
// size of the chunk, and is taken when the first record is kept.

/** Records are kept in pieces, so that few of them cost little memory. */
const PIECE_BITS = 7;
const PIECE_RECORDS = 1 << PIECE_BITS;
const PIECE_MASK = PIECE_RECORDS - 1;

const NO_BYTES = new Uint8Array(0);

export class KeptRecords {
  readonly #recordWords: number;
  readonly #chunkRecords: number;
  /** 1 for each record of the chunk that is kept. */
  #marks = NO_BYTES;
  /** Places in the chunk, in the order of keeping. */
  #places = new Uint16Array(0);
  #statuses = NO_BYTES;
  readonly #pieces: Uint32Array[] = [];
  #count = 0;

  /** `chunkRecords` is at most 65,536: places are 16-bit numbers. */
  constructor(recordWords: number, chunkRecords: number) {
    this.#recordWords = recordWords;
    this.#chunkRecords = chunkRecords;
  }

  get count(): number {
    return this.#count;
  }

  /** Keeps the record at `place` of the chunk, unless it is kept already. */
  keep(place: number, words: Uint32Array, statuses: Uint8Array | undefined): void {
    if (this.#marks[place] === 1) return;
    const kept = this.#count;
    if (kept === 0) this.#makeRoom();
    this.#marks[place] = 1;
    if ((kept & PIECE_MASK) === 0) {
      this.#pieces.push(new Uint32Array(this.#recordWords * PIECE_RECORDS));
    }
    const piece = this.#pieces[kept >>> PIECE_BITS]!;
    const target = (kept & PIECE_MASK) * this.#recordWords;
    const source = place * this.#recordWords;
    for (let word = 0; word < this.#recordWords; word++) {
      piece[target + word] = words[source + word]!;
    }
    this.#places[kept] = place;
    if (statuses !== undefined) this.#statuses[kept] = statuses[place]!;
    this.#count = kept + 1;
  }

  /** Puts what was kept over a copy of the chunk, as far as its first `records` records go. */
  overlay(words: Uint32Array, statuses: Uint8Array | undefined, records: number): void {
    for (let kept = 0; kept < this.#count; kept++) {
      const place = this.#places[kept]!;
      if (place >= records) continue;
      const piece = this.#pieces[kept >>> PIECE_BITS]!;
      const source = (kept & PIECE_MASK) * this.#recordWords;
      const target = place * this.#recordWords;
      for (let word = 0; word < this.#recordWords; word++) {
        words[target + word] = piece[source + word]!;
      }
      if (statuses !== undefined) statuses[place] = this.#statuses[kept]!;
    }
  }

  #makeRoom(): void {
    this.#marks = new Uint8Array(this.#chunkRecords);
    this.#places = new Uint16Array(this.#chunkRecords);
    this.#statuses = new Uint8Array(this.#chunkRecords);
  }
}
