// A clustered node while it does not lead: it builds its books from a checkpoint and the journal,
// follows, and builds them anew when they turn out not to be the journal's. Ends when it is called.
// While the engine of the journal is away it waits for it: with its books, where it has any.

import { type OperationalError, isOperationalError } from '../../base/errors.ts';
import { type Call, PEER_QUESTIONS } from '../../cluster/contract.ts';
import type { JournalOpenOptions, JournalOpening } from '../../ports/journal.ts';
import { fetchCheckpoint } from '../fetching.ts';
import { GrowingPause } from '../growing-pause.ts';
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
/** Between two looks whether the engine of the journal is back. */
const AWAY_MS_MIN = 50;
const AWAY_MS_MAX = 500;

/** What can pass by itself. The second one is not accepted by a node that starts: see `isAway`. */
const AWAY: ReadonlySet<string> = new Set(['JOURNAL_UNAVAILABLE', 'JOURNAL_UNSAFE']);

/**
 * The engine is away, or has been put right wrongly. A node that has never served halts over the
 * latter, so that whoever set it up reads why; one that has served waits for a better day.
 */
export function isAway(error: unknown, hasServed: boolean): error is OperationalError {
  if (!isOperationalError(error) || !AWAY.has(error.code)) return false;
  return hasServed || error.code === 'JOURNAL_UNAVAILABLE';
}

export class StandingBy {
  readonly #parts: MemberParts;
  /** The last rebuild: what position it was for, and how many have been. */
  #rebuilt = { position: 0, count: 0 };
  readonly #pause = new GrowingPause(AWAY_MS_MIN, AWAY_MS_MAX);
  /** The journal is open for reading. */
  #isOpen = false;

  constructor(parts: MemberParts) {
    this.#parts = parts;
  }

  /** The journal is open for reading then. `skip`: so many newest checkpoints are not used. */
  async restore(skip = 0): Promise<void> {
    const { stations } = this.#parts;
    for (;;) {
      try {
        await this.#restoreOnce(skip);
        this.#pause.reset();
        this.#opened();
        return;
      } catch (error) {
        if (!isAway(error, this.#parts.hasServed)) throw error;
        await stations.journal.close();
        await this.#waitForEngine(error);
      }
    }
  }

  async #restoreOnce(skip: number): Promise<void> {
    const { stations, cluster, configuration, head, reports } = this.#parts;
    const { clusterId, timeline, checkpoints } = stations.options;
    const { signal } = stations.ending;
    const { recovered, manifest } = await stations.restore({
      mode: 'read',
      skip,
      openJournal: (how) => this.#openWhenThere(how),
      // A journal that ends before, or holds something else there, is not what was followed here.
      applied: new Map(head === undefined ? [] : [[head.entry.position, head.entry.digest]]),
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

  /** Follows until the node is called; then the journal may be open for reading. */
  async untilCalled(called: Promise<Call>): Promise<Call> {
    this.#parts.isStandingBy = true;
    try {
      const { stations } = this.#parts;
      for (let fruitless = 0; ; ) {
        const before = stations.replica.position;
        const end = await this.#untilEnd(called);
        stations.ending.signal.throwIfAborted();
        if ('depose' in end) return end;
        fruitless = stations.replica.position > before ? 0 : fruitless + 1;
        await this.#mend(end, fruitless);
      }
    } finally {
      this.#parts.isStandingBy = false;
    }
  }

  /** The journal is closed. Reading goes on behind the own head, now or when the engine is back. */
  async reopen(): Promise<void> {
    const { stations, head } = this.#parts;
    const { signal } = stations.ending;
    this.#isOpen = false;
    try {
      const from = head === undefined ? {} : { from: head.offset };
      await stations.journal.open({ mode: 'read', ...from, signal });
      this.#opened();
    } catch (error) {
      if (isAway(error, this.#parts.hasServed)) this.#noteAway(error);
      else if (isOperationalError(error, 'JOURNAL_DIVERGED')) await this.#rebuild(error, false);
      else throw error;
    }
  }

  /** Follows as soon as the journal can be read, until that ends or the node is called. */
  async #untilEnd(called: Promise<Call>): Promise<Call | FollowingEnd> {
    this.#parts.becomeFollowing();
    while (!this.#isOpen) {
      const pausing = this.#pausing();
      const call = await Promise.race([pausing.over, called]);
      pausing.end();
      this.#parts.stations.ending.signal.throwIfAborted();
      if (call !== undefined) return call;
      await this.reopen();
    }
    const following = this.#follow();
    const { clock } = this.#parts.stations.options;
    const sinceMs = clock.monotonicMs();
    try {
      return await Promise.race([following.run(), called]);
    } finally {
      await following.stop();
      this.#parts.following = undefined;
      // What could be followed for so long was there: a new absence begins with short pauses.
      if (clock.monotonicMs() - sinceMs > AWAY_MS_MAX) this.#pause.reset();
    }
  }

  #pausing(): { readonly over: Promise<undefined>; readonly end: () => void } {
    const { options, ending } = this.#parts.stations;
    const end = new AbortController();
    const signal = AbortSignal.any([end.signal, ending.signal]);
    const over = this.#pause.wait(options.clock, signal).then(() => undefined);
    return { over, end: () => end.abort() };
  }

  #opened(): void {
    this.#isOpen = true;
    this.#parts.stations.presence.canRead();
    this.#parts.presenceChanged();
  }

  /** Nobody can be acknowledged what is not read here: see `MemberParts.lookForLeader`. */
  #noteAway(error: OperationalError): void {
    this.#isOpen = false;
    this.#parts.stations.presence.cannotRead(error);
    this.#parts.presenceChanged();
  }

  /** While it has no books, or builds them anew. */
  async #waitForEngine(error: OperationalError): Promise<void> {
    const { stations } = this.#parts;
    const { options, ending } = stations;
    this.#noteAway(error);
    stations.because(`The journal is to be read, and its engine is away: ${error.detail}`);
    await this.#pause.wait(options.clock, ending.signal);
    ending.signal.throwIfAborted();
  }

  /** The checkpoint that has been loaded meanwhile is kept. */
  async #openWhenThere(how: JournalOpenOptions): Promise<JournalOpening> {
    const { stations } = this.#parts;
    for (;;) {
      try {
        const opening = await stations.journal.open(how);
        if (!stations.presence.isReadable) stations.because('The journal is being read.');
        this.#opened();
        return opening;
      } catch (error) {
        if (!isAway(error, this.#parts.hasServed)) throw error;
        await this.#waitForEngine(error);
      }
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
    const { journal, options, ending } = this.#parts.stations;
    const { clock } = options;
    const { signal } = ending;
    if (fruitless === 0) this.#pause.reset();
    if (end.kind === 'stopped') {
      // Nobody stopped it: the journal ended the read.
      await clock.sleep(LOOK_MS, signal);
      return;
    }
    const { error } = end;
    if (end.kind === 'reading' && isAway(error, true)) {
      // Opened anew: a failover may have put another member in its place, whose settings count.
      this.#noteAway(error);
      await journal.close();
      return;
    }
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
