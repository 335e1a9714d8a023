// Takes checkpoints while payments go on. It begins between two entries, which costs a few words
// for each chunk of the state, and copies one chunk (at most 2 MiB) at a time, with a turn of the
// event loop between two; hashing is done by another thread. One chunk is under way at a time
// (three when nobody waits), so memory is bounded. What has not changed since the last checkpoint
// is not written again: the manifest names the chunks that are there.
//
// Unchanged chunks are copied and written again in turn, some with each checkpoint. So a file that
// has rotted does not stay in every checkpoint to come, and memory that changed although nobody
// wrote to it is noticed: its digest is another one.
//
// A checkpoint that fails leaves the ones before it as they were, and no payment knows of it.

import { assert } from '../base/assert.ts';
import type { Entry } from '../base/entry.ts';
import { OperationalError } from '../base/errors.ts';
import { ENTRY_HEADER_BYTES } from '../base/limits.ts';
import {
  CAPTURED_CHUNK_BYTES_MAX,
  Capture,
  type CapturedChunk,
  type TableName,
} from '../domain/capture.ts';
import { ledgerTotals } from '../domain/queries.ts';
import type { CheckpointStore } from '../ports/checkpoint-store.ts';
import type { Clock } from '../ports/clock.ts';
import type { EngineOffset } from '../ports/journal.ts';
import { type Manifest, type ManifestChunk, encodeManifest } from './checkpoint-codec.ts';
import type { ChunkHasher } from './chunk-hasher.ts';
import { type OwnHistory, findCheckpoints, reasonOf } from './load-checkpoint.ts';
import type { Replica } from './replica.ts';

/**
 * Chunks copied and not yet safe. Beside payments one at a time: with three the checkpoint takes
 * half the time, but the journal waits for the same disk, and batches took up to twice as long.
 */
const CHUNKS_UNDER_WAY = { beside: 1, alone: 3 } as const;
export type CheckpointPace = keyof typeof CHUNKS_UNDER_WAY;

/** After so many checkpoints every unchanged chunk has been written again. */
const CHECKPOINTS_PER_ROUND = 16;

/** The last applied entry and where it stands; the replica is exactly there. */
export type CheckpointHead = {
  readonly position: number;
  /** The entry's header: its body's memory is given back as soon as it has been answered. */
  readonly headerBytes: Uint8Array;
  readonly offset: EngineOffset;
};

/** A copy of what a checkpoint needs of an entry, made before the entry's memory is given back. */
export function checkpointHeadOf({ position, bytes }: Entry, offset: EngineOffset): CheckpointHead {
  return { position, headerBytes: bytes.slice(0, ENTRY_HEADER_BYTES), offset };
}

export type CheckpointTaken = {
  readonly position: number;
  /** Unix milliseconds. */
  readonly createdMs: number;
  readonly durationMs: number;
  /** The longest time for which nothing else was done. */
  readonly longestSliceMs: number;
  /** Written for this checkpoint, manifest included, and what all its chunks are together. */
  readonly bytesWritten: number;
  readonly bytes: number;
  readonly chunksWritten: number;
  readonly chunks: number;
};

export type CheckpointerOptions = {
  readonly store: CheckpointStore;
  readonly replica: Replica;
  readonly history: OwnHistory;
  readonly clock: Clock;
  readonly release: string;
  /** How many checkpoints are kept; at least 1. */
  readonly kept: number;
  /** Made once, before the first checkpoint: starting a thread takes some milliseconds. */
  readonly createHasher: () => ChunkHasher;
  /** Resolves when what else depends on the journal is durable through this position. */
  readonly beforePublish: (position: number) => Promise<void>;
  /**
   * All that shall be kept are there: entries before the oldest one's head are not needed to
   * recover.
   */
  readonly afterPublish: (oldestPosition: number) => Promise<void>;
  /** The oldest of those that are kept now, whether or not all that shall be kept are there. */
  readonly onKept?: (oldestPosition: number) => void;
  /** Something around a good checkpoint went wrong: old ones not removed, nothing discarded. */
  readonly onTrouble: (text: string) => void;
};

