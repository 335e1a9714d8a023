// Which of two releases is older: their numbers from left to right (0.9.1 before 0.10.0).

export function isOlderRelease(one: string, other: string): boolean {
  const [mine, theirs] = [numbersOf(one), numbersOf(other)];
  for (let index = 0; index < Math.max(mine.length, theirs.length); index++) {
    const difference = (mine[index] ?? 0) - (theirs[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function numbersOf(release: string): number[] {
  return [...release.matchAll(/\d+/g)].map(([digits]) => Number(digits));
}
