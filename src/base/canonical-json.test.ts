import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Json, canonicalText } from './canonical-json.ts';

test('the order in which members were written does not show', () => {
  assert.equal(canonicalText({ b: 1, a: [true, null, 'x"y'] }), '{"a":[true,null,"x\\"y"],"b":1}');
  assert.equal(canonicalText({ a: 1, b: 2 }), canonicalText({ b: 2, a: 1 }));
});

test('canonical text parses back to the same value', () => {
  const values = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constant(null),
      fc.boolean(),
      fc.integer(),
      fc.string(),
      fc.array(tie('value')),
      fc.dictionary(
        fc.string().filter((name) => name !== '__proto__'),
        tie('value'),
      ),
    ),
  })).value;
  fc.assert(
    fc.property(values, (value) => {
      assert.equal(canonicalText(JSON.parse(canonicalText(value))), canonicalText(value));
    }),
  );
});

test('numbers that are not safe integers are a bug of the caller', () => {
  assert.throws(() => canonicalText(1.5));
  assert.throws(() => canonicalText(2 ** 60));
});
