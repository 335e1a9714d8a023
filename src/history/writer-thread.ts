// The thread that makes files: runs of full chunks, the tail for a checkpoint, the catalog. One
// thing after the other, in the order in which it is asked; the disk may be slow, nobody waits
// here.

import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../base/assert.ts';
import { addToCatalog, loadCatalog } from './catalog.ts';
import {
  LATEST_EVERY_RUNS,
  type LatestLoaded,
  type LatestRuns,
  latestName,
  loadLatest,
} from './latest-runs.ts';
import { chunkBytes, viewChunk } from './layout.ts';
import type { FromWriter, SharedPart, ThreadSetup, ToWriter } from './messages.ts';
import { PageCache } from './page-cache.ts';
import { RunSet } from './run-set.ts';
import { RunWriter } from './run-writer.ts';
import { syncFolder } from './files.ts';
import { type TailLoaded, type TailState, appendTail, loadTail, tailName } from './tail-file.ts';

/** When there was nothing to do for so long the next run will not be here soon either. */
const LEISURE_MS = 5000;

const TAIL_FILE = /^tail-(\d{8})\.history$/;

class WriterThread {
  readonly #folder: string;
  readonly #size: number;
  readonly #say: (message: FromWriter) => void;
  readonly #runs: RunSet;
  readonly #tails = new Map<number, TailState>();
  #latest: LatestRuns;
  #doubt: string | undefined;
  #writer: RunWriter;
  #sealedMs = Number.NEGATIVE_INFINITY;

  constructor({ folder, size }: ThreadSetup, say: (message: FromWriter) => void) {
    this.#folder = folder;
    this.#size = size;
    this.#say = say;
    this.#runs = new RunSet(folder, new PageCache(64));
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    removePartial(folder);
    const { entries, damaged, notes } = loadCatalog(folder, size);
    for (const entry of entries.values()) this.#runs.add(entry);
    for (const [run, why] of damaged) this.#runs.markDamaged(run, why);
    const loaded = this.#loadLatest();
    this.#latest = loaded.latest;
    this.#doubt = loaded.doubt;
    this.#writer = new RunWriter(folder, size, this.#latest);
    const tails = this.#loadTails();
    say({
      kind: 'ready',
      entries: [...entries.values()],
      damaged: [...damaged],
      parts: tails.map(({ state, buffer, expiredIds }) => {
        const from = state.run * size;
        return { run: state.run, buffer, from, count: state.count, expired: [expiredIds] };
      }),
      position: tails.at(-1)?.state.position ?? 0,
      doubt: this.#doubt,
      tailBytes: this.#tailBytes(),
      notes,
    });
  }

  take(message: ToWriter): void {
    switch (message.kind) {
      case 'seal':
        this.#seal(message.part);
        return;
      case 'persist':
        this.#persist(message);
        return;
      case 'learn':
        this.#learn(message.entries);
        return;
      case 'close':
        this.#runs.close();
        parentPort?.close();
        return;
      default:
        message satisfies never;
    }
  }

  #loadLatest(): LatestLoaded {
    return loadLatest(this.#folder, this.#runs, this.#runs.end);
  }

