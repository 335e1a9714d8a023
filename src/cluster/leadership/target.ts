// To whom the leadership can be handed over: a standby that is linked, healthy, of the same
// configuration, with a right clock and close behind. Refusals say who, why, and the way out.

import { OperationalError } from '../../base/errors.ts';
import type { Peer, PeerNetwork } from '../contract.ts';
import type { Hearing } from './hearing.ts';
import type { Own } from './own.ts';
import { isOlderRelease } from './release-order.ts';
import { CAUGHT_UP_POSITIONS, CLOCK_DIFFERENCE_MS_MAX } from './settings.ts';

/** What a target applies after the leader has stopped is part of the pause. */
const CLOSE_POSITIONS = 256;

export type TargetParts = {
  readonly own: Own;
  readonly hearing: Hearing;
  readonly peers: PeerNetwork;
  readonly release: string;
};

export function refused(detail: string, wayOut: string): OperationalError {
  return new OperationalError('SWITCHOVER_REFUSED', { detail, wayOut });
}

/** The id of the target. SWITCHOVER_REFUSED. */
export function chooseTarget(wanted: string | undefined, parts: TargetParts): string {
  const { own, hearing, peers } = parts;
  if (wanted === undefined) return bestTarget(parts);
  if (wanted === own.id) throw refused(`${wanted} leads already.`, 'Name another node.');
  const peer = peers.peer(wanted);
  if (peer === undefined || !hearing.isLive(peer)) {
    const known = peers.peers().map(({ id }) => id);
    throw refused(
      `${wanted} is not connected with the leader ${own.id}.`,
      known.length === 0 ? 'Start it first.' : `Start it, or name one of ${known.join(', ')}.`,
    );
  }
  const fault = faultOf(peer, own);
  if (fault !== undefined) throw refused(fault, 'Wait or mend it, or name another node.');
  return wanted;
}

function bestTarget({ own, hearing, release }: TargetParts): string {
  const live = hearing.live();
  const fit = live.filter((peer) => faultOf(peer, own) === undefined);
  const age = ({ state }: Peer): number => (isOlderRelease(state!.release, release) ? 1 : 0);
  // Sorting is stable and the peers come by id.
  const [best] = fit.sort(
    (one, other) => age(one) - age(other) || other.state!.position - one.state!.position,
  );
  if (best !== undefined) return best.id;
  const faults = live.map((peer) => faultOf(peer, own)).join(' ');
  throw refused(
    faults === '' ? `No standby is connected with the leader ${own.id}.` : faults,
    'Start another node, or wait until one has caught up.',
  );
}

/** Whether it is close enough behind now, and nothing has come up against it. */
export function stillFit(id: string, { own, hearing, peers }: TargetParts): boolean {
  const peer = peers.peer(id);
  const fault =
    peer === undefined || !hearing.isLive(peer)
      ? `${id} is not connected any more.`
      : faultOf(peer, own);
  if (fault !== undefined) throw refused(fault, 'Ask again, or name another node.');
  return own.position - peer!.state!.position <= CLOSE_POSITIONS;
}

function faultOf({ id, state, clockDifferenceMs }: Peer, own: Own): string | undefined {
  if (state === undefined) return `${id} has not said how it is.`;
  if (state.role !== 'following') return `${id} is ${state.role}: ${state.reason}`;
  if (state.impediment !== '') return `${id} could take no payments: ${state.impediment}.`;
  if (own.contradicts(state.position, state.configuration)) {
    return `${id} has another configuration than the leader.`;
  }
  if (Math.abs(clockDifferenceMs) > CLOCK_DIFFERENCE_MS_MAX) {
    return `The clock of ${id} differs by ${Math.round(clockDifferenceMs)} ms.`;
  }
  const lag = own.position - state.position;
  return lag > CAUGHT_UP_POSITIONS ? `${id} is ${lag} positions behind.` : undefined;
}
