// The state at one moment, copied while it goes on changing: what a checkpoint writes down. Unlike
// the image (image.ts), which is canonical and for comparing, a capture holds the tables as they
// stand in memory, chunk by chunk, so that an unchanged chunk need not be copied again and nothing
// has to be sorted. Restoring a capture gives a state with the same image, and the same behaviour
// for ever after.
//
//   head     128 + 112 bytes for each ledger, drawn at `captureHead`
//   chunk    up to 16 Ki records of one table, then, for remembered ids, a status byte for each
//
// `begin` costs a few words for each chunk; `step` copies one chunk (at most 2 MiB). In between
// commands may be applied: records that wait for their turn are kept as they were on their first
// change (ledger/record-chunks.ts).

import { assert } from '../base/assert.ts';
import { HEAD_BYTES, readHead, writeHead } from './image.ts';
import { TRANSFER_BYTES } from '../base/transfer-record.ts';
import { finishRestore, ledgerBytes, restoreLedgers } from './ledger/ledger-image.ts';
import type { LedgerImage } from './ledger/ledger-image.ts';
import type { LedgerKernel } from './ledger/kernel.ts';
import { CHUNK_RECORDS, type ChunkToCopy, type RecordChunks } from './ledger/record-chunks.ts';
import type { DomainState } from './state.ts';

export const TABLES = ['accounts', 'holds', 'remembered'] as const;
export type TableName = (typeof TABLES)[number];

/** No chunk is larger: 16 Ki transfers and their status bytes. */
export const CAPTURED_CHUNK_BYTES_MAX = CHUNK_RECORDS * (TRANSFER_BYTES + 1);

/** A chunk of a capture, in the order of tables and then of numbers. */
export type CapturedChunk = {
  readonly table: TableName;
  /** From 0 in each table. */
  readonly number: number;
  readonly bytes: number;
};

/**
 * `isChanged` = false: byte for byte what the last completed capture of this state had there. It is
 * copied only when it is wanted (`isCopied`).
 */
export type PlannedChunk = CapturedChunk & {
  readonly isChanged: boolean;
  readonly isCopied: boolean;
};

type Step = PlannedChunk & { readonly plan: ChunkToCopy };

const SLOTS_OFFSET = HEAD_BYTES;
const CAPTURE_HEAD_BYTES = HEAD_BYTES + 16;

/** One at a time for each state; it ends by `complete` or `abort`. */
export class Capture {
  readonly head: Uint8Array;
  readonly chunks: readonly PlannedChunk[];
  readonly #kernel: LedgerKernel;
  readonly #steps: readonly Step[];
  #next = 0;
  #ended = false;

