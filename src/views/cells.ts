// Between amounts and the cells that hold them: an integer where it fits 64 bits with sign, its
// digits where it does not. The store gives back what it was given.

import { assert } from '../base/assert.ts';
import type { Cell } from '../ports/view-store.ts';

const INTEGER_MAX = (1n << 63n) - 1n;

export function exactCell(value: bigint): Cell {
  return value <= INTEGER_MAX ? value : value.toString();
}

/** Of a column of type `integer` or `exact`. */
export function bigCell(cell: Cell | undefined): bigint {
  assert(cell !== null && cell !== undefined, 'the column is never empty');
  return typeof cell === 'bigint' ? cell : BigInt(cell);
}

export function numberCell(cell: Cell | undefined): number {
  return Number(bigCell(cell));
}

export function textCell(cell: Cell | undefined): string {
  assert(typeof cell === 'string', 'the column is text');
  return cell;
}
