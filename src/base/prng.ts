// A small seeded generator (sfc32, Chris Doty-Humphrey's PractRand) for simulations, tests and
// jitter that must be repeatable. Never for secrets or ids: those come from the entropy port.

export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number) {
    this.#a = seed | 0;
    this.#b = (seed / 0x1_0000_0000) | 0;
    this.#c = 0x9e3779b9 | 0;
    for (let round = 0; round < 12; round++) this.uint32();
  }

  /** Uniform in 0 .. 2^32 - 1. */
  uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1). */
  ratio(): number {
    return this.uint32() / 0x1_0000_0000;
  }

  /** Uniform integer in 0 .. below - 1; `below` up to 2^32. */
  below(below: number): number {
    return Math.floor(this.ratio() * below);
  }

  chance(probability: number): boolean {
    return this.ratio() < probability;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('pick from an empty list');
    return item;
  }

  /** An independent stream, so that one more draw in one place does not shift the others. */
  fork(): Prng {
    return new Prng(this.uint32() * 0x10_0000 + this.uint32());
  }
}
