// Kills a node in the middle of a write. A thread of its own watches the journal's end from
// outside, by reading the place where the next entry must appear, and sends SIGKILL as soon as the
// beginning of a large one is there: the kernel then ends the write with some of its pages missing.
// It is the same SIGKILL; only the instant is chosen.

import { closeSync, openSync, readSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Worker, isMainThread, workerData } from 'node:worker_threads';
import { once } from 'node:events';
import { ENTRY_HEADER_BYTES } from '../../src/base/limits.ts';
import { END_MARK_BYTES } from '../../src/drivers/file/segment-codec.ts';
import { segmentsAmong } from '../../src/drivers/file/segment-name.ts';

/** Entries of this size take long enough to write to be hit. */
const LARGE_BYTES_MIN = 700_000;
const WATCH_MS_MAX = 2000;
const MAGIC_AT = 64;
const BODY_BYTES_AT = 144;

type Target = { readonly pid: number; readonly journalFolder: string };

/** Resolves when the target was killed, or with nothing done when no large entry came in time. */
export async function strikeWriting(target: Target): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), { workerData: target });
  await once(worker, 'exit');
}

/** Follows the last segment, entry by entry. */
class Tail {
  readonly #folder: string;
  readonly #header = Buffer.alloc(ENTRY_HEADER_BYTES);
  #name = '';
  #descriptor = -1;
  #offset = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Opens the last segment when there is a newer one. */
  look(): void {
    const last = segmentsAmong(readdirSync(this.#folder)).at(-1);
    if (last === undefined || last.name === this.#name) return;
    this.close();
    this.#descriptor = openSync(join(this.#folder, last.name), 'r');
    this.#name = last.name;
    this.#offset = 0;
  }

  /** Bytes of the next entry once it begins to be there; it is then behind us. */
  next(): number {
    if (this.#descriptor < 0) return 0;
    this.#header.fill(0);
    readSync(this.#descriptor, this.#header, 0, ENTRY_HEADER_BYTES, this.#offset);
    if (this.#header.readUInt32LE(MAGIC_AT) === 0) return 0;
    const bodyBytes = this.#header.readUInt32LE(BODY_BYTES_AT);
    if (bodyBytes === 0) return 0;
    this.#offset += ENTRY_HEADER_BYTES + bodyBytes + END_MARK_BYTES;
    return bodyBytes;
  }

  close(): void {
    if (this.#descriptor >= 0) closeSync(this.#descriptor);
    this.#descriptor = -1;
  }
}

function watchAndStrike({ pid, journalFolder }: Target): void {
  const tail = new Tail(journalFolder);
  const deadlineMs = performance.now() + WATCH_MS_MAX;
  // What is there already is passed over: it may be large and is not being written.
  tail.look();
  while (tail.next() > 0);
  for (let turn = 1; performance.now() < deadlineMs; turn++) {
    if (turn % 10_000 === 0) tail.look();
    if (tail.next() < LARGE_BYTES_MIN) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended by itself, and whoever started it knows.
    }
    break;
  }
  tail.close();
}

if (!isMainThread) watchAndStrike(workerData as Target);
