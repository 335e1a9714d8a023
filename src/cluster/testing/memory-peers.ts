// Several nodes of a cluster in one process, for tests: the same PeerNetwork without sockets. What
// is sent arrives as a microtask, in order. Links can be cut, nodes frozen; time is the given
// clock's, and without `heartbeatMs` heartbeats come only by `beat()`.

import type { Clock } from '../../ports/clock.ts';
import type { NodeAddresses, Peer, PeerNetwork, PeerQuestion, PeerState } from '../contract.ts';
import {
  Answering,
  type PeerHandler,
  type PeerLog,
  givenUp,
  linkLost,
  notLinked,
  notSent,
} from '../peers/answering.ts';
import { type KnownPeer, PeerBook } from '../peers/peer-book.ts';

export type MemoryPeersOptions = {
  readonly clock: Clock;
  /** Undefined = no heartbeats of their own. */
  readonly heartbeatMs?: number;
  readonly log?: PeerLog;
};

/** One for each cluster under test. */
export class MemoryPeers {
  readonly options: MemoryPeersOptions;
  readonly #nodes = new Map<string, MemoryNode>();
  readonly #cuts = new Set<string>();
  readonly #frozen = new Set<string>();
  #held: { readonly source: string; readonly target: string; readonly act: () => void }[] = [];

  constructor(options: MemoryPeersOptions) {
    this.options = options;
  }

  /** A node that is not open yet; the id may be one that was there before and is closed. */
  node(id: string, addresses: Partial<NodeAddresses> = {}): PeerNetwork {
    const told = { url: `http://${id}`, binaryUrl: `holdfast://${id}`, peer: `${id}:0` };
    return new MemoryNode(this, { id, addresses: { ...told, ...addresses } });
  }

  /** Both lose their link at once, and get no other before it is healed. */
  cut(one: string, other: string): void {
    this.#cuts.add(pairOf(one, other));
    this.#nodes.get(one)?.unlink(other);
    this.#nodes.get(other)?.unlink(one);
  }

  /** What it sends and what is sent to it is kept back; its links stay. */
  freeze(id: string): void {
    this.#frozen.add(id);
  }

  /** What was kept back arrives now, and everybody says how things stand. */
  thaw(id: string): void {
    this.#frozen.delete(id);
    const held = this.#held;
    this.#held = [];
    for (const { source, target, act } of held) this.post(source, target, act);
    this.connect();
    this.beat();
  }

