// A capture is the state at the moment when it began, whatever is applied while it is copied; a
// state restored from it cannot be told from the one that it was taken of (I9, I28).

import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import {
  CAPTURED_CHUNK_BYTES_MAX,
  Capture,
  type CapturedChunk,
  Restoration,
} from '../../src/domain/capture.ts';
import type { DomainState } from '../../src/domain/domain.ts';
import { KernelBooks } from '../model/kernel-books.ts';
import { playOnKernel, propertyRuns, sentBy } from './pair.ts';
import type { Sent } from './script.ts';
import { scripts } from './script.ts';
import { SeededLoad } from './seeded-load.ts';

/** What a checkpoint keeps: the head, and the latest copy of every chunk. */
class Copies {
  readonly #target = new Uint8Array(CAPTURED_CHUNK_BYTES_MAX);
  readonly #chunks = new Map<string, Uint8Array>();
  copied = 0;
  #capture: Capture | undefined;
  head = new Uint8Array();

  begin(state: DomainState): void {
    this.#capture = new Capture(state);
    this.head = this.#capture.head.slice();
  }

  /** False when nothing is left to copy. */
  step(): boolean {
    const chunk = this.#capture?.step(this.#target);
    if (chunk === undefined) return false;
    this.copied++;
    this.#chunks.set(nameOf(chunk), this.#target.slice(0, chunk.bytes));
    return true;
  }

  complete(): void {
    while (this.step());
    this.#capture?.complete();
  }

  /** Copies of a capture that is given up are thrown away with it. */
  abort(): void {
    this.#capture?.abort();
  }

  restored(): KernelBooks {
    const restoration = new Restoration(this.head);
    for (const chunk of restoration.chunks) {
      const bytes = this.#chunks.get(nameOf(chunk));
      assert(bytes !== undefined, `${nameOf(chunk)} was copied at some time`);
      restoration.put(bytes);
    }
    return new KernelBooks(restoration.finish());
  }
}

function nameOf({ table, number }: CapturedChunk): string {
  return `${table}/${number}`;
}

function assertSameForEver(restored: KernelBooks, original: KernelBooks, rest: Sent[]): void {
  assert.deepEqual(playOnKernel(restored, rest), playOnKernel(original, rest));
  assert.equal(restored.imageDigest(), original.imageDigest());
  restored.assertBalanced();
}

test('a capture taken while commands go on is the state where it began, and goes on equally', () => {
  fc.assert(
    fc.property(
      scripts(),
      fc.boolean(),
      fc.array(fc.tuple(fc.nat(), fc.nat(3)), { minLength: 1, maxLength: 3 }),
      (script, imports, captures) => {
        const sent = sentBy(script, imports);
        let books = new KernelBooks();
        const copies = new Copies();
        let applied = 0;
        for (const [gap, stepsBetween] of captures) {
          const begin = applied + (gap % (sent.length - applied + 1));
          playOnKernel(books, sent.slice(applied, begin));
          const digest = books.imageDigest();
          copies.begin(books.state);
          applied = begin;
          // Some commands while it is copied, with some steps between them.
          const end = Math.min(sent.length, begin + 4);
          for (; applied < end; applied++) {
            playOnKernel(books, sent.slice(applied, applied + 1));
            for (let step = 0; step < stepsBetween; step++) copies.step();
          }
          copies.complete();
          const restored = copies.restored();
          assert.equal(restored.imageDigest(), digest);
          assertSameForEver(restored, new Replayed(sent, begin).books, sent.slice(begin));
          // The next capture is of a state that was itself restored, and writes only what changed.
          const again = copies.restored();
          playOnKernel(again, sent.slice(begin, applied));
          assert.equal(again.imageDigest(), books.imageDigest());
          books = again;
        }
      },
    ),
    { numRuns: propertyRuns(0.4) },
  );
});

/** The first commands of a run, applied from nothing. */
class Replayed {
  readonly books = new KernelBooks();

  constructor(sent: readonly Sent[], count: number) {
    playOnKernel(this.books, sent.slice(0, count));
  }
}

test('many chunks: copied between batches, aborted, taken again, and only what changed', () => {
  const load = [...new SeededLoad(77, 34_000).commands(24)];
  const books = new KernelBooks();
  const opening = load.findIndex(({ command }) => command.eventCount > 1 && command.kind === 1);
  playOnKernel(books, load.slice(0, opening));
  const rest = load.slice(opening);
  const copies = new Copies();
  copies.begin(books.state);
  for (const sent of rest.slice(0, 4)) {
    playOnKernel(books, [sent]);
    copies.step();
  }
  copies.abort();

  const digest = books.imageDigest();
  copies.begin(books.state);
  let applied = 4;
  while (applied < 12) {
    playOnKernel(books, rest.slice(applied, applied + 1));
    applied++;
    if (applied % 3 === 0) copies.step();
  }
  copies.complete();
  const restored = copies.restored();
  assert.equal(restored.imageDigest(), digest);
  playOnKernel(restored, rest.slice(4, applied));
  assert.equal(restored.imageDigest(), books.imageDigest());

  // Nothing is copied where nothing happened since; one payment changes few chunks.
  copies.begin(books.state);
  copies.complete();
  copies.copied = 0;
  copies.begin(books.state);
  copies.complete();
  assert.equal(copies.copied, 0);
  assertSameForEver(copies.restored(), books, rest.slice(applied));
});
