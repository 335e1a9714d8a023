// A clustered node while it does not lead: it builds its books from a checkpoint and the journal,
// follows, and builds them anew when they turn out not to be the journal's. Ends when it is called.

import { type OperationalError, isOperationalError } from '../../base/errors.ts';
import { type Call, PEER_QUESTIONS } from '../../cluster/contract.ts';
import { fetchCheckpoint } from '../fetching.ts';
import { Following, type FollowingEnd, divergedAt } from './following.ts';
import type { MemberParts } from './member-parts.ts';

/** Attempts to go on from the applied head that got nowhere, before the books are built anew. */
const REREADS_MAX = 2;
/** What looks damaged beside a live writer is often only unfinished. */
const LOOKS_MAX = 10;
const LOOK_MS = 100;
/** Builds at one place of the journal, each from an older checkpoint; then people are needed. */
const REBUILDS_MAX = 3;
/** How long a joiner waits until somebody is there who has a checkpoint. */
const FETCH_MS_MAX = 10_000;
const TELL_MS_MAX = 1000;

export class StandingBy {
  readonly #parts: MemberParts;
  /** The last rebuild: what position it was for, and how many have been. */
  #rebuilt = { position: 0, count: 0 };

  constructor(parts: MemberParts) {
    this.#parts = parts;
  }

  /** The journal is open for reading then. `skip`: so many newest checkpoints are not used. */
  async restore(skip = 0): Promise<void> {
    const { stations, cluster, configuration, reports } = this.#parts;
    const { clusterId, timeline, checkpoints } = stations.options;
    const { signal } = stations.ending;
    const { recovered, manifest } = await stations.restore({
      mode: 'read',
      skip,
      ...(checkpoints !== undefined && {
        fetchCheckpoint: () =>
          fetchCheckpoint({
            peers: cluster.peers,
            store: checkpoints.store,
            history: { clusterId, timeline },
            waitMs: FETCH_MS_MAX,
            note: (text) => checkpoints.observer.noted(text),
            signal,
          }),
      }),
    });
    configuration.forget();
    const stored = (await checkpoints?.store.positions().catch(() => [])) ?? [];
    this.#parts.neededFrom = stored.at(-1) ?? 0;
    const { last, offset, bytesApplied } = recovered;
    this.#parts.setHead(last, offset);
    if (last !== undefined && offset !== null) {
      stations.epoch = last.epoch;
      this.#parts.beginCheckpoints({ entry: last, offset }, { restored: manifest, bytesApplied });
    }
    stations.takeMemoryAhead();
    reports.soon();
  }

  /** Follows until the node is called; the journal is open for reading, before and after. */
  async untilCalled(called: Promise<Call>): Promise<Call> {
    const { stations } = this.#parts;
    for (let fruitless = 0; ; ) {
      const before = stations.replica.position;
      const following = this.#follow();
      let end: Call | FollowingEnd;
      try {
        end = await Promise.race([following.run(), called]);
      } finally {
        await following.stop();
        this.#parts.following = undefined;
      }
      stations.ending.signal.throwIfAborted();
      if ('depose' in end) return end;
      fruitless = stations.replica.position > before ? 0 : fruitless + 1;
      await this.#mend(end, fruitless);
    }
  }

  /** The journal is closed. Reading goes on behind the own head. */
  async reopen(): Promise<void> {
    const { stations, head } = this.#parts;
    const { signal } = stations.ending;
    try {
      const from = head === undefined ? {} : { from: head.offset };
      await stations.journal.open({ mode: 'read', ...from, signal });
    } catch (error) {
      if (!isOperationalError(error, 'JOURNAL_DIVERGED')) throw error;
      await this.#rebuild(error, false);
    }
  }

  #follow(): Following {
    const { stations, cluster, head, publish } = this.#parts;
    const { journal, replica, history, options } = stations;
    const { clusterId, timeline } = options;
    const following = new Following({
      journal,
      replica,
      head,
      clusterId,
      timeline,
      derived: history,
      leader: () => cluster.leadership.leader(),
      onApplied: publish,
    });
    this.#parts.following = following;
    this.#parts.becomeFollowing();
    return following;
  }

  async #mend(end: FollowingEnd, fruitless: number): Promise<void> {
    const { clock } = this.#parts.stations.options;
    const { signal } = this.#parts.stations.ending;
    if (end.kind === 'stopped') {
      // Nobody stopped it: the journal ended the read.
      await clock.sleep(LOOK_MS, signal);
      return;
    }
    const { error } = end;
    if (isOperationalError(error, 'JOURNAL_DIVERGED')) {
      // What was read and not applied may have been rewritten by the next leader: read it again.
      const isUnapplied = end.kind === 'reading' && fruitless < REREADS_MAX;
      if (!isUnapplied) await this.#rebuild(error, end.kind === 'applying');
      return;
    }
    if (isOperationalError(error, 'JOURNAL_CORRUPT') && fruitless < LOOKS_MAX) {
      await clock.sleep(LOOK_MS, signal);
      return;
    }
    throw error;
  }

  /**
   * These books are not the journal's. Nothing that was acknowledged is in danger: with a journal
   * that all nodes share, no node holds the only copy of an entry.
   */
  async #rebuild(error: OperationalError, isOfOutcomes: boolean): Promise<void> {
    const { stations } = this.#parts;
    const { position } = stations.replica;
    const isAgain = position <= this.#rebuilt.position;
    this.#rebuilt = { position, count: isAgain ? this.#rebuilt.count + 1 : 1 };
    if (this.#rebuilt.count > REBUILDS_MAX) throw await this.#quarantined(error);
    stations.become('recovering', `Its books are built anew: ${error.detail}`);
    await stations.checkpointing?.close();
    stations.checkpointing = undefined;
    await stations.journal.close();
    if (isOfOutcomes) stations.history.doubt(`it was fed by books that differ: ${error.detail}`);
    // A checkpoint may have been taken after the fault: the next attempt uses an older one.
    await this.restore(isOfOutcomes ? this.#rebuilt.count - 1 : 0);
  }

  async #quarantined(error: OperationalError): Promise<OperationalError> {
    const { stations, cluster } = this.#parts;
    const diverged = divergedAt(stations.replica, error);
    const leader = cluster.leadership.leader();
    if (leader === undefined) return diverged;
    const text = new TextEncoder().encode(diverged.detail);
    const signal = AbortSignal.timeout(TELL_MS_MAX);
    await cluster.peers
      .ask(leader.id, PEER_QUESTIONS.diverged, text, signal)
      .catch(() => undefined);
    return diverged;
  }
}
