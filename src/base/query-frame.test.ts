import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { ListQuery } from './list-query.ts';
import {
  PAGE_HEAD_BYTES,
  QUERY_BYTES,
  decodeQuery,
  encodeQuery,
  holdOf,
  readRecordsPage,
  writePageHead,
} from './query-frame.ts';

const WHOLE: ListQuery = {
  filter: {
    account: 0xa1n,
    side: 'credit',
    userData128: 0xf0n << 120n,
    userData64: (1n << 64n) - 1n,
    userData32: 0xffff_ffff,
    code: 0xffff,
    ledger: 978,
    fromNs: 5n,
    untilNs: 1n << 63n,
  },
  order: 'oldest-first',
  limit: 8189,
  after: 2 ** 40 + 7,
};

/** Spoken by clients of every release: these bytes never change. */
const WHOLE_HEX = `
  000000000000000000000000000000a1 f0000000000000000000000000000000
  ffffffffffffffff 0500000000000000 0000000000000080 0700000000010000
  ffffffff d2030000 fd1f0000 ffff ff01 02 01 000000000000`;

const EMPTY: ListQuery = { filter: {}, order: 'newest-first', limit: 1 };

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** What was left out is there as undefined. */
function same(actual: unknown, expected: ListQuery): void {
  const plain = (value: unknown): unknown =>
    JSON.parse(
      JSON.stringify(value, (_name, item) =>
        typeof item === 'bigint' ? `${item}n` : (item as unknown),
      ),
    );
  assert.deepEqual(plain(actual), plain(expected));
}

test('the bytes of a question are those of every release', () => {
  assert.equal(hexOf(encodeQuery(WHOLE)), WHOLE_HEX.replaceAll(/\s/g, ''));
  const empty = encodeQuery(EMPTY);
  const expected = new Uint8Array(QUERY_BYTES);
  expected[72] = 1;
  assert.deepEqual(empty, expected);
});

test('the bytes of the head of a page are those of every release', () => {
  const head = new DataView(new ArrayBuffer(PAGE_HEAD_BYTES));
  writePageHead(head, 0, { position: 2 ** 40 + 7, count: 3, next: 2 ** 41 + 1 });
  const hex = '0700000000010000 03000000 00000000 0100000000020000';
  assert.equal(hexOf(new Uint8Array(head.buffer)), hex.replaceAll(' ', ''));
  writePageHead(head, 0, { position: 7, count: 0, next: undefined });
  const last = '0700000000000000 00000000 00000000 ffffffffffffffff';
  assert.equal(hexOf(new Uint8Array(head.buffer)), last.replaceAll(' ', ''));
});

test('every question is read as it was written', () => {
  const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined });
  const u = (bits: number) => fc.bigInt({ min: 0n, max: (1n << BigInt(bits)) - 1n });
  const questions = fc.record({
    filter: fc.record({
      account: maybe(u(128)),
      side: fc.constantFrom(undefined, 'debit' as const, 'credit' as const),
      userData128: maybe(u(128)),
      userData64: maybe(u(64)),
      userData32: maybe(fc.integer({ min: 0, max: 0xffff_ffff })),
      code: maybe(fc.integer({ min: 0, max: 0xffff })),
      ledger: maybe(fc.integer({ min: 0, max: 0xffff_ffff })),
      fromNs: maybe(u(64)),
      untilNs: maybe(u(64)),
    }),
    order: fc.constantFrom('newest-first' as const, 'oldest-first' as const),
    limit: fc.integer({ min: 1, max: 8189 }),
    after: maybe(fc.maxSafeNat()),
  });
  fc.assert(fc.property(questions, (query) => same(decodeQuery(encodeQuery(query)), query)));
});

test('no changed byte of an empty question passes for another question unnoticed', () => {
  for (let offset = 0; offset < QUERY_BYTES; offset++) {
    // Another limit, and another field named as given (with the value 0), are questions too.
    if (offset === 72 || offset === 78) continue;
    const bytes = encodeQuery(EMPTY);
    bytes[offset]! ^= 0x80;
    assert.ok('field' in decodeQuery(bytes), `byte ${offset}`);
  }
});

for (const [what, offset, value, field] of [
  ['a field that there is not', 79, 0x02, 'given'],
  ['a third side', 80, 3, 'side'],
  ['a third order', 81, 2, 'order'],
  ['no limit', 72, 0, 'limit'],
  ['too high a limit', 74, 1, 'limit'],
  ['a reserved byte', 82, 1, 'zero'],
  ['the last reserved byte', 87, 1, 'zero'],
  ['an account that is not named as given', 15, 1, 'account'],
  ['a code that is not named as given', 76, 1, 'code'],
  ['a place that is not named as given', 56, 1, 'after'],
] as const) {
  test(`a question with ${what} is refused by the field`, () => {
    const bytes = encodeQuery(EMPTY);
    bytes[offset] = value;
    const reading = decodeQuery(bytes);
    assert.equal('field' in reading && reading.field, field);
  });
}

test('a place beyond what a number counts is refused', () => {
  const bytes = encodeQuery({ ...EMPTY, after: 1 });
  bytes[63] = 0xff;
  const reading = decodeQuery(bytes);
  assert.equal('field' in reading && reading.field, 'after');
});

test('a value that does not fit its field is not cut to size', () => {
  for (const filter of [
    { account: 1n << 128n },
    { userData64: -1n },
    { userData32: 2 ** 32 },
    { code: 1.5 },
    { ledger: Number.NaN },
    { fromNs: 1n << 64n },
  ]) {
    assert.throws(() => encodeQuery({ ...EMPTY, filter }), RangeError);
  }
  for (const limit of [0, 8190, 1.5]) {
    assert.throws(() => encodeQuery({ ...EMPTY, limit }), /limit/);
  }
  assert.throws(() => encodeQuery({ ...EMPTY, after: -1 }), /after/);
});

test('a page is read as it stands, and no payload of another size is one', () => {
  const payload = new Uint8Array(PAGE_HEAD_BYTES + 2 * 128 + 8);
  const head = { position: 9, count: 2, next: 0 };
  writePageHead(new DataView(payload.buffer), 0, head);
  payload[PAGE_HEAD_BYTES + 128] = 0xab;
  payload[PAGE_HEAD_BYTES + 256] = 2;
  const page = readRecordsPage(payload, { withHolds: true })!;
  assert.deepEqual([page.position, page.count, page.next], [9, 2, 0]);
  assert.equal(page.records.byteLength, 256);
  assert.equal(page.records[128], 0xab);
  assert.equal(page.records.buffer, payload.buffer, 'records are not copied');
  assert.deepEqual([holdOf(page, 0), holdOf(page, 1)], ['posted', 'none']);
  assert.equal(readRecordsPage(payload, { withHolds: false }), undefined);
  for (const bytes of [0, 16, 24, 152, payload.byteLength - 8]) {
    assert.equal(readRecordsPage(payload.subarray(0, bytes), { withHolds: true }), undefined);
  }
  payload[PAGE_HEAD_BYTES + 257] = 5;
  assert.equal(readRecordsPage(payload, { withHolds: true }), undefined, 'no such hold');
});
