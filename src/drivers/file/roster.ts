// The directories of an open journal: found, locked and decided about at start (membership.ts),
// and from then on the one place that writes the member record. What is durable in the record of
// every active directory is true; the writer (lanes.ts) acknowledges nothing before that.

import { assert } from '../../base/assert.ts';
import { isOperationalError } from '../../base/errors.ts';
import { errorCodeOf } from './file-system.ts';
import type { DirectoryLock } from './lock.ts';
import {
  MEMBERS_FILE,
  type Member,
  type MemberRecord,
  type OwnRecord,
  newMemberId,
  readMembers,
  recordAfter,
  writeMembers,
} from './members.ts';
import { type Decision, type FoundDirectory, decideMembers } from './membership.ts';
import { checkFileSystemType } from './network-guard.ts';
import type { FileJournalSettings } from './options.ts';
import { segmentsAmong } from './segment-name.ts';

type RecordOwner = Pick<FileJournalSettings, 'fileSystem'>;

/** What stands in a directory, looked at without changing it. */
export async function lookAt(settings: RecordOwner, path: string): Promise<FoundDirectory> {
  const { fileSystem } = settings;
  let own: OwnRecord | undefined;
  let hasSegments = false;
  let hasRecord = false;
  let problem: unknown;
  try {
    const names = await fileSystem.list(path);
    hasSegments = segmentsAmong(names).length > 0;
    hasRecord = names.includes(MEMBERS_FILE);
    if (hasRecord) ({ own } = await readMembers(fileSystem, path));
  } catch (error) {
    if (errorCodeOf(error) !== 'ENOENT') problem = error;
  }
  const isDamaged = hasRecord && own === undefined && problem === undefined;
  return { path, own, isDamaged, hasSegments, problem };
}

export class Roster {
  readonly #settings: FileJournalSettings;
  readonly #locks = new Map<string, DirectoryLock>();
  /** Of directories that take part, by path. */
  readonly #ids = new Map<string, string>();
  #record: MemberRecord | undefined;
  /** The last one given out: each that may stand somewhere is in the history of those after it. */
  #issued: MemberRecord | undefined;
  readonly warnings: string[] = [];

  constructor(settings: FileJournalSettings) {
    this.#settings = settings;
  }

  /** Locks what is there and decides who belongs; nothing but locks is written. */
  async open(signal: AbortSignal, depose?: () => boolean): Promise<Decision> {
    const { directories, withoutDirectories, fileSystem } = this.#settings;
    const wanted = directories.filter((path) => !withoutDirectories.includes(path));
    const [only] = wanted;
    if (only !== undefined && directories.length === 1) await fileSystem.makeDirectory(only);
    const found: FoundDirectory[] = [];
    for (const path of wanted) {
      const problem = await this.#lockIfThere(path, signal, depose);
      const seen = await lookAt(this.#settings, path);
      found.push(problem === undefined ? seen : { ...seen, problem });
    }
    const without: FoundDirectory[] = [];
    for (const path of withoutDirectories) without.push(await lookAt(this.#settings, path));
    const decision = decideMembers(found, without);
    this.#record = decision.record;
    this.#issued = decision.record;
    for (const { path, id } of decision.active) {
      this.#ids.set(path, id);
      if (!this.#locks.has(path)) {
        await fileSystem.makeDirectory(path);
        await this.lock(path, signal, depose);
      }
    }
    return decision;
  }

  /** Takes the directory's lock; it must be there. */
  async lock(path: string, signal: AbortSignal, depose?: () => boolean): Promise<void> {
    const warning = await checkFileSystemType(this.#settings, path);
    if (warning !== undefined) this.warnings.push(warning);
    const { fileSystem, lockWaitMs } = this.#settings;
    this.#locks.set(path, await fileSystem.lock(path, lockWaitMs, signal, depose));
  }

  isLocked(path: string): boolean {
    return this.#locks.has(path);
  }

  async unlock(path: string): Promise<void> {
    const lock = this.#locks.get(path);
    this.#locks.delete(path);
    await lock?.release();
  }

  async close(): Promise<void> {
    for (const path of this.#locks.keys()) await this.unlock(path);
  }

  get members(): readonly Member[] {
    return this.#record?.members ?? this.#implicitMembers();
  }

  get record(): MemberRecord | undefined {
    return this.#record;
  }

  memberAt(path: string): Member | undefined {
    return this.members.find((member) => member.path === path && member.state !== 'dropped');
  }

  /**
   * A record in which the directory is being filled. `self`: the id that it knows itself by; only
   * one that comes back keeps it.
   */
  joining(path: string, self: string | undefined): MemberRecord {
    const known = this.members.find(({ id, state }) => id === self && state !== 'active');
    const id = known?.id ?? newMemberId();
    this.#ids.set(path, id);
    const others = this.members.filter((member) => member.path !== path && member.id !== id);
    return this.#next([...others, { id, path, state: 'joining', dropped: null }]);
  }

  joined(path: string): MemberRecord {
    return this.#next(
      this.members.map((member) =>
        member.path === path ? { ...member, state: 'active', dropped: null } : member,
      ),
    );
  }

  /** `position`: the last that is durable everywhere. */
  withDropped(reasons: ReadonlyMap<string, string>, position: number): MemberRecord {
    const record = (this.#issued?.number ?? 0) + 1;
    return this.#next(
      this.members.map((member): Member => {
        const why = reasons.get(member.path);
        if (why === undefined || member.state === 'dropped') return member;
        return { ...member, state: 'dropped', dropped: { record, position, why } };
      }),
    );
  }

  /** Makes the record durable in one directory. It holds once all active ones have it. */
  async write(path: string, record: MemberRecord): Promise<void> {
    const self = this.#ids.get(path);
    assert(self !== undefined, 'a directory that takes part has an id');
    await writeMembers(this.#settings.fileSystem, path, { self, record });
  }

  adopt(record: MemberRecord): void {
    this.#record = record;
  }

  /** At start: every active directory has the record as it holds now. */
  async writeWhereOld(active: readonly string[]): Promise<void> {
    const record = this.#record;
    if (record === undefined) return;
    for (const path of active) {
      const names = await this.#settings.fileSystem.list(path);
      const present = names.includes(MEMBERS_FILE)
        ? await readMembers(this.#settings.fileSystem, path)
        : undefined;
      const isSame = JSON.stringify(present?.own?.record) === JSON.stringify(record);
      if (!isSame || present?.isIntact !== true) await this.write(path, record);
    }
  }

  #next(members: readonly Member[]): MemberRecord {
    this.#issued = recordAfter(this.#issued, members);
    return this.#issued;
  }

  #implicitMembers(): readonly Member[] {
    return [...this.#ids].map(([path, id]) => ({ id, path, state: 'active', dropped: null }));
  }

  /** Why it cannot be used. */
  async #lockIfThere(
    path: string,
    signal: AbortSignal,
    depose: (() => boolean) | undefined,
  ): Promise<unknown> {
    try {
      await this.#settings.fileSystem.list(path);
      await this.lock(path, signal, depose);
      return undefined;
    } catch (error) {
      if (errorCodeOf(error) === 'ENOENT') return undefined;
      if (isOperationalError(error) || signal.aborted) throw error;
      return error;
    }
  }
}