  /**
   * Begins: between two commands, never inside one. Unchanged chunks that are `wanted` are copied
   * as well.
   */
  constructor(
    state: DomainState,
    wanted: (table: TableName, number: number) => boolean = () => false,
  ) {
    this.#kernel = state.ledger;
    this.head = captureHead(state);
    this.#steps = TABLES.flatMap((table) => {
      const { records, count } = tableOf(state.ledger, table);
      const plans = records.beginCopy(count, (number) => wanted(table, number));
      return plans.map((plan): Step => {
        const { chunk: number, bytes, isChanged, isCopied } = plan;
        return { table, number, bytes, isChanged, isCopied, plan };
      });
    });
    this.chunks = this.#steps;
  }

  /**
   * Copies the next chunk in question to the front of `target`, which has room for the largest and
   * begins at a multiple of 4; undefined when all have been copied.
   */
  step(target: Uint8Array): PlannedChunk | undefined {
    assert(!this.#ended, 'a capture that has ended is not copied on');
    while (this.#steps[this.#next]?.isCopied === false) this.#next += 1;
    const step = this.#steps[this.#next];
    if (step === undefined) return undefined;
    this.#next += 1;
    const { records } = tableOf(this.#kernel, step.table);
    records.copy(step.plan, target.subarray(0, step.bytes));
    return step;
  }

  /** Every copy is safe: unchanged chunks need not be copied the next time. */
  complete(): void {
    this.#end(true);
  }

  /** Gives up; what was to be copied will be copied the next time. Nothing after the end. */
  abort(): void {
    if (!this.#ended) this.#end(false);
  }

  #end(isKept: boolean): void {
    assert(!this.#ended, 'a capture ends once');
    this.#ended = true;
    for (const table of TABLES) tableOf(this.#kernel, table).records.endCopy(isKept);
  }
}

/** From a capture back to a state: all chunks in their order, then `finish`. */
export class Restoration {
  /** What has to be put, in this order. */
  readonly chunks: readonly CapturedChunk[];
  readonly #state: DomainState;
  readonly #counts: LedgerImage;
  readonly #slotsMade: Readonly<Record<TableName, number>>;
  #next = 0;

  /** Asserts what it is given: the caller has proved by digests that these are our own bytes. */
  constructor(head: Uint8Array) {
    assert(head.byteLength >= CAPTURE_HEAD_BYTES, 'the head of a capture has its size');
    const { state, counts } = readHead(head.subarray(0, HEAD_BYTES));
    const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
    this.#state = state;
    this.#counts = counts;
    this.#slotsMade = {
      accounts: counts.accounts,
      holds: Number(view.getBigUint64(SLOTS_OFFSET, true)),
      remembered: Number(view.getBigUint64(SLOTS_OFFSET + 8, true)),
    };
    restoreLedgers(state.ledger, head.subarray(CAPTURE_HEAD_BYTES));
    this.chunks = TABLES.flatMap((table) => this.#chunksOf(table));
  }

  /** Takes over the bytes of the next chunk; they are copied. */
  put(bytes: Uint8Array): void {
    const chunk = this.chunks[this.#next];
    assert(chunk !== undefined, 'no more chunks than the head says');
    assert(chunk.bytes === bytes.byteLength, 'a chunk has the size that the head says');
    this.#next += 1;
    const { records } = tableOf(this.#state.ledger, chunk.table);
    records.addCopied(recordsIn(chunk.number, this.#slotsMade[chunk.table]), bytes);
  }

  /** Rebuilds what is derived, and proves the counts and that the books balance. */
  finish(): DomainState {
    assert(this.#next === this.chunks.length, 'every chunk has been put');
    const { ledger } = this.#state;
    ledger.remembered.raiseEdge(this.#counts.edgeSeconds);
    ledger.accounts.rebuild(this.#slotsMade.accounts);
    ledger.holds.rebuild(this.#slotsMade.holds);
    ledger.remembered.rebuild(this.#slotsMade.remembered);
    finishRestore(ledger, this.#counts);
    return this.#state;
  }

  #chunksOf(table: TableName): CapturedChunk[] {
    const slots = this.#slotsMade[table];
    const { records } = tableOf(this.#state.ledger, table);
    return Array.from({ length: Math.ceil(slots / CHUNK_RECORDS) }, (_, number) => {
      return { table, number, bytes: records.copyBytes(recordsIn(number, slots)) };
    });
  }
}

function recordsIn(chunk: number, slots: number): number {
  return Math.min(CHUNK_RECORDS, slots - chunk * CHUNK_RECORDS);
}

type Table = { readonly records: RecordChunks; readonly count: number };

function tableOf(kernel: LedgerKernel, table: TableName): Table {
  const { accounts, holds, remembered } = kernel;
  if (table === 'accounts') return { records: accounts.records, count: accounts.count };
  const slots = table === 'holds' ? holds : remembered;
  return { records: slots.records, count: slots.slotsMade };
}

//   offset bytes field
//        0   112 head of the image (image.ts)
//      112     8 slots of holds that were ever in use
//      120     8 slots of remembered ids that were ever in use
//      128   112 for each ledger, in the order of definition (ledger/ledger-image.ts)
function captureHead(state: DomainState): Uint8Array {
  const ledgers = ledgerBytes(state.ledger);
  const bytes = new Uint8Array(CAPTURE_HEAD_BYTES + ledgers.byteLength);
  const view = new DataView(bytes.buffer);
  bytes.set(writeHead(state));
  view.setBigUint64(SLOTS_OFFSET, BigInt(state.ledger.holds.slotsMade), true);
  view.setBigUint64(SLOTS_OFFSET + 8, BigInt(state.ledger.remembered.slotsMade), true);
  bytes.set(ledgers, CAPTURE_HEAD_BYTES);
  return bytes;
}
