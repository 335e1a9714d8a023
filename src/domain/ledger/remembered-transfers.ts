// Remembered ids: every accepted transfer and every one refused for a transient reason, as its
// 128-byte record and a status byte. They are what makes a retry safe, in bounded memory: the
// oldest second is forgotten first, when it leaves the window or when there is no more room.
//
// Slots of one second are chained in the order of arrival. Forgetting a second hands its chain over
// to the free slots as it is, so that slots which followed each other do so again when they are
// handed out, and a stretch of new records is copied in one piece. The index drops the second
// whole. Slot numbers can be seen nowhere outside, neither in outcomes nor in the image.

import { assert } from '../../base/assert.ts';
import { idWordsUnixMs } from '../../base/ids.ts';
import { DEDUPE_BYTES_PER_ID } from '../../base/limits.ts';
import { TRANSFER_WORDS, TransferWord } from '../../base/transfer-record.ts';
import { hashId } from './id-hash.ts';
import { NO_RECORD } from './id-index.ts';
import { CHUNK_BITS, CHUNK_MASK, CHUNK_RECORDS, RecordChunks } from './record-chunks.ts';
import { SpareChunks } from './spare-chunks.ts';
import { SecondRing } from './second-ring.ts';
import { TimeIndex } from './time-index.ts';

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

/** Blocks of the index: enough to be done with a second long before the next one is dropped. */
const FREED_PER_COMMAND = 32;
/** Tables of the index are 5/16 to 5/8 full. */
const INDEX_BYTES_PER_ID = 20;
/** Below it a loop copies faster than a call does. */
const COPIED_SINGLY_MAX = 6;

/** The second embedded in the id at `words[i]`. */
export function idSecond(words: Uint32Array, i: number): number {
  return Math.floor(idWordsUnixMs(words, i) / 1000);
}

