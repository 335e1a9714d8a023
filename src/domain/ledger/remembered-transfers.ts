// Remembered ids: every accepted transfer and every one refused for a transient reason, as its
// 128-byte record and a status byte. They are what makes a retry safe, in bounded memory: the
// oldest second is forgotten first, when it leaves the window or when there is no more room.
//
// Forgetting is logical at once (the edge moves, the count falls, whatever has an older id is not
// found) and physical bit by bit: forgotten slots wait in one chain, and each insertion and each
// command frees a few. Slot numbers can be seen nowhere outside, neither in outcomes nor in the
// image.

import { assert } from '../../base/assert.ts';
import { idWordsUnixMs } from '../../base/ids.ts';
import { DEDUPE_BYTES_PER_ID } from '../../base/limits.ts';
import { TRANSFER_WORDS, TransferWord } from '../../base/transfer-record.ts';
import { IdIndex, NO_RECORD, hashId } from './id-index.ts';
import { CHUNK_BITS, CHUNK_MASK, CHUNK_RECORDS, RecordChunks } from './record-chunks.ts';
import { SecondRing } from './second-ring.ts';

/** Bits of the status byte. */
export const RecordStatus = {
  accepted: 1,
  /** A post or void that took the whole hold. */
  whole: 2,
  holdMask: 0b1_1100,
  holdPending: 1 << 2,
  holdPosted: 2 << 2,
  holdVoided: 3 << 2,
  holdExpired: 4 << 2,
} as const;

const FREED_PER_INSERT = 2;
const FREED_PER_COMMAND = 64;

/** The second embedded in the id at `words[i]`. */
export function idSecond(words: Uint32Array, i: number): number {
  return Math.floor(idWordsUnixMs(words, i) / 1000);
}

