// A moment as people and programs write it: nanoseconds since 1970 as a decimal number, or RFC 3339
// in UTC (2026-01-05T08:00:00.5Z). Computed by hand: the calendar of the runtime knows milliseconds
// only and forgives dates that do not exist.

const NS_PER_SECOND = 1_000_000_000n;
const U64_MAX = 0xffff_ffff_ffff_ffffn;
const NUMBER_PATTERN = /^(0|[1-9][0-9]{0,19})$/;
const UTC_PATTERN =
  /^([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?Z$/;
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const YEAR_FIRST = 1970;

/** Nanoseconds since 1970, below 2^64; undefined = the text is no such moment. */
export function parseInstant(text: string): bigint | undefined {
  if (NUMBER_PATTERN.test(text)) {
    const value = BigInt(text);
    return value <= U64_MAX ? value : undefined;
  }
  const match = UTC_PATTERN.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as Six;
  if (month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) return undefined;
  if (year < YEAR_FIRST || hour > 23 || minute > 59 || second > 59) return undefined;
  const seconds = daysBefore(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
  const nanoseconds = BigInt(seconds) * NS_PER_SECOND + BigInt((match[7] ?? '').padEnd(9, '0'));
  return nanoseconds <= U64_MAX ? nanoseconds : undefined;
}

type Six = [number, number, number, number, number, number];

function isLeap(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

function daysOf(year: number, month: number): number {
  return month === 2 && isLeap(year) ? 29 : MONTH_DAYS[month - 1]!;
}

/** Days from the first of 1970 to this one. */
function daysBefore(year: number, month: number, day: number): number {
  const before = year - 1;
  const leaps = (y: number): number =>
    Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  let days = (year - YEAR_FIRST) * 365 + leaps(before) - leaps(YEAR_FIRST - 1);
  for (let earlier = 1; earlier < month; earlier++) days += daysOf(year, earlier);
  return days + day - 1;
}
