// What a clustered node's roles share beside the stations: the last applied entry, what is told to
// the others and heard of them, and the forwarder that carries commands to the leader.

import type { Entry } from '../../base/entry.ts';
import { OPERATIONAL_ERRORS, OperationalError } from '../../base/errors.ts';
import type { Outcome } from '../../domain/outcome.ts';
import type { EngineOffset, StoredEntry } from '../../ports/journal.ts';
import { type AppliedHead, appliedHeadOf } from '../applied-head.ts';
import { ClockGuard } from '../clock-guard.ts';
import { ConfigurationDigest } from '../configuration-digest.ts';
import { Forwarder } from '../forwarding/forwarder.ts';
import { GrowingPause } from '../growing-pause.ts';
import type { ClusterOptions } from '../node-options.ts';
import { PositionWaits } from '../position-waits.ts';
import type { AppliedEntry } from '../publisher.ts';
import { Reports } from '../reports.ts';
import type { Stations } from '../stations.ts';
import { Terms } from '../terms.ts';
import type { Following } from './following.ts';

/** While somebody else takes them too, the leader takes so many times fewer checkpoints. */
const LEADER_SLOWNESS = 4;

/** After an attempt to lead that found the engine of the journal away, before the next one. */
const ATTEMPT_MS_MIN = 50;
const ATTEMPT_MS_MAX = 1000;

/** While another node leads and this one has not read the journal for so long, callers go there. */
const TURNS_AWAY_SECONDS = 1;

export class MemberParts {
  readonly stations: Stations;
  readonly cluster: ClusterOptions;
  readonly configuration = new ConfigurationDigest();
  readonly waits = new PositionWaits();
  readonly clockGuard: ClockGuard;
  readonly terms: Terms;
  readonly reports: Reports;
  readonly forwarder: Forwarder;
  /** The last applied entry; undefined = the books are empty. */
  head: AppliedHead | undefined;
  following: Following | undefined;
  /** It follows, or waits for the engine of the journal with its books: it does not try to lead. */
  isStandingBy = false;
  /** It has led, or followed with all of its books, since its process started. */
  hasServed = false;
  readonly #attemptPause = new GrowingPause(ATTEMPT_MS_MIN, ATTEMPT_MS_MAX);
  /** The journal took no epoch of this node just now: others try, or nobody for a moment. */
  #isPausing = false;
  /** It alone has lost the engine: who asks here hears so at once, and can ask elsewhere. */
  #turnsAway = false;
  /** The head of the oldest checkpoint here. */
  neededFrom = 0;
  /** After each applied entry. */
  onProgress: () => void = () => undefined;

