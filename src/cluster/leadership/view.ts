// The cluster as this node sees it, for people: who is there, who leads, how far everybody is, and
// whether a lost leader would be replaced. Each reason is one sentence.

import type { Clock } from '../../ports/clock.ts';
import type { Coordinator } from '../../ports/coordinator.ts';
import type { ClusterMember, ClusterView, NodeAddresses, PeerNetwork } from '../contract.ts';
import type { Hearing } from './hearing.ts';
import type { Own } from './own.ts';
import type { Roster } from './roster.ts';
import {
  CAUGHT_UP_POSITIONS,
  CLOCK_DIFFERENCE_MS_MAX,
  type LeadershipOptions,
  type Pause,
} from './settings.ts';

export type ViewParts = {
  readonly own: Own;
  readonly hearing: Hearing;
  readonly roster: Roster;
  readonly peers: PeerNetwork;
  readonly coordinator: Coordinator;
  readonly clock: Clock;
  readonly options: LeadershipOptions;
  readonly pause: Pause;
  /** Of this node's own clock. */
  readonly clockFault: string | undefined;
};

export function clusterView(parts: ViewParts): ClusterView {
  const { own, hearing, coordinator, options, pause } = parts;
  const members = membersOf(parts);
  const other = hearing.leader();
  const isOther = other !== undefined && other.state!.epoch > (own.leads ?? 0);
  const leading = own.leads === undefined ? undefined : { id: own.id, epoch: own.leads };
  const leader = isOther ? { id: other.id, epoch: other.state!.epoch } : leading;
  return {
    self: own.id,
    members: members.map((member) => ({ ...member, isLeader: member.id === leader?.id })),
    leader,
    coordinator: {
      ...coordinator.health(),
      kind: options.coordinatorKind,
      sessionMs: coordinator.guarantees.sessionMs,
    },
    failover: failoverOf(parts, members, leader?.id),
    pause,
  };
}

function membersOf(parts: ViewParts): ClusterMember[] {
  const { own, peers, roster, options, pause, clock } = parts;
  const addresses = new Map<string, NodeAddresses>();
  for (const other of roster.others()) addresses.set(other.id, other.addresses);
  for (const peer of peers.peers()) addresses.set(peer.id, peer.addresses);
  addresses.delete(own.id);
  const states = peers.peers().flatMap(({ state }) => (state === undefined ? [] : [state]));
  const durable = Math.max(own.report?.durable ?? 0, ...states.map((state) => state.durable));
  const { release } = options;
  const clockNs = clock.nowNs().toString();
  const self: ClusterMember = {
    id: own.id,
    isSelf: true,
    isLeader: false,
    addresses: options.self.addresses(),
    isMember: parts.coordinator.members().some(({ id }) => id === own.id),
    isLinked: true,
    state: own.report === undefined ? undefined : { ...own.report, clockNs, pause, release },
    lag: own.report === undefined ? undefined : Math.max(0, durable - own.position),
    silentMs: 0,
    clockDifferenceMs: 0,
  };
  const others = [...addresses].map(([id, known]) => otherMember(parts, id, known, durable));
  return [self, ...others].sort((one, other) => (one.id < other.id ? -1 : 1));
}

function otherMember(
  { peers, roster, clock }: ViewParts,
  id: string,
  addresses: NodeAddresses,
  durable: number,
): ClusterMember {
  const peer = peers.peer(id);
  const heardMs = peer?.state === undefined ? 0 : peer.heardMs;
  return {
    id,
    isSelf: false,
    isLeader: false,
    addresses,
    isMember: roster.isMember(id),
    isLinked: peer?.isLinked ?? false,
    state: peer?.state,
    lag: peer?.state === undefined ? undefined : Math.max(0, durable - peer.state.position),
    silentMs: Math.max(0, clock.monotonicMs() - heardMs),
    clockDifferenceMs: peer?.clockDifferenceMs ?? 0,
  };
}

function failoverOf(
  parts: ViewParts,
  members: readonly ClusterMember[],
  leader: string | undefined,
): ClusterView['failover'] {
  const reason = whyOff(parts, members, leader);
  if (reason !== undefined) return { isOn: false, reason };
  const able = members.filter(
    (member) => member.id !== leader && weakness(parts, member) === undefined,
  );
  const names = able.map(({ id }) => id).join(', ');
  const from = leader === undefined ? 'Nobody leads at this moment; ' : '';
  return { isOn: true, reason: `${from}${names} can take over.` };
}

function whyOff(
  parts: ViewParts,
  members: readonly ClusterMember[],
  leader: string | undefined,
): string | undefined {
  const { pause, coordinator, options } = parts;
  if (pause.isPaused) return pausedReason(pause, leader);
  const { connected, reason } = coordinator.health();
  if (!connected) {
    const what = `The coordinator (${options.coordinatorKind}) cannot be asked: ${reason}`;
    return leader === undefined
      ? `${what} Nobody leads, and nobody can be called until it is back: payments wait.`
      : `${what} Payments go on at ${leader}; if it is lost, nobody takes over until then.`;
  }
  const others = members.filter(({ id }) => id !== leader);
  if (others.length === 0) return 'This node is the only member: nobody could take over.';
  const weaknesses = others.map((member) => weakness(parts, member));
  if (weaknesses.includes(undefined)) return undefined;
  return `Nobody could take over: ${weaknesses.join('; ')}.`;
}

function pausedReason(pause: Pause, leader: string | undefined): string {
  const since = new Date(pause.sinceMs).toISOString();
  const why = pause.why === '' ? '' : ` (${pause.why})`;
  const way = 'until somebody says: holdfast cluster resume';
  return leader === undefined
    ? `NOBODY LEADS and failover is paused since ${since}${why}: payments wait ${way}.`
    : `Failover is paused since ${since}${why}: a lost leader is not replaced ${way}.`;
}

/** What a standby says that has lost the engine of the journal; another one may not have. */
const AWAY: ReadonlySet<string> = new Set(['JOURNAL_UNAVAILABLE', 'JOURNAL_UNSAFE']);

/** Why this member could not take over now; undefined = it could. */
function weakness(parts: ViewParts, member: ClusterMember): string | undefined {
  const { hearing, peers, own } = parts;
  const { id, state, lag, clockDifferenceMs } = member;
  if (member.isSelf && parts.clockFault !== undefined) return `${id}'s own clock is off`;
  const peer = peers.peer(id);
  if (!member.isSelf && (peer === undefined || !hearing.isLive(peer))) {
    return `${id} is not connected with ${own.id}`;
  }
  if (state === undefined || state.role !== 'following') {
    return `${id} is ${state?.role ?? 'starting'}`;
  }
  if (AWAY.has(state.impediment)) return `${id} does not reach the journal`;
  if (!member.isMember) return `${id} is no member by the coordinator's word`;
  if (Math.abs(clockDifferenceMs) > CLOCK_DIFFERENCE_MS_MAX) {
    return `the clock of ${id} differs by ${Math.round(clockDifferenceMs)} ms`;
  }
  return (lag ?? 0) > CAUGHT_UP_POSITIONS ? `${id} is ${lag} positions behind` : undefined;
}
