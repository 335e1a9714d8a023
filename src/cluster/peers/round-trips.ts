// How far another node's clock is from ours: of the last few round trips the shortest one says it
// best, because the least can have happened between its two halves.

const KEPT = 8;
const PENDING_MAX = 8;

type Sample = { readonly tookMs: number; readonly differenceMs: number };

export class RoundTrips {
  readonly #sentMs = new Map<number, number>();
  readonly #samples: Sample[] = [];
  #number = 0;

  /** The number of a new ping. */
  begin(monotonicMs: number): number {
    if (this.#sentMs.size >= PENDING_MAX) this.#sentMs.clear();
    this.#number++;
    this.#sentMs.set(this.#number, monotonicMs);
    return this.#number;
  }

  /** Its answer came; returns the difference, undefined when nobody asked. */
  end(
    number: number,
    theirNs: bigint,
    now: { readonly monotonicMs: number; readonly ns: bigint },
  ): number | undefined {
    const sentMs = this.#sentMs.get(number);
    if (sentMs === undefined) return undefined;
    this.#sentMs.delete(number);
    const tookMs = now.monotonicMs - sentMs;
    const differenceMs = Number(theirNs - now.ns) / 1e6 + tookMs / 2;
    this.#samples.push({ tookMs, differenceMs });
    if (this.#samples.length > KEPT) this.#samples.shift();
    const shortest = this.#samples.reduce((one, other) =>
      other.tookMs < one.tookMs ? other : one,
    );
    return shortest.differenceMs;
  }
}
