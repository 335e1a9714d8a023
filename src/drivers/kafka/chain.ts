// Which records of the log are the history, as far as a driver needs to know: to say the bounds, to
// find where a position stands, and to go on with the producer that wrote last. Nobody's safety
// depends on it: whoever applies entries has the reader rule, which says the same.

import { EntryKind, equalBytes } from '../../base/entry.ts';
import type { LogRecord } from './log-reader.ts';
import type { BatchIdentity } from './record-batch.ts';

/** Places remembered; beyond, every other one is forgotten, so that they span any history. */
const PLACES_MAX = 8192;

export type PlaceInLog = { readonly position: number; readonly offset: number };

export type ProducerTail = { readonly producerEpoch: number; readonly nextSequence: number };

type ChainHead = PlaceInLog & {
  readonly epoch: number;
  readonly digest: Uint8Array;
};

export class Chain {
  #places: PlaceInLog[] = [];
  #stride = 1;
  #first: PlaceInLog | undefined;
  #head: ChainHead | undefined;
  #next: number;
  readonly #mayStartAnywhere: boolean;
  /** Of the head's batch. */
  #identity: BatchIdentity | undefined;
  /** Behind the last record of the same producer. */
  #tail: BatchIdentity | undefined;

  /**
   * `next`: offset of the first record that it is shown. `mayStartAnywhere`: that record is in the
   * history because somebody knows it is; otherwise only the opening of epoch 1 begins one.
   */
  constructor(next: number, mayStartAnywhere: boolean) {
    this.#next = next;
    this.#mayStartAnywhere = mayStartAnywhere;
  }

  get first(): PlaceInLog | undefined {
    return this.#first;
  }

  get head(): PlaceInLog | undefined {
    return this.#head;
  }

  /** Offset of the record that it wants to see next. */
  get next(): number {
    return this.#next;
  }

  /** Epoch of the head; 0 = there is none. */
  get epoch(): number {
    return this.#head?.epoch ?? 0;
  }

  /** Of the batch that holds the head. */
  get producerId(): bigint | undefined {
    return this.#identity?.producerId;
  }

  /** What the head's producer would write next, as its last record says. */
  get producerTail(): ProducerTail | undefined {
    if (this.#tail === undefined) return undefined;
    const { producerEpoch, sequence } = this.#tail;
    return { producerEpoch, nextSequence: sequence };
  }

  /** In log order; what it has seen already, or cannot know the place of, it passes over. */
  see(record: LogRecord): void {
    if (record.offset !== this.#next) return;
    this.#next += 1;
    const { entry } = record.stored;
    const follows = this.#follows(record);
    if (follows) {
      const place = { position: entry.position, offset: record.offset };
      this.#head = { ...place, epoch: entry.epoch, digest: entry.digest.slice() };
      this.#first ??= place;
      this.#remember(place);
      const isOther = this.#identity?.producerId !== record.identity.producerId;
      if (isOther) this.#tail = undefined;
      if (record.identity.producerId >= 0n) this.#identity = record.identity;
    }
    if (record.identity.producerId === this.#identity?.producerId) {
      this.#tail = { ...record.identity, sequence: record.identity.sequence + 1 };
    }
  }

  /** The log begins before what it was shown. */
  began(place: PlaceInLog): void {
    this.#first = place;
  }

  /** What stands before the offset is not there any more. */
  discarded(place: PlaceInLog): void {
    this.#first = place;
    this.#places = this.#places.filter(({ offset }) => offset >= place.offset);
  }

  /** The remembered place nearest before the position, or of it. */
  placeOf(position: number): PlaceInLog | undefined {
    let low = 0;
    let high = this.#places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#places[middle]!.position <= position) low = middle + 1;
      else high = middle;
    }
    return this.#places[low - 1];
  }

  /** The remembered place nearest behind the offset, or of it. */
  placeFrom(offset: number): PlaceInLog | undefined {
    return this.#places.find((place) => place.offset >= offset);
  }

  #follows({ stored: { entry } }: LogRecord): boolean {
    const head = this.#head;
    if (head === undefined) {
      if (this.#mayStartAnywhere) return true;
      return entry.position === 1 && entry.kind === EntryKind.opening && entry.epoch === 1;
    }
    const isOpening = entry.kind === EntryKind.opening;
    return (
      entry.position === head.position + 1 &&
      (isOpening ? entry.epoch > head.epoch : entry.epoch === head.epoch) &&
      equalBytes(entry.previousDigest, head.digest)
    );
  }

  #remember(place: PlaceInLog): void {
    if (place.position % this.#stride !== 0) return;
    this.#places.push(place);
    if (this.#places.length <= PLACES_MAX) return;
    this.#stride *= 2;
    this.#places = this.#places.filter(({ position }) => position % this.#stride === 0);
  }
}
