// What the journal conformance suite needs of an engine. One suite for every driver: where
// something cannot happen to an engine by construction, the suite asserts that it is refused.

import type { Entry } from '../../../src/base/entry.ts';
import type { Journal } from '../../../src/ports/journal.ts';

export type JournalHarness = {
  /** The engine has no way to say that it is full: an append that finds no room is unknown. */
  readonly neverFull?: boolean;
  /** A fresh, empty journal of this engine. */
  create(): Promise<JournalUnderTest>;
};

export type AttachOptions = {
  /** Small units, so that a few entries fill several (engines without units ignore it). */
  readonly unitBytes?: number;
};

type UnderTestCommon = {
  /** A driver on the journal, as another process would have one. Not yet open. */
  attach(options?: AttachOptions): Journal;
  /**
   * The next append fails so that its caller cannot know; it has in truth been written, or not.
   * With a real engine the connection is cut before or behind it.
   */
  loseNextAnswer(written: 'now' | 'never'): void | Promise<void>;
  /** The next append finds no room; the one after it does. */
  fillUpOnce(): void | Promise<void>;
  /** Units (segments, streams, partitions' files) that the journal now has. */
  unitNames(): Promise<readonly string[]>;
  /** Units grow with `unitBytes`, and each epoch has its own where `unitsOf` does not deny it. */
  readonly hasUnits: boolean;
  /** `size`: an epoch goes on in the unit of the one before. */
  readonly unitsOf?: 'size' | 'size-and-epoch';
  dispose(): Promise<void>;
};

export type JournalUnderTest =
  | (UnderTestCommon & {
      readonly fencing: 'native';
      /**
       * A second writer beside a live one: refused by the engine's write authority, or let in to
       * compete by compare-and-append.
       */
      readonly secondWriter: 'locked' | 'admitted';
    })
  | (UnderTestCommon & {
      readonly fencing: 'reader';
      readonly secondWriter: 'admitted';
      /** A record of a deposed writer reaches the log now. */
      sendLate(entry: Entry): void | Promise<void>;
      /**
       * The next `count` appends reach the log in reverse order; absent where the engine keeps the
       * order of one writer by construction.
       */
      reorderNext?(count: number): void;
    });
