// What the rest of the house sees of the cluster: the other nodes (peers) and what is known of
// them, who leads, when this node should try to, and what people may ask for. Nothing here keeps
// money safe: that is the journal's (DESIGN 7). Here is decided only how soon somebody tries, and
// where a payment is sent.

import type { CoordinatorHealth } from '../ports/coordinator.ts';

export type NodeRole =
  | 'starting'
  | 'recovering'
  | 'following'
  | 'leading'
  | 'draining'
  | 'halted'
  | 'stopped';

/** Where a node can be reached; what members tell each other through the coordinator. */
export type NodeAddresses = {
  /** `http://host:port`, for people, clients and probes. */
  readonly url: string;
  /** `holdfast://host:port`, the binary protocol. */
  readonly binaryUrl: string;
  /** `host:port` of the channel between nodes. */
  readonly peer: string;
};

/** What a node says of itself: with each heartbeat, and at once when something of it changes. */
export type PeerState = {
  readonly role: NodeRole;
  /** One sentence: why it has this role. */
  readonly reason: string;
  /** Of the last opening that it has applied; a leader's own. */
  readonly epoch: number;
  /** Last applied position. */
  readonly position: number;
  /** Highest position that it knows to be durable; its followers apply up to here. */
  readonly durable: number;
  /**
   * The lowest position whose entry it still needs from the journal: the head of the oldest
   * checkpoint that it would start from; 0 = all of it.
   */
  readonly neededFrom: number;
  /** Position of its newest checkpoint; 0 = none. */
  readonly checkpoint: number;
  /** 64 hex digits: of everything that influences `apply` at `position` (rules, configuration). */
  readonly configuration: string;
  /** Unix nanoseconds by its own clock, decimal, when this was sent. */
  readonly clockNs: string;
  readonly release: string;
  /** Failover switched off by people; the younger word wins everywhere (Unix milliseconds). */
  readonly pause: { readonly isPaused: boolean; readonly sinceMs: number; readonly why: string };
  /** Why payments cannot be taken there now (an operational code); '' = they can. */
  readonly impediment: string;
};

/** Another node, as its link knows it. */
export type Peer = {
  readonly id: string;
  readonly addresses: NodeAddresses;
  /** There is a connection, and both have proved that they belong to the cluster. */
  readonly isLinked: boolean;
  /** The last state heard; undefined = none yet. Stays readable when the link is lost. */
  readonly state: PeerState | undefined;
  /**
   * By the own monotonic clock: when it was heard last, when the link was lost (0 = it is up). Time
   * in which this node stood still itself is added to the first: it could hear nobody.
   */
  readonly heardMs: number;
  readonly lostMs: number;
  /** Its clock less ours, milliseconds, by the shortest round trip of late; 0 while unknown. */
  readonly clockDifferenceMs: number;
};

/**
 * The persistent, authenticated channel to every other node: heartbeats, questions and answers.
 * Handlers and listeners run in the turn in which the frame came and must not throw.
 */
