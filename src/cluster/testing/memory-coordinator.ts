// A coordinator in memory for several members of one process, for tests: sessions end by the given
// clock, members can be killed, cut off from it and heard again.

import { OperationalError } from '../../base/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type {
  Candidacy,
  Coordinator,
  CoordinatorGuarantees,
  CoordinatorHealth,
  LeaderNote,
  Member,
} from '../../ports/coordinator.ts';

/** One for each cluster under test. */
export class MemoryCoordination {
  readonly clock: Clock;
  readonly sessionMs: number;
  note: LeaderNote | undefined;
  readonly #sessions: MemoryCoordinator[] = [];
  #line: MemoryCoordinator[] = [];

  constructor(clock: Clock, sessionMs: number) {
    this.clock = clock;
    this.sessionMs = sessionMs;
  }

  member(): MemoryCoordinator {
    return new MemoryCoordinator(this);
  }

  members(): readonly Member[] {
    const newest = new Map(this.#sessions.map((session) => [session.self.id, session.self]));
    return [...newest.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
  }

  /** For members. */
  enter(session: MemoryCoordinator): void {
    if (!this.#sessions.includes(session)) this.#sessions.push(session);
    this.changed();
  }

  leave(session: MemoryCoordinator): void {
    const index = this.#sessions.indexOf(session);
    if (index >= 0) this.#sessions.splice(index, 1);
    this.leaveLine(session);
    this.changed();
  }

  stand(session: MemoryCoordinator): void {
    if (this.#line.includes(session)) return;
    this.#line.push(session);
    this.changed();
  }

  leaveLine(session: MemoryCoordinator): void {
    if (!this.#line.includes(session)) return;
    this.#line = this.#line.filter((one) => one !== session);
    this.changed();
  }

  isFirst(session: MemoryCoordinator): boolean {
    return this.#line[0] === session;
  }

  changed(): void {
    queueMicrotask(() => {
      for (const session of this.#sessions) session.look();
    });
  }

  /** Ends its session after the session's time, unless it was heard again. */
  async expireLater(session: MemoryCoordinator, signal: AbortSignal): Promise<void> {
    await this.clock.sleep(this.sessionMs, signal);
    if (!signal.aborted) this.leave(session);
  }
}

const NEVER = new AbortController().signal;

export class MemoryCoordinator implements Coordinator {
  readonly guarantees: CoordinatorGuarantees;
  readonly #hub: MemoryCoordination;
  readonly #listeners = new Set<() => void>();
  readonly #wakers = new Set<() => void>();
  #self: Member = { id: '', detail: '', joinedAtMs: 0 };
  #members: readonly Member[] = [];
  #note: LeaderNote | undefined;
  #isJoined = false;
  #isClosed = false;
  #isAway = false;
  #sinceMs = 0;
  #held: PromiseWithResolvers<string> | undefined;
  #away: AbortController | undefined;

  constructor(hub: MemoryCoordination) {
    this.#hub = hub;
    this.guarantees = { scope: 'network', sessionMs: hub.sessionMs };
  }

  get self(): Member {
    return this.#self;
  }

  async open(
    { id, detail }: { readonly id: string; readonly detail: string },
    signal: AbortSignal,
  ): Promise<void> {
    const joinedAtMs = Number(this.#hub.clock.nowNs() / 1_000_000n);
    this.#self = { id, detail, joinedAtMs };
    await this.#until(() => !this.#isAway, signal);
    this.#isJoined = true;
    this.#sinceMs = joinedAtMs;
    this.#members = this.#hub.members();
    this.#hub.enter(this);
    this.look();
  }

  update(detail: string): void {
    this.#self = { ...this.#self, detail };
    this.#hub.changed();
  }

  members(): readonly Member[] {
    return this.#members;
  }

  leader(): LeaderNote | undefined {
    return this.#note;
  }

  health(): CoordinatorHealth {
    const connected = this.#isJoined && !this.#isAway && !this.#isClosed;
    const reason = connected ? 'It answers.' : 'It does not answer.';
    return { connected, sinceMs: this.#sinceMs, reason };
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async campaign(signal: AbortSignal): Promise<Candidacy> {
    try {
      await this.#until(() => {
        if (!this.#isAway) this.#hub.stand(this);
        return !this.#isAway && this.#hub.isFirst(this);
      }, signal);
    } catch (error) {
      this.#hub.leaveLine(this);
      throw error;
    }
    // It was first and was closed before it heard so: nobody would ever tell it of its loss.
    if (this.#isClosed) throw new OperationalError('SHUTTING_DOWN');
    const held = Promise.withResolvers<string>();
    this.#held = held;
    return {
      lost: held.promise,
      heldUntilMs: () => (this.#held === held ? Number.POSITIVE_INFINITY : 0),
      resign: async () => {
        if (this.#held !== held) return;
        this.#lose('It resigned.');
        this.#hub.leaveLine(this);
        await Promise.resolve();
      },
    };
  }

  async noteLeader(note: LeaderNote, signal: AbortSignal): Promise<boolean> {
    await this.#until(() => !this.#isAway, signal);
    if ((this.#hub.note?.epoch ?? -1) < note.epoch) this.#hub.note = note;
    this.#hub.changed();
    const { epoch, memberId } = this.#hub.note ?? note;
    return epoch === note.epoch && memberId === note.memberId;
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    this.#lose('It was closed.');
    this.#wake();
    if (!this.#isAway) this.#hub.leave(this);
    this.#members = [];
    return Promise.resolve();
  }

  /** It cannot be asked any more, or its process is dead: its session ends in its time. */
  cut(): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.#away = new AbortController();
    void this.#hub.expireLater(this, this.#away.signal);
    void this.#loseLater(this.#away.signal);
    this.#turned();
  }

  heal(): void {
    if (!this.#isAway || this.#isClosed) return;
    this.#isAway = false;
    this.#away?.abort();
    if (this.#isJoined) this.#hub.enter(this);
    if (this.#held !== undefined && !this.#hub.isFirst(this)) this.#lose('Its session is over.');
    this.#turned();
    this.#wake();
  }

  /** For the hub: something has changed. */
  look(): void {
    if (this.#isAway || this.#isClosed) return;
    this.#members = this.#hub.members();
    this.#note = this.#hub.note;
    this.#wake();
    for (const listener of this.#listeners) listener();
  }

  async #loseLater(signal: AbortSignal): Promise<void> {
    await this.#hub.clock.sleep(this.#hub.sessionMs, signal);
    if (!signal.aborted) this.#lose('The coordinator was not heard for a session.');
  }

  #lose(why: string): void {
    this.#held?.resolve(why);
    this.#held = undefined;
  }

  #turned(): void {
    this.#sinceMs = Number(this.#hub.clock.nowNs() / 1_000_000n);
    for (const listener of this.#listeners) listener();
  }

  #wake(): void {
    for (const wake of this.#wakers) wake();
  }

  async #until(condition: () => boolean, signal: AbortSignal = NEVER): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#isClosed) throw new OperationalError('SHUTTING_DOWN');
      if (condition()) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wakers.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
      this.#wakers.delete(resolve);
    }
  }
}
