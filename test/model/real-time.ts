// Whether an order agrees with real time: who was answered before another asked stands before him.

import type { Operation, Placed } from './history.ts';

/**
 * Sentences for what does not agree. `byEntry`: positions are those of a journal, where nobody is
 * answered before all of an entry is there; so he must even stand in an earlier entry.
 */
export function compareRealTime(
  placed: readonly Placed[],
  { byEntry }: { readonly byEntry: boolean },
): string[] {
  const mismatches: string[] = [];
  const there = byEntry ? 'stands after it or in one entry with it' : 'stands after it';
  /** Of all that stand so far, the one that was asked last. */
  let latest: Operation | undefined;
  let end = 0;
  for (const [index, { operation, isHidden }] of placed.entries()) {
    if (index === end) {
      end = byEntry ? entryEnd(placed, index) : index + 1;
      for (const { operation: asked } of placed.slice(index, end)) {
        if (asked && (!latest || asked.invokedAtMs > latest.invokedAtMs)) latest = asked;
      }
    }
    // A hidden execution binds by its invocation; its answer binds where the answered one stands.
    if (operation?.answer.kind !== 'answered' || isHidden) continue;
    const { completedAtMs, label } = operation;
    if (completedAtMs === undefined || !latest || latest === operation) continue;
    if (completedAtMs >= latest.invokedAtMs) continue;
    mismatches.push(`${label} was answered before ${latest.label} was asked, but ${there}`);
  }
  return mismatches;
}

function entryEnd(placed: readonly Placed[], start: number): number {
  let end = start + 1;
  while (placed[end]?.position === placed[start]!.position) end++;
  return end;
}