  /** Heals one cut, or everything. */
  heal(...pair: [] | [one: string, other: string]): void {
    if (pair.length === 2) {
      this.#cuts.delete(pairOf(...pair));
    } else {
      this.#cuts.clear();
      for (const id of this.#frozen) this.thaw(id);
    }
    this.connect();
  }

  /** One heartbeat of every node that is not frozen. */
  beat(): void {
    for (const node of this.#nodes.values()) node.beat();
  }

  isFrozen(id: string): boolean {
    return this.#frozen.has(id);
  }

  /** For nodes: a node of the same id that was there ends. */
  async enter(node: MemoryNode): Promise<void> {
    await this.#nodes.get(node.self.id)?.close();
    this.#nodes.set(node.self.id, node);
    this.connect();
  }

  /** For nodes. */
  leave(node: MemoryNode): void {
    const { id } = node.self;
    if (this.#nodes.get(id) !== node) return;
    this.#nodes.delete(id);
    for (const other of this.#nodes.values()) other.unlink(id);
    this.#held = this.#held.filter(({ source, target }) => source !== id && target !== id);
  }

  /** For nodes: links every pair whose lower id knows the other, as the real one does. */
  connect(): void {
    queueMicrotask(() => {
      const nodes = [...this.#nodes.values()].filter(({ self }) => !this.isFrozen(self.id));
      for (const one of nodes) for (const other of nodes) this.#connect(one, other);
    });
  }

  #connect(one: MemoryNode, other: MemoryNode): void {
    const [lower, higher] = [one.self.id, other.self.id];
    if (lower >= higher || !one.knows(higher) || this.#cuts.has(pairOf(lower, higher))) return;
    if (one.linkedTo(higher) === other) return;
    one.link(other);
    other.link(one);
  }

  /** For nodes: `act` at the target, in order, unless one of the two is frozen. */
  post(source: string, target: string, act: () => void): void {
    if (this.#frozen.has(source) || this.#frozen.has(target)) {
      this.#held.push({ source, target, act });
    } else {
      queueMicrotask(act);
    }
  }
}

function pairOf(one: string, other: string): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`;
}

type Question = {
  readonly node: MemoryNode;
  readonly settle: (answer: Uint8Array | Error) => void;
};

class MemoryNode implements PeerNetwork {
  readonly self: KnownPeer;
  readonly #hub: MemoryPeers;
  readonly #book: PeerBook;
  readonly #answering: Answering;
  readonly #links = new Map<string, MemoryNode>();
  readonly #asked = new Set<Question>();
  readonly #handling = new Map<AbortController, string>();
  readonly #ended = new AbortController();
  #state: PeerState | undefined;
  #isTelling = false;

  constructor(hub: MemoryPeers, self: KnownPeer) {
    const log = hub.options.log ?? (() => undefined);
    this.#hub = hub;
    this.self = self;
    this.#answering = new Answering(self.id, log);
    this.#book = new PeerBook({
      self: self.id,
      monotonicMs: () => hub.options.clock.monotonicMs(),
      onUnforeseen: (error) => log('error', 'a listener of the peers failed unforeseen', error),
    });
  }

  async open(): Promise<string> {
    await this.#hub.enter(this);
    if (this.#hub.options.heartbeatMs !== undefined) void this.#beatOn();
    return this.self.addresses.peer;
  }

  know(peers: readonly KnownPeer[]): void {
    this.#book.know(peers);
    if (!this.#ended.signal.aborted) this.#hub.connect();
  }

  peers(): readonly Peer[] {
    return this.#book.list();
  }

  peer(id: string): Peer | undefined {
    return this.#book.peer(id);
  }

  tell(state: PeerState): void {
    this.#state = state;
    if (this.#isTelling) return;
    this.#isTelling = true;
    queueMicrotask(() => {
      this.#isTelling = false;
      this.beat();
    });
  }

  subscribe(listener: (peer: Peer) => void): () => void {
    return this.#book.subscribe(listener);
  }

  ask(
    id: string,
    kind: PeerQuestion,
    payload: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const node = this.#links.get(id);
    if (node === undefined) return Promise.reject(notLinked(id));
    if (signal.aborted) return Promise.reject(notSent(id));
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const controller = new AbortController();
    const abort = (): void => question.settle(givenUp(id));
    const question: Question = {
      node,
      settle: (answer) => {
        if (!this.#asked.delete(question)) return;
        signal.removeEventListener('abort', abort);
        controller.abort();
        if (answer instanceof Error) reject(answer);
        else resolve(answer);
      },
    };
    this.#asked.add(question);
    signal.addEventListener('abort', abort, { once: true });
    const asked = { from: this.self.id, kind, payload: payload.slice() };
    this.#hub.post(this.self.id, id, () => {
      if (node.linkedTo(this.self.id) !== this || controller.signal.aborted) return;
      const settle = (answer: Uint8Array | Error): void =>
        this.#hub.post(id, this.self.id, () => question.settle(answer));
      void node.handle(asked, controller).then(settle, settle);
    });
    return promise;
  }

  answer(kind: PeerQuestion, handler: PeerHandler): void {
    this.#answering.set(kind, handler);
  }

  close(): Promise<void> {
    this.#ended.abort();
    this.#hub.leave(this);
    for (const id of this.#links.keys()) this.unlink(id);
    return Promise.resolve();
  }

  knows(id: string): boolean {
    return this.#book.known(id) !== undefined;
  }

  linkedTo(id: string): MemoryNode | undefined {
    return this.#links.get(id);
  }

  link(node: MemoryNode): void {
    this.#links.set(node.self.id, node);
    this.#book.linked(node.self);
    this.#send(node);
  }

  unlink(id: string): void {
    const node = this.#links.get(id);
    if (node === undefined) return;
    this.#links.delete(id);
    for (const question of this.#asked) if (question.node === node) question.settle(linkLost(id));
    for (const [controller, from] of this.#handling) if (from === id) controller.abort();
    this.#book.lost(id);
  }

  beat(): void {
    for (const node of this.#links.values()) this.#send(node);
  }

  /** Answers what another node asks; aborted when that node gives up or is lost. */
  async handle(
    asked: { readonly from: string; readonly kind: number; readonly payload: Uint8Array },
    controller: AbortController,
  ): Promise<Uint8Array> {
    this.#handling.set(controller, asked.from);
    try {
      return (await this.#answering.answer(asked, controller.signal)).slice();
    } finally {
      this.#handling.delete(controller);
    }
  }

  hear(node: MemoryNode, state: PeerState): void {
    if (this.#links.get(node.self.id) === node) this.#book.heard(node.self.id, state);
  }

  #send(node: MemoryNode): void {
    const { id } = this.self;
    const state = this.#state;
    // States are not kept back: the last one is said when it thaws.
    if (state === undefined || this.#hub.isFrozen(id) || this.#hub.isFrozen(node.self.id)) return;
    const clockNs = this.#hub.options.clock.nowNs().toString();
    this.#hub.post(id, node.self.id, () => node.hear(this, { ...state, clockNs }));
  }

  async #beatOn(): Promise<void> {
    const { signal } = this.#ended;
    const { clock, heartbeatMs = 0 } = this.#hub.options;
    while (!signal.aborted) {
      await clock.sleep(heartbeatMs, signal);
      if (!signal.aborted) this.beat();
    }
  }
}