export interface PeerNetwork {
  /** Listens; resolves with `host:port`. CONFIGURATION_INVALID when it cannot. */
  open(): Promise<string>;
  /** Whom to be connected with; this node's own id is passed over. May be called any time. */
  know(peers: readonly { readonly id: string; readonly addresses: NodeAddresses }[]): void;
  peers(): readonly Peer[];
  peer(id: string): Peer | undefined;
  /** This node's state: sent at once to everybody linked, and again with each heartbeat. */
  tell(state: PeerState): void;
  /** A peer's state was heard, or its link came up or was lost. Returns what ends it. */
  subscribe(listener: (peer: Peer) => void): () => void;
  /**
   * Asks one peer. Rejects with OUTCOME_UNKNOWN when the link is lost or `signal` aborts after the
   * question was sent, with NOT_READY when it was not sent, or with the OperationalError that the
   * other side's handler threw. `payload` belongs to the network until the answer.
   */
  ask(
    id: string,
    kind: PeerQuestion,
    payload: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array>;
  /** One handler for each kind. What it rejects with travels back (code, detail, way out). */
  answer(
    kind: PeerQuestion,
    handler: (from: string, payload: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>,
  ): void;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Kinds of questions; their payloads stand at who asks and answers them. */
export const PEER_QUESTIONS = {
  /** Commands for the leader (engine/forwarding). */
  forward: 1,
  /** The position behind which everything acknowledged so far stands (engine, strong reads). */
  readPosition: 2,
  /** Do you hear the leader? (leadership, before a challenge). */
  challenge: 3,
  /** Lead now: the journal is closed and everything in it durable (planned hand-over). */
  takeOver: 4,
  /** Asks the leader to hand over (an operator's word given at another node). */
  switchover: 5,
  /** Checkpoints for a joiner: list, manifest, chunk (recovery). */
  checkpoint: 6,
  /** Outcomes computed here differ from the leader's, also after a rebuild. */
  diverged: 7,
} as const;
export type PeerQuestion = (typeof PEER_QUESTIONS)[keyof typeof PEER_QUESTIONS];

/** This node should try to lead. */
export type Call = {
  /** One sentence, for the log and the opening entry. */
  readonly reason: string;
  /**
   * Whoever still has the journal is silent and is put out of action first, where the driver can.
   * False after a planned hand-over: the one before has closed it.
   */
  readonly depose: boolean;
};

export type LeaderSeen = {
  readonly id: string;
  readonly epoch: number;
  /** Entries up to here are durable, by the leader's own word. */
  readonly durable: number;
};

/** Who leads, and whether it should be this node. Decides; the engine acts. */
export interface Leadership {
  /** Joins: coordinator, peers. Waits for the coordinator until `signal` aborts. */
  open(signal: AbortSignal): Promise<void>;

  /** The engine's word on this node; told to the peers. Often. */
  report(state: Omit<PeerState, 'clockNs' | 'pause' | 'release'>): void;

  /** Resolves when this node should try to lead. Rejects with the signal's reason. */
  untilCalled(signal: AbortSignal): Promise<Call>;

  /** This node has opened `epoch` and leads: note, candidacy, heartbeats. Never rejects. */
  won(epoch: number): void;

  /** It leads no more, or its attempt failed: others may be called. Never rejects. */
  resigned(reason: string): Promise<void>;

  /**
   * Why this node could not lead now, whoever is needed: one sentence; undefined = it could
   * (again). It is not called meanwhile, and does not take over.
   */
  holdBack(why: string | undefined): void;

  /**
   * The live leader other than this node, with the highest epoch heard; undefined while there is
   * none or its link is down.
   */
  leader(): LeaderSeen | undefined;

  /** The leader, its `durable`, a peer or the coordinator changed. Returns what ends it. */
  subscribe(listener: () => void): () => void;

  /**
   * What the engine does when this node leads and is asked to hand over to `target`: it stops
   * numbering, lets what is in flight settle, closes the journal and resolves with the last
   * position. Then the target is asked to take over. Rejects when it goes on leading.
   */
  onHandOver(act: (target: string, reason: string) => Promise<number>): void;

  view(): ClusterView;
  /** As ClusterControl. */
  switchover(target: string | undefined, signal: AbortSignal): Promise<SwitchoverDone>;
  pause(why: string): void;
  resume(): void;

  /** Leaves members and line, and closes the peers. Idempotent. */
  close(): Promise<void>;
}

export type ClusterMember = {
  readonly id: string;
  readonly isSelf: boolean;
  readonly isLeader: boolean;
  readonly addresses: NodeAddresses;
  /** Known to the coordinator now. */
  readonly isMember: boolean;
  readonly isLinked: boolean;
  /** Undefined = nothing heard yet. */
  readonly state: PeerState | undefined;
  /** Positions behind the highest durable one known; undefined where nothing was heard. */
  readonly lag: number | undefined;
  /** Since it was heard last; 0 for this node. */
  readonly silentMs: number;
  readonly clockDifferenceMs: number;
};

export type ClusterView = {
  readonly self: string;
  /** By id, this node included. */
  readonly members: readonly ClusterMember[];
  /** This node too. */
  readonly leader: { readonly id: string; readonly epoch: number } | undefined;
  readonly coordinator: CoordinatorHealth & { readonly kind: string; readonly sessionMs: number };
  /** Whether a lost leader would be replaced by itself, and if not why: one sentence. */
  readonly failover: { readonly isOn: boolean; readonly reason: string };
  readonly pause: PeerState['pause'];
};

/** A term of leadership, as the journal's opening entries tell it. */
export type Term = {
  readonly epoch: number;
  readonly position: number;
  /** Decimal nanoseconds. */
  readonly timeNs: string;
  /** '' in journals written before nodes had names. */
  readonly node: string;
  readonly reason: string;
  readonly release: string;
};

export type SwitchoverDone = {
  readonly from: string;
  readonly to: string;
  readonly epoch: number;
  /** From the last payment that the old leader numbered to the opening of the new one. */
  readonly tookMs: number;
};

/** For people: what the doors offer of the cluster. At every node. */
export interface ClusterControl {
  view(): ClusterView;
  /** Newest first; what this node has seen, at most `limit`. */
  terms(limit: number): readonly Term[];
  /**
   * Planned hand-over to `target` (undefined = the standby that is furthest). Rejects with
   * SWITCHOVER_REFUSED (who is behind, paused, not there) and changes nothing then, or with
   * OUTCOME_UNKNOWN.
   */
  switchover(target: string | undefined, signal: AbortSignal): Promise<SwitchoverDone>;
  /** Failover off, everywhere, until `resume`; payments go on. */
  pause(why: string): void;
  resume(): void;
}
