// The coordinator of processes on one machine: a folder. Members keep a file each and touch it as a
// sign of life; the first place in line is a kernel lock, which ends with its process whatever
// happens to it. A holder that is alive and shows no sign of life for a session's time is frozen: it
// is killed (its process id and start time checked), because a lock cannot be taken from it.
//
//   <folder>/members/<id>.json   {"id", "detail", "pid", "startTime", "joinedAtMs"}
//   <folder>/line.sqlite         the lock; line.json beside it names who holds it
//   <folder>/leader.json         {"epoch", "memberId", "detail"}
//
// The folder must be local: locks of network file systems do not end with their process.

import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  Candidacy,
  Coordinator,
  CoordinatorHealth,
  LeaderNote,
  Member,
} from '../../ports/coordinator.ts';
import { LineLock } from './line-lock.ts';
import { endFrozen, isAlive, ownProcess, type ProcessMark } from './process-mark.ts';
import { type MemberFile, readLeaderFile, readMemberFile } from './records.ts';

export type LocalOptions = {
  readonly folder: string;
  readonly sessionMs: number;
  readonly log: (level: 'info' | 'warning', text: string) => void;
};

/** How often the line's end and the members' files are looked at. */
const LINE_LOOK_MS = 10;
const LOOKS_PER_SESSION = 6;
const SUFFIX = '.json';

export function createCoordinator(options: LocalOptions): Coordinator {
  return new LocalCoordinator(options);
}

class LocalCoordinator implements Coordinator {
  readonly guarantees;
  readonly #options: LocalOptions;
  readonly #listeners = new Set<() => void>();
  readonly #lock: LineLock;
  #self: MemberFile | undefined;
  #mark: ProcessMark = { pid: process.pid, startTime: null };
  #members: readonly Member[] = [];
  #leader: LeaderNote | undefined;
  #candidacy: { readonly lost: PromiseWithResolvers<string> } | undefined;
  #health: CoordinatorHealth = { connected: false, sinceMs: Date.now(), reason: 'Not opened.' };
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: LocalOptions) {
    this.#options = options;
    this.guarantees = { scope: 'machine', sessionMs: options.sessionMs } as const;
    this.#lock = new LineLock(options.folder);
  }

  async open(
    self: { readonly id: string; readonly detail: string },
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    await mkdir(join(this.#options.folder, 'members'), { recursive: true });
    this.#mark = await ownProcess();
    this.#self = { ...self, ...this.#mark, joinedAtMs: Date.now() };
    await this.#writeSelf();
    this.#health = { connected: true, sinceMs: Date.now(), reason: 'The folder is there.' };
    await this.#look();
    this.#timer = setInterval(() => {
      this.#looking = this.#looking.then(() => this.#live());
    }, this.#options.sessionMs / LOOKS_PER_SESSION);
  }

  update(detail: string): void {
    if (this.#self === undefined || this.#self.detail === detail) return;
    this.#self = { ...this.#self, detail };
    this.#looking = this.#looking.then(async () => {
      await this.#writeSelf().catch((error: unknown) => this.#ail(error));
      await this.#look();
    });
  }

  members(): readonly Member[] {
    return this.#members;
  }

  leader(): LeaderNote | undefined {
    return this.#leader;
  }

  health(): CoordinatorHealth {
    return this.#health;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async campaign(signal: AbortSignal): Promise<Candidacy> {
    for (;;) {
      signal.throwIfAborted();
      if (await this.#lock.tryTake(this.#mark)) break;
      await this.#endFrozenHolder();
      await sleep(LINE_LOOK_MS, undefined, { signal });
    }
    const candidacy = { lost: Promise.withResolvers<string>() };
    this.#candidacy = candidacy;
    return {
      lost: candidacy.lost.promise,
      resign: () => this.#resign(candidacy),
    };
  }

  async noteLeader(note: LeaderNote): Promise<boolean> {
    const path = join(this.#options.folder, 'leader.json');
    const known = await readLeaderFile(path);
    if (known !== undefined && known.epoch >= note.epoch) {
      return known.epoch === note.epoch && known.memberId === note.memberId;
    }
    await replaceFile(path, JSON.stringify(note));
    await this.#look();
    return true;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.#candidacy !== undefined) await this.#resign(this.#candidacy);
    await this.#looking;
    if (this.#self !== undefined) await rm(this.#pathOf(this.#self.id), { force: true });
    this.#self = undefined;
    this.#members = [];
    this.#health = { connected: false, sinceMs: Date.now(), reason: 'It was closed.' };
    this.#tell();
  }

  async #resign(candidacy: { readonly lost: PromiseWithResolvers<string> }): Promise<void> {
    if (this.#candidacy !== candidacy) return;
    this.#candidacy = undefined;
    await this.#lock.release();
    candidacy.lost.resolve('It resigned.');
  }

  /** A sign of life, and a look at the others. */
  async #live(): Promise<void> {
    if (this.#self === undefined) return;
    try {
      const now = new Date();
      await utimes(this.#pathOf(this.#self.id), now, now);
    } catch {
      await this.#writeSelf().catch((error: unknown) => this.#ail(error));
    }
    await this.#look().catch((error: unknown) => this.#ail(error));
  }

  async #look(): Promise<void> {
    const { folder, sessionMs } = this.#options;
    const members: Member[] = [];
    for (const name of (await readdir(join(folder, 'members'))).sort()) {
      if (!name.endsWith(SUFFIX)) continue;
      const path = join(folder, 'members', name);
      const file = await readMemberFile(path);
      if (file === undefined) continue;
      const silentMs = Date.now() - (await modifiedMs(path));
      if (silentMs > sessionMs || !(await isAlive(file))) continue;
      members.push({ id: file.id, detail: file.detail, joinedAtMs: file.joinedAtMs });
    }
    const leader = await readLeaderFile(join(folder, 'leader.json'));
    const before = JSON.stringify([this.#members, this.#leader]);
    this.#members = members;
    this.#leader = leader;
    if (!this.#health.connected) {
      this.#health = { connected: true, sinceMs: Date.now(), reason: 'The folder is there.' };
      this.#tell();
    } else if (JSON.stringify([members, leader]) !== before) this.#tell();
  }

  /** Who holds the lock and gives no sign of life holds everybody up. */
  async #endFrozenHolder(): Promise<void> {
    const holder = await this.#lock.holder();
    if (holder === undefined || holder.pid === process.pid || !(await isAlive(holder))) return;
    const { folder, sessionMs } = this.#options;
    for (const name of await readdir(join(folder, 'members'))) {
      const path = join(folder, 'members', name);
      const file = await readMemberFile(path);
      if (file?.pid !== holder.pid || file.startTime !== holder.startTime) continue;
      const silentMs = Date.now() - (await modifiedMs(path));
      if (silentMs <= sessionMs) return;
      this.#options.log(
        'warning',
        `Process ${holder.pid} (${file.id}) holds the lock and was silent for ${silentMs} ms: it is killed.`,
      );
      await endFrozen(holder);
      return;
    }
  }

  async #writeSelf(): Promise<void> {
    const self = this.#self;
    if (self === undefined) return;
    await replaceFile(this.#pathOf(self.id), JSON.stringify(self));
  }

  #pathOf(id: string): string {
    return join(this.#options.folder, 'members', `${encodeURIComponent(id)}${SUFFIX}`);
  }

  #ail(error: unknown): void {
    if (!this.#health.connected) return;
    this.#health = { connected: false, sinceMs: Date.now(), reason: String(error) };
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

async function modifiedMs(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}

async function replaceFile(path: string, text: string): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  await writeFile(partial, `${text}\n`);
  await rename(partial, path);
}
