// The coordinator of processes on one machine: a folder. Members keep a file each and touch it as a
// sign of life; the first place in line is a kernel lock, which ends with its process whatever
// happens to it. A holder that is alive and shows no sign of life for a session's time is frozen:
// it is killed (process number and start time checked), because a lock cannot be taken from it.
//
//   <folder>/members/<guid>.json   {"id", "detail", "pid", "startTime", "namespace", "joinedAtMs"}
//   <folder>/line.sqlite           the lock; nothing stands in it
//   <folder>/leader.json           {"epoch", "memberId", "detail"}
//   <folder>/leader.sqlite         held while leader.json is compared and replaced
//
// A full disk takes neither the line nor the signs of life away; a change of a detail and the note
// of the leader wait for room.

import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../../base/assert.ts';
import {
  type Candidacy,
  type Coordinator,
  type CoordinatorGuarantees,
  type CoordinatorHealth,
  type LeaderNote,
  type Member,
} from '../../ports/coordinator.ts';
import {
  CoordinatorView,
  checkDetail,
  checkSelf,
  wasClosed,
} from '../../ports/coordinator-view.ts';
import { KernelLock } from './kernel-lock.ts';
import { type LocalOptions, checkFolder, checkOptions, unusable } from './options.ts';
import { Presence } from './presence.ts';
import { killProcess, ownProcess, type ProcessMark } from './process-mark.ts';
import { type MemberRecord, readLeaderFile } from './records.ts';

/** How often a lock that is held is tried again. */
const LOCK_LOOK_MS = 20;
const LOOKS_PER_SESSION = 6;

export function createCoordinator(options: LocalOptions): Coordinator {
  checkOptions(options);
  return new LocalCoordinator(options);
}

type Held = { readonly lost: PromiseWithResolvers<string> };

