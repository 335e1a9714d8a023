// Remembers where the last entries stand in the journal's engine: a checkpoint stores the offset of
// its head, and that is known only to whoever appended or read it. A journal in front of the
// journal, so that the stations of the road need not carry offsets along.

import { APPENDS_IN_FLIGHT_MAX } from '../base/limits.ts';
import type { EngineOffset, Journal } from '../ports/journal.ts';

/** More than can be appended ahead of the last applied entry. */
const NOTES_KEPT = 4 * APPENDS_IN_FLIGHT_MAX;

export class OffsetNotes {
  readonly #offsets = new Map<number, EngineOffset>();

  /** The offset of an entry that was appended or applied not long ago. */
  of(position: number): EngineOffset | undefined {
    return this.#offsets.get(position);
  }

  /** Of an entry that was read, before it is applied. */
  note(position: number, offset: EngineOffset): void {
    this.#offsets.set(position, offset);
    this.#offsets.delete(position - NOTES_KEPT);
  }

  /** Does what `inner` does, and notes each append before its caller hears of it. */
  noting(inner: Journal): Journal {
    return {
      guarantees: inner.guarantees,
      ...(inner.look && { look: () => inner.look?.() }),
      ...(inner.health && { health: inner.health.bind(inner) }),
      open: (options) => inner.open(options),
      append: (entry) =>
        inner.append(entry).then((offset) => {
          this.note(entry.position, offset);
          return offset;
        }),
      read: (options) => inner.read(options),
      bounds: () => inner.bounds(),
      discardThrough: (position) => inner.discardThrough(position),
      readDiscarded: (signal) => inner.readDiscarded(signal),
      close: () => inner.close(),
    };
  }
}
