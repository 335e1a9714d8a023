// The thread that answers questions. It works on several at a time, some milliseconds on each, so
// that a long one does not keep short ones waiting; what changes the runs or the tail under them
// waits until those that had begun have ended.

import { parentPort, workerData } from 'node:worker_threads';
import { Incomplete } from './incomplete.ts';
import { LatestRuns, loadLatest } from './latest-runs.ts';
import {
  type FromReader,
  PROGRESS_UNIT,
  type SharedPart,
  type ThreadSetup,
  type ToReader,
} from './messages.ts';
import { PageCache } from './page-cache.ts';
import { type Gap, QueryRun, type Source, findById } from './query.ts';
import { RunDamaged } from './run-reader.ts';
import { RunSet } from './run-set.ts';
import { Tail } from './tail.ts';

/** One question has the thread for so long. */
const SLICE_MS = 2;
/** Looking costs less than being woken by the payments' thread for each batch. */
const LOOK_MS = 4;
const IDLE_LOOK_MS = 25;
/** Accounts whose latest run is noted at once. */
const NOTED_AT_ONCE = 32_768;

class ReaderThread {
  readonly #folder: string;
  readonly #size: number;
  readonly #say: (message: FromReader, transfer: ArrayBuffer[]) => void;
  readonly #runs: RunSet;
  readonly #tail: Tail;
  #latest = new LatestRuns();
  #latestDoubt: string | undefined = 'the history is being opened';
  #gap: Gap | undefined;
  /** Questions at work, and what waits for their end. */
  readonly #atWork = new Set<Promise<void>>();
  #changes: Promise<void> = Promise.resolve();
  #barrier: Promise<void> | undefined;
  #progress: Int32Array = new Int32Array(1);
  #seen = 0;

  constructor(
    { folder, size }: ThreadSetup,
    say: (message: FromReader, transfer: ArrayBuffer[]) => void,
  ) {
    this.#folder = folder;
    this.#size = size;
    this.#say = say;
    this.#runs = new RunSet(folder, new PageCache());
    this.#tail = new Tail(size);
  }

  take(message: ToReader): void {
    switch (message.kind) {
      case 'start':
        this.#start(message);
        return;
      case 'opened':
        this.#open(message.part);
        return;
      case 'expired':
        this.#tail.expire(message.run, message.ids);
        return;
      case 'sealed':
        this.#change(() => this.#sealed(message.entry));
        return;
      case 'restored':
        this.#change(() => this.#restored(message.entries));
        return;
      case 'gap':
        this.#gap = message.gap;
        if (message.dropped) this.#tail.dropAll();
        return;
      case 'filled':
        this.#change(() => this.#filled(message.expired, message.through));
        return;
      case 'query':
        this.#work(message.id, this.#query(message));
        return;
      case 'find':
        this.#work(message.id, this.#find(message));
        return;
      default:
        message satisfies never;
    }
  }

