// The short way to a record never says anything else than the long way: what it reads, the long way
// reads to the same bytes; what the long way refuses, it does not read.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { readTransfer } from './input.ts';
import { ApiProblem } from './problems.ts';
import { readStrictJson } from './strict-json.ts';
import { readTransferBytes } from './transfer-bytes.ts';

const RUNS = Number(process.env['HOLDFAST_TEST_RUNS'] ?? 1000);
const HEX = '0123456789abcdef0123456789abcdef';

function longWay(body: Buffer): Uint8Array | undefined {
  const reading = readStrictJson(body);
  if (reading.kind !== 'value') return undefined;
  try {
    return readTransfer(reading.value);
  } catch (error) {
    assert.ok(error instanceof ApiProblem);
    return undefined;
  }
}

const hex = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map((id) => id.toString(16).padStart(32, '0')),
  fc.constantFrom(HEX, HEX.slice(1), `${HEX}0`, HEX.toUpperCase(), `${HEX.slice(1)}g`),
);
const quoted = (text: fc.Arbitrary<string>) => text.map((value) => JSON.stringify(value));
const transferId = quoted(hex.map((digits) => `tr_${digits}`));
const accountId = quoted(hex.map((digits) => `acc_${digits}`));
const digits = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 130n) - 1n }).map(String),
  fc.integer({ min: 0, max: 2 ** 53 - 1 }).map(String),
  fc.constantFrom('0', '00', '01', '', '-1', '1.5', '1e3', '999999999999999', '1000000000000000'),
);
const whole = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 33 }).map(String),
  fc.constantFrom('0', '00', '-0', '65535', '65536', '4294967295', '4294967296', '1.0', '1e2', ''),
);
const flags = fc.constantFrom('[]', '["pending"]', '["post_pending"]', '["void_pending"]', '["x"]');
const VALUES: { readonly [name: string]: fc.Arbitrary<string> } = {
  id: transferId,
  debit_account_id: accountId,
  credit_account_id: accountId,
  amount: quoted(digits),
  ledger: whole,
  code: whole,
  pending_id: transferId,
  timeout_seconds: whole,
  user_data_128: quoted(hex),
  user_data_64: quoted(digits),
  user_data_32: whole,
  timestamp_ns: quoted(digits),
  flags,
};
const PLAIN: { readonly [name: string]: string } = {
  id: `"tr_${HEX}"`,
  debit_account_id: `"acc_${HEX}"`,
  credit_account_id: `"acc_${HEX}"`,
  amount: '"1250"',
  ledger: '978',
  code: '1',
};
const PLAIN_MEMBERS = Object.entries(PLAIN)
  .map(([key, value]) => `"${key}":${value}`)
  .join();

const space = fc.constantFrom('', '', '', '', ' ', ' ', '\n\t', '\r\n', '\u000b', '\u00a0');
const odd = fc.constantFrom('null', 'true', '{}', '[1]', '"\\u0031"', '"é"', '"', '\\', '7', '"7"');
const name = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom(...Object.keys(VALUES)) },
  { weight: 1, arbitrary: fc.constantFrom('ammount', 'i\\u0064', '__proto__', '', 'id ') },
);

type Member = readonly [name: string, value: string];

const member: fc.Arbitrary<Member> = name.chain((key) => {
  const known = Object.hasOwn(VALUES, key) ? VALUES[key]! : odd;
  const value = fc.oneof({ weight: 9, arbitrary: known }, { weight: 1, arbitrary: odd });
  return value.map((text) => [key, text] as const);
});

/** A plain transfer in any order, some of its members changed, added, doubled or taken away. */
const bodyText = fc
  .record({
    plain: fc.oneof(
      { weight: 5, arbitrary: fc.constant(Object.entries(PLAIN)) },
      { weight: 1, arbitrary: fc.subarray(Object.entries(PLAIN), { minLength: 5 }) },
    ),
    more: fc.array(member, { maxLength: 2 }),
    isDoubled: fc.nat({ max: 9 }).map((die) => die === 0),
    before: space,
    behind: space,
    tail: fc.constantFrom('', '', '', '', ' ', ',', '}', '{', '\0'),
    seed: fc.infiniteStream(fc.nat()),
  })
  .map(({ plain, more, isDoubled, before, behind, tail, seed }) => {
    const kept = plain.filter(([key]) => isDoubled || more.every(([other]) => other !== key));
    const members = [...kept, ...more]
      .map((entry) => ({ entry, place: Number(seed.next().value) }))
      .sort((a, b) => a.place - b.place)
      .map(({ entry: [key, value] }) => `"${key}"${behind}:${before}${value}`);
    return `${before}{${members.join(`${behind},${before}`)}${behind}}${tail}`;
  });

const changedByte = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })) },
);
const body = fc.tuple(bodyText, changedByte).map(([text, change]) => {
  const bytes = Buffer.from(text);
  if (change !== undefined) bytes[change[0] % bytes.length] = change[1];
  return bytes;
});

test('what the short way reads, the long way reads to the same record', () => {
  let short = 0;
  fc.assert(
    fc.property(body, (bytes) => {
      const record = readTransferBytes(bytes);
      if (record === undefined) return;
      short++;
      assert.deepEqual(Buffer.from(record), Buffer.from(longWay(bytes) ?? []));
    }),
    { numRuns: RUNS },
  );
  assert.ok(short > RUNS / 20, `only ${short} of the bodies were plain`);
});

test('a plain transfer goes the short way, with all members that are no list', () => {
  const all = {
    id: `tr_${HEX}`,
    debit_account_id: `acc_${HEX}`,
    credit_account_id: `acc_${'f'.repeat(32)}`,
    amount: '999999999999999',
    ledger: 4_294_967_295,
    code: 65_535,
    pending_id: `tr_${'e'.repeat(32)}`,
    timeout_seconds: 60,
    user_data_128: HEX,
    user_data_64: '123456789012345',
    user_data_32: 4_294_967_295,
  };
  const { pending_id: _pending, ...some } = all;
  for (const value of [all, some, Object.fromEntries(Object.entries(all).reverse())]) {
    for (const text of [JSON.stringify(value), JSON.stringify(value, null, 2)]) {
      const bytes = Buffer.from(text);
      const record = readTransferBytes(bytes);
      assert.ok(record !== undefined, text);
      assert.deepEqual(Buffer.from(record), Buffer.from(longWay(bytes)!));
    }
  }
});

test('a body that is cut anywhere is left to the long way', () => {
  const bytes = Buffer.from(`{${PLAIN_MEMBERS}}`);
  assert.ok(readTransferBytes(bytes) !== undefined);
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(readTransferBytes(bytes.subarray(0, length)), undefined);
  }
});

test('records are their own: what was refused leaves nothing in the next one', () => {
  const refused = Buffer.from(`{"user_data_128":"${HEX}","user_data_32":7,${PLAIN_MEMBERS},}`);
  const good = Buffer.from(`{${PLAIN_MEMBERS}}`);
  const expected = Buffer.from(longWay(good)!);
  for (let count = 0; count < 1100; count++) {
    assert.equal(readTransferBytes(refused), undefined);
    assert.deepEqual(Buffer.from(readTransferBytes(good)!), expected);
  }
});
