// One seed of the crash test: a journal on a simulated disk, life after life, and what the outside
// knows of it.

import assert from 'node:assert/strict';
import { type Entry, equalBytes } from '../../../src/base/entry.ts';
import { isOperationalError } from '../../../src/base/errors.ts';
import type { Prng } from '../../../src/base/prng.ts';
import { type FileJournal, createJournal } from '../../../src/drivers/file/driver.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { entryAfter, openingAfter, randomBody } from './entries.ts';
import { DIRECTORY } from './simulated-journal.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';
import { collect } from './support.ts';

export type Tally = {
  tornBytes: number;
  acknowledged: number;
  unanswered: number;
  rolls: number;
  failures: number;
  discarded: number;
  followed: number;
  dropped: number;
  repaired: number;
  added: number;
};

export function emptyTally(): Tally {
  return {
    tornBytes: 0,
    acknowledged: 0,
    unanswered: 0,
    rolls: 0,
    failures: 0,
    discarded: 0,
    followed: 0,
    dropped: 0,
    repaired: 0,
    added: 0,
  };
}

/** Rarely segments so large that they grow in the background while they are written. */
const LARGE_SEGMENT_BYTES = 2 * 1024 * 1024;

export class CrashRun {
  readonly #prng: Prng;
  readonly #tally: Tally;
  readonly #segmentBytes: number;
  #disk: SimulatedFileSystem;
  /** Entries that must be there, from position 1 on. */
  #acknowledged: Entry[] = [];
  /** The same, and those that may follow them. */
  #sent: Entry[] = [];
  /** Entries up to here may be gone. */
  #discardedThrough = 0;
  /** Counts lives: what an old one still does is no news. */
  #life = 0;
  #fault: unknown;

  readonly #directories: readonly string[];

  constructor(
    prng: Prng,
    unitBytes: number,
    tally: Tally,
    directories: readonly string[] = [DIRECTORY],
  ) {
    this.#prng = prng;
    this.#directories = directories;
    this.#tally = tally;
    this.#segmentBytes = prng.chance(0.05)
      ? LARGE_SEGMENT_BYTES
      : prng.pick([8192, 16_384, 65_536]);
    this.#disk = new SimulatedFileSystem({ unitBytes, turns: prng.fork() });
  }

