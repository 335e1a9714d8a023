// Several nodes of a cluster in one process: one log, one clock that runs by itself, the real
// leadership over peers and a coordinator in memory. A node can be killed, frozen, and started
// again with what it had on disk.

import type { Leadership, PeerNetwork, PeerState } from '../../src/cluster/contract.ts';
import { createLeadership } from '../../src/cluster/leadership.ts';
import {
  MemoryCoordination,
  type MemoryCoordinator,
} from '../../src/cluster/testing/memory-coordinator.ts';
import { MemoryPeers } from '../../src/cluster/testing/memory-peers.ts';
import { createJournal } from '../../src/drivers/memory/driver.ts';
import { MemoryLog } from '../../src/drivers/memory/memory-log.ts';
import { Outage } from '../../src/drivers/memory/outage.ts';
import { createClock } from '../../src/drivers/system/clock.ts';
import type { CheckpointSettings } from '../../src/engine/checkpointing.ts';
import { HoldfastNode } from '../../src/engine/node.ts';
import type { Journal } from '../../src/ports/journal.ts';
import { CLUSTER_ID, SILENT } from './engine-rig.ts';
import { until } from './until.ts';

const HEARTBEAT_MS = 20;
const CHALLENGE_MS = 200;
const SESSION_MS = 400;

export type ClusterNodeOptions = {
  readonly journal?: Journal;
  readonly hasBegun?: boolean;
  readonly checkpoints?: CheckpointSettings;
};

export type ClusterNode = {
  readonly id: string;
  readonly node: HoldfastNode;
  readonly leadership: Leadership;
  readonly peers: PeerNetwork;
  readonly coordinator: MemoryCoordinator;
  readonly halts: unknown[];
  /** Those that it took, in order. */
  readonly roles: string[];
  /** What it told of the journal: codes, and 'back'. */
  readonly told: string[];
  /** Lines of its leadership. */
  readonly log: string[];
  isDead: boolean;
};

let nonces = 0;

export class Cluster implements AsyncDisposable {
  readonly clock = createClock();
  readonly log: MemoryLog;
  readonly hub: MemoryPeers;
  readonly coordination: MemoryCoordination;
  readonly nodes = new Map<string, ClusterNode>();
  readonly lines = new Map<string, string[]>();
  readonly #outages = new Map<string, Outage>();
  readonly #dead: ClusterNode[] = [];

  constructor(log: MemoryLog = new MemoryLog()) {
    this.log = log;
    this.hub = new MemoryPeers({ clock: this.clock, heartbeatMs: HEARTBEAT_MS });
    this.coordination = new MemoryCoordination(this.clock, SESSION_MS);
  }

  /** A node that has been told to start; one of the same id that was there is dead. */
  async begin(id: string, options: ClusterNodeOptions = {}): Promise<ClusterNode> {
    const peers = this.hub.node(id);
    const coordinator = this.coordination.member();
    let pause: PeerState['pause'] | undefined;
    const log: string[] = [];
    const leadership = createLeadership({
      self: {
        id,
        addresses: () => ({ url: `http://${id}`, binaryUrl: `holdfast://${id}`, peer: `${id}:0` }),
      },
      coordinator,
      coordinatorKind: 'memory',
      peers,
      clock: this.clock,
      heartbeatMs: HEARTBEAT_MS,
      challengeMs: CHALLENGE_MS,
      release: 'test',
      pauseStore: {
        read: () => pause,
        write: (said) => {
          pause = said;
        },
      },
      log: (_level, _event, message) => log.push(message),
    });
    const lines = this.lines.get(id) ?? [];
    this.lines.set(id, lines);
    const halts: unknown[] = [];
    const roles: string[] = [];
    const told: string[] = [];
    const { hasBegun = false } = options;
    const outage = this.outageOf(id);
    const node = new HoldfastNode({
      journal: options.journal ?? createJournal({ log: this.log, outage }),
      hasBegun,
      clusterId: CLUSTER_ID,
      timeline: 1,
      clock: this.clock,
      entropy: { bytes: (count) => new Uint8Array(count).fill(++nonces) },
      observer: {
        ...SILENT,
        roleChanged: ({ to }) => roles.push(to),
        journalAway: (error) => told.push(error?.code ?? 'back'),
      },
      intakeBounds: { commandsMax: 1000, bytesMax: 64 * 1024 * 1024 },
      groupCommitMs: 1,
      release: 'test',
      ...(options.checkpoints === undefined ? {} : { checkpoints: options.checkpoints }),
      cluster: {
        id,
        leadership,
        peers,
        terms: { read: () => Promise.resolve(lines), append: (line) => lines.push(line) },
      },
      onHalted: (error) => halts.push(error),
    });
    const made = {
      id,
      node,
      leadership,
      peers,
      coordinator,
      halts,
      roles,
      told,
      log,
      isDead: false,
    };
    this.nodes.set(id, made);
    await peers.open();
    return made;
  }

  async start(id: string, options: ClusterNodeOptions = {}): Promise<ClusterNode> {
    const made = await this.begin(id, options);
    await made.node.start();
    return made;
  }

  /** That node's way to the engine, over its restarts; that of all is `log.outage`. */
  outageOf(id: string): Outage {
    const outage = this.#outages.get(id) ?? new Outage();
    this.#outages.set(id, outage);
    return outage;
  }

  alive(): ClusterNode[] {
    return [...this.nodes.values()].filter(({ isDead }) => !isDead);
  }

  /** The one that leads; undefined while nobody or more than one believes so. */
  leader(): ClusterNode | undefined {
    const leading = this.alive().filter(({ node }) => node.status().role === 'leading');
    return leading.length === 1 ? leading[0] : undefined;
  }

  async untilLed(): Promise<ClusterNode> {
    await until(() => this.leader() !== undefined, 'somebody to lead');
    return this.leader()!;
  }

  /** All that live are as far as the leader, and say so. */
  async untilLevel(): Promise<void> {
    await until(() => {
      const leader = this.leader();
      if (leader === undefined) return false;
      const { position } = leader.node.status();
      return this.alive().every(({ node }) => node.status().position === position);
    }, 'all nodes to be level');
  }

  standbys(): ClusterNode[] {
    return this.alive().filter(({ node }) => node.status().role === 'following');
  }

  /** As SIGKILL: links break, nobody is told, nothing is answered. */
  kill(victim: ClusterNode): void {
    victim.isDead = true;
    victim.coordinator.cut();
    void victim.peers.close();
    this.#dead.push(victim);
    void victim.node.stop(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.alive().map(({ node }) => node.stop(0)));
    await Promise.all(this.#dead.map(({ node }) => node.stop(0)));
  }
}
