// How long payments paused around each blow: the longest time between two acknowledgements, over
// all clients, that ends after the blow and before the next one (what the next one cuts into is its
// own).

/** `answered`, `blows`: rising, of one clock. A pause that never ended is not seen. */
export function pausesOf(answered: readonly number[], blows: readonly number[]): number[] {
  return blows.map((blow, index) => {
    const next = blows[index + 1] ?? Number.POSITIVE_INFINITY;
    let longest = 0;
    for (let i = firstAfter(answered, blow); i < answered.length; i++) {
      const before = answered[i - 1] ?? blow;
      if (answered[i]! > next) break;
      longest = Math.max(longest, answered[i]! - before);
    }
    return longest;
  });
}

/** The smallest value that at least `share` of the values do not exceed; 0 of none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

function firstAfter(values: readonly number[], limit: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! > limit) high = middle;
    else low = middle + 1;
  }
  return low;
}
