// Writes the pages of a run to its file, each page with its checksum, and the digest of everything
// that went by. Synchronous: it works in a thread of its own.
//
// Each MiB is synced before the next, with a breath between: 64 MiB that are synced at once keep
// the journal's syncs waiting behind them for some 40 ms (measured), and payments with them. Where
// nobody waits for the run the breath is longer than the sync: the nodes of a machine fill their
// runs at the same moment.

import { createHash } from 'node:crypto';
import { fdatasyncSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { breathe, writeAll } from './files.ts';
import { PAGE_BYTES, PAGE_WORDS } from './layout.ts';

/** So many times as long as a sync took. */
const UNHURRIED_SHARE = 4;
const BUFFER_WORDS = 256 * 1024;

export class PageStream {
  /** Write at `used`, after `reserve`, and add to `used` what was written. */
  readonly words = new Uint32Array(BUFFER_WORDS);
  used = 0;
  /** One for each page that has been completed. */
  readonly checksums: number[] = [];
  readonly #fd: number;
  readonly #isUnhurried: boolean;
  readonly #hash = createHash('sha256');
  #flushedWords = 0;
  #bytes = 0;

  constructor(fd: number, isUnhurried: boolean) {
    this.#fd = fd;
    this.#isUnhurried = isUnhurried;
  }

  /** Words written so far: the place of the next one. */
  get place(): number {
    return this.#flushedWords + this.used;
  }

  /** Makes room for `count` words. */
  reserve(count: number): void {
    if (this.used + count > BUFFER_WORDS) this.#flush();
  }

  /** Zeros to the end of the page; returns the number of the page that begins now. */
  endPage(): number {
    const end = Math.ceil(this.used / PAGE_WORDS) * PAGE_WORDS;
    this.words.fill(0, this.used, end);
    this.used = end;
    if (end === BUFFER_WORDS) this.#flush();
    return this.place / PAGE_WORDS;
  }

  /** Everything that is left; a page must have ended. */
  finishPages(): void {
    this.#flush();
  }

  /** Behind the pages. */
  append(bytes: Uint8Array): void {
    writeAll(this.#fd, bytes);
    this.#hash.update(bytes);
    this.#bytes += bytes.byteLength;
  }

  /** All bytes, and their digest; nothing may be written after it. */
  finish(): { readonly bytes: number; readonly digest: string } {
    return { bytes: this.#bytes, digest: this.#hash.digest('hex') };
  }

  #flush(): void {
    const whole = this.used - (this.used % PAGE_WORDS);
    for (let word = 0; word < whole; word += PAGE_WORDS) {
      this.checksums.push(crc32(new Uint8Array(this.words.buffer, word * 4, PAGE_BYTES)));
    }
    this.append(new Uint8Array(this.words.buffer, 0, whole * 4));
    const beganMs = performance.now();
    fdatasyncSync(this.#fd);
    breathe(this.#isUnhurried ? UNHURRIED_SHARE * (performance.now() - beganMs) : 0);
    this.words.copyWithin(0, whole, this.used);
    this.used -= whole;
    this.#flushedWords += whole;
  }
}
