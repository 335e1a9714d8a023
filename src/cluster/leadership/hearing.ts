// Who is heard, and who may lead although nothing is heard of it just now. Nothing is concluded
// from a silence in which this process itself did not run.

import type { Clock } from '../../ports/clock.ts';
import type { Peer, PeerNetwork } from '../contract.ts';
import type { Patience, Times } from './settings.ts';

export class Hearing {
  readonly #peers: PeerNetwork;
  readonly #clock: Clock;
  readonly #times: Times;
  /** The highest epoch that each was heard leading, and since when it drains. */
  readonly #led = new Map<string, { epoch: number; drainsSinceMs: number }>();
  #epoch = 0;
  #lookedMs: number;
  #awakeMs: number;

  constructor(peers: PeerNetwork, clock: Clock, times: Times) {
    this.#peers = peers;
    this.#clock = clock;
    this.#times = times;
    this.#awakeMs = clock.monotonicMs();
    this.#lookedMs = this.#awakeMs;
  }

  /** The highest epoch that anybody has told of. */
  get epoch(): number {
    return this.#epoch;
  }

  knowEpoch(epoch: number): void {
    this.#epoch = Math.max(this.#epoch, epoch);
  }

  /** To be called for each state heard. */
  hear({ id, state }: Peer): void {
    if (state === undefined) return;
    this.knowEpoch(state.epoch);
    if (state.role === 'leading') {
      this.#led.set(id, { epoch: state.epoch, drainsSinceMs: 0 });
    } else if (state.role === 'draining') {
      const led = this.#led.get(id);
      if (led !== undefined && led.drainsSinceMs === 0) {
        led.drainsSinceMs = this.#clock.monotonicMs();
      }
    }
  }

  /**
   * To be called often. Where the last call was long ago, this process did not run: what the others
   * sent meanwhile has not been read yet, so that their silence counts from now.
   */
  look(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lookedMs > this.#times.goneForAsked.silentMs) this.#awakeMs = nowMs;
    this.#lookedMs = nowMs;
  }

  /** Linked, and heard lately. */
  isLive(peer: Peer): boolean {
    return peer.isLinked && peer.state !== undefined && !this.#isSilent(peer, this.#times.gone);
  }

  live(): Peer[] {
    return this.#peers.peers().filter((peer) => this.isLive(peer));
  }

  /** The live leader of the highest epoch, other than this node. */
  leader(): Peer | undefined {
    const leaders = this.live().filter((peer) => this.#leads(peer));
    return leaders.sort((one, other) => other.state!.epoch - one.state!.epoch)[0];
  }

  /** Those of whom it may be thought that they still lead. */
  suspects(patience: Patience): Peer[] {
    const nowMs = this.#clock.monotonicMs();
    return this.#peers
      .peers()
      .filter(
        (peer) =>
          this.#leads(peer) &&
          !this.#isSilent(peer, patience) &&
          (peer.isLinked || nowMs - peer.lostMs < patience.unlinkedMs) &&
          !this.#hasDrained(peer, nowMs),
      );
  }

  /** Who was heard leading last. */
  lastLeader(): { readonly id: string; readonly epoch: number } | undefined {
    let last: { readonly id: string; readonly epoch: number } | undefined;
    for (const [id, { epoch }] of this.#led) {
      if (last === undefined || epoch > last.epoch) last = { id, epoch };
    }
    return last;
  }

  #leads({ id, state }: Peer): boolean {
    if (state === undefined || state.epoch < this.#epoch) return false;
    if (state.role === 'leading') return true;
    // A standby drains, too, when it is stopped.
    return state.role === 'draining' && this.#led.get(id)?.epoch === state.epoch;
  }

  #isSilent({ heardMs }: Peer, { silentMs }: Patience): boolean {
    return this.#clock.monotonicMs() - Math.max(heardMs, this.#awakeMs) >= silentMs;
  }

  #hasDrained({ id, state }: Peer, nowMs: number): boolean {
    const sinceMs = this.#led.get(id)?.drainsSinceMs ?? 0;
    return state?.role === 'draining' && sinceMs > 0 && nowMs - sinceMs >= this.#times.drainMs;
  }
}
