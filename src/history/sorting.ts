// Sorting of numbers by keys on typed arrays, for the making of a run: stable, by digits of eleven
// bits, as many passes as the largest key needs.

import { compareIds, swapped } from './layout.ts';

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;
const MASK = DIGITS - 1;

export class Sorter {
  readonly #order: Uint32Array;
  readonly #spare: Uint32Array;
  readonly #counts = new Uint32Array(DIGITS);

  /** For up to `countMax` items. The arrays that it gives are its own until the next call. */
  constructor(countMax: number) {
    this.#order = new Uint32Array(countMax);
    this.#spare = new Uint32Array(countMax);
  }

  /** The items 0 to `count` - 1 in the order of `keys`; equal ones stay as they are. */
  byKey(keys: Uint32Array, count: number): Uint32Array {
    for (let item = 0; item < count; item++) this.#order[item] = item;
    return this.#pass(keys, count, this.#order, this.#spare);
  }

  /** The same by the ids that stand at `words[item * stride]`. */
  byId(words: Uint32Array, stride: number, count: number): Uint32Array {
    for (let item = 0; item < count; item++) this.#order[item] = item;
    if (isOrdered(words, stride, count)) return this.#order.subarray(0, count);
    const keys = new Uint32Array(count);
    for (let item = 0; item < count; item++) keys[item] = swapped(words[item * stride + 1]!);
    let order = this.#pass(keys, count, this.#order, this.#spare);
    for (let item = 0; item < count; item++) keys[item] = swapped(words[item * stride]!);
    const other = order.buffer === this.#order.buffer ? this.#spare : this.#order;
    order = this.#pass(keys, count, order, other);
    sortTies(order, words, stride);
    return order;
  }

  #pass(keys: Uint32Array, count: number, order: Uint32Array, spare: Uint32Array): Uint32Array {
    let largest = 0;
    for (let item = 0; item < count; item++) if (keys[item]! > largest) largest = keys[item]!;
    let source = order;
    let target = spare;
    for (let shift = 0; shift < 32 && largest >>> shift !== 0; shift += DIGIT_BITS) {
      this.#scatter(keys, shift, count, source, target);
      [source, target] = [target, source];
    }
    return source.subarray(0, count);
  }

  #scatter(
    keys: Uint32Array,
    shift: number,
    count: number,
    source: Uint32Array,
    target: Uint32Array,
  ): void {
    const counts = this.#counts.fill(0);
    for (let item = 0; item < count; item++) {
      const digit = (keys[item]! >>> shift) & MASK;
      counts[digit] = counts[digit]! + 1;
    }
    let place = 0;
    for (let digit = 0; digit < DIGITS; digit++) {
      const here = counts[digit]!;
      counts[digit] = place;
      place += here;
    }
    for (let index = 0; index < count; index++) {
      const item = source[index]!;
      const digit = (keys[item]! >>> shift) & MASK;
      const at = counts[digit]!;
      counts[digit] = at + 1;
      target[at] = item;
    }
  }
}

/** Ids are made in the order of time, so most runs have nothing to sort. */
function isOrdered(words: Uint32Array, stride: number, count: number): boolean {
  for (let item = 1; item < count; item++) {
    if (compareIds(words, (item - 1) * stride, words, item * stride) > 0) return false;
  }
  return true;
}

/** Items whose first eight bytes are equal stand together; the other eight decide. */
function sortTies(order: Uint32Array, words: Uint32Array, stride: number): void {
  const isTied = (a: number, b: number): boolean =>
    words[a * stride] === words[b * stride] && words[a * stride + 1] === words[b * stride + 1];
  let first = 0;
  while (first < order.length) {
    let end = first + 1;
    while (end < order.length && isTied(order[first]!, order[end]!)) end += 1;
    if (end - first > 1) {
      order
        .subarray(first, end)
        .sort((a, b) => compareIds(words, a * stride, words, b * stride) || a - b);
    }
    first = end;
  }
}
