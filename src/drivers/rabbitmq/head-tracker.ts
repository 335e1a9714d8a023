// Which entries of the log are in their place: for bounds and for what may be discarded. It voids
// what the reader rule (recovery/reader-rule.ts) voids and judges nothing else: whoever applies
// entries has the rule itself.

import { type Entry, EntryKind, toHex } from '../../base/entry.ts';
import { BEFORE_ALL, type HeadMark } from './records.ts';

export class HeadTracker {
  #head: HeadMark;

  constructor(head: HeadMark = BEFORE_ALL) {
    this.#head = head;
  }

  /** The last entry that is in its place. */
  get head(): HeadMark {
    return this.#head;
  }

  /** The entry of a checkpoint's head: whoever names it has accepted it. */
  trust(entry: Entry): void {
    this.#head = markOf(entry);
  }

  see(entry: Entry): void {
    const head = this.#head;
    const isOpening = entry.kind === EntryKind.opening;
    if (head.position === 0) {
      if (entry.position === 1 && isOpening && entry.epoch === 1) this.#head = markOf(entry);
      return;
    }
    const epochFits = isOpening ? entry.epoch > head.epoch : entry.epoch === head.epoch;
    if (!epochFits || entry.position !== head.position + 1) return;
    if (toHex(entry.previousDigest) === head.digest) this.#head = markOf(entry);
  }
}

function markOf(entry: Entry): HeadMark {
  return { position: entry.position, epoch: entry.epoch, digest: toHex(entry.digest) };
}
