// The channel to every other node over TCP. Of two nodes the one with the lower id dials, so each
// pair has one link at most; a newer link of the same node takes the place of an older one. Here is
// only who is linked with whom and what is told when; how it travels is the link's affair.

import { assert } from '../../base/assert.ts';
import { OperationalError } from '../../base/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { NodeAddresses, Peer, PeerNetwork, PeerQuestion, PeerState } from '../contract.ts';
import { Answering, type PeerHandler, type PeerLog, notLinked } from './answering.ts';
import { Dialer } from './dialer.ts';
import { haveSameWords, stateFrame, wordsFrame } from './frames.ts';
import type { HandshakeFailure, Identity, Met } from './handshake.ts';
import { Link, type ToldState } from './link.ts';
import { Listener } from './listener.ts';
import { type KnownPeer, PeerBook } from './peer-book.ts';
import { RefusalLog } from './refusals.ts';

export type PeerNetworkOptions = {
  readonly self: { readonly id: string };
  /** Of this node, for peers that nobody else has told; asked at each handshake. */
  readonly addresses: () => Pick<NodeAddresses, 'url' | 'binaryUrl'>;
  /** Where to listen; the other nodes are told what `open` resolves with. */
  readonly host: string;
  /** 0 = any that is free. */
  readonly port: number;
  readonly clusterId: string;
  readonly timeline: string;
  /** The cluster's secret, the same on all nodes; 16 bytes or more. */
  readonly key: Uint8Array;
  readonly clock: Clock;
  readonly heartbeatMs: number;
  /**
   * After such a silence the connection itself is doubted: another one is tried, and one that also
   * takes nothing is ended. By default 10 heartbeats, 5 s at least.
   */
  readonly doubtMs?: number;
  readonly release: string;
  readonly log: PeerLog;
};

const KEY_BYTES_MIN = 16;
/** A clock's difference changes slowly: one ping in so many heartbeats. */
const BEATS_A_PING = 10;
/** A link that lasted so long was a good one: the next is tried at once. */
const GOOD_LINK_MS = 1000;
/** So many missing heartbeats of its own mean that this process was frozen or busy. */
const STILL_BEATS = 3;
const DOUBT_BEATS = 10;
const DOUBT_MS_MIN = 5000;

export function createPeerNetwork(options: PeerNetworkOptions): PeerNetwork {
  return new TcpPeerNetwork(options);
}

class TcpPeerNetwork implements PeerNetwork {
  readonly #options: PeerNetworkOptions;
  readonly #identity: Identity;
  readonly #book: PeerBook;
  readonly #answering: Answering;
  readonly #refusals: RefusalLog;
  readonly #listener: Listener;
  readonly #dialers = new Map<string, Dialer>();
  readonly #links = new Map<string, Link>();
  readonly #doubtMs: number;
  #address = '';
  #state: PeerState | undefined;
  #words: { readonly state: PeerState; readonly frame: Uint8Array } | undefined;
  #telling: NodeJS.Immediate | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #beats = 0;
  #beatMs = 0;
  #isClosed = false;