export class RememberedTransfers {
  readonly #statuses: Uint8Array<ArrayBuffer>[] = [];
  readonly records = new RecordChunks(TRANSFER_WORDS, this.#statuses);
  readonly #next = new RecordChunks(1);
  readonly #index = new IdIndex(this.records, TransferWord.id);
  readonly #ring = new SecondRing();
  #capacity: number;
  #count = 0;
  #slotsMade = 0;
  /** Chains of slots (slot + 1, 0 = none) through `#next`. */
  #freeHead = 0;
  #forgottenHead = 0;

  constructor(bytesMax: number) {
    this.#capacity = Math.floor(bytesMax / DEDUPE_BYTES_PER_ID);
  }

  get count(): number {
    return this.#count;
  }

  get capacity(): number {
    return this.#capacity;
  }

  get edge(): number {
    return this.#ring.edge;
  }

  /** Slots that were ever in use: what a copy of the table holds. */
  get slotsMade(): number {
    return this.#slotsMade;
  }

  /** The slot of the id at `key[k]`, which must not lie before the edge; or NO_RECORD. */
  find(hash: number, key: Uint32Array, k: number): number {
    return this.#index.find(hash, key, k);
  }

  /** Loads what `find` will look at first. */
  touch(hash: number): number {
    return this.#index.touch(hash);
  }

  /** The same for any id: one before the edge is forgotten, even if its slot is not yet freed. */
  findAny(key: Uint32Array, k: number): number {
    if (idSecond(key, k) < this.#ring.edge) return NO_RECORD;
    return this.#index.find(hashId(key, k), key, k);
  }

  statusOf(slot: number): number {
    return this.#statuses[slot >>> CHUNK_BITS]![slot & CHUNK_MASK]!;
  }

  setHoldStatus(slot: number, hold: number): void {
    this.records.beforeWrite(slot);
    const statuses = this.#statuses[slot >>> CHUNK_BITS]!;
    const i = slot & CHUNK_MASK;
    statuses[i] = (statuses[i]! & ~RecordStatus.holdMask) | hold;
  }

  /** Remembers the record at `source[s]`, which is new and for which there is room. */
  add(hash: number, second: number, source: Uint32Array, s: number, status: number): number {
    const slot = this.#takeSlot();
    this.records.beforeWrite(slot);
    const words = this.records.wordsOf(slot);
    const first = this.records.offsetOf(slot);
    for (let word = 0; word < TRANSFER_WORDS; word++) words[first + word] = source[s + word]!;
    this.#statuses[slot >>> CHUNK_BITS]![slot & CHUNK_MASK] = status;
    this.#setNext(slot, this.#ring.push(second, slot));
    this.#index.insert(hash, slot);
    this.#count += 1;
    return slot;
  }

  /** Undoes `add` of this id, unless it has been forgotten meanwhile. Newest first. */
  undoAdd(key: Uint32Array, k: number): void {
    const second = idSecond(key, k);
    if (second < this.#ring.edge) return;
    const hash = hashId(key, k);
    const slot = this.#index.find(hash, key, k);
    assert(slot !== NO_RECORD, 'an id that is undone is remembered');
    this.#ring.popHead(second, slot, this.#nextOf(slot));
    this.#index.remove(hash, slot);
    this.#wipeId(slot);
    this.#putFree(slot);
    this.#count -= 1;
  }

  /** At the start of a command: forgets what lies before `edge`, and frees some of it. */
  raiseEdge(edge: number): void {
    if (edge > this.#ring.edge) {
      let from = this.#ring.edge;
      while (this.#count > 0) {
        const second = this.#ring.firstUsed(from, edge);
        if (second === undefined) break;
        this.#forget(second);
        from = second + 1;
      }
      this.#ring.moveEdge(edge);
    }
    this.#freeSome(FREED_PER_COMMAND);
  }

  /** Forgets oldest seconds until one more id fits. */
  makeRoom(): void {
    if (this.#count >= this.#capacity) this.#forgetDownTo(this.#capacity - 1);
  }

  /** A smaller capacity forgets at once; memory once taken is kept for later. */
  setBytesMax(bytesMax: number): void {
    this.#capacity = Math.floor(bytesMax / DEDUPE_BYTES_PER_ID);
    this.#forgetDownTo(this.#capacity);
  }

  /** Every remembered slot: by second, newest first within one. */
  *slots(): Generator<number> {
    let second = this.#ring.firstUsed(this.#ring.edge, Number.MAX_SAFE_INTEGER);
    while (second !== undefined) {
      let slot = this.#ring.head(second) - 1;
      while (slot >= 0) {
        yield slot;
        slot = this.#nextOf(slot) - 1;
      }
      second = this.#ring.firstUsed(second + 1, Number.MAX_SAFE_INTEGER);
    }
  }

  /**
   * Finds everything again from the first `slotsMade` records, which stand in the chunks already.
   * The edge has been raised: a slot without an id, or with one before the edge, is free.
   */
  rebuild(slotsMade: number): void {
    assert(this.#slotsMade === 0, 'a table that is rebuilt was empty');
    this.#slotsMade = slotsMade;
    const edge = this.#ring.edge;
    for (let slot = 0; slot < slotsMade; slot++) {
      if ((slot & CHUNK_MASK) === 0) this.#next.reserve(slot);
      const words = this.records.wordsOf(slot);
      const id = this.records.offsetOf(slot) + TransferWord.id;
      const isWiped = (words[id]! | words[id + 1]! | words[id + 2]! | words[id + 3]!) === 0;
      const second = idSecond(words, id);
      if (isWiped || second < edge) {
        this.#putFree(slot);
        continue;
      }
      this.#setNext(slot, this.#ring.push(second, slot));
      this.#index.insert(hashId(words, id), slot);
      this.#count += 1;
    }
  }

  #forgetDownTo(count: number): void {
    while (this.#count > count) {
      const second = this.#ring.firstUsed(this.#ring.edge, Number.MAX_SAFE_INTEGER);
      assert(second !== undefined, 'what is remembered stands in buckets');
      this.#forget(second);
      this.#ring.moveEdge(second + 1);
    }
  }

  #forget(second: number): void {
    const chain = this.#ring.take(second);
    this.#setNext(chain.tail - 1, this.#forgottenHead);
    this.#forgottenHead = chain.head;
    this.#count -= chain.count;
  }

  #freeSome(count: number): void {
    for (let freed = 0; freed < count && this.#forgottenHead !== 0; freed++) {
      const slot = this.#forgottenHead - 1;
      this.#forgottenHead = this.#nextOf(slot);
      this.#index.remove(hashId(this.records.wordsOf(slot), this.records.offsetOf(slot)), slot);
      this.#putFree(slot);
    }
  }

  #takeSlot(): number {
    assert(this.#count < this.#capacity, 'room has been made before an id is remembered');
    if (this.#forgottenHead !== 0) this.#freeSome(FREED_PER_INSERT);
    if (this.#freeHead !== 0) {
      const slot = this.#freeHead - 1;
      this.#freeHead = this.#nextOf(slot);
      return slot;
    }
    const slot = this.#slotsMade;
    if ((slot & CHUNK_MASK) === 0) {
      this.records.reserve(slot);
      this.#next.reserve(slot);
      this.#statuses.push(new Uint8Array(CHUNK_RECORDS));
    }
    this.#slotsMade += 1;
    return slot;
  }

  /** A slot that is free holds no id, or one that lies before the edge: so the records tell. */
  #wipeId(slot: number): void {
    this.records.beforeWrite(slot);
    const id = this.records.offsetOf(slot) + TransferWord.id;
    this.records.wordsOf(slot).fill(0, id, id + 4);
  }

  #putFree(slot: number): void {
    this.#setNext(slot, this.#freeHead);
    this.#freeHead = slot + 1;
  }

  #nextOf(slot: number): number {
    return this.#next.chunks[slot >>> CHUNK_BITS]![slot & CHUNK_MASK]!;
  }

  #setNext(slot: number, next: number): void {
    this.#next.chunks[slot >>> CHUNK_BITS]![slot & CHUNK_MASK] = next;
  }
}