  constructor(stations: Stations, cluster: ClusterOptions) {
    this.stations = stations;
    this.cluster = cluster;
    this.clockGuard = new ClockGuard(stations.options.clock);
    this.terms = new Terms(cluster.terms);
    this.reports = new Reports({
      stations,
      leadership: cluster.leadership,
      configuration: this.configuration,
      durable: () => this.durable,
      neededFrom: () => this.neededFrom,
    });
    this.forwarder = new Forwarder({
      intake: stations.intake,
      peers: cluster.peers,
      position: () => stations.replica.position,
      // Held and sent again: who waits hears nothing of it, and the role's reason says who leads.
      onTrouble: () => undefined,
    });
    stations.onRole = () => this.reports.now();
    stations.onPresence = () => this.reports.now();
    stations.publisher.subscribe((applied) => this.#applied(applied));
  }

  get durable(): number {
    return this.following?.durable ?? this.stations.replica.position;
  }

  /** The replica was built anew; its last entry. */
  setHead(entry: Entry | undefined, offset: EngineOffset | null): void {
    this.head = entry === undefined || offset === null ? undefined : appliedHeadOf(entry, offset);
  }

  becomeFollowing(): void {
    const { stations } = this;
    if (stations.role !== 'following' && stations.role !== 'draining') {
      stations.become('following', this.followingReason());
    }
    this.lookForLeader();
    if (stations.impediment !== undefined || stations.role !== 'following') return;
    if (!this.#turnsAway) stations.intake.open();
  }

  /** Whom this node follows may have changed. */
  lookForLeader(): void {
    const { stations, cluster, forwarder } = this;
    const leader = cluster.leadership.leader();
    if (leader !== undefined) this.journalIsWritten();
    // Whoever cannot read the journal would not hear what became of them: they wait here.
    forwarder.toward(stations.presence.isReadable ? leader?.id : undefined);
    if (stations.role !== 'following') return;
    stations.because(this.followingReason());
    this.#lookIfAlone(leader?.id);
    if (leader === undefined || stations.impediment === undefined) return;
    stations.unimpede();
    stations.intake.open();
  }

  /** Payments are taken elsewhere, and could not be answered here. */
  #lookIfAlone(leaderId: string | undefined): void {
    const { intake, presence } = this.stations;
    const { error, awaySeconds } = presence.figures;
    const state = leaderId === undefined ? undefined : this.cluster.peers.peer(leaderId)?.state;
    const isAlone = !presence.isReadable && state?.impediment === '';
    const turnsAway = isAlone && (this.#turnsAway || awaySeconds > TURNS_AWAY_SECONDS);
    if (turnsAway === this.#turnsAway) return;
    this.#turnsAway = turnsAway;
    if (!turnsAway) {
      if (this.stations.impediment === undefined) intake.open();
      return;
    }
    const detail = `This node cannot read the journal, and ${leaderId} leads: ask there. ${OPERATIONAL_ERRORS.JOURNAL_UNAVAILABLE.text}`;
    const refusal = new OperationalError('JOURNAL_UNAVAILABLE', { detail, cause: error });
    intake.close(refusal);
    intake.rejectAll(refusal);
  }

  /** Whether it can be read may have changed. */
  presenceChanged(): void {
    const { presence } = this.stations;
    if (this.isStandingBy) this.lookForLeader();
    const why = presence.isReadable ? undefined : 'The journal cannot be read here.';
    const pausing = this.#isPausing ? 'The journal took no epoch of it just now.' : undefined;
    this.cluster.leadership.holdBack(why ?? pausing);
  }

  /** An attempt to lead found the engine away: the next one waits, longer each time. */
  journalWasAway(error: OperationalError): void {
    const { options, ending, presence } = this.stations;
    presence.cannotWrite(error);
    this.#isPausing = true;
    this.presenceChanged();
    void this.#attemptPause.wait(options.clock, ending.signal).then(() => {
      this.#isPausing = false;
      this.presenceChanged();
    });
  }

  /** Somebody leads, here or elsewhere. */
  journalIsWritten(): void {
    this.stations.presence.canWrite();
    this.#attemptPause.reset();
  }

  followingReason(): string {
    const { presence } = this.stations;
    if (!presence.isReadable) return `The journal cannot be read: ${presence.error?.detail}`;
    const leader = this.cluster.leadership.leader();
    if (leader !== undefined) return `It follows node ${leader.id}, epoch ${leader.epoch}.`;
    return 'No leader is heard.';
  }

  /** Two nodes that differ here would compute different books from one journal. */
  compareConfiguration(): void {
    const { cluster, stations, following, configuration } = this;
    const leader = cluster.leadership.leader();
    const state = leader === undefined ? undefined : cluster.peers.peer(leader.id)?.state;
    if (state === undefined || state.configuration === '') return;
    if (state.position > stations.replica.position) return;
    const own = configuration.at(state.position);
    if (own === undefined || own === state.configuration) return;
    following?.condemn(
      new OperationalError('JOURNAL_DIVERGED', {
        detail: `At position ${state.position} configuration and ledgers here are not those of node ${leader?.id}.`,
      }),
    );
  }

  /** An entry was read and applied here: the rest of the road. */
  readonly publish = ({ entry, offset }: StoredEntry, outcomes: readonly Outcome[]): void => {
    this.stations.offsets.note(entry.position, offset);
    this.stations.epoch = entry.epoch;
    this.stations.publisher.publish({ entry, outcomes });
    const { checkpointing, replica } = this.stations;
    // In a new cluster there is no head before the first entry.
    if (checkpointing === undefined && replica.position === entry.position) {
      this.beginCheckpoints({ entry, offset }, { restored: undefined, bytesApplied: 0 });
    }
  };

  beginCheckpoints(head: StoredEntry, restored: Parameters<Stations['beginCheckpoints']>[1]): void {
    this.stations.beginCheckpoints(head, restored, {
      slowness: () => (this.#leadsOthers() ? LEADER_SLOWNESS : 1),
      discard: (position) => this.#discard(position),
      onKept: (oldest) => {
        this.neededFrom = oldest;
        this.reports.soon();
      },
    });
  }

  #applied({ entry }: AppliedEntry): void {
    const { position } = entry;
    const offset = this.stations.offsets.of(position);
    if (offset !== undefined) this.head = appliedHeadOf(entry, offset);
    this.terms.applied(entry);
    this.waits.applied(position);
    this.forwarder.applied(position);
    this.configuration.look(this.stations.replica.state, position);
    this.reports.soon();
    this.onProgress();
  }

  #leadsOthers(): boolean {
    if (this.stations.leading === undefined) return false;
    return this.cluster.peers.peers().some(({ isLinked, state }) => {
      return isLinked && state?.role === 'following';
    });
  }

  /** Only a leader's journal is open for writing, and what another node needs stays in it. */
  async #discard(position: number): Promise<void> {
    // Who hands over is called leading until the journal is closed.
    if (this.stations.role !== 'leading' || this.stations.leading === undefined) return;
    let through = position;
    for (const { isSelf, isMember, isLinked, state } of this.cluster.leadership.view().members) {
      if (isSelf || (!isMember && !isLinked)) continue;
      // Who has not said anything yet may need everything.
      through = Math.min(through, (state?.neededFrom ?? 0) - 1);
    }
    if (through > 0) await this.stations.journal.discardThrough(through);
  }
}
