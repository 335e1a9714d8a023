// The cluster as JSON: what /v1/cluster and its acts answer, the same at every node. A node that
// runs alone is shown as a cluster of one, so that whoever looks need not know that beforehand.

import type {
  ClusterControl,
  ClusterMember,
  ClusterView,
  SwitchoverDone,
  Term,
} from '../cluster/contract.ts';
import type { NodeStatus } from '../engine/contract.ts';

/** A link that is up brings a heartbeat every 50 ms or so; this is no hiccup. */
const SILENT_MS = 1000;

/** One word on whether a member can be counted on, worst first. */
type MemberState = 'unreachable' | 'silent' | 'impeded' | 'running';

export function clusterJson(view: ClusterView): object {
  return {
    self: view.self,
    leader: leaderJson(view),
    failover: { on: view.failover.isOn, reason: view.failover.reason },
    pause: pauseJson(view.pause),
    coordinator: {
      kind: view.coordinator.kind,
      connected: view.coordinator.connected,
      since: time(view.coordinator.sinceMs),
      reason: view.coordinator.reason,
      session_ms: view.coordinator.sessionMs,
    },
    members: view.members.map(memberJson),
  };
}

/** The same of a node that runs alone: nobody else is there, and nobody could take over. */
export function loneJson(status: NodeStatus): object {
  const leads = status.role === 'leading';
  return {
    self: null,
    leader: leads ? { name: null, epoch: status.epoch, url: null, binary_url: null } : null,
    failover: { on: false, reason: 'This node runs alone: nobody could take over.' },
    pause: { paused: false, since: null, reason: '' },
    coordinator: null,
    members: [
      {
        name: null,
        state: status.impediment === undefined ? 'running' : 'impeded',
        role: status.role,
        reason: status.reason,
        self: true,
        leader: leads,
        member: true,
        linked: true,
        epoch: status.epoch,
        position: status.position,
        durable: status.position,
        lag: 0,
        checkpoint: null,
        impediment: status.impediment?.toLowerCase() ?? null,
        silent_ms: 0,
        clock_difference_ms: 0,
        release: null,
        url: null,
        binary_url: null,
        peer: null,
      },
    ],
  };
}

function memberJson(member: ClusterMember): object {
  const { state, addresses } = member;
  return {
    name: member.id,
    state: stateOf(member),
    role: state?.role ?? null,
    reason: state?.reason ?? null,
    self: member.isSelf,
    leader: member.isLeader,
    member: member.isMember,
    linked: member.isSelf || member.isLinked,
    epoch: state?.epoch ?? null,
    position: state?.position ?? null,
    durable: state?.durable ?? null,
    lag: member.lag ?? null,
    checkpoint: state?.checkpoint ?? null,
    impediment: state === undefined || state.impediment === '' ? null : lower(state.impediment),
    silent_ms: state === undefined ? null : Math.round(member.silentMs),
    clock_difference_ms: Math.round(member.clockDifferenceMs * 1000) / 1000,
    release: state?.release ?? null,
    url: addresses.url,
    binary_url: addresses.binaryUrl,
    peer: addresses.peer,
  };
}

function stateOf({ isSelf, isLinked, state, silentMs }: ClusterMember): MemberState {
  if (!isSelf && (!isLinked || state === undefined)) return 'unreachable';
  if (!isSelf && silentMs > SILENT_MS) return 'silent';
  return state?.impediment === undefined || state.impediment === '' ? 'running' : 'impeded';
}

/** Who leads and where, or null while nobody is known to. */
export function leaderJson({ leader, members }: ClusterView): object | null {
  if (leader === undefined) return null;
  const addresses = members.find(({ id }) => id === leader.id)?.addresses;
  return {
    name: leader.id,
    epoch: leader.epoch,
    url: addresses?.url ?? null,
    binary_url: addresses?.binaryUrl ?? null,
  };
}

export function pauseJson({ isPaused, sinceMs, why }: ClusterView['pause']): object {
  return {
    paused: isPaused,
    since: isPaused ? time(sinceMs) : null,
    reason: isPaused ? why : '',
  };
}

/** What pausing and resuming answer: both have an effect on failover, not on payments. */
export function steeredJson(cluster: ClusterControl): object {
  const { pause, failover } = cluster.view();
  return { pause: pauseJson(pause), failover: { on: failover.isOn, reason: failover.reason } };
}

export function termJson({ epoch, position, timeNs, node, reason, release }: Term): object {
  const opened = time(Number(BigInt(timeNs) / 1_000_000n));
  return { epoch, position, time: opened, node: node === '' ? null : node, reason, release };
}

export function switchoverJson({ from, to, epoch, tookMs }: SwitchoverDone): object {
  return { from, to, epoch, took_ms: Math.round(tookMs * 1000) / 1000 };
}

function time(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

function lower(code: string): string {
  return code.toLowerCase();
}