/** What is stored already, by table and number: digests of the last checkpoint. */
type Digests = Map<string, string>;

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  #digests: Digests = new Map();
  #hasher: ChunkHasher | undefined;
  /** Counts checkpoints begun: it tells which unchanged chunks have their turn. */
  #round = 0;
  /** Memory for chunks that nobody uses now; the next checkpoint takes it. */
  readonly #free: SharedArrayBuffer[] = [];
  #last: number;
  #taking: Promise<CheckpointTaken> | undefined;

  /** `restored`: the manifest that the replica's state was loaded from. */
  constructor(options: CheckpointerOptions, restored?: Manifest) {
    this.#options = options;
    this.#last = restored?.place.position ?? 0;
    for (const chunk of restored?.chunks ?? []) this.#digests.set(nameOf(chunk), chunk.sha256);
    this.#hasher = options.createHasher();
  }

  /** Nothing may be under way. Idempotent. */
  async close(): Promise<void> {
    await this.#closeHasher();
  }

  /** Position of the last checkpoint that was taken or loaded; 0 = none. */
  get lastPosition(): number {
    return this.#last;
  }

  /**
   * Takes one of the state as it is when this is called. Rejects with CHECKPOINT_FAILED; nothing
   * has changed then, and it may be tried again. One at a time; `alone`: no payments wait.
   */
  async take(
    head: CheckpointHead,
    signal: AbortSignal,
    pace: CheckpointPace = 'beside',
  ): Promise<CheckpointTaken> {
    assert(this.#taking === undefined, 'one checkpoint is taken at a time');
    this.#taking = this.#take(head, signal, pace);
    try {
      return await this.#taking;
    } finally {
      this.#taking = undefined;
    }
  }

  async #take(
    head: CheckpointHead,
    signal: AbortSignal,
    pace: CheckpointPace,
  ): Promise<CheckpointTaken> {
    const { replica, clock } = this.#options;
    this.#hasher ??= this.#options.createHasher();
    assert(head.position === replica.position, 'the state is that after the head entry');
    const startedMs = clock.monotonicMs();
    this.#round += 1;
    const capture = new Capture(replica.state, (table, number) => this.#isWanted(table, number));
    const books = ledgerTotals(replica.state);
    const { place } = replica;
    const { transfersAccepted } = replica.state.ledger;
    const { store } = this.#options;
    const sweep = new Sweep(
      { store, clock, hasher: this.#hasher, capture, free: this.#free },
      signal,
    );
    sweep.longestSliceMs = clock.monotonicMs() - startedMs;
    try {
      const written = await sweep.run(CHUNKS_UNDER_WAY[pace]);
      const chunks = this.#chunksOf(capture, written);
      const createdMs = Number(clock.nowNs() / 1_000_000n);
      const manifest = encodeManifest({
        headBytes: head.headerBytes,
        offset: head.offset,
        place,
        stateHead: capture.head,
        chunks,
        previous: this.#last,
        books,
        transfersAccepted,
        createdMs,
        release: this.#options.release,
      });
      await this.#publish(place.position, manifest, signal);
      capture.complete();
      this.#digests = new Map(chunks.map((chunk) => [nameOf(chunk), chunk.sha256]));
      this.#last = place.position;
      await this.#afterwards();
      const all = manifest.byteLength;
      return {
        position: place.position,
        createdMs,
        durationMs: clock.monotonicMs() - startedMs,
        longestSliceMs: sweep.longestSliceMs,
        bytesWritten: all + sweep.bytesWritten,
        bytes: all + chunks.reduce((sum, { bytes }) => sum + bytes, 0),
        chunksWritten: written.size,
        chunks: chunks.length,
      };
    } catch (error) {
      capture.abort();
      // It may be the thread that failed; the next checkpoint has another one.
      await this.#closeHasher();
      throw failureOf(error);
    }
  }

  async #closeHasher(): Promise<void> {
    const hasher = this.#hasher;
    this.#hasher = undefined;
    await hasher?.close();
  }

  /** What is not known to be stored, and what has its turn. */
  #isWanted(table: TableName, number: number): boolean {
    const hasTurn = (number + this.#round) % CHECKPOINTS_PER_ROUND === 0;
    return hasTurn || !this.#digests.has(nameOf({ table, number }));
  }

  #chunksOf(capture: Capture, written: Digests): ManifestChunk[] {
    return capture.chunks.map((chunk) => {
      const { table, number, bytes } = chunk;
      const name = nameOf(chunk);
      const before = this.#digests.get(name);
      const sha256 = chunk.isCopied ? written.get(name) : before;
      assert(sha256 !== undefined, 'a chunk was written now or stands in the last checkpoint');
      if (!chunk.isChanged && before !== undefined && before !== sha256) throw changedBy(name);
      return { table, number, bytes, sha256 };
    });
  }

  async #publish(position: number, manifest: Uint8Array, signal: AbortSignal): Promise<void> {
    await this.#options.beforePublish(position);
    signal.throwIfAborted();
    await this.#options.store.publish(position, manifest);
  }

  /** Makes room. The checkpoint is there already: what fails here is told and tried next time. */
  async #afterwards(): Promise<void> {
    const { store, history, kept, afterPublish, onKept, onTrouble } = this.#options;
    try {
      const { readable } = await findCheckpoints(store, history);
      const keeping = readable.slice(0, kept);
      const oldest = keeping.at(-1);
      assert(oldest !== undefined, 'the checkpoint that was published is there');
      // What cannot be read is evidence, as long as it is not older than everything that is kept.
      const positions = new Set(
        (await store.positions()).filter((position) => position >= oldest.head.position),
      );
      const chunks = new Set(
        keeping.flatMap(({ manifest }) => manifest.chunks.map(({ sha256 }) => sha256)),
      );
      await store.keepOnly({ positions, chunks });
      onKept?.(oldest.head.position);
      // Not before all that shall be kept are there: until then the journal may be needed whole.
      if (keeping.length === kept) await afterPublish(oldest.head.position);
    } catch (error) {
      onTrouble(`Behind a checkpoint could not be tidied up: ${reasonOf(error)}.`);
    }
  }
}