class LocalCoordinator implements Coordinator {
  readonly guarantees: CoordinatorGuarantees;
  readonly #options: LocalOptions;
  readonly #view = new CoordinatorView();
  readonly #line: KernelLock;
  readonly #noteLock: KernelLock;
  readonly #end = new AbortController();
  #presence: Presence | undefined;
  #self: MemberRecord | undefined;
  #own: ProcessMark | undefined;
  #frozen: readonly MemberRecord[] = [];
  #held: Held | undefined;
  #isCampaigning = false;
  #timer: NodeJS.Timeout | undefined;
  #wanted = false;
  #working: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(options: LocalOptions) {
    this.#options = options;
    this.guarantees = { scope: 'machine', sessionMs: options.sessionMs };
    this.#line = new KernelLock(join(options.folder, 'line.sqlite'));
    this.#noteLock = new KernelLock(join(options.folder, 'leader.sqlite'));
  }

  async open(
    self: { readonly id: string; readonly detail: string },
    signal: AbortSignal,
  ): Promise<void> {
    assert(this.#self === undefined, 'a coordinator is opened once');
    checkSelf(self);
    signal.throwIfAborted();
    if (this.#closed !== undefined) throw wasClosed();
    const { folder, sessionMs } = this.#options;
    const { id, detail } = self;
    const none: ProcessMark = { pid: process.pid, startTime: null, namespace: '' };
    this.#self = { id, detail, joinedAtMs: Date.now(), ...none };
    const either = AbortSignal.any([signal, this.#end.signal]);
    try {
      const own = await ownProcess();
      this.#own = own;
      this.#self = { ...this.#self, ...own };
      const presence = new Presence({ folder: join(folder, 'members'), sessionMs, own });
      await this.#firstSign(presence, either);
      either.throwIfAborted();
      this.#presence = presence;
      await this.#live();
    } catch (error) {
      await this.close();
      throw error;
    }
    if (this.#closed !== undefined) throw wasClosed();
    this.#timer = setInterval(() => this.#want(), sessionMs / LOOKS_PER_SESSION);
  }

  update(detail: string): void {
    checkDetail(detail);
    if (this.#self === undefined) return;
    this.#self = { ...this.#self, detail };
    this.#want();
  }

  members(): readonly Member[] {
    return this.#view.members;
  }

  leader(): LeaderNote | undefined {
    return this.#view.leader;
  }

  health(): CoordinatorHealth {
    return this.#view.health;
  }

  subscribe(listener: () => void): () => void {
    return this.#view.subscribe(listener);
  }

  async campaign(signal: AbortSignal): Promise<Candidacy> {
    assert(this.#presence !== undefined || this.#closed !== undefined, 'open before a campaign');
    assert(!this.#isCampaigning && this.#held === undefined, 'one campaign at a time');
    this.#isCampaigning = true;
    try {
      await this.#take(this.#line, AbortSignal.any([signal, this.#end.signal]));
    } finally {
      this.#isCampaigning = false;
    }
    if (this.#closed !== undefined) {
      this.#line.release();
      throw wasClosed();
    }
    const held: Held = { lost: Promise.withResolvers() };
    this.#held = held;
    return {
      lost: held.lost.promise,
      heldUntilMs: () => (this.#held === held ? Number.POSITIVE_INFINITY : 0),
      resign: async () => this.#letGo(held, 'It resigned.'),
    };
  }

  async noteLeader(note: LeaderNote, signal: AbortSignal): Promise<boolean> {
    checkDetail(note.detail);
    const path = join(this.#options.folder, 'leader.json');
    const either = AbortSignal.any([signal, this.#end.signal]);
    for (;;) {
      await this.#take(this.#noteLock, either);
      try {
        const known = readLeaderFile(path);
        if (known === undefined || known.epoch < note.epoch) replaceFile(path, note);
        const there = known === undefined || known.epoch < note.epoch ? note : known;
        this.#learn(this.#view.members, there);
        return there.epoch === note.epoch && there.memberId === note.memberId;
      } catch (error) {
        this.#ail(error);
      } finally {
        this.#noteLock.release();
      }
      await sleep(this.#options.sessionMs / LOOKS_PER_SESSION, undefined, {
        signal: either,
      }).catch(() => undefined);
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer);
    this.#end.abort(wasClosed());
    if (this.#held !== undefined) this.#letGo(this.#held, 'The coordinator was closed.');
    await this.#working;
    await this.#presence?.remove().catch(() => undefined);
    this.#view.close();
  }

  /** Until the folder is there and there is room in it. */
  async #firstSign(presence: Presence, signal: AbortSignal): Promise<void> {
    const { folder, sessionMs } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      try {
        await mkdir(folder, { recursive: true });
        await checkFolder(folder);
        await presence.show(this.#self!);
        return;
      } catch (error) {
        const problem = unusable(folder, error);
        if (problem !== undefined) throw problem;
        this.#ail(error);
      }
      await sleep(sessionMs / LOOKS_PER_SESSION, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Returns with the lock, in the same step of this process; throws the signal's reason. */
  async #take(lock: KernelLock, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      try {
        if (lock.tryTake()) return;
        if (this.#frozen.length > 0) await this.#endFrozenHolder(lock);
      } catch (error) {
        this.#ail(error);
      }
      await sleep(LOCK_LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #letGo(held: Held, reason: string): void {
    if (this.#held !== held) return;
    this.#held = undefined;
    this.#line.release();
    held.lost.resolve(reason);
  }

  #want(): void {
    this.#wanted = true;
    if (this.#working !== undefined || this.#presence === undefined) return;
    if (this.#closed !== undefined) return;
    this.#working = (async () => {
      while (this.#wanted && this.#closed === undefined) {
        this.#wanted = false;
        await this.#live();
      }
    })().finally(() => {
      this.#working = undefined;
    });
  }

  /** A sign of life, and a look at the others. */
  async #live(): Promise<void> {
    const { folder } = this.#options;
    const held = this.#held;
    if (held !== undefined && !(await this.#line.isInPlace())) {
      this.#letGo(held, 'The file of its lock was removed.');
    }
    try {
      let trouble: { readonly error: unknown } | undefined;
      await this.#presence!.show(this.#self!).catch((error: unknown) => {
        trouble = { error };
      });
      const { members, frozen } = await this.#presence!.look();
      this.#frozen = frozen;
      const plain = members.map(({ id, detail, joinedAtMs }) => ({ id, detail, joinedAtMs }));
      this.#learn(plain, readLeaderFile(join(folder, 'leader.json')));
      if (trouble !== undefined) throw trouble.error;
      if (this.#closed === undefined) this.#view.feel(true, 'The folder is there.');
    } catch (error) {
      this.#ail(error);
    }
  }

  #learn(members: readonly Member[], note: LeaderNote | undefined): void {
    if (this.#closed === undefined) this.#view.learn(members, note);
  }

  /** Who holds a lock and gives no sign of life holds everybody up. */
  async #endFrozenHolder(lock: KernelLock): Promise<void> {
    const holders = await lock.holders();
    // Looked at once more: it may have woken since.
    const { frozen } = await this.#presence!.look();
    this.#frozen = frozen;
    for (const process of frozen) {
      if (!holders.includes(process.pid)) continue;
      this.#options.log(
        'warning',
        `Process ${process.pid} (${process.id}) holds ${lock.path} and gave no sign of life for ` +
          `${this.#options.sessionMs} ms: it is killed.`,
      );
      await killProcess(process, this.#own!);
    }
  }

  #ail(error: unknown): void {
    if (this.#closed === undefined) this.#view.feel(false, `${String(error)}.`);
  }
}

/** In one step of this process, so that nothing of its own comes between reading and writing. */
function replaceFile(path: string, note: LeaderNote): void {
  const partial = `${path}.partial`;
  try {
    writeFileSync(partial, `${JSON.stringify(note)}\n`);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}
