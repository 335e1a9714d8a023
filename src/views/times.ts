// Days and moments of the views: days are UTC and counted from 1970.

const NS_PER_SECOND = 1_000_000_000n;
const NS_PER_MS = 1_000_000n;
export const NS_PER_DAY = 86_400n * NS_PER_SECOND;
const MS_PER_DAY = 86_400_000;
const DAY_PATTERN = /^\d{4}-\d{2}-\d{2}$/;

export function dayOf(timestampNs: bigint): number {
  return Number(timestampNs / NS_PER_DAY);
}

/** `2026-01-05`. */
export function dayText(day: number): string {
  return new Date(day * MS_PER_DAY).toISOString().slice(0, 10);
}

/** Undefined = no day of the calendar, or before 1970. */
export function parseDay(text: string): number | undefined {
  if (!DAY_PATTERN.test(text)) return undefined;
  const day = Date.parse(`${text}T00:00:00Z`) / MS_PER_DAY;
  return day >= 0 && dayText(day) === text ? day : undefined;
}

/** `2026-01-05T08:00:00.000000001Z`. */
export function instantText(timestampNs: bigint): string {
  const seconds = new Date(Number(timestampNs / NS_PER_MS)).toISOString().slice(0, 19);
  return `${seconds}.${(timestampNs % NS_PER_SECOND).toString().padStart(9, '0')}Z`;
}