export class RememberedTransfers {
  readonly #statuses: Uint8Array<ArrayBuffer>[] = [];
  readonly records = new RecordChunks(TRANSFER_WORDS, this.#statuses);
  readonly index = new TimeIndex(this.records);
  readonly #next: Uint32Array[] = [];
  readonly #spareNext = new SpareChunks(CHUNK_RECORDS);
  readonly #ring = new SecondRing();
  #capacity: number;
  #count = 0;
  #slotsMade = 0;
  /** Free slots (slot + 1, 0 = none), chained through `#next` like those of a second. */
  #freeHead = 0;
  #freeTail = 0;
  /** Holds what was loaded ahead, so that no compiler may leave the loads out. */
  readonly #loaded = new Int32Array(1);
  /** What was the last of its second before the last `add`: what `undoAdd` needs. */
  #tailBefore = 0;

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

  /** After `add`: what `undoAdd` of the same id asks for. */
  get tailBefore(): number {
    return this.#tailBefore;
  }

  /** The slot of the id at `key[k]`, which must not lie before the edge; or NO_RECORD. */
  find(unixMs: number, hash: number, key: Uint32Array, k: number): number {
    return this.index.find(unixMs, hash, key, k);
  }

  /** The same for any id: one before the edge is forgotten. */
  findAny(key: Uint32Array, k: number): number {
    const unixMs = idWordsUnixMs(key, k);
    if (Math.floor(unixMs / 1000) < this.#ring.edge) return NO_RECORD;
    return this.index.find(unixMs, hashId(key, k), key, k);
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
    const slot = this.nextSlot();
    this.#takeSlots(slot, 1);
    this.records.beforeWrite(slot);
    const words = this.records.wordsOf(slot);
    const first = this.records.offsetOf(slot);
    for (let word = 0; word < TRANSFER_WORDS; word++) words[first + word] = source[s + word]!;
    this.#statuses[slot >>> CHUNK_BITS]![slot & CHUNK_MASK] = status;
    this.#append(second, slot, 1);
    this.index.insert(idWordsUnixMs(source, s), hash, slot);
    return slot;
  }

  /** The slot that is handed out next. There is room for one more id. */
  nextSlot(): number {
    assert(this.#count < this.#capacity, 'room has been made before an id is remembered');
    if (this.#freeHead !== 0) return this.#freeHead - 1;
    return this.#slotsMade;
  }

  /** How many slots from `slot`, the next one, up to `max` can be taken as one stretch. */
  stretchAt(slot: number, max: number): number {
    const inChunk = CHUNK_RECORDS - (slot & CHUNK_MASK);
    const most = Math.min(max, inChunk, this.#capacity - this.#count);
    if (this.#freeHead === 0) return most;
    const next = this.#next[slot >>> CHUNK_BITS]!;
    let i = slot & CHUNK_MASK;
    let follower = slot + 2;
    const end = slot + most + 1;
    while (follower < end && next[i] === follower) {
      follower += 1;
      i += 1;
    }
    return follower - 1 - slot;
  }

  /**
   * Remembers `count` accepted records of one second, which follow each other from `source[s]` on,
   * in the stretch that begins at `slot`. They are in the index already.
   */
  addStretch(second: number, slot: number, count: number, source: Uint32Array, s: number): void {
    this.#takeSlots(slot, count);
    for (let i = slot; i < slot + count; i++) this.records.beforeWrite(i);
    const words = this.records.wordsOf(slot);
    const first = this.records.offsetOf(slot);
    const length = count * TRANSFER_WORDS;
    if (count <= COPIED_SINGLY_MAX) {
      for (let word = 0; word < length; word++) words[first + word] = source[s + word]!;
    } else {
      words.set(source.subarray(s, s + length), first);
    }
    const i = slot & CHUNK_MASK;
    this.#statuses[slot >>> CHUNK_BITS]!.fill(RecordStatus.accepted, i, i + count);
    this.#append(second, slot, count);
  }

  /** Undoes `add` of this id, unless it has been forgotten meanwhile. Newest first. */
  undoAdd(key: Uint32Array, k: number, tailBefore: number): void {
    const unixMs = idWordsUnixMs(key, k);
    const second = Math.floor(unixMs / 1000);
    if (second < this.#ring.edge) return;
    const hash = hashId(key, k);
    const slot = this.index.find(unixMs, hash, key, k);
    assert(slot !== NO_RECORD, 'an id that is undone is remembered');
    this.#ring.popTail(second, slot, tailBefore);
    if (tailBefore !== 0) this.#setNext(tailBefore - 1, 0);
    this.index.remove(unixMs, hash, slot);
    this.#wipeId(slot);
    this.#setNext(slot, this.#freeHead);
    this.#freeHead = slot + 1;
    if (this.#freeTail === 0) this.#freeTail = slot + 1;
    this.#count -= 1;
  }

  /** At the start of a command: forgets what lies before `edge`. */
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
    this.index.freeSome(FREED_PER_COMMAND);
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

  /**
   * Finds everything again from the first `slotsMade` records, which stand in the chunks with their
   * status bytes already. The edge has been raised to where it was.
   */
  rebuild(slotsMade: number): void {
    assert(this.#slotsMade === 0, 'a table that is rebuilt was empty');
    this.#slotsMade = slotsMade;
    while (this.#next.length < this.records.chunks.length) {
      this.#next.push(new Uint32Array(CHUNK_RECORDS));
    }
    const edge = this.#ring.edge;
    // Slots of one second that follow each other, up to the one at work.
    let second = -1;
    let first = 0;
    for (let slot = 0; slot < slotsMade; slot++) {
      const words = this.records.wordsOf(slot);
      const id = this.records.offsetOf(slot) + TransferWord.id;
      const unixMs = idWordsUnixMs(words, id);
      const isWiped = (words[id]! | words[id + 1]! | words[id + 2]! | words[id + 3]!) === 0;
      const own = isWiped || unixMs < 1000 * edge ? -1 : Math.floor(unixMs / 1000);
      if (own !== second || (slot & CHUNK_MASK) === 0) {
        this.#rebuildStretch(second, first, slot - first);
        second = own;
        first = slot;
      }
      if (own >= 0) this.index.insert(unixMs, hashId(words, id), slot);
    }
    this.#rebuildStretch(second, first, slotsMade - first);
  }

  /** Of one second; -1: they are free. */
  #rebuildStretch(second: number, first: number, count: number): void {
    if (count === 0) return;
    if (second >= 0) {
      this.#append(second, first, count);
      return;
    }
    for (let slot = first; slot < first + count; slot++) this.#free(slot, slot);
  }

  /**
   * Loads what the first `count` ids will need, when they are of many seconds: the places of memory
   * are then far apart, and the machine can wait for many at once.
   */
  touchMany(times: Float64Array, hashes: Int32Array, count: number): void {
    let touched = 0;
    for (let i = 0; i < count; i++) {
      const second = Math.floor(times[i]! / 1000);
      touched ^= this.index.touchSecond(second) ^ this.#ring.tail(second);
    }
    for (let i = 0; i < count; i++) {
      const second = Math.floor(times[i]! / 1000);
      const tail = this.#ring.tail(second);
      touched ^= this.index.touchTable(second, hashes[i]!);
      if (tail !== 0) touched ^= this.#nextOf(tail - 1);
    }
    this.#loaded[0] = touched;
  }

  /**
   * Takes the memory for a full table ahead, a slice at a time, some milliseconds at most; returns
   * whether more is left.
   */
  growAhead(): boolean {
    const missing = Math.ceil(this.#capacity / CHUNK_RECORDS) - this.records.chunks.length;
    return (
      this.records.spares.prepare(missing) ||
      this.#spareNext.prepare(missing) ||
      this.index.growAhead(this.#capacity * INDEX_BYTES_PER_ID)
    );
  }

  /** Every remembered slot: by second, in no particular order within one. */
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
    this.index.drop(second);
    this.#free(chain.head - 1, chain.tail - 1);
    this.#count -= chain.count;
  }

  /** Puts a chain of slots behind the free ones. */
  #free(first: number, last: number): void {
    this.#setNext(last, 0);
    if (this.#freeTail === 0) this.#freeHead = first + 1;
    else this.#setNext(this.#freeTail - 1, first + 1);
    this.#freeTail = last + 1;
  }

  /** Takes a stretch off the free slots, or as many new ones. */
  #takeSlots(slot: number, count: number): void {
    if (this.#freeHead === 0) {
      if (slot >>> CHUNK_BITS === this.#next.length) {
        this.records.reserve(slot);
        this.#next.push(this.#spareNext.take());
        this.#statuses.push(new Uint8Array(CHUNK_RECORDS));
      }
      this.#slotsMade += count;
      return;
    }
    this.#freeHead = this.#nextOf(slot + count - 1);
    if (this.#freeHead === 0) this.#freeTail = 0;
  }

  /** Chains a stretch of slots and puts it at the end of its second. */
  #append(second: number, slot: number, count: number): void {
    const next = this.#next[slot >>> CHUNK_BITS]!;
    const last = (slot & CHUNK_MASK) + count - 1;
    for (let i = slot & CHUNK_MASK, follower = slot + 2; i < last; i++) {
      next[i] = follower;
      follower += 1;
    }
    next[last] = 0;
    const tail = this.#ring.append(second, slot, slot + count - 1, count);
    if (tail !== 0) this.#setNext(tail - 1, slot + 1);
    this.#tailBefore = tail;
    this.#count += count;
  }

  /** A slot that is free holds no id, or one that lies before the edge: so the records tell. */
  #wipeId(slot: number): void {
    this.records.beforeWrite(slot);
    const id = this.records.offsetOf(slot) + TransferWord.id;
    this.records.wordsOf(slot).fill(0, id, id + 4);
  }

  #nextOf(slot: number): number {
    return this.#next[slot >>> CHUNK_BITS]![slot & CHUNK_MASK]!;
  }

  #setNext(slot: number, next: number): void {
    this.#next[slot >>> CHUNK_BITS]![slot & CHUNK_MASK] = next;
  }
}
