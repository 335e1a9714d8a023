// The last applied entry and where it stands: what reading goes on from, at every change of role.

import type { Entry } from '../base/entry.ts';
import type { EngineOffset } from '../ports/journal.ts';

export type AppliedHead = {
  /** Without the bytes, which are given back or are part of a larger piece of memory. */
  readonly entry: Omit<Entry, 'bytes'>;
  readonly offset: EngineOffset;
};

export function appliedHeadOf(
  entry: Omit<Entry, 'bytes'> & { readonly bytes?: Uint8Array },
  offset: EngineOffset,
): AppliedHead {
  const { bytes: _bytes, ...header } = entry;
  return {
    entry: {
      ...header,
      digest: entry.digest.slice(),
      clusterId: entry.clusterId.slice(),
      outcomeDigest: entry.outcomeDigest.slice(),
      previousDigest: entry.previousDigest.slice(),
    },
    offset,
  };
}
