// For tests of the doors: a cluster of three as one node sees it, without network and coordinator.
// What is asked of it is noted; what it answers, the test says.

import type {
  ClusterControl,
  ClusterMember,
  ClusterView,
  PeerState,
  SwitchoverDone,
  Term,
} from '../../cluster/contract.ts';
import type { OperationalError } from '../../base/errors.ts';
import { FAKE_TIME_MS } from './fake-node.ts';

const RELEASE = '0.1.0';

export function peerState(change: Partial<PeerState> = {}): PeerState {
  return {
    role: 'following',
    reason: 'It follows node-1.',
    epoch: 3,
    position: 100,
    durable: 100,
    neededFrom: 0,
    checkpoint: 0,
    configuration: '0'.repeat(64),
    clockNs: '1767225600000000000',
    release: RELEASE,
    pause: { isPaused: false, sinceMs: 0, why: '' },
    impediment: '',
    ...change,
  };
}

/** node-1 leads, node-2 and node-3 follow; `self` is this node. */
export class FakeCluster implements ClusterControl {
  members: ClusterMember[];
  leader: ClusterView['leader'] = { id: 'node-1', epoch: 3 };
  failover = { isOn: true, reason: 'node-2 would take over.' };
  coordinator: ClusterView['coordinator'] = {
    kind: 'local',
    sessionMs: 600,
    connected: true,
    sinceMs: FAKE_TIME_MS,
    reason: 'The folder answers.',
  };
  pauseState: PeerState['pause'] = { isPaused: false, sinceMs: 0, why: '' };
  history: Term[] = [];
  /** What a switchover rejects with while it is set. */
  refusal: OperationalError | undefined;
  /** What happens when one is asked for, whatever the answer. */
  onAsked: () => void = () => undefined;
  /** Targets that were asked for. */
  readonly asked: (string | undefined)[] = [];
  readonly #self: string;

  constructor(self = 'node-1') {
    this.#self = self;
    this.members = [1, 2, 3].map((number) => fakeMember(number, self));
  }

  /** Changes what is known of one member. */
  change(id: string, change: Partial<ClusterMember>): void {
    this.members = this.members.map((member) =>
      member.id === id ? { ...member, ...change } : member,
    );
  }

  view(): ClusterView {
    return {
      self: this.#self,
      members: this.members.map((member) => ({
        ...member,
        isLeader: member.id === this.leader?.id,
      })),
      leader: this.leader,
      coordinator: this.coordinator,
      failover: this.failover,
      pause: this.pauseState,
    };
  }

  terms(limit: number): readonly Term[] {
    return this.history.slice(0, limit);
  }

  switchover(target: string | undefined): Promise<SwitchoverDone> {
    this.asked.push(target);
    this.onAsked();
    if (this.refusal !== undefined) return Promise.reject(this.refusal);
    const to = target ?? 'node-2';
    this.leader = { id: to, epoch: 4 };
    return Promise.resolve({ from: 'node-1', to, epoch: 4, tookMs: 12.25 });
  }

  pause(why: string): void {
    this.pauseState = { isPaused: true, sinceMs: FAKE_TIME_MS, why };
    this.failover = { isOn: false, reason: `Failover is paused: ${why}` };
  }

  resume(): void {
    this.pauseState = { isPaused: false, sinceMs: FAKE_TIME_MS, why: '' };
    this.failover = { isOn: true, reason: 'node-2 would take over.' };
  }
}

function fakeMember(number: number, self: string): ClusterMember {
  const id = `node-${number}`;
  const leads = number === 1;
  return {
    id,
    isSelf: id === self,
    isLeader: leads,
    addresses: {
      url: `http://127.0.0.1:${7390 + 10 * number}`,
      binaryUrl: `holdfast://127.0.0.1:${7391 + 10 * number}`,
      peer: `127.0.0.1:${7392 + 10 * number}`,
    },
    isMember: true,
    isLinked: true,
    state: peerState(leads ? { role: 'leading', reason: 'It opened epoch 3.' } : {}),
    lag: 0,
    silentMs: id === self ? 0 : 20,
    clockDifferenceMs: id === self ? 0 : 1.5,
  };
}

export function fakeTerm(epoch: number, change: Partial<Term> = {}): Term {
  return {
    epoch,
    position: 10 * epoch,
    timeNs: `${FAKE_TIME_MS + 1000 * epoch}000000`,
    node: `node-${(epoch % 3) + 1}`,
    reason: 'The leader was silent for 300 ms.',
    release: RELEASE,
    ...change,
  };
}
