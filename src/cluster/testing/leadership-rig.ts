// A cluster of leaderships over peers and a coordinator in memory, on one clock turned by hand.
// The engines are small: a journal is a list of epochs and a position, whoever opens the next epoch
// first has it, and who was overtaken notices at its next append.

import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../ports/clock.ts';
import type {
  Call,
  Leadership,
  NodeAddresses,
  NodeRole,
  Peer,
  PeerNetwork,
  PeerState,
} from '../contract.ts';
import { createLeadership } from '../leadership.ts';
import { MemoryCoordination, type MemoryCoordinator } from './memory-coordinator.ts';
import { MemoryPeers } from './memory-peers.ts';

export const HEARTBEAT_MS = 50;
export const CHALLENGE_MS = 300;
export const SESSION_MS = 600;
const STEP_MS = 10;
const APPEND_MS = 20;
const OPENING_MS = 20;

type Pause = PeerState['pause'];
type TurnedClock = Clock & { pass(ms: number): void };

/** One process's view of the clock: while it is frozen none of its sleeps ends. */
class ProcessClock implements Clock {
  readonly #clock: Clock;
  #thaw: PromiseWithResolvers<void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  nowNs(): bigint {
    return this.#clock.nowNs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    await this.#clock.sleep(ms, signal);
    while (this.#thaw !== undefined) await this.#thaw.promise;
  }

  freeze(): void {
    this.#thaw ??= Promise.withResolvers();
  }

  thaw(): void {
    this.#thaw?.resolve();
    this.#thaw = undefined;
  }
}

export class ClusterRig {
  readonly clock: TurnedClock;
  readonly hub: MemoryPeers;
  readonly coordination: MemoryCoordination;
  readonly nodes = new Map<string, RigNode>();
  readonly pauses = new Map<string, Pause>();
  /** How far the clocks of nodes are ahead of the others'. */
  readonly clockDifferences = new Map<string, number>();
  /** The journal. */
  epoch = 0;
  position = 0;
  holder: RigNode | undefined;

  constructor(clock: TurnedClock) {
    this.clock = clock;
    this.hub = new MemoryPeers({ clock, heartbeatMs: HEARTBEAT_MS });
    this.coordination = new MemoryCoordination(clock, SESSION_MS);
  }

  /** A node that starts; one that was there with this id is dead. */
  start(id: string, settings: RigSettings = {}): RigNode {
    const node = new RigNode(this, id, settings);
    this.nodes.set(id, node);
    void node.run();
    return node;
  }

  node(id: string): RigNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  async pass(ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += STEP_MS) {
      this.clock.pass(STEP_MS);
      await turn();
    }
  }

  /** Lets time pass until `condition`; says how long that took. */
  async until(condition: () => boolean, what: string, withinMs: number = 10_000): Promise<number> {
    const startMs = this.clock.monotonicMs();
    while (!condition()) {
      const tookMs = this.clock.monotonicMs() - startMs;
      if (tookMs > withinMs) throw new Error(`not within ${withinMs} ms: ${what}`);
      await this.pass(STEP_MS);
    }
    return this.clock.monotonicMs() - startMs;
  }

  alive(): RigNode[] {
    return [...this.nodes.values()].filter((node) => !node.isDead);
  }

  leaders(): string[] {
    return this.alive()
      .filter(({ role }) => role === 'leading')
      .map(({ id }) => id);
  }

  /** One leads, of the journal's epoch, and everybody who lives sees it. */
  isSettled(): boolean {
    const [leader, ...more] = this.alive().filter(({ role }) => role === 'leading');
    if (leader === undefined || more.length > 0 || leader.epoch !== this.epoch) return false;
    return this.alive().every((node) => {
      const seen = node.leadership.view().leader;
      return seen?.id === leader.id && seen.epoch === this.epoch;
    });
  }

  async settled(withinMs?: number): Promise<string> {
    await this.until(() => this.isSettled(), 'one leads and all see it', withinMs);
    return this.leaders()[0]!;
  }

  async stop(): Promise<void> {
    for (const node of this.alive()) node.kill();
    await this.pass(STEP_MS);
  }
}

export type RigSettings = {
  readonly release?: string;
  /** How far its replica stays behind the leader. */
  readonly behind?: number;
};

export class RigNode {
  readonly id: string;
  readonly leadership: Leadership;
  readonly coordinator: MemoryCoordinator;
  readonly calls: Call[] = [];
  readonly log: string[] = [];
  readonly clock: ProcessClock;
  readonly #rig: ClusterRig;
  readonly #peers: PeerNetwork;
  readonly #end = new AbortController();
  role: NodeRole = 'starting';
  epoch = 0;
  position = 0;
  behind: number;
  configuration = 'aa';
  isDead = false;
  isFrozen = false;
  /** It is asked to take over and dies. */
  diesWhenCalled = false;
  #isHandedOver = false;