  async run(crashes: number): Promise<void> {
    for (let crash = 0; crash < crashes; crash++) {
      // Each directory has its own calls.
      const callsMax = (this.#prng.chance(0.3) ? 30 : 200) * this.#directories.length;
      const off = this.#disk.crashAfter(1 + this.#prng.below(callsMax));
      this.#life += 1;
      const failed = this.#live(this.#life, this.#prng.fork()).then(() => true);
      const hasFailed = await Promise.race([failed, off.then(() => false)]);
      this.#life += 1;
      if (this.#fault !== undefined) throw this.#fault;
      this.#tally.unanswered += this.#sent.length - this.#acknowledged.length;
      // Behind a failed sync a process may start again on a machine that stays on.
      const staysOn = hasFailed && !this.#disk.isOff();
      if (staysOn && this.#prng.chance(0.5)) continue;
      this.#disk = this.#disk.restart(this.#prng.fork());
    }
    // A machine that stayed on must not go off while the last one looks.
    this.#disk = this.#disk.restart(this.#prng.fork());
    const journal = this.#journal();
    await journal.open({ mode: 'write', signal: new AbortController().signal });
    this.#takeOver(await entriesOf(journal));
    await journal.close();
  }

  /** Ends when a sync failed. */
  async #live(life: number, prng: Prng): Promise<void> {
    const journal = this.#journal();
    const { signal } = new AbortController();
    const opening = await journal.open({ mode: 'write', signal }).catch(assertSyncFailed);
    if (opening === undefined) return;
    this.#tally.tornBytes += opening.tornBytes;
    this.#tally.repaired += opening.notes.filter((note) => note.startsWith('Repaired')).length;
    this.#takeOver(await entriesOf(journal));
    if (prng.chance(0.3)) void this.#follow(life, journal);
    for (let epochs = 1 + prng.below(3); ; epochs--) {
      // Also behind entries that are still under way.
      const group: Promise<void>[] = [];
      if (epochs > 0) {
        const durable = this.#acknowledged.at(-1)?.position ?? 0;
        const nonce = `nonce ${prng.uint32()}`;
        group.push(
          this.#append(life, journal, openingAfter(this.#sent.at(-1), nonce, { durable })),
        );
      }
      for (let rounds = 1 + prng.below(10); rounds > 0; rounds--) {
        for (let count = 1 + prng.below(6); count > 0; count--) {
          group.push(this.#append(life, journal, this.#nextEntry(prng)));
        }
        if (prng.chance(0.05)) this.#disk.failNext({ operation: 'datasync', code: 'EIO' });
        if (prng.chance(0.1)) group.push(this.#discard(journal, prng));
        if (this.#directories.length > 1 && prng.chance(0.4)) group.push(this.#addAgain(journal));
        if (prng.chance(0.3)) continue;
        const results = await Promise.allSettled(group.splice(0));
        if (results.some(({ status }) => status === 'rejected')) {
          this.#assertFailed(results);
          await journal.close();
          return;
        }
      }
      const results = await Promise.allSettled(group);
      if (results.some(({ status }) => status === 'rejected')) {
        this.#assertFailed(results);
        await journal.close();
        return;
      }
    }
  }

  #journal(): FileJournal {
    return createJournal({
      directories: this.#directories,
      segmentBytes: this.#segmentBytes,
      onAlarm: ({ kind }) => {
        if (kind === 'directory_dropped') this.#tally.dropped += 1;
      },
      lockWaitMs: 0,
      fileSystem: this.#disk,
    });
  }

  #nextEntry(prng: Prng): Entry {
    const isLarge = this.#segmentBytes === LARGE_SEGMENT_BYTES;
    const words = isLarge && prng.chance(0.4) ? 50_000 : prng.chance(0.2) ? 1500 : 60;
    const body = randomBody(prng.uint32(), 8 * prng.below(words));
    // Whole sectors of zeros are what a batch of records without content has.
    if (prng.chance(0.2)) body.fill(0, prng.below(body.byteLength + 1));
    const durable = this.#acknowledged.at(-1)?.position ?? 0;
    return entryAfter(this.#sent.at(-1), { body, durable });
  }

  async #append(life: number, journal: Journal, entry: Entry): Promise<void> {
    this.#sent.push(entry);
    const offset = await journal.append(entry);
    if (life !== this.#life) return;
    this.#acknowledged.push(entry);
    if (this.#acknowledged.length !== entry.position) this.#fault ??= new Error('out of order');
    this.#tally.acknowledged += 1;
    if (offset.endsWith(':0')) this.#tally.rolls += 1;
  }

  async #discard(journal: Journal, prng: Prng): Promise<void> {
    const through = prng.below(this.#acknowledged.length + 1);
    this.#discardedThrough = Math.max(this.#discardedThrough, through);
    const before = journal.bounds().first;
    await journal.discardThrough(through);
    this.#tally.discarded += journal.bounds().first - before;
  }

  /** A directory that was dropped is filled again while payments go on. */
  async #addAgain(journal: FileJournal): Promise<void> {
    const dropped = journal.health().places.find(({ state }) => state === 'dropped');
    if (dropped === undefined) return;
    const { signal } = new AbortController();
    try {
      await journal.addDirectory(dropped.name, signal);
      this.#tally.added += 1;
    } catch {
      // A planned fault met it: it stays dropped, or the journal has failed, as appends will tell.
    }
  }

  /** Reads beside the writer: never ahead of what is durable, nothing left out. */
  async #follow(life: number, journal: Journal): Promise<void> {
    const { signal } = new AbortController();
    let last: number | undefined;
    try {
      for await (const batch of journal.read({ from: null, follow: true, signal })) {
        for (const { entry } of batch) {
          assert.ok(entry.position === (last ?? entry.position - 1) + 1, 'read in order');
          assert.ok(entry.position <= journal.bounds().last, 'read what is durable');
          last = entry.position;
          this.#tally.followed += 1;
        }
      }
    } catch (error) {
      // What it reads may be discarded under it.
      if (isOperationalError(error, 'JOURNAL_DIVERGED') && this.#discardedThrough > 0) return;
      if (life === this.#life) this.#fault ??= error;
    }
  }

  #assertFailed(results: readonly PromiseSettledResult<void>[]): void {
    for (const result of results) {
      if (result.status === 'fulfilled') continue;
      assert.ok(isOperationalError(result.reason, 'JOURNAL_FAILED'), String(result.reason));
    }
    this.#tally.failures += 1;
  }

  /** All that was acknowledged, then perhaps more of what was sent; nothing else. */
  #takeOver(found: readonly Entry[]): void {
    const first = found[0]?.position ?? 1;
    const last = first + found.length - 1;
    assert.equal(first, 1, `entries before ${first} are gone`);
    assert.ok(
      last >= this.#acknowledged.length,
      `${this.#acknowledged.length} entries were acknowledged, ${last} are left`,
    );
    assert.ok(last <= this.#sent.length);
    for (const [index, entry] of found.entries()) {
      const sent = this.#sent[first - 1 + index];
      assert.ok(sent !== undefined && equalBytes(entry.bytes, sent.bytes));
    }
    // What was found is now durable: the opening said so before it returned.
    this.#acknowledged = this.#sent.slice(0, last);
    this.#sent = [...this.#acknowledged];
  }
}

/** A planned fault may meet the opening: that is refused, and tried anew. */
function assertSyncFailed(error: unknown): undefined {
  assert.ok(isOperationalError(error, 'DATA_FOLDER_UNUSABLE'), String(error));
  assert.match(error.detail, /EIO/);
}

/** What is kept and what is discarded: together everything, without a gap. */
async function entriesOf(journal: Journal): Promise<Entry[]> {
  const entries: Entry[] = [];
  const { signal } = new AbortController();
  for await (const batch of journal.readDiscarded(signal)) {
    entries.push(...batch.map(({ entry }) => entry));
  }
  assert.equal((entries.at(-1)?.position ?? 0) + 1, journal.bounds().first || 1);
  return [...entries, ...(await collect(journal)).map(({ entry }) => entry)];
}