  constructor(options: PeerNetworkOptions) {
    const { self, clusterId, timeline, key, release, clock, log, host, port } = options;
    this.#options = options;
    this.#identity = {
      id: self.id,
      clusterId,
      timeline,
      key,
      release,
      addresses: () => ({ ...options.addresses(), peer: this.#address }),
    };
    const doubtMs = Math.max(DOUBT_MS_MIN, DOUBT_BEATS * options.heartbeatMs);
    this.#doubtMs = options.doubtMs ?? doubtMs;
    const monotonicMs = (): number => clock.monotonicMs();
    this.#answering = new Answering(self.id, log);
    this.#refusals = new RefusalLog(log, monotonicMs);
    this.#book = new PeerBook({
      self: self.id,
      monotonicMs,
      onUnforeseen: (error) => log('error', 'a listener of the peers failed unforeseen', error),
    });
    this.#listener = new Listener({
      host,
      port,
      identity: this.#identity,
      onMet: (met) => this.#met(met),
      onFailed: (failure) => this.#failed('', failure),
    });
  }

  async open(): Promise<string> {
    assert(this.#address === '', 'a network is opened once');
    if (this.#options.key.byteLength < KEY_BYTES_MIN) {
      throw new OperationalError('CONFIGURATION_INVALID', {
        detail: `The cluster's key has fewer than ${KEY_BYTES_MIN} bytes.`,
        wayOut: 'Copy the file cluster-key from another node of this cluster.',
      });
    }
    const address = await this.#listener.open();
    if (this.#isClosed) {
      await this.#listener.close();
      return address;
    }
    this.#address = address;
    this.#beatMs = this.#options.clock.monotonicMs();
    this.#heartbeat = setInterval(() => this.#beat(), this.#options.heartbeatMs);
    for (const id of this.#dialers.keys()) this.#redial(id, true);
    return address;
  }

  know(peers: readonly KnownPeer[]): void {
    this.#book.know(peers);
    if (this.#isClosed) return;
    for (const [id, dialer] of this.#dialers) {
      if (this.#book.known(id) !== undefined) continue;
      dialer.close();
      this.#dialers.delete(id);
    }
    for (const { id, addresses } of peers) {
      if (id <= this.#options.self.id) continue;
      const dialer = this.#dialers.get(id);
      if (dialer !== undefined) {
        dialer.address = addresses.peer;
        continue;
      }
      const options = {
        target: id,
        identity: this.#identity,
        onMet: (met: Met): void => this.#met(met),
        onFailed: (target: string, failure: HandshakeFailure): void =>
          this.#failed(target, failure),
      };
      this.#dialers.set(id, new Dialer(addresses.peer, options));
      if (this.#address !== '') this.#redial(id, true);
    }
  }

  peers(): readonly Peer[] {
    this.#excuse();
    return this.#book.list();
  }

  peer(id: string): Peer | undefined {
    this.#excuse();
    return this.#book.peer(id);
  }

  tell(state: PeerState): void {
    this.#state = state;
    if (this.#isClosed) return;
    // A leader tells after each journal entry; several of one turn are one.
    this.#telling ??= setImmediate(() => {
      this.#telling = undefined;
      this.#tellAll();
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
    const link = this.#links.get(id);
    if (link === undefined) return Promise.reject(notLinked(id));
    return link.ask(kind, payload, signal);
  }

  answer(kind: PeerQuestion, handler: PeerHandler): void {
    this.#answering.set(kind, handler);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#heartbeat);
    clearImmediate(this.#telling);
    for (const dialer of this.#dialers.values()) dialer.close();
    this.#dialers.clear();
    for (const link of this.#links.values()) link.close('This node closes its links.');
    await this.#listener.close();
  }

  #met(met: Met): void {
    const { id } = met;
    if (this.#isClosed) {
      met.frames.destroy('This node closes its links.');
      return;
    }
    const { clock } = this.#options;
    const link = new Link({
      met,
      answering: this.#answering,
      clock,
      onState: (link, state) => this.#heard(link, state),
      onClockDifference: (link, differenceMs) => this.#book.clockDiffers(link.id, differenceMs),
      onLost: (link, why) => this.#lost(link, why),
    });
    this.#replace(link);
    link.ping();
    const told = this.#told();
    if (told !== undefined) link.tell(told);
    this.#options.log('info', `linked with node ${id}`);
    this.#book.linked(met);
  }

  /** Whoever was asked over the older link decides nothing any more. */
  #replace(link: Link): void {
    const { id } = link;
    const older = this.#links.get(id);
    this.#links.set(id, link);
    this.#dialers.get(id)?.close();
    if (older === undefined) return;
    older.close('A newer link of the same node took its place.');
    this.#book.lost(id);
  }

  #heard(link: Link, state: PeerState): void {
    if (this.#links.get(link.id) !== link) return;
    // It was doubted and is there: another connection is not needed.
    this.#dialers.get(link.id)?.close();
    this.#book.heard(link.id, state);
  }

  #lost(link: Link, why: string): void {
    if (this.#links.get(link.id) !== link) return;
    this.#links.delete(link.id);
    this.#options.log('info', `the link with node ${link.id} was lost: ${why}`);
    const lastedMs = this.#options.clock.monotonicMs() - link.sinceMs;
    this.#book.lost(link.id);
    if (!this.#isClosed) this.#redial(link.id, lastedMs >= GOOD_LINK_MS);
  }

  #redial(id: string, isFresh: boolean): void {
    if (!this.#links.has(id)) this.#dialers.get(id)?.want(isFresh);
  }

  #failed(target: string, { reason, detail }: HandshakeFailure): void {
    if (reason !== undefined && !this.#isClosed) this.#refusals.say(target, reason, detail);
  }

  #beat(): void {
    this.#excuse();
    this.#beatMs = this.#options.clock.monotonicMs();
    this.#beats++;
    this.#tellAll();
    const nowMs = this.#options.clock.monotonicMs();
    for (const link of this.#links.values()) {
      if (this.#beats % BEATS_A_PING === 0) link.ping();
      if (nowMs - link.heardMs <= this.#doubtMs) continue;
      if (link.stalledMs > this.#doubtMs) link.close('It takes nothing and says nothing.');
      else this.#dialers.get(link.id)?.want();
    }
  }

  /**
   * After a pause of this process timers run before what came meanwhile is read: without this,
   * everybody would seem to have been silent, and a leader that lives would be challenged.
   */
  #excuse(): void {
    if (this.#beatMs === 0 || this.#isClosed) return;
    const { clock, heartbeatMs } = this.#options;
    const nowMs = clock.monotonicMs();
    const stillMs = nowMs - this.#beatMs - heartbeatMs;
    if (stillMs < STILL_BEATS * heartbeatMs) return;
    this.#beatMs += stillMs;
    this.#book.excuse(stillMs);
    for (const link of this.#links.values()) {
      link.heardMs = Math.min(nowMs, link.heardMs + stillMs);
    }
  }

  #tellAll(): void {
    if (this.#links.size === 0) return;
    const told = this.#told();
    if (told !== undefined) for (const link of this.#links.values()) link.tell(told);
  }

  /** The present state in frames; its words are written again only when they are others. */
  #told(): ToldState | undefined {
    const state = this.#state;
    if (state === undefined) return undefined;
    if (this.#words === undefined || !haveSameWords(this.#words.state, state)) {
      this.#words = { state, frame: wordsFrame(state) };
    }
    const clockNs = this.#options.clock.nowNs();
    return { words: this.#words.frame, state: stateFrame(state, clockNs) };
  }
}
