// The members' files: this member's own, with its sign of life (the file's time), and a look at the
// others'. Silence is measured by this process's own clock since it saw the last sign itself: the
// wall clock may jump, and a process that was paused must not take everybody else for frozen.

import { randomUUID } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ProcessMark, lifeOf } from './process-mark.ts';
import { type MemberRecord, parseMember } from './records.ts';

const SUFFIX = '.json';
const PARTIAL = '.partial';

type Seen = {
  readonly record: MemberRecord;
  readonly modifiedMs: number;
  /** A record that changed is another file: number, birth and size. */
  readonly file: string;
  /** When this process saw the sign of life first, by performance.now(). */
  readonly sinceMs: number;
};

export type Look = {
  /** The newest of each id, sorted by id; frozen and dead ones are not among them. */
  readonly members: readonly MemberRecord[];
  /** Processes of this machine that live and gave no sign of life for a session's time. */
  readonly frozen: readonly MemberRecord[];
};

export class Presence {
  readonly #folder: string;
  readonly #sessionMs: number;
  readonly #own: ProcessMark;
  readonly #path: string;
  #written = '';
  #seen = new Map<string, Seen>();
  #lookedMs = performance.now();

  constructor(options: {
    readonly folder: string;
    readonly sessionMs: number;
    readonly own: ProcessMark;
  }) {
    this.#folder = options.folder;
    this.#sessionMs = options.sessionMs;
    this.#own = options.own;
    this.#path = join(this.#folder, `${randomUUID()}${SUFFIX}`);
  }

  /** A sign of life. Writes where the file is not there or says something else. */
  async show(record: MemberRecord): Promise<void> {
    const text = JSON.stringify(record);
    if (text === this.#written) {
      const now = new Date();
      const isThere = await utimes(this.#path, now, now).then(
        () => true,
        (error: unknown) => {
          if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
          throw error;
        },
      );
      if (isThere) return;
    }
    const partial = `${this.#path}${PARTIAL}`;
    try {
      await mkdir(this.#folder, { recursive: true });
      await writeFile(partial, `${text}\n`);
      await rename(partial, this.#path);
      this.#written = text;
    } catch (error) {
      await rm(partial, { force: true }).catch(() => undefined);
      // What stood there before goes on saying that this process lives.
      if (this.#written !== '') await utimes(this.#path, new Date(), new Date()).catch(() => 0);
      throw error;
    }
  }

  async remove(): Promise<void> {
    await rm(this.#path, { force: true });
  }

  async look(): Promise<Look> {
    const nowMs = performance.now();
    const wasPaused = nowMs - this.#lookedMs > this.#sessionMs / 2;
    this.#lookedMs = nowMs;
    const seen = new Map<string, Seen>();
    const byId = new Map<string, MemberRecord>();
    const frozen: MemberRecord[] = [];
    for (const name of (await readdir(this.#folder)).sort()) {
      if (!name.endsWith(SUFFIX)) continue;
      const entry = await this.#see(name, { nowMs, wasPaused });
      if (entry === undefined) continue;
      const { record, sinceMs } = entry;
      const life = await lifeOf(record, this.#own);
      if (life === 'dead') {
        await rm(join(this.#folder, `${name}${PARTIAL}`), { force: true });
        await rm(join(this.#folder, name), { force: true });
        continue;
      }
      seen.set(name, entry);
      if (nowMs - sinceMs > this.#sessionMs) {
        if (life === 'alive') frozen.push(record);
        continue;
      }
      const other = byId.get(record.id);
      if (other === undefined || other.joinedAtMs <= record.joinedAtMs) byId.set(record.id, record);
    }
    this.#seen = seen;
    const members = [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    return { members, frozen };
  }

  async #see(
    name: string,
    { nowMs, wasPaused }: { readonly nowMs: number; readonly wasPaused: boolean },
  ): Promise<Seen | undefined> {
    const path = join(this.#folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) return undefined;
    const { mtimeMs: modifiedMs, ino, birthtimeMs, size } = found;
    const file = `${ino} ${birthtimeMs} ${size}`;
    const before = this.#seen.get(name);
    if (before?.modifiedMs === modifiedMs) {
      return wasPaused ? { ...before, sinceMs: nowMs } : before;
    }
    if (before?.file === file) return { ...before, modifiedMs, sinceMs: nowMs };
    const record = parseMember(await readFile(path, 'utf8').catch(() => ''));
    return record && { record, modifiedMs, file, sinceMs: nowMs };
  }
}
