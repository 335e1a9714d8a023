// The engine of one run, of its own, on which the journal of the cluster stands: its servers are
// killed, frozen and cut off from each other, and made whole again.

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { engineDown, engineUp } from '../../../deploy/engines/control.ts';
import type { Place } from '../../../deploy/engines/place.ts';
import {
  type ProcessMark,
  hasEnded,
  markOf,
  signalProcess,
} from '../../../deploy/engines/processes.ts';
import { processOf } from '../../../deploy/engines/servers.ts';
import { type Entry, EntryKind } from '../../../src/base/entry.ts';
import { journalPlaceOf } from '../../../src/config/journal-place.ts';
import { ENGINE_JOURNALS } from '../../../src/drivers/index.ts';
import { ReaderRule } from '../../../src/recovery/reader-rule.ts';
import { Namespaces } from './namespaces.ts';
import { SIEGES, type Siege } from './sieges.ts';

const END_MS_MAX = 10_000;
const LEADER_MS_MAX = 60_000;
const LOOK_MS = 50;

export class EngineSide implements AsyncDisposable {
  readonly #siege: Siege;
  readonly #folder: string;
  readonly #namespaces: Namespaces;
  readonly #place: Place;
  readonly #formerLeaders = new Set<string>();

  private constructor(siege: Siege, folder: string, namespaces: Namespaces, place: Place) {
    this.#siege = siege;
    this.#folder = folder;
    this.#namespaces = namespaces;
    this.#place = place;
  }

  static async start(name: string): Promise<EngineSide> {
    const siege = SIEGES[name];
    if (siege === undefined) {
      throw new Error(`--journal ${name}: file or one of ${Object.keys(SIEGES).join(', ')}`);
    }
    const { engine } = siege;
    const folder = await mkdtemp(join(tmpdir(), `holdfast-chaos-${name}-`));
    // The servers may run as another user.
    await chmod(folder, 0o755);
    const namespaces = await Namespaces.make(engine.servers);
    try {
      const place = await engineUp(engine, folder, 0, namespaces.network);
      return new EngineSide(siege, folder, namespaces, place);
    } catch (error) {
      await engineDown(engine, folder);
      await namespaces[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  get settings(): Readonly<Record<string, string>> {
    return { HOLDFAST_JOURNAL: this.#siege.journal(this.#place) };
  }

  /** Waits for one; `other` = and not this one. */
  async leader(other?: string): Promise<string> {
    const deadlineMs = performance.now() + LEADER_MS_MAX;
    for (;;) {
      const leader = await this.#siege.leader(this.#place);
      if (leader !== undefined && leader !== other) return leader;
      if (performance.now() > deadlineMs) {
        throw new Error(`the engine has no leader${other === undefined ? '' : ` but ${other}`}`);
      }
      await sleep(LOOK_MS);
    }
  }

  /** Members that do not lead. */
  async standbys(): Promise<readonly string[]> {
    const leader = await this.leader();
    return this.#siege.members.filter((member) => member !== leader);
  }

  async kill(member: string): Promise<void> {
    const marks = await this.#marks(member);
    for (const mark of marks) await signalProcess(mark, 'SIGKILL');
    for (const mark of marks) {
      if (!(await hasEnded(mark, END_MS_MAX))) throw new Error(`${member} does not end`);
    }
  }

  async killAll(): Promise<void> {
    await Promise.all(this.#siege.members.map((member) => this.kill(member)));
  }

  async freeze(member: string): Promise<void> {
    for (const mark of await this.#marks(member)) await signalProcess(mark, 'SIGSTOP');
  }

  async thaw(member: string): Promise<void> {
    for (const mark of await this.#marks(member)) await signalProcess(mark, 'SIGCONT');
  }

  /** From the other members; clients still reach it. */
  async cut(member: string): Promise<void> {
    await this.#namespaces.cut(member);
  }

  async heal(): Promise<void> {
    await this.#namespaces.heal();
  }

  /** The leader is gone, or cannot lead: resolves when another one does. */
  async replaced(gone: string): Promise<void> {
    this.#formerLeaders.add(gone);
    await this.#siege.replaceLeader?.(this.#place, gone);
    await this.leader(gone);
  }

  /** Whatever was done to it, afterwards it is whole. */
  async mend(): Promise<void> {
    await this.heal();
    for (const member of this.#siege.members) await this.thaw(member);
    for (const member of this.#formerLeaders) await this.#siege.takeBack?.(this.#place, member);
    this.#formerLeaders.clear();
    await engineUp(this.#siege.engine, this.#folder, 0);
  }

  /** Everything that the reader rule accepts, from the first entry on. */
  async *entries(): AsyncGenerator<Entry> {
    const place = journalPlaceOf(this.#siege.journal(this.#place));
    if (!('hosts' in place)) throw new Error('this journal is on no engine of its own');
    const create = await ENGINE_JOURNALS[place.driver]!();
    const journal = create({ ...place, password: '', waived: [], log: () => undefined });
    const { signal } = new AbortController();
    await journal.open({ mode: 'read', signal });
    const rule = new ReaderRule({ kind: 'genesis' });
    for await (const batch of journal.read({ from: null, follow: false, signal })) {
      for (const stored of batch) {
        const isAccepted = rule.decide(stored).kind === 'accept';
        if (isAccepted && stored.entry.kind === EntryKind.commands) yield stored.entry;
      }
    }
    await journal.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.heal();
    for (const member of this.#siege.members) await this.thaw(member);
    await engineDown(this.#siege.engine, this.#folder);
    await this.#namespaces[Symbol.asyncDispose]();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #marks(member: string): Promise<readonly ProcessMark[]> {
    const others = (await this.#siege.alsoKilled?.(this.#place, member)) ?? [];
    const marks = await Promise.all([
      processOf(this.#place, member),
      ...others.map((pid) => markOf(pid)),
    ]);
    return marks.filter((mark) => mark !== undefined);
  }
}