type SweepParts = {
  readonly store: CheckpointStore;
  readonly clock: Clock;
  readonly hasher: ChunkHasher;
  readonly capture: Capture;
  readonly free: SharedArrayBuffer[];
};

/** Copies the changed chunks of one capture, one after the other, and puts them into the store. */
class Sweep {
  readonly #parts: SweepParts;
  readonly #failing = new AbortController();
  /** Aborted from outside, or because one of the lanes has failed. */
  readonly #signal: AbortSignal;
  readonly #written: Digests = new Map();
  /** Digests put already: two equal chunks are one file. */
  readonly #put = new Set<string>();
  longestSliceMs = 0;
  bytesWritten = 0;

  constructor(parts: SweepParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = AbortSignal.any([signal, this.#failing.signal]);
  }

  async run(laneCount: number): Promise<Digests> {
    const lanes = Array.from({ length: laneCount }, () => this.#lane());
    try {
      await Promise.all(lanes);
    } finally {
      this.#failing.abort();
      // Nobody writes to the store after the checkpoint has been given up.
      await Promise.allSettled(lanes);
    }
    return this.#written;
  }

  /** One chunk after the other, until none is left. */
  async #lane(): Promise<void> {
    const { hasher, store, free } = this.#parts;
    for (;;) {
      await turn();
      this.#signal.throwIfAborted();
      const memory = free.pop() ?? new SharedArrayBuffer(CAPTURED_CHUNK_BYTES_MAX);
      const chunk = this.#slice(memory);
      if (chunk !== undefined) {
        const digest = await hasher.hash(memory, chunk.bytes);
        this.#signal.throwIfAborted();
        this.#written.set(nameOf(chunk), digest);
        if (!this.#put.has(digest)) {
          this.#put.add(digest);
          await store.putChunk(digest, new Uint8Array(memory, 0, chunk.bytes));
          this.bytesWritten += chunk.bytes;
        }
      }
      free.push(memory);
      if (chunk === undefined) return;
    }
  }

  #slice(memory: SharedArrayBuffer): CapturedChunk | undefined {
    const { clock, capture } = this.#parts;
    const startedMs = clock.monotonicMs();
    const chunk = capture.step(new Uint8Array(memory));
    this.longestSliceMs = Math.max(this.longestSliceMs, clock.monotonicMs() - startedMs);
    return chunk;
  }
}

/** Lets everything else that waits have its turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function changedBy(name: string): OperationalError {
  return new OperationalError('CHECKPOINT_FAILED', {
    detail: `The chunk ${name} of the state has changed although nothing wrote to it: the memory of this machine is failing, or the program is wrong.`,
    wayOut: 'Start the node again, from an earlier checkpoint and the journal; test the memory.',
  });
}

function nameOf({ table, number }: Pick<CapturedChunk, 'table' | 'number'>): string {
  return `${table}/${number}`;
}

function failureOf(error: unknown): OperationalError {
  if (error instanceof OperationalError && error.code === 'CHECKPOINT_FAILED') return error;
  const isAborted = error instanceof Error && error.name === 'AbortError';
  const detail = isAborted ? 'The node was asked to stop.' : reasonOf(error);
  return new OperationalError('CHECKPOINT_FAILED', { detail, cause: error });
}
