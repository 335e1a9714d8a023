import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { parseInstant } from './instant.ts';

test('a moment is nanoseconds, or a UTC time that the calendar has', () => {
  const cases: readonly (readonly [string, bigint | undefined])[] = [
    ['0', 0n],
    ['18446744073709551615', 2n ** 64n - 1n],
    ['18446744073709551616', undefined],
    ['007', undefined],
    ['-1', undefined],
    ['1e9', undefined],
    ['', undefined],
    ['1970-01-01T00:00:00Z', 0n],
    ['1970-01-01T00:00:00.000000001Z', 1n],
    ['2024-02-29T12:00:00.5Z', 1_709_208_000_500_000_000n],
    ['2023-02-29T12:00:00Z', undefined],
    ['2100-02-29T00:00:00Z', undefined],
    ['2026-13-01T00:00:00Z', undefined],
    ['2026-00-01T00:00:00Z', undefined],
    ['2026-01-01T24:00:00Z', undefined],
    ['2026-01-01T00:00:60Z', undefined],
    ['2026-01-01T00:00:00', undefined],
    ['2026-01-01T00:00:00+01:00', undefined],
    ['2026-01-01', undefined],
    ['1969-12-31T23:59:59Z', undefined],
    ['2554-07-21T23:34:33.709551615Z', 2n ** 64n - 1n],
    ['2554-07-21T23:34:33.709551616Z', undefined],
  ];
  for (const [text, expected] of cases) assert.equal(parseInstant(text), expected, text);
});

test('every millisecond of the calendar is read as the runtime writes it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Date.UTC(2554, 0, 1) }), (unixMs) => {
      assert.equal(parseInstant(new Date(unixMs).toISOString()), BigInt(unixMs) * 1_000_000n);
    }),
    { numRuns: 300 },
  );
});