  /** Tails that follow the runs without a gap; all others are of no use and go. */
  #loadTails(): TailLoaded[] {
    const tails: TailLoaded[] = [];
    for (let run = this.#runs.end; ; run++) {
      const tail = loadTail(this.#folder, run, this.#size);
      if (tail === undefined) break;
      tails.push(tail);
      if (tail.state.count < this.#size) break;
    }
    const last = tails.at(-1)?.state;
    // A later part was written and is not there: up to where this one is complete cannot be said.
    if (last !== undefined && last.through !== last.run * this.#size + last.count) tails.length = 0;
    for (const { state } of tails) this.#tails.set(state.run, state);
    for (const name of readdirSync(this.#folder)) {
      const run = TAIL_FILE.exec(name)?.[1];
      if (run !== undefined && !this.#tails.has(Number(run))) this.#remove(name);
    }
    return tails;
  }

  #seal(part: SharedPart): void {
    const { run, buffer, expired } = part;
    const beganMs = performance.now();
    try {
      assert(this.#doubt === undefined, 'runs are made when all earlier ones are known');
      assert(buffer.byteLength === chunkBytes(this.#size), 'a chunk is of the size of a run');
      const chunk = viewChunk(buffer, this.#size);
      const isUnhurried = beganMs - this.#sealedMs > LEISURE_MS;
      const entry = this.#writer.write({ run, chunk, expiredIds: expired, isUnhurried });
      addToCatalog(this.#folder, entry);
      this.#runs.add(entry);
      this.#saveLatest(run + 1);
      this.#tails.delete(run);
      this.#remove(tailName(run));
      const durationMs = performance.now() - beganMs;
      this.#say({ kind: 'sealed', entry, durationMs, tailBytes: this.#tailBytes() });
    } catch (error) {
      this.#say({ kind: 'seal-failed', run, why: textOf(error) });
    }
    this.#sealedMs = performance.now();
  }

  #saveLatest(runs: number): void {
    if (runs % LATEST_EVERY_RUNS !== 0) return;
    this.#latest.save(this.#folder, runs);
    this.#remove(latestName(runs - 2 * LATEST_EVERY_RUNS));
  }

  #persist({ id, parts, position, through }: Extract<ToWriter, { kind: 'persist' }>): void {
    try {
      const open = parts.filter(({ run }) => this.#runs.entry(run) === undefined);
      for (const [index, part] of open.entries()) {
        const { run, buffer, expired } = part;
        const base = run * this.#size;
        const count = Math.min(this.#size, through - base);
        const before = this.#tails.get(run) ?? emptyTail(run);
        const isLast = index === open.length - 1;
        if (before.count === count && !isLast) continue;
        const chunk = viewChunk(buffer, this.#size);
        const what = { chunk, count, expiredIds: expired, position, through };
        this.#tails.set(run, appendTail(this.#folder, before, what));
      }
      syncFolder(this.#folder);
      this.#say({ kind: 'persisted', id, why: undefined, tailBytes: this.#tailBytes() });
    } catch (error) {
      const tailBytes = this.#tailBytes();
      this.#say({ kind: 'persisted', id, why: textOf(error), tailBytes });
    }
  }

  #learn(entries: RunEntriesMessage): void {
    for (const entry of entries) {
      addToCatalog(this.#folder, entry);
      this.#runs.add(entry);
    }
    const loaded = this.#loadLatest();
    this.#latest = loaded.latest;
    this.#doubt = loaded.doubt;
    this.#writer = new RunWriter(this.#folder, this.#size, this.#latest);
    this.#say({ kind: 'learnt', doubt: this.#doubt });
  }

  #tailBytes(): number {
    let bytes = 0;
    for (const state of this.#tails.values()) bytes += state.bytes;
    try {
      const end = this.#runs.end;
      const latest = end - (end % LATEST_EVERY_RUNS);
      if (latest > 0) bytes += statSync(join(this.#folder, latestName(latest))).size;
    } catch {
      // It is only counted.
    }
    return bytes;
  }

  #remove(name: string): void {
    rmSync(join(this.#folder, name), { force: true });
  }
}

type RunEntriesMessage = Extract<ToWriter, { kind: 'learn' }>['entries'];

function emptyTail(run: number): TailState {
  return { run, count: 0, expired: 0, bytes: 0, position: 0, through: 0 };
}

/** What a process that ended left unfinished. */
function removePartial(folder: string): void {
  for (const name of readdirSync(folder)) {
    if (name.endsWith('.partial')) rmSync(join(folder, name), { force: true });
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const port = parentPort;
if (port !== null) {
  const thread = new WriterThread(workerData as ThreadSetup, (message) =>
    port.postMessage(message),
  );
  port.on('message', (message: ToWriter) => thread.take(message));
}
