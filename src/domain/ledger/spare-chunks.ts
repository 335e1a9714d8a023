// Memory that is taken ahead of need. The machine gives a new array its pages only when they are
// first written to, which takes microseconds for each: many for a batch of payments, which would
// pay for it. So somebody with time to spare lets spare chunks stand ready whose pages are all
// there.

const PAGE_WORDS = 1024;
/** A page takes 1 to 15 microseconds, so that a slice stays within a millisecond or two. */
const PAGES_PER_SLICE = 128;

/** Writes to pages of `words` from word `from` on, a slice; returns where it stopped. */
export function touchSlice(words: Uint32Array | Int32Array, from: number): number {
  const end = Math.min(words.length, from + PAGES_PER_SLICE * PAGE_WORDS);
  for (let i = from; i < end; i += PAGE_WORDS) words[i] = 0;
  return end;
}

/**
 * Zeros that live long. In shared memory, though nobody else looks at them: what belongs to the
 * heap makes the collector run through all of it with every few megabytes that are added (90 times
 * for a node's first gigabyte, 10 ms each).
 */
export function newWords(count: number): Uint32Array {
  return new Uint32Array(new SharedArrayBuffer(4 * count));
}

export class SpareChunks {
  readonly #words: number;
  readonly #ready: Uint32Array[] = [];
  #next: Uint32Array | undefined;
  #touched = 0;

  /** Chunks of `words` words. */
  constructor(words: number) {
    this.#words = words;
  }

  /** A chunk of zeros. */
  take(): Uint32Array {
    return this.#ready.pop() ?? newWords(this.#words);
  }

  /** Does a slice of work until `count` chunks stand ready; returns whether more is left. */
  prepare(count: number): boolean {
    if (this.#ready.length >= count) return false;
    this.#next ??= newWords(this.#words);
    this.#touched = touchSlice(this.#next, this.#touched);
    if (this.#touched === this.#words) {
      this.#ready.push(this.#next);
      this.#next = undefined;
      this.#touched = 0;
    }
    return true;
  }
}
