// The payments' thread's account of the runs: which there are, which are damaged, which are
// missing.

import { historyDigest } from './catalog.ts';
import type { RunEntry } from './run-format.ts';

export class KnownRuns {
  readonly #entries = new Map<number, RunEntry>();
  readonly #damaged = new Map<number, string>();
  #end = 0;
  #bytes = 0;
  #digest: ReturnType<typeof historyDigest> | undefined;

  get count(): number {
    return this.#entries.size;
  }

  /** One more than the last. */
  get end(): number {
    return this.#end;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get entries(): RunEntry[] {
    return [...this.#entries.values()];
  }

  get damaged(): (readonly [number, string])[] {
    return [...this.#damaged];
  }

  get(run: number): RunEntry | undefined {
    return this.#entries.get(run);
  }

  /** It is there, and whole as far as anybody knows; what was said of its damage is forgotten. */
  add(entry: RunEntry): void {
    this.#bytes += entry.bytes - (this.#entries.get(entry.run)?.bytes ?? 0);
    this.#entries.set(entry.run, entry);
    this.#damaged.delete(entry.run);
    this.#end = Math.max(this.#end, entry.run + 1);
    this.#digest = undefined;
  }

  markDamaged(run: number, why: string): void {
    this.#damaged.set(run, why);
  }

  /** Runs before `end` that are not there, or not whole. */
  lacking(end: number): number[] {
    const runs: number[] = [];
    if (this.#damaged.size === 0 && this.#entries.size === end && this.#end === end) return runs;
    for (let run = 0; run < end; run++) {
      if (!this.#entries.has(run) || this.#damaged.has(run)) runs.push(run);
    }
    return runs;
  }

  /** The first thing that is wrong with them, in words; undefined = nothing is. */
  fault(): string | undefined {
    const [run] = this.lacking(this.#end);
    return run === undefined ? undefined : (this.#damaged.get(run) ?? `run ${run} is missing`);
  }

  /** Made when somebody asks after they have changed. */
  digest(): ReturnType<typeof historyDigest> {
    this.#digest ??= historyDigest(this.#entries);
    return this.#digest;
  }

  clear(): void {
    this.#entries.clear();
    this.#damaged.clear();
    this.#end = 0;
    this.#bytes = 0;
    this.#digest = undefined;
  }
}
