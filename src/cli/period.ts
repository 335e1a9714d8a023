// Ends of periods as people give them: a day is all of it, in UTC.

import { parseInstant } from '../base/instant.ts';
import { usageFailure } from './failure.ts';

const NS_PER_DAY = 86_400_000_000_000n;
const DAY_PATTERN = /^\d{4}-\d{2}-\d{2}$/;

export function readPeriodEnd(name: string, text: string, side: 'begin' | 'end'): bigint {
  const isDay = DAY_PATTERN.test(text);
  const moment = parseInstant(isDay ? `${text}T00:00:00Z` : text);
  if (moment === undefined) {
    const hint = 'It is a day like 2026-01-05, a time like 2026-01-05T08:00:00Z, or nanoseconds.';
    throw usageFailure(`${name} ${text} is not a time.`, hint);
  }
  return isDay && side === 'end' ? moment + NS_PER_DAY - 1n : moment;
}
