// The key is right or it is not, whatever its length and whatever it begins with.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKeyCheck } from './auth.ts';

for (const key of ['k', 'hk_0123456789abcdef', 'k'.repeat(128), 'k'.repeat(129), 'k'.repeat(500)]) {
  test(`a key of ${key.length} characters is itself and nothing else`, () => {
    const check = createKeyCheck(key);
    assert.equal(check(`Bearer ${key}`), 'ok');
    assert.equal(check(`bearer  ${key}`), 'ok');
    const others = [`${key}k`, `${key}!`, `x${key}`, key.toUpperCase(), key.padEnd(600, 'k')];
    for (const other of [...others, key.slice(1) || 'x', `${key.slice(0, -1)}~`]) {
      assert.equal(check(`Bearer ${other}`), 'key_wrong', other);
      assert.equal(check(`Bearer ${key}`), 'ok');
    }
  });
}

test('a key that no header can carry is never given', () => {
  for (const key of ['ŀ', '\u0140\u0141', 'a b']) {
    const check = createKeyCheck(key);
    for (const given of ['@', '@A', 'a', 'ab', key]) {
      assert.notEqual(check(`Bearer ${given}`), 'ok', given);
    }
  }
});

test('what is no bearer key is missing', () => {
  const check = createKeyCheck('k');
  for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Basic k', 'k', 'Bearer k k']) {
    assert.equal(check(header), 'key_missing', header);
  }
});

test('the key as a password is taken only where that is asked for', () => {
  const check = createKeyCheck('hk_key:with-colon');
  const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;
  assert.equal(check(basic('me:hk_key:with-colon')), 'key_missing');
  assert.equal(check(basic('me:hk_key:with-colon'), true), 'ok');
  assert.equal(check(basic(':hk_key:with-colon'), true), 'ok');
  assert.equal(check(basic('hk_key:with-colon'), true), 'key_wrong');
  assert.equal(check(basic('me:hk_key:with-colon\0'), true), 'key_missing');
  assert.equal(check(basic('me:'), true), 'key_missing');
  assert.equal(check(basic('me'), true), 'key_missing');
  assert.equal(check('Basic ?', true), 'key_missing');
  assert.equal(check('Bearer hk_key:with-colon', true), 'ok');
});
