// Answers with times and counts in them differ each time: these are compared by their shape.

import assert from 'node:assert/strict';

const VOLATILE = /^(getCluster|listTerms|switchOver|pauseFailover|resumeFailover|takeCheckpoint)$/;
/** Of the others, those that a cluster gave. */
const OF_CLUSTERS = /^(three nodes|standby|following)$/;

export function isVolatile(id: string, name: string): boolean {
  return VOLATILE.test(id) || OF_CLUSTERS.test(name);
}

/** The same names and the same kinds of values; what is null in one may be there in the other. */
export function assertShape(heard: unknown, kept: unknown, place: string): void {
  if (heard === null || kept === null) return;
  assert.equal(typeof heard, typeof kept, place);
  assert.equal(Array.isArray(heard), Array.isArray(kept), place);
  if (typeof heard !== 'object') return;
  if (Array.isArray(heard)) {
    const [first, keptFirst] = [heard[0] as unknown, (kept as readonly unknown[])[0]];
    if (first !== undefined && keptFirst !== undefined) assertShape(first, keptFirst, `${place}/0`);
    return;
  }
  assert.deepEqual(Object.keys(heard), Object.keys(kept as object), place);
  for (const [name, item] of Object.entries(heard)) {
    assertShape(item, (kept as { readonly [name: string]: unknown })[name], `${place}/${name}`);
  }
}
