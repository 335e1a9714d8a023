// The runs that are there, by number: what the catalog says of each, readers of those that were
// used last, and which ones turned out damaged or missing.

import type { Incomplete } from './incomplete.ts';
import { incomplete } from './incomplete.ts';
import type { PageCache } from './page-cache.ts';
import { RunReader } from './run-reader.ts';
import type { RunEntry } from './run-format.ts';

const OPEN_MAX = 256;

type Known = {
  readonly entry: RunEntry;
  readonly firstNs: bigint;
  readonly lastNs: bigint;
};

export class RunSet {
  readonly #folder: string;
  readonly #cache: PageCache;
  readonly #known = new Map<number, Known>();
  readonly #damaged = new Map<number, string>();
  readonly #open = new Map<number, RunReader>();
  #end = 0;

  constructor(folder: string, cache: PageCache) {
    this.#folder = folder;
    this.#cache = cache;
  }

  /** One more than the last run that is known. */
  get end(): number {
    return this.#end;
  }

  add(entry: RunEntry): void {
    this.#close(entry.run);
    this.#cache.forget(entry.run);
    this.#damaged.delete(entry.run);
    const { firstNs, lastNs } = entry;
    this.#known.set(entry.run, { entry, firstNs: BigInt(firstNs), lastNs: BigInt(lastNs) });
    this.#end = Math.max(this.#end, entry.run + 1);
  }

  markDamaged(run: number, why: string): void {
    this.#close(run);
    this.#damaged.set(run, why);
  }

  /** What is known of a run, whether or not its file is whole. */
  entry(run: number): RunEntry | undefined {
    return this.#known.get(run)?.entry;
  }

  isUsable(run: number): boolean {
    return this.#known.has(run) && !this.#damaged.has(run);
  }

  /** Throws Incomplete for a run that is not there, RunDamaged for one that is not whole. */
  reader(run: number): RunReader {
    const open = this.#open.get(run);
    if (open !== undefined) {
      this.#open.delete(run);
      this.#open.set(run, open);
      return open;
    }
    const reader = RunReader.open(this.#folder, this.#usable(run), this.#cache);
    this.#open.set(run, reader);
    if (this.#open.size > OPEN_MAX) {
      const [oldest] = this.#open.keys();
      if (oldest !== undefined) this.#close(oldest);
    }
    return reader;
  }

  /**
   * The number of the first transfer at or after `ns` in runs before `endRun`; undefined = all are
   * before. Where a run is not whole it is taken to begin with it: whoever asks looks at the time
   * of each transfer again.
   */
  firstAtOrAfter(ns: bigint, endRun: number, size: number): number | undefined {
    let low = 0;
    let high = Math.min(endRun, this.#end);
    while (low < high) {
      const middle = (low + high) >>> 1;
      const known = this.#known.get(middle);
      if (known === undefined) return undefined;
      if (known.lastNs < ns) low = middle + 1;
      else high = middle;
    }
    const known = this.#known.get(low);
    if (low >= endRun || known === undefined) return undefined;
    if (known.firstNs >= ns || this.#damaged.has(low)) return low * size;
    return low * size + this.reader(low).firstAtOrAfter(ns);
  }

  close(): void {
    for (const run of this.#open.keys()) this.#close(run);
  }

  #usable(run: number): RunEntry {
    const entry = this.entry(run);
    const damage = this.#damaged.get(run);
    if (entry === undefined || damage !== undefined) throw missing(run, damage);
    return entry;
  }

  #close(run: number): void {
    this.#open.get(run)?.close();
    this.#open.delete(run);
  }
}

function missing(run: number, damage: string | undefined): Incomplete {
  return incomplete(damage ?? `run ${run} is not there`);
}
