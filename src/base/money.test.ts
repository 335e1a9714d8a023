import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDecimal, parseDecimal, parseMinor } from './money.ts';

test('minor units are whole, unsigned decimal text without leading zeros', () => {
  assert.equal(parseMinor('0'), 0n);
  assert.equal(parseMinor('1250'), 1250n);
  assert.equal(parseMinor('340282366920938463463374607431768211455'), (1n << 128n) - 1n);
  assert.equal(parseMinor('340282366920938463463374607431768211456'), 'too_large');
  assert.equal(parseMinor('12.50'), 'too_many_decimals');
  for (const text of ['', '-1', '+1', '01', '1e3', ' 1', '1 ', '0x10', '1,000', '٣']) {
    assert.equal(parseMinor(text), 'not_a_number', text);
  }
});

test('decimals never round: more of them than the currency has are refused', () => {
  assert.equal(parseDecimal('12.5', 2), 1250n);
  assert.equal(parseDecimal('12', 0), 12n);
  assert.equal(parseDecimal('1.15', 2), 115n);
  assert.equal(parseDecimal('12.505', 2), 'too_many_decimals');
  assert.equal(parseDecimal('1.0', 0), 'too_many_decimals');
  assert.equal(parseDecimal('.5', 2), 'not_a_number');
  assert.equal(parseDecimal('-1', 2), 'not_a_number');
});

test('what is formatted reads back', () => {
  const amounts = fc.bigInt({ min: 0n, max: (1n << 120n) - 1n });
  fc.assert(
    fc.property(amounts, fc.integer({ min: 0, max: 8 }), (minor, exponent) => {
      assert.equal(parseDecimal(formatDecimal(minor, exponent), exponent), minor);
    }),
  );
  assert.equal(formatDecimal(-5n, 2), '-0.05');
});
