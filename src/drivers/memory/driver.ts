// The memory driver: a journal that lives as long as its process. For tests, simulations and
// trials; it stands for every engine that cannot compare on append, so its fencing is the
// readers'.

import type { Entry } from '../../base/entry.ts';
import { OperationalError } from '../../base/errors.ts';
import type {
  EngineOffset,
  Journal,
  JournalBounds,
  JournalOpenOptions,
  JournalOpening,
  ReadOptions,
  StoredEntry,
} from '../../ports/journal.ts';
import { type AppendFailure, MemoryLog } from './memory-log.ts';
import type { MemoryJournalOptions } from './options.ts';
import type { Outage } from './outage.ts';

const BATCH_ENTRIES_MAX = 256;
const OFFSET_PATTERN = /^m([0-9]{1,15})$/;

export function createJournal(options: MemoryJournalOptions = {}): Journal {
  return new MemoryJournal(options.log ?? new MemoryLog(), options.outage);
}

type State = 'closed' | 'reading' | 'writing' | 'full' | 'broken' | 'failed';

class MemoryJournal implements Journal {
  readonly guarantees = { fencing: 'reader', durability: 'none', exclusive: false } as const;
  readonly #log: MemoryLog;
  #state: State = 'closed';
  #positionWritten = 0;
  #inFlight = Promise.resolve<unknown>(undefined);
  readonly #outages: readonly Outage[];
  /** Appends that wait for the end of an outage give up when the driver is closed. */
  #closing = Promise.withResolvers<'closed'>();

  constructor(log: MemoryLog, own: Outage | undefined) {
    this.#log = log;
    this.#outages = own === undefined ? [log.outage] : [log.outage, own];
  }

  async open(options: JournalOpenOptions): Promise<JournalOpening> {
    options.signal.throwIfAborted();
    this.#throwIfAway(options.mode);
    this.#closing = Promise.withResolvers();
    if (options.from !== undefined) this.#indexOf(options.from);
    this.#state = options.mode === 'write' ? 'writing' : 'reading';
    this.#positionWritten = this.#log.bounds().last;
    return { bounds: this.#log.bounds(), tornBytes: 0, notes: [] };
  }

  append(entry: Entry): Promise<EngineOffset> {
    // Room again: the caller says so by starting anew where the last success ended.
    if (this.#state === 'full' && entry.position === this.#positionWritten + 1) {
      this.#state = 'writing';
    }
    if (this.#state !== 'writing') return Promise.reject(this.#refusal());
    const earlier = this.#inFlight;
    const outage = this.#outages.find(({ isOn }) => isOn);
    if (outage?.appends === 'wait') {
      const appended = this.#whenOver(entry, outage, earlier);
      this.#inFlight = appended.catch(() => undefined);
      return appended;
    }
    if (outage?.appends === 'unanswered') this.#log.write(entry);
    const written = outage === undefined ? this.#log.append(entry) : 'unknown';
    const appended =
      typeof written === 'string'
        ? this.#fail(entry, written, earlier)
        : this.#settle(entry, written, earlier);
    this.#inFlight = appended.catch(() => undefined);
    return appended;
  }

  /** It reaches the log when the outage is over; who closes before does not know. */
  async #whenOver(entry: Entry, outage: Outage, earlier: Promise<unknown>): Promise<EngineOffset> {
    const end = await Promise.race([outage.untilOver, this.#closing.promise]);
    await earlier;
    if (end === 'closed' || this.#state !== 'writing') {
      this.#state = 'broken';
      throw unknown(entry);
    }
    const written = this.#log.append(entry);
    if (typeof written === 'string') return await this.#fail(entry, written, earlier);
    return await this.#settle(entry, written, earlier);
  }

  /** From here on nothing is tried any more, whatever is still in flight. */
  async #fail(entry: Entry, kind: AppendFailure, earlier: Promise<unknown>): Promise<never> {
    this.#state = kind === 'unknown' ? 'broken' : kind;
    const error = kind === 'unknown' ? unknown(entry) : this.#refusal();
    await earlier;
    throw error;
  }

  async #settle(
    entry: Entry,
    written: Promise<number>,
    earlier: Promise<unknown>,
  ): Promise<EngineOffset> {
    const index = await written;
    await earlier;
    this.#positionWritten = entry.position;
    return `m${index}`;
  }

  #refusal(): OperationalError {
    if (this.#state === 'full') {
      const wayOut = 'Append again from the position after the last success.';
      return new OperationalError('JOURNAL_FULL', { wayOut });
    }
    if (this.#state === 'failed') {
      return new OperationalError('JOURNAL_FAILED', { wayOut: 'Open the journal anew.' });
    }
    if (this.#state === 'broken') {
      return new OperationalError('JOURNAL_CLOSED', {
        detail: 'An earlier append has an unknown outcome; this one was not tried.',
        wayOut: 'Open the journal anew and read its tail.',
      });
    }
    const wayOut = 'Open the journal for writing first.';
    return new OperationalError('JOURNAL_CLOSED', { wayOut });
  }

  async *read(options: ReadOptions): AsyncIterable<readonly StoredEntry[]> {
    const { from, follow, signal } = options;
    let next = from === null ? this.#log.first : this.#indexOf(from);
    while (!signal.aborted && this.#state !== 'closed') {
      this.#throwIfAway('read');
      const batch: StoredEntry[] = [];
      while (next < this.#log.end && batch.length < BATCH_ENTRIES_MAX) {
        batch.push({ entry: this.#entryAt(next), offset: `m${next}` });
        next += 1;
      }
      if (batch.length > 0) {
        yield batch;
        continue;
      }
      if (!follow) return;
      await this.#untilMore(next, signal);
    }
  }

  async #untilMore(next: number, signal: AbortSignal): Promise<void> {
    const begun = new AbortController();
    const ends = this.#outages.map((outage) => outage.onBegin(() => begun.abort()));
    await this.#log.waitFor(next, AbortSignal.any([signal, begun.signal]));
    for (const end of ends) end();
  }

  #throwIfAway(mode: 'write' | 'read'): void {
    for (const outage of this.#outages) {
      const refusal = outage.refusal(mode);
      if (refusal !== undefined) throw refusal;
    }
  }

  bounds(): JournalBounds {
    return this.#log.bounds();
  }

  discardThrough(position: number): Promise<void> {
    this.#log.discardThrough(position);
    return Promise.resolve();
  }

  /** The log of a test forgets what is discarded. */
  async *readDiscarded(): AsyncIterable<readonly StoredEntry[]> {}

  async close(): Promise<void> {
    this.#closing.resolve('closed');
    await this.#inFlight;
    this.#state = 'closed';
    this.#log.wakeReaders();
  }

  #indexOf(offset: EngineOffset): number {
    const index = Number(OFFSET_PATTERN.exec(offset)?.[1] ?? '-1');
    this.#entryAt(index);
    return index;
  }

  #entryAt(index: number): Entry {
    const entry = this.#log.at(index);
    if (entry !== undefined) return entry;
    throw new OperationalError('JOURNAL_DIVERGED', {
      detail: `The journal has no entry at offset m${index} (any more).`,
      wayOut: 'Start from another checkpoint.',
    });
  }
}

function unknown(entry: Entry): OperationalError {
  return new OperationalError('JOURNAL_UNKNOWN_OUTCOME', {
    detail: `The append of position ${entry.position} may or may not have happened.`,
    wayOut: 'Open the journal anew, append an opening and read back.',
  });
}
