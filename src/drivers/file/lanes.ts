// All directories of the open journal, written at once. A step counts when every lane has done it.
// A lane that fails is dropped: first that is made durable in the record of all others, then the
// step counts, so nothing is acknowledged that a start could miss (DESIGN 7). When none is left,
// the journal fails as one with a single directory does.
//
// A lane without room is dropped like a failing one while others have room. Only when all that are
// left are full does the step reject as full, and then nothing of it stays anywhere.

import { isFullError } from './file-system.ts';
import type { Lane } from './lane.ts';
import type { MemberRecord } from './members.ts';
import type { FileJournalSettings } from './options.ts';
import type { Roster } from './roster.ts';

type Result = { readonly lane: Lane; readonly error: unknown };

export class Lanes {
  readonly #settings: FileJournalSettings;
  readonly #roster: Roster;
  #lanes: Lane[];
  /** The last position that every lane has. */
  durablePosition = 0;

  constructor(settings: FileJournalSettings, roster: Roster, lanes: readonly Lane[]) {
    this.#settings = settings;
    this.#roster = roster;
    this.#lanes = [...lanes];
  }

  get all(): readonly Lane[] {
    return this.#lanes;
  }

  /** Does the step in every lane; rejects when none could do it. */
  async each(step: (lane: Lane) => Promise<void>): Promise<void> {
    const [only] = this.#lanes;
    if (only !== undefined && this.#lanes.length === 1) {
      if (only.failure !== undefined) throw only.failure;
      await step(only);
      return;
    }
    const results = await Promise.all(this.#lanes.map((lane) => attempt(lane, step)));
    const failed = results.filter(({ error }) => error !== undefined);
    const [first] = failed;
    if (first === undefined) return;
    if (failed.length < results.length) {
      await this.#drop(failed);
      return;
    }
    const full = failed.find(({ error }) => isFullError(error));
    const broken = failed.filter(({ error }) => !isFullError(error));
    // "Full" says that nothing was done: a broken lane, which may hold it, must first be dropped.
    if (full !== undefined && broken.length > 0) await this.#drop(broken);
    throw full?.error ?? first.error;
  }

  /**
   * Makes a record durable in all lanes, and before in `joining`; a lane that cannot take it is
   * dropped.
   */
  async record(next: () => MemberRecord, joining?: string): Promise<void> {
    const record = next();
    if (joining !== undefined) await this.#roster.write(joining, record);
    await this.each((lane) => this.#roster.write(lane.directory, record));
    // Dropping one has written a later record, without this change.
    if (record.number <= this.#recordNumber) return await this.record(next, joining);
    this.#recordNumber = record.number;
    this.#roster.adopt(record);
  }

  #recordNumber = 0;

  add(lane: Lane): void {
    this.#lanes.push(lane);
  }

  async close(): Promise<void> {
    for (const lane of this.#lanes) await lane.close();
  }

  async #drop(failed: readonly Result[]): Promise<void> {
    const reasons = new Map(failed.map(({ lane, error }) => [lane.directory, String(error)]));
    let left = this.#lanes.filter((lane) => !reasons.has(lane.directory));
    for (;;) {
      if (left.length === 0) {
        const [first] = failed;
        throw new Error('no directory could record that others failed', { cause: first?.error });
      }
      const record = this.#roster.withDropped(reasons, this.durablePosition);
      const writing = left.map((lane) =>
        attempt(lane, () => this.#roster.write(lane.directory, record)),
      );
      const unwritten = (await Promise.all(writing)).filter(({ error }) => error !== undefined);
      this.#roster.adopt(record);
      this.#recordNumber = record.number;
      if (unwritten.length === 0) break;
      for (const { lane, error } of unwritten) reasons.set(lane.directory, String(error));
      left = left.filter((lane) => !reasons.has(lane.directory));
    }
    const dropped = this.#lanes.filter((lane) => reasons.has(lane.directory));
    this.#lanes = left;
    for (const { directory } of dropped) this.#alarm(directory, reasons.get(directory) ?? '');
    for (const lane of dropped) void this.#leave(lane);
  }

  #alarm(directory: string, why: string): void {
    const count = this.#lanes.length;
    const text = `Dropped the journal's directory ${directory} behind position ${this.durablePosition}: ${why}. Payments go on with ${count} director${count === 1 ? 'y' : 'ies'}. Mend its disk and empty it: it is filled again at the next start.`;
    this.#settings.log('warning', text);
    this.#settings.onAlarm({ kind: 'directory_dropped', directory, text });
  }

  /** In the background: what failed once may take long to close. */
  async #leave(lane: Lane): Promise<void> {
    try {
      await lane.close();
    } catch {
      // It has failed already, and that has been told.
    }
  }
}

async function attempt(lane: Lane, step: (lane: Lane) => Promise<void>): Promise<Result> {
  if (lane.failure !== undefined) return { lane, error: lane.failure };
  try {
    await step(lane);
    return { lane, error: undefined };
  } catch (error) {
    return { lane, error: error ?? new Error('a step failed') };
  }
}
