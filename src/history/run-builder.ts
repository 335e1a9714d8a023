// Makes runs out of a replay from the journal's first entry: the same files, byte for byte, that
// were made while the payments came in. Only runs that are wanted are written; of the others it
// must learn which accounts they have.

import { mkdirSync } from 'node:fs';
import { assert } from '../base/assert.ts';
import type { Command } from '../domain/commands.ts';
import type { LedgerKernel } from '../domain/ledger/kernel.ts';
import type { Outcome } from '../domain/outcome.ts';
import { LATEST_EVERY_RUNS, LatestRuns } from './latest-runs.ts';
import { TRANSFER_WORDS } from '../base/transfer-record.ts';
import { viewChunk } from './layout.ts';
import type { RepairJob } from './repair.ts';
import type { RunEntry } from './run-format.ts';
import { RunWriter } from './run-writer.ts';
import { type Part, TailFeed } from './tail-feed.ts';

export class RunBuilder {
  readonly entries: RunEntry[] = [];
  readonly #job: RepairJob;
  /** Undefined = all. */
  readonly #wanted: ReadonlySet<number> | undefined;
  readonly #latest = new LatestRuns();
  readonly #writer: RunWriter;
  readonly #feed: TailFeed;

  constructor(job: RepairJob) {
    mkdirSync(job.folder, { recursive: true });
    this.#job = job;
    this.#wanted = job.wanted === 'all' ? undefined : new Set(job.wanted);
    this.#writer = new RunWriter(job.folder, job.size, this.#latest);
    // Two chunks: the one that is full is dealt with before the next transfer comes.
    this.#feed = new TailFeed(job.size, 2 * job.size, {
      opened: () => undefined,
      expired: () => undefined,
      filled: () => this.#filled(),
      overflowed: () => assert(false, 'a chunk is dealt with as soon as it is full'),
      began: () => assert(false, 'a replay begins with the first transfer'),
    });
  }

  /** Transfers seen so far. */
  get transfers(): number {
    return this.#feed.next;
  }

  /** The command has just been applied; false = everything that the job wants is there. */
  take(ledger: LedgerKernel, command: Command, outcome: Outcome): boolean {
    if (outcome.timeNs >= this.#job.beforeNs) return false;
    this.#feed.take(ledger, command, outcome);
    return !this.#isDone();
  }

  /** What is in the last chunk goes where the job says; returns ids of expired holds. */
  finish(): Uint32Array {
    const { fill, size } = this.#job;
    if (fill === undefined) return new Uint32Array(0);
    assert(this.#feed.next === fill.until, 'a replay accepts what was accepted');
    const part = this.#feed.parts.find(({ run }) => run === fill.run);
    if (part === undefined) return new Uint32Array(0);
    const count = fill.until - part.base;
    const target = viewChunk(fill.buffer, size);
    target.records.set(part.chunk.records.subarray(0, count * TRANSFER_WORDS));
    target.debits.set(part.chunk.debits.subarray(0, count));
    target.credits.set(part.chunk.credits.subarray(0, count));
    return Uint32Array.from(part.expired.flatMap((ids) => [...ids]));
  }

  /** Which accounts each run has goes beside them, so that a start need not look for it. */
  #saveLatest(runs: number): void {
    if (runs % LATEST_EVERY_RUNS === 0) this.#latest.save(this.#job.folder, runs);
  }

  #isDone(): boolean {
    if (this.#job.fill !== undefined) return false;
    return this.entries.length === this.#wanted?.size;
  }

  #filled(): void {
    const part = this.#feed.parts[0]!;
    if (this.#wanted?.has(part.run) ?? true) this.#write(part);
    else this.#learn(part);
    this.#saveLatest(part.run + 1);
    this.#feed.release(part.run);
  }

  #write({ run, chunk, expired }: Part): void {
    this.entries.push(this.#writer.write({ run, chunk, expiredIds: expired }));
  }

  #learn({ run, chunk }: Part): void {
    for (let index = 0; index < chunk.size; index++) {
      this.#latest.set(chunk.debits[index]!, run);
      this.#latest.set(chunk.credits[index]!, run);
    }
  }
}
