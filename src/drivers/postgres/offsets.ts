// The engine offset of an entry is its position: the primary key it is found by.

import { OperationalError } from '../../base/errors.ts';
import type { EngineOffset } from '../../ports/journal.ts';

const OFFSET = /^p([1-9][0-9]{0,14})$/;

export function offsetOf(position: number): EngineOffset {
  return `p${position}`;
}

/** Throws JOURNAL_DIVERGED for what no entry of any journal here can have. */
export function positionOf(offset: EngineOffset): number {
  const digits = OFFSET.exec(offset)?.[1];
  if (digits === undefined) throw notThere(offset);
  return Number(digits);
}

export function notThere(offset: EngineOffset): OperationalError {
  return new OperationalError('JOURNAL_DIVERGED', {
    detail: `The journal has no entry at offset ${offset} (any more).`,
    wayOut: 'Start from another checkpoint.',
  });
}
