// What the payments' thread does for the history: it copies what was accepted into the chunk that
// is being filled. The chunks come from a pool of bounded size; when none is free the payments wait
// for a moment, and if that does not help the tail is given up and read from the journal again
// later.

import type { Command } from '../domain/commands.ts';
import type { Outcome } from '../domain/outcome.ts';
import type { LedgerKernel } from '../domain/ledger/kernel.ts';
import { copyAccepted } from './accepted-copy.ts';
import { recordAt } from './foreign.ts';
import { chunkBytes, viewChunk } from './layout.ts';
import type { SharedPart } from './messages.ts';

/** Memory of the pool: chunks of four runs of the usual size. */
export const POOL_TRANSFERS = 2 ** 21;
/** Memory taken ahead in one turn of the event loop, and how far apart its pages are at least. */
const SLICE_BYTES = 2 ** 20;
const MEMORY_PAGE_BYTES = 4096;
/** What may still be applied after the numbering has stopped: entries in flight, and a few more. */
const IN_FLIGHT_TRANSFERS = 12 * 8192;

export type Part = {
  readonly run: number;
  readonly base: number;
  readonly buffer: SharedArrayBuffer;
  readonly chunk: ReturnType<typeof viewChunk>;
  from: number;
  expired: Uint32Array[];
};

export type FeedEvents = {
  readonly opened: (part: Part) => void;
  readonly expired: (run: number, ids: Uint32Array) => void;
  readonly filled: () => void;
  /** No chunk was free: nothing more is taken in until `resume`. */
  readonly overflowed: () => void;
  /** Numbers were passed over: the tail begins anew at `from`, with the command of this time. */
  readonly began: (from: number, timeNs: bigint) => void;
};

export class TailFeed {
  readonly #size: number;
  readonly #chunksMax: number;
  readonly #events: FeedEvents;
  readonly #free: SharedArrayBuffer[] = [];
  #made = 0;
  /** Being taken ahead, touched up to a place; not among those that were made. */
  #ahead: { readonly bytes: Uint8Array<SharedArrayBuffer>; touched: number } | undefined;
  parts: Part[] = [];
  /** The number of the next transfer to take in. */
  next = 0;
  /** True while nothing is taken in. */
  isOff = false;

  constructor(size: number, poolTransfers: number, events: FeedEvents) {
    this.#size = size;
    this.#chunksMax = Math.max(2, Math.ceil(poolTransfers / size));
    this.#events = events;
  }

  /** Whether everything that is under way still fits. */
  get hasRoom(): boolean {
    const last = this.parts.at(-1);
    const here = last === undefined ? 0 : last.base + this.#size - this.next;
    const chunks = this.#free.length + this.#chunksMax - this.#made;
    const enough = Math.min(IN_FLIGHT_TRANSFERS, (this.#chunksMax * this.#size) / 2);
    return here + chunks * this.#size >= enough;
  }

  /** Takes a slice of the pool's memory before it is needed; false = all of it is there. */
  takeAhead(): boolean {
    if (this.#made >= this.#chunksMax) {
      this.#ahead = undefined;
      return false;
    }
    this.#ahead ??= { bytes: new Uint8Array(this.#newBuffer()), touched: 0 };
    const { bytes, touched } = this.#ahead;
    const end = Math.min(touched + SLICE_BYTES, bytes.length);
    // New memory is zero already; a page of it is there when something has been written to it.
    for (let at = touched; at < end; at += MEMORY_PAGE_BYTES) bytes[at] = 0;
    this.#ahead.touched = end;
    if (end === bytes.length) {
      this.#free.push(bytes.buffer);
      this.#made += 1;
      this.#ahead = undefined;
    }
    return true;
  }

  /** Parts that a writer has read from its files. */
  adopt(parts: readonly SharedPart[], next: number): void {
    this.parts = parts.map(({ run, buffer, from, expired }) => {
      const chunk = viewChunk(buffer, this.#size);
      return { run, base: run * this.#size, buffer, chunk, from, expired: [...expired] };
    });
    this.#made += parts.length;
    this.next = next;
  }

  /** A copy of the newest record; undefined = none is held. */
  newest(): Uint32Array | undefined {
    const part = this.parts.at(-1);
    if (part === undefined || this.next <= part.from) return undefined;
    return recordAt(part.chunk.records, this.next - 1 - part.base);
  }

  /** Takes in what the command accepted; `ledger` still knows. */
  take(ledger: LedgerKernel, command: Command, outcome: Outcome): void {
    const { accepted } = ledger;
    const first = ledger.transfersAccepted - accepted.count;
    if (this.isOff || (accepted.count === 0 && accepted.expiredCount === 0)) return;
    if (first > this.next) this.beginAt(first, outcome.timeNs);
    if (accepted.expiredCount > 0 && first >= this.next) {
      const part = this.#partFor(first);
      if (part === undefined) return;
      const ids = accepted.expiredIds.slice(0, 4 * accepted.expiredCount);
      part.expired.push(ids);
      this.#events.expired(part.run, ids);
    }
    const source = { accepted, payload: command.payload, timeNs: outcome.timeNs };
    let from = Math.max(first, this.next);
    while (from < first + accepted.count) {
      const part = this.#partFor(from);
      if (part === undefined) return;
      const end = Math.min(first + accepted.count, part.base + this.#size);
      copyAccepted(source, from - first, end - first, part.chunk, from - part.base);
      this.next = end;
      if (end === part.base + this.#size) this.#events.filled();
      from = end;
    }
  }

  /** Everything that is held is given up; what follows begins at `first`. */
  beginAt(first: number, timeNs: bigint): void {
    this.dropAll();
    this.next = first;
    if (this.#partFor(first) !== undefined) this.#events.began(first, timeNs);
  }

  release(run: number): void {
    const part = this.parts.find((candidate) => candidate.run === run);
    if (part === undefined) return;
    this.parts = this.parts.filter((candidate) => candidate !== part);
    this.#free.push(part.buffer);
  }

  /** New memory is taken afterwards: another thread may still read what is given up here. */
  dropAll(): void {
    this.#made -= this.parts.length;
    this.parts = [];
  }

  #partFor(number: number): Part | undefined {
    const run = Math.floor(number / this.#size);
    const last = this.parts.at(-1);
    if (last?.run === run) return last;
    const buffer = this.#buffer();
    if (buffer === undefined) {
      this.isOff = true;
      this.dropAll();
      this.#events.overflowed();
      return undefined;
    }
    const base = run * this.#size;
    const chunk = viewChunk(buffer, this.#size);
    const part: Part = { run, base, buffer, chunk, from: number, expired: [] };
    this.parts.push(part);
    this.#events.opened(part);
    return part;
  }

  #buffer(): SharedArrayBuffer | undefined {
    const free = this.#free.pop();
    if (free !== undefined || this.#made >= this.#chunksMax) return free;
    this.#made += 1;
    const begun = this.#ahead?.bytes.buffer;
    this.#ahead = undefined;
    return begun ?? this.#newBuffer();
  }

  #newBuffer(): SharedArrayBuffer {
    return new SharedArrayBuffer(chunkBytes(this.#size));
  }
}
