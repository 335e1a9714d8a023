// Latencies that were measured, every one of them, and their exact percentiles.

const ROOM_AT_FIRST = 4096;

export class Samples {
  #values = new Float64Array(ROOM_AT_FIRST);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(value: number): void {
    if (this.#count === this.#values.length) {
      const larger = new Float64Array(2 * this.#count);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#count++] = value;
  }

  /** Sorts once; the answer gives a value that `share` of all do not exceed, null for none. */
  quantiles(): (share: number) => number | null {
    const sorted = this.#values.slice(0, this.#count).sort();
    return (share) => {
      const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
      return value === undefined ? null : rounded(value, 3);
    };
  }
}

export function rounded(value: number, decimals: number): number {
  return Number(value.toFixed(decimals));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? Number.NaN;
}