  constructor(rig: ClusterRig, id: string, { release = '1.0.0', behind = 0 }: RigSettings) {
    this.id = id;
    this.behind = behind;
    this.#rig = rig;
    this.clock = new ProcessClock(rig.clock);
    this.#peers = withClockDifferences(rig.hub.node(id), (other) => {
      return (rig.clockDifferences.get(other) ?? 0) - (rig.clockDifferences.get(id) ?? 0);
    });
    this.coordinator = rig.coordination.member();
    this.leadership = createLeadership({
      self: { id, addresses: () => addressesOf(id) },
      coordinator: this.coordinator,
      coordinatorKind: 'memory',
      peers: this.#peers,
      clock: this.clock,
      heartbeatMs: HEARTBEAT_MS,
      challengeMs: CHALLENGE_MS,
      release,
      pauseStore: {
        read: () => rig.pauses.get(id),
        write: (pause) => rig.pauses.set(id, pause),
      },
      log: (_level, event, message) => this.log.push(`${event}: ${message}`),
    });
    this.leadership.onHandOver(async () => {
      this.#report('draining');
      await this.clock.sleep(STEP_MS, this.#end.signal);
      if (rig.epoch !== this.epoch) throw new Error('overtaken');
      this.#isHandedOver = true;
      if (rig.holder === this) rig.holder = undefined;
      return rig.position;
    });
  }

  async run(): Promise<void> {
    const { signal } = this.#end;
    try {
      await this.#peers.open();
      this.#report('recovering');
      await this.leadership.open(signal);
      void this.#follow();
      for (;;) {
        this.#report('following');
        const call = await this.leadership.untilCalled(signal);
        this.calls.push(call);
        if (this.diesWhenCalled) return this.kill();
        await this.#attempt(call);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** As SIGKILL: nobody is told, links break. */
  kill(): void {
    if (this.isDead) return;
    this.isDead = true;
    this.clock.thaw();
    if (this.#rig.holder === this) this.#rig.holder = undefined;
    this.coordinator.cut();
    this.#end.abort(new Error('killed'));
    void this.#peers.close();
    if (this.isFrozen) this.#rig.hub.thaw(this.id);
    void this.leadership.close();
  }

  /** As SIGSTOP. */
  freeze(): void {
    this.isFrozen = true;
    this.#rig.hub.freeze(this.id);
    this.coordinator.cut();
    this.clock.freeze();
  }

  thaw(): void {
    this.isFrozen = false;
    this.clock.thaw();
    this.coordinator.heal();
    this.#rig.hub.thaw(this.id);
  }

  async #follow(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      await this.clock.sleep(APPEND_MS, signal);
      const leader = this.leadership.leader();
      if (this.role !== 'following') continue;
      if (leader !== undefined) {
        this.position = Math.max(this.position, leader.durable - this.behind);
        this.epoch = Math.max(this.epoch, leader.epoch);
      }
      this.#report('following');
    }
  }

  async #attempt(call: Call): Promise<void> {
    const rig = this.#rig;
    const { signal } = this.#end;
    if (rig.holder !== undefined && rig.holder !== this) {
      if (call.depose && rig.holder.isFrozen) rig.holder.kill();
      else return this.leadership.resigned('the journal is locked');
    }
    const epoch = rig.epoch + 1;
    await this.clock.sleep(OPENING_MS, signal);
    signal.throwIfAborted();
    if (rig.epoch >= epoch) return this.leadership.resigned('overtaken');
    rig.epoch = epoch;
    rig.holder = this;
    this.epoch = epoch;
    this.position = ++rig.position;
    this.#isHandedOver = false;
    this.leadership.won(epoch);
    this.#report('leading');
    await this.#lead();
  }

  async #lead(): Promise<void> {
    const rig = this.#rig;
    const { signal } = this.#end;
    for (;;) {
      await this.clock.sleep(APPEND_MS, signal);
      signal.throwIfAborted();
      if (this.#isHandedOver) return this.leadership.resigned('handed over');
      const higher = this.leadership.leader()?.epoch ?? 0;
      if (rig.epoch > this.epoch || higher > this.epoch) {
        if (rig.holder === this) rig.holder = undefined;
        this.#report('following');
        return this.leadership.resigned('fenced');
      }
      this.position = ++rig.position;
      this.#report(this.role);
    }
  }

  #report(role: NodeRole): void {
    this.role = role;
    const { epoch, position } = this;
    this.leadership.report({
      role,
      reason: `It is ${role}.`,
      epoch,
      position,
      durable: position,
      neededFrom: 0,
      checkpoint: 0,
      configuration: this.configuration,
      impediment: '',
    });
  }
}

/** The network in memory measures no clocks. */
function withClockDifferences(
  network: PeerNetwork,
  differenceOf: (id: string) => number,
): PeerNetwork {
  const measured = (peer: Peer): Peer => ({ ...peer, clockDifferenceMs: differenceOf(peer.id) });
  return {
    open: () => network.open(),
    know: (peers) => network.know(peers),
    peers: () => network.peers().map(measured),
    peer: (id) => {
      const peer = network.peer(id);
      return peer === undefined ? undefined : measured(peer);
    },
    tell: (state) => network.tell(state),
    subscribe: (listener) => network.subscribe((peer) => listener(measured(peer))),
    ask: (id, kind, payload, signal) => network.ask(id, kind, payload, signal),
    answer: (kind, handler) => network.answer(kind, handler),
    close: () => network.close(),
  };
}

function addressesOf(id: string): NodeAddresses {
  return { url: `http://${id}`, binaryUrl: `holdfast://${id}`, peer: `${id}:0` };
}
