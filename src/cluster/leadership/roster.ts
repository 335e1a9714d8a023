// Whom this node knows: the coordinator's members, those with whom it is linked, and for a while
// those that were there before. Keeps the network's address book in step.

import type { Clock } from '../../ports/clock.ts';
import type { Coordinator } from '../../ports/coordinator.ts';
import type { NodeAddresses, PeerNetwork } from '../contract.ts';
import { decodeDetail } from './messages.ts';
import type { Times } from './settings.ts';

type Known = {
  addresses: NodeAddresses;
  readonly sinceMs: number;
  /** By the own monotonic clock: when it was last a member or linked; when last a member. */
  seenMs: number;
  memberMs: number;
};

export class Roster {
  readonly #self: string;
  readonly #coordinator: Coordinator;
  readonly #peers: PeerNetwork;
  readonly #clock: Clock;
  readonly #times: Times;
  readonly #known = new Map<string, Known>();
  #members: ReadonlySet<string> = new Set();
  #connectedMs: number | undefined;
  #told = '';

  constructor(parts: {
    readonly self: string;
    readonly coordinator: Coordinator;
    readonly peers: PeerNetwork;
    readonly clock: Clock;
    readonly times: Times;
  }) {
    this.#self = parts.self;
    this.#coordinator = parts.coordinator;
    this.#peers = parts.peers;
    this.#clock = parts.clock;
    this.#times = parts.times;
  }

  /** Reads the coordinator again. To be called often, and when it says that something changed. */
  look(): void {
    const nowMs = this.#clock.monotonicMs();
    const { connected } = this.#coordinator.health();
    if (!connected) this.#connectedMs = undefined;
    else this.#connectedMs ??= nowMs;
    const members = this.#coordinator.members();
    // Without the coordinator those count as members who were there when it was heard last.
    if (connected || members.length > 0) this.#members = new Set(members.map(({ id }) => id));
    for (const { id, detail } of members) this.#learn(id, detail, nowMs, true);
    const note = this.#coordinator.leader();
    if (note !== undefined && !this.#known.has(note.memberId)) {
      this.#learn(note.memberId, note.detail, nowMs, false);
    }
    for (const [id, known] of this.#known) {
      const isLinked = this.#peers.peer(id)?.isLinked === true;
      const isWanted = this.#members.has(id) || note?.memberId === id;
      if (isLinked || isWanted) known.seenMs = nowMs;
    }
    this.#tell(nowMs);
  }

  isMember(id: string): boolean {
    return this.#members.has(id);
  }

  /** The coordinator answers again since a short while: not everybody may have joined yet. */
  get isBackLately(): boolean {
    const connectedMs = this.#connectedMs ?? Number.POSITIVE_INFINITY;
    return this.#clock.monotonicMs() - connectedMs < this.#graceMs;
  }

  get #graceMs(): number {
    return 2 * this.#coordinator.guarantees.sessionMs;
  }

  /** Members, and who was there before the coordinator was lost and may be on the way back. */
  counted(): string[] {
    const connectedMs = this.#connectedMs ?? Number.POSITIVE_INFINITY;
    const graceMs = this.#graceMs;
    const { isBackLately } = this;
    return [...this.#known]
      .filter(
        ([id, known]) =>
          this.#members.has(id) ||
          (isBackLately && known.memberMs > 0 && known.memberMs >= connectedMs - graceMs),
      )
      .map(([id]) => id);
  }

  /** Known to be there, or noted as the leader, and not heard yet: it might lead. */
  unheard(): string[] {
    const nowMs = this.#clock.monotonicMs();
    return [...this.#known]
      .filter(
        ([id, { sinceMs }]) =>
          this.#peers.peer(id)?.state === undefined && nowMs - sinceMs < this.#times.gone.silentMs,
      )
      .map(([id]) => id);
  }

  /** Everybody but this node, by id. */
  others(): { readonly id: string; readonly addresses: NodeAddresses }[] {
    return [...this.#known]
      .map(([id, { addresses }]) => ({ id, addresses }))
      .sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  #learn(id: string, detail: string, nowMs: number, isMember: boolean): void {
    if (id === this.#self) return;
    const addresses = decodeDetail(detail)?.addresses;
    if (addresses === undefined) return;
    const known = this.#known.get(id);
    const memberMs = isMember ? nowMs : 0;
    if (known === undefined) {
      this.#known.set(id, { addresses, sinceMs: nowMs, seenMs: nowMs, memberMs });
    } else {
      known.addresses = addresses;
      known.memberMs = Math.max(known.memberMs, memberMs);
    }
  }

  #tell(nowMs: number): void {
    for (const [id, { seenMs }] of this.#known) {
      if (nowMs - seenMs > this.#times.rememberedMs) this.#known.delete(id);
    }
    const others = this.others();
    const told = JSON.stringify(others);
    if (told === this.#told) return;
    this.#told = told;
    this.#peers.know(others);
  }
}
