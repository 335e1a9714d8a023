// Requests under way, by their number. Numbers rise and each has its place by its low bits; one
// whose place is still taken is passed over. (A Map would rebuild its table every few requests, and
// each old table keeps the next one, with the calls in it, through the young collections: that was
// most of what a busy client spent on collecting.)

const PLACES_AT_FIRST = 64;

export class RequestTable<T> {
  #numbers: number[] = [];
  #items: (T | undefined)[] = [];
  #last = 0;
  #size = 0;

  constructor() {
    this.#makePlaces(PLACES_AT_FIRST);
  }

  get size(): number {
    return this.#size;
  }

  /** Takes in `item`; returns its number, which has never been used before and is at least 1. */
  add(item: T): number {
    if (2 * this.#size >= this.#items.length) this.#grow();
    do {
      this.#last++;
    } while (this.#items[this.#placeOf(this.#last)] !== undefined);
    this.#put(this.#last, item);
    return this.#last;
  }

  /** Takes it out; undefined where nothing with this number is under way. */
  take(number: number): T | undefined {
    const place = this.#placeOf(number);
    if (this.#numbers[place] !== number) return undefined;
    const item = this.#items[place];
    if (item === undefined) return undefined;
    this.#items[place] = undefined;
    this.#size--;
    return item;
  }

  /** Takes out all for which `leaves` says so, oldest first. */
  takeAll(leaves: (item: T) => boolean): T[] {
    const numbers = this.#numbers.filter((_, place) => {
      const item = this.#items[place];
      return item !== undefined && leaves(item);
    });
    return numbers.sort((a, b) => a - b).map((number) => this.take(number)!);
  }

  #placeOf(number: number): number {
    // `&` sees the low 32 bits of a number, which are all that is wanted.
    return number & (this.#items.length - 1);
  }

  #put(number: number, item: T): void {
    const place = this.#placeOf(number);
    this.#numbers[place] = number;
    this.#items[place] = item;
    this.#size++;
  }

  #makePlaces(count: number): void {
    this.#numbers = Array.from({ length: count }, () => 0);
    this.#items = Array.from({ length: count }, () => undefined);
    this.#size = 0;
  }

  #grow(): void {
    const [numbers, items] = [this.#numbers, this.#items];
    this.#makePlaces(2 * items.length);
    for (const [place, item] of items.entries()) {
      if (item !== undefined) this.#put(numbers[place]!, item);
    }
  }
}
