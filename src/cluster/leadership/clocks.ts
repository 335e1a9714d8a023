// Whether this node's clock agrees with most others': who is off by more than a second may not
// number entries (DESIGN 6), so it must not be asked to lead.

import type { Peer } from '../contract.ts';
import { CLOCK_DIFFERENCE_MS_MAX } from './settings.ts';

/** One sentence; undefined = the clock is all right, or nobody knows better. */
export function clockFault(peers: readonly Peer[]): string | undefined {
  const compared = peers.filter(({ state }) => state !== undefined);
  const apart = compared.filter(
    ({ clockDifferenceMs }) => Math.abs(clockDifferenceMs) > CLOCK_DIFFERENCE_MS_MAX,
  );
  // Of two nodes that disagree nobody knows who is right.
  if (apart.length * 2 <= compared.length + 1) return undefined;
  const most = apart.map(({ id, clockDifferenceMs }) => `${id} ${Math.round(clockDifferenceMs)}`);
  return (
    `This node's clock differs from most others' by more than ${CLOCK_DIFFERENCE_MS_MAX} ms ` +
    `(${most.join(', ')}): it would number no payments, so it does not lead.`
  );
}
