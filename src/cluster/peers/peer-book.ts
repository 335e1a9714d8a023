// What is known of the other nodes, and who wants to hear of it. It is the same for links over TCP
// and for those in memory: a peer is listed as long as it is known (`know`) or linked.

import type { NodeAddresses, Peer, PeerState } from '../contract.ts';

export type KnownPeer = { readonly id: string; readonly addresses: NodeAddresses };

export type PeerBookOptions = {
  readonly self: string;
  readonly monotonicMs: () => number;
  /** A listener threw, which listeners must not. */
  readonly onUnforeseen: (error: unknown) => void;
};

export class PeerBook {
  readonly #options: PeerBookOptions;
  readonly #peers = new Map<string, Peer>();
  readonly #known = new Map<string, KnownPeer>();
  readonly #listeners = new Set<(peer: Peer) => void>();

  constructor(options: PeerBookOptions) {
    this.#options = options;
  }

  /** Who is not named any more is forgotten as soon as its link is lost. */
  know(peers: readonly KnownPeer[]): void {
    this.#known.clear();
    for (const known of peers) {
      if (known.id === this.#options.self) continue;
      this.#known.set(known.id, known);
      const peer = this.#peers.get(known.id);
      this.#peers.set(known.id, { ...(peer ?? this.#newPeer(known)), addresses: known.addresses });
    }
    for (const peer of this.#peers.values()) this.#forgetUnknown(peer);
  }

  known(id: string): KnownPeer | undefined {
    return this.#known.get(id);
  }

  /** By id. */
  list(): readonly Peer[] {
    return [...this.#peers.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  peer(id: string): Peer | undefined {
    return this.#peers.get(id);
  }

  subscribe(listener: (peer: Peer) => void): () => void {
    const own = (peer: Peer): void => listener(peer);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /** `addresses` are the peer's own word; they count where nobody else has told any. */
  linked({ id, addresses }: KnownPeer): void {
    const peer = this.#peers.get(id) ?? this.#newPeer({ id, addresses });
    const heardMs = this.#options.monotonicMs();
    this.#change({ ...peer, isLinked: true, heardMs, lostMs: 0, clockDifferenceMs: 0 });
  }

  lost(id: string): void {
    const peer = this.#peers.get(id);
    if (peer === undefined || !peer.isLinked) return;
    const lost = { ...peer, isLinked: false, lostMs: this.#options.monotonicMs() };
    this.#peers.set(id, lost);
    this.#forgetUnknown(lost);
    this.#tell(lost);
  }

  heard(id: string, state: PeerState): void {
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    this.#change({ ...peer, state, heardMs: this.#options.monotonicMs() });
  }

  /** Told with the next state. */
  clockDiffers(id: string, clockDifferenceMs: number): void {
    const peer = this.#peers.get(id);
    if (peer !== undefined) this.#peers.set(id, { ...peer, clockDifferenceMs });
  }

  /** For so long this node itself stood still: nobody could be heard. */
  excuse(stoodStillMs: number): void {
    const nowMs = this.#options.monotonicMs();
    for (const peer of this.#peers.values()) {
      if (!peer.isLinked) continue;
      const heardMs = Math.min(nowMs, peer.heardMs + stoodStillMs);
      this.#peers.set(peer.id, { ...peer, heardMs });
    }
  }

  #newPeer({ id, addresses }: KnownPeer): Peer {
    const lostMs = this.#options.monotonicMs();
    return {
      id,
      addresses,
      isLinked: false,
      state: undefined,
      heardMs: 0,
      lostMs,
      clockDifferenceMs: 0,
    };
  }

  #forgetUnknown({ id, isLinked }: Peer): void {
    if (!isLinked && !this.#known.has(id)) this.#peers.delete(id);
  }

  #change(peer: Peer): void {
    this.#peers.set(peer.id, peer);
    this.#tell(peer);
  }

  #tell(peer: Peer): void {
    for (const listener of this.#listeners) {
      try {
        listener(peer);
      } catch (error) {
        this.#options.onUnforeseen(error);
      }
    }
  }
}
