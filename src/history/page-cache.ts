// Pages that were read and found whole, the latest used ones, in bounded memory: accounts, ids and
// places are asked for again and again.

const PAGES_MAX = 2048;
/** Pages of a run: more than any has. */
const RUN_STRIDE = 2 ** 24;

export class PageCache {
  readonly #pages = new Map<number, Uint32Array>();
  readonly #pagesMax: number;

  constructor(pagesMax: number = PAGES_MAX) {
    this.#pagesMax = pagesMax;
  }

  get(run: number, page: number): Uint32Array | undefined {
    const key = run * RUN_STRIDE + page;
    const words = this.#pages.get(key);
    if (words === undefined) return undefined;
    this.#pages.delete(key);
    this.#pages.set(key, words);
    return words;
  }

  set(run: number, page: number, words: Uint32Array): void {
    this.#pages.set(run * RUN_STRIDE + page, words);
    if (this.#pages.size <= this.#pagesMax) return;
    const [oldest] = this.#pages.keys();
    if (oldest !== undefined) this.#pages.delete(oldest);
  }

  /** The run is written anew. */
  forget(run: number): void {
    for (const key of this.#pages.keys()) {
      if (Math.floor(key / RUN_STRIDE) === run) this.#pages.delete(key);
    }
  }
}