  #start({ entries, damaged, parts, gap, progress }: Extract<ToReader, { kind: 'start' }>): void {
    for (const entry of entries) this.#runs.add(entry);
    for (const [run, why] of damaged) this.#runs.markDamaged(run, why);
    for (const part of parts) this.#open(part);
    this.#gap = gap;
    this.#progress = new Int32Array(progress);
    this.#loadLatest();
    this.#follow();
  }

  /** Indexes what has come since the last look, so that a question finds little left to do. */
  #follow(): void {
    const seen = Atomics.load(this.#progress, 0);
    const pauseMs = seen === this.#seen ? IDLE_LOOK_MS : LOOK_MS;
    this.#seen = seen;
    this.#tail.index(seen * PROGRESS_UNIT);
    setTimeout(() => this.#follow(), pauseMs);
  }

  #loadLatest(): void {
    const { latest, doubt } = loadLatest(this.#folder, this.#runs, this.#runs.end);
    this.#latest = latest;
    this.#latestDoubt = doubt;
  }

  #open({ run, buffer, from, expired }: SharedPart): void {
    this.#tail.add(run, buffer, from);
    for (const ids of expired) this.#tail.expire(run, ids);
  }

  /** One change after the other. */
  #change(carryOut: () => Promise<void>): void {
    this.#changes = this.#changes.then(carryOut);
  }

  async #sealed(entry: Parameters<RunSet['add']>[0]): Promise<void> {
    this.#runs.add(entry);
    const chunk = this.#tail.chunks.find(({ run }) => run === entry.run)?.chunk;
    if (chunk !== undefined) {
      for (let from = 0; from < this.#size; from += NOTED_AT_ONCE) {
        const until = Math.min(this.#size, from + NOTED_AT_ONCE);
        for (let index = from; index < until; index++) {
          this.#latest.set(chunk.debits[index]!, entry.run);
          this.#latest.set(chunk.credits[index]!, entry.run);
        }
        await others();
      }
    }
    await this.#alone(() => this.#tail.drop(entry.run));
    this.#say({ kind: 'released', run: entry.run }, []);
  }

  /** Carries out what no question may see happen: those at work end first, new ones wait. */
  async #alone(carryOut: () => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const before = [...this.#atWork];
    this.#barrier = promise;
    await Promise.all(before);
    carryOut();
    this.#barrier = undefined;
    resolve();
  }

  async #filled(expired: Uint32Array, through: number): Promise<void> {
    await this.#alone(() => {
      const first = this.#tail.firstRun;
      if (first !== undefined) this.#tail.expire(first, expired);
      this.#tail.filled();
      this.#tail.index(through);
      this.#gap = undefined;
    });
  }

  async #restored(entries: readonly Parameters<RunSet['add']>[0][]): Promise<void> {
    await this.#alone(() => {
      for (const entry of entries) this.#runs.add(entry);
      this.#loadLatest();
    });
  }

  #source(): Source {
    return {
      size: this.#size,
      tail: this.#tail,
      runs: this.#runs,
      latest: this.#latest,
      latestDoubt: this.#latestDoubt,
      gap: this.#gap,
    };
  }

  #work(id: number, work: Promise<void>): void {
    const guarded = work.catch((error: unknown) => this.#failed(id, error));
    this.#atWork.add(guarded);
    void guarded.finally(() => this.#atWork.delete(guarded));
  }

  async #query({ id, question }: Extract<ToReader, { kind: 'query' }>): Promise<void> {
    if (this.#barrier !== undefined) await this.#barrier;
    const run = new QueryRun(this.#source(), question);
    const answer = await sliced(run.answer());
    this.#say({ kind: 'answer', id, answer }, [answer.records.buffer, answer.holds.buffer]);
  }

  async #find({ id, key, through }: Extract<ToReader, { kind: 'find' }>): Promise<void> {
    if (this.#barrier !== undefined) await this.#barrier;
    const found = await sliced(findById(this.#source(), key, through));
    this.#say({ kind: 'found', id, found }, []);
  }

  #failed(id: number, error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    if (error instanceof RunDamaged) {
      this.#runs.markDamaged(error.run, why);
      this.#say({ kind: 'damaged', run: error.run, why }, []);
    }
    const isKnown = error instanceof RunDamaged || error instanceof Incomplete;
    this.#say({ kind: isKnown ? 'incomplete' : 'failed', id, why }, []);
  }
}

/** Runs the work to its end, and lets others come in between. */
async function sliced<T>(work: Generator<undefined, T, undefined>): Promise<T> {
  let untilMs = performance.now() + SLICE_MS;
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
    if (performance.now() < untilMs) continue;
    await others();
    untilMs = performance.now() + SLICE_MS;
  }
}

function others(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

const port = parentPort;
if (port !== null) {
  const thread = new ReaderThread(workerData as ThreadSetup, (message, transfer) =>
    port.postMessage(message, transfer),
  );
  port.on('message', (message: ToReader) => thread.take(message));
}
