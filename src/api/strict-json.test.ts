// JSON is read in one way only: whatever could be read in two is refused, with its place.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { JSON_DEPTH_MAX, childPointer, readStrictJson } from './strict-json.ts';

function read(text: string) {
  return readStrictJson(Buffer.from(text));
}

function faultOf(text: string): string {
  const reading = read(text);
  return reading.kind === 'fault' ? `${reading.code} ${reading.pointer}`.trim() : 'value';
}

test('every JSON value without repeated names is read as JSON.parse reads it', () => {
  fc.assert(
    fc.property(
      fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' }),
      fc.constantFrom(undefined, 1, '\t'),
      (value, space) => {
        const text = JSON.stringify(value, undefined, space);
        if (!/__proto__|constructor|prototype/.test(text))
          assert.deepEqual(read(text), { kind: 'value', value: JSON.parse(text) });
      },
    ),
  );
});

test('a member that stands twice is found wherever it stands', () => {
  const duplicate = fc.tuple(
    fc.string(),
    fc.jsonValue({ maxDepth: 2 }),
    fc.jsonValue({ maxDepth: 2 }),
  );
  fc.assert(
    fc.property(duplicate, fc.jsonValue({ maxDepth: 2 }), ([name, one, two], beside) => {
      const key = JSON.stringify(name);
      const inner = `{${key}:${JSON.stringify(one)},${key}:${JSON.stringify(two)}}`;
      const text = `{"list":[${JSON.stringify(beside)}, ${inner} ],"more":1}`;
      const reading = read(text);
      assert.equal(reading.kind, 'fault');
      if (reading.kind === 'fault' && reading.code === 'duplicate_key') {
        assert.ok(reading.pointer.startsWith('/list/1/') || reading.pointer.startsWith('/list/0/'));
      }
    }),
  );
});

test('a repeated member is named by its pointer', () => {
  assert.equal(faultOf('{"amount":"1","amount":"999"}'), 'duplicate_key /amount');
  assert.equal(faultOf('{"a":[{"b":1},{"c":1,"c":1}]}'), 'duplicate_key /a/1/c');
  assert.equal(faultOf('{"a":{"b":":,"},"a":1}'), 'duplicate_key /a');
  assert.equal(faultOf('{"a":1,"\\u0061":2}'), 'duplicate_key /a');
  assert.equal(faultOf('{"x/y~z":1,"x/y~z":2}'), 'duplicate_key /x~1y~0z');
  assert.equal(faultOf(' [ [ ] , { } , {"k" : -1.5e3 , "k" : [ "}" ] } ] '), 'duplicate_key /2/k');
  assert.equal(faultOf('[{"\\"":1,"\\"":2}]'), 'duplicate_key /0/"');
});

test('names that could become a prototype are refused, also when they are written with escapes', () => {
  assert.equal(faultOf('{"__proto__":{"a":1}}'), 'forbidden_key /__proto__');
  assert.equal(faultOf('{"a":{"\\u005f_proto__":1}}'), 'forbidden_key /a/__proto__');
  assert.equal(faultOf('[{"constructor":1}]'), 'forbidden_key /0/constructor');
  assert.equal(faultOf('{"prototype":1}'), 'forbidden_key /prototype');
});

test('half a character is refused, a whole one in two escapes is not', () => {
  assert.equal(faultOf('{"a":["\\ud83d"]}'), 'json_lone_surrogate /a/0');
  assert.equal(faultOf('{"\\udc00":1}'), 'json_lone_surrogate');
  assert.deepEqual(read('"\\ud83d\\ude00"'), { kind: 'value', value: '😀' });
});

test('bytes that are not UTF-8 are refused', () => {
  const reading = readStrictJson(Buffer.from([0x22, 0xc3, 0x28, 0x22]));
  assert.equal(reading.kind === 'fault' && reading.code, 'json_not_utf8');
  const surrogate = readStrictJson(Buffer.from([0x22, 0xed, 0xa0, 0xbd, 0x22]));
  assert.equal(surrogate.kind === 'fault' && surrogate.code, 'json_not_utf8');
});

test('depth is bounded before the text is parsed', () => {
  const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);
  assert.equal(faultOf(deep(JSON_DEPTH_MAX)), 'value');
  assert.equal(faultOf(deep(JSON_DEPTH_MAX + 1)), 'json_too_deep');
  assert.equal(faultOf('[{"a":'.repeat(100_000)), 'json_too_deep');
});

test('what is not JSON says where, without repeating the text', () => {
  for (const text of ['{', '{"a":1,}', "{'a':1}", '"secret', '{"a" 1}', '01', '\uFEFF{}', 'nul']) {
    const reading = read(text);
    assert.equal(reading.kind === 'fault' && reading.code, 'json_malformed', text);
    assert.ok(reading.kind === 'fault' && !reading.detail.includes('secret'));
  }
  assert.equal(faultOf(''), 'body_required');
});

test('arbitrary bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const { kind } = readStrictJson(Buffer.from(bytes));
      assert.ok(kind === 'fault' || kind === 'value');
    }),
  );
  const pieces = fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '\\', 'u', '0', 'a', ' ', '""');
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 24 }), (texts) => {
      const { kind } = read(texts.join(''));
      assert.ok(kind === 'fault' || kind === 'value');
    }),
  );
});

test('a pointer escapes as RFC 6901 says', () => {
  assert.equal(childPointer('/a', 'm~n/o'), '/a/m~0n~1o');
  assert.equal(childPointer('', 3), '/3');
});

test('a pointer names a very long name in short, without looking at all of it', () => {
  assert.equal(childPointer('/a', '~'.repeat(1024)).length, 2 + 1 + 2 * 1024);
  assert.equal(childPointer('/a', '~'.repeat(1025)).length, 2 + 1 + 1024);
});
