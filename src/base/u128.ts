// Unsigned 128-bit numbers as four little-endian 32-bit words inside a Uint32Array. The hot path
// adds, subtracts and compares them in place: no BigInt is made for a transfer. Each function takes
// (array, index of the lowest word), so the same code serves balances, records and totals.

export const U128_MAX = (1n << 128n) - 1n;

const CARRY = 0x1_0000_0000;

/** target += source. Returns true when the sum passes 2^128 - 1 (it then wraps). */
export function add128(target: Uint32Array, t: number, source: Uint32Array, s: number): boolean {
  let sum = target[t]! + source[s]!;
  target[t] = sum;
  sum = target[t + 1]! + source[s + 1]! + (sum >= CARRY ? 1 : 0);
  target[t + 1] = sum;
  sum = target[t + 2]! + source[s + 2]! + (sum >= CARRY ? 1 : 0);
  target[t + 2] = sum;
  sum = target[t + 3]! + source[s + 3]! + (sum >= CARRY ? 1 : 0);
  target[t + 3] = sum;
  return sum >= CARRY;
}

/** target -= source. Returns true when source was larger (it then wraps). */
export function subtract128(
  target: Uint32Array,
  t: number,
  source: Uint32Array,
  s: number,
): boolean {
  let difference = target[t]! - source[s]!;
  target[t] = difference;
  difference = target[t + 1]! - source[s + 1]! - (difference < 0 ? 1 : 0);
  target[t + 1] = difference;
  difference = target[t + 2]! - source[s + 2]! - (difference < 0 ? 1 : 0);
  target[t + 2] = difference;
  difference = target[t + 3]! - source[s + 3]! - (difference < 0 ? 1 : 0);
  target[t + 3] = difference;
  return difference < 0;
}

/** -1, 0 or 1 as a is less than, equal to or greater than b. */
export function compare128(a: Uint32Array, i: number, b: Uint32Array, j: number): -1 | 0 | 1 {
  for (let word = 3; word >= 0; word--) {
    const x = a[i + word]!;
    const y = b[j + word]!;
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

export function equal128(a: Uint32Array, i: number, b: Uint32Array, j: number): boolean {
  return a[i] === b[j] && a[i + 1] === b[j + 1] && a[i + 2] === b[j + 2] && a[i + 3] === b[j + 3];
}

export function copy128(target: Uint32Array, t: number, source: Uint32Array, s: number): void {
  target[t] = source[s]!;
  target[t + 1] = source[s + 1]!;
  target[t + 2] = source[s + 2]!;
  target[t + 3] = source[s + 3]!;
}

export function isZero128(a: Uint32Array, i: number): boolean {
  return (a[i]! | a[i + 1]! | a[i + 2]! | a[i + 3]!) === 0;
}

/** True for 2^128 - 1, whichever byte order the words are read in. */
export function isMax128(a: Uint32Array, i: number): boolean {
  return (a[i]! & a[i + 1]! & a[i + 2]! & a[i + 3]!) === -1;
}

export function read128(a: Uint32Array, i: number): bigint {
  return (
    (BigInt(a[i + 3]!) << 96n) |
    (BigInt(a[i + 2]!) << 64n) |
    (BigInt(a[i + 1]!) << 32n) |
    BigInt(a[i]!)
  );
}

/** `value` must be 0 .. 2^128 - 1; the caller has checked. */
export function write128(a: Uint32Array, i: number, value: bigint): void {
  a[i] = Number(value & 0xffff_ffffn);
  a[i + 1] = Number((value >> 32n) & 0xffff_ffffn);
  a[i + 2] = Number((value >> 64n) & 0xffff_ffffn);
  a[i + 3] = Number((value >> 96n) & 0xffff_ffffn);
}
