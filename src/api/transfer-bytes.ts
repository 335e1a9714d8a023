// The short way from the bytes of one transfer's JSON to its record: one pass over the body, and no
// text, parsed value or number of 128 bits between. It knows the plain case only: known members,
// each once, whose values are ids, hex digits, short decimal strings or whole numbers. Whatever
// else it meets, right or wrong, it leaves to the long way (strict-json.ts and input.ts), which
// accepts it or says what is wrong and where. A property holds the two together
// (transfer-bytes.test.ts).

import { ID_PREFIX } from '../base/ids.ts';
import { TRANSFER_BYTES, TransferOffset } from '../base/transfer-record.ts';
import { TRANSFER_FIELDS, fillAmount, missingMembers } from './input.ts';
import { HEX_DIGITS, U16_MAX, U32_MAX } from './input-values.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const ZERO = 0x30;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;

/** No whole number of a transfer has more digits. */
const NUMBER_DIGITS_MAX = 10;
/** A number of so many digits is below 2^53. */
const DECIMAL_DIGITS_MAX = 15;
const TWO_32 = 2 ** 32;

/** -1 for a byte that is no lower-case hex digit. */
const HEX_VALUES = new Int8Array(256).fill(-1);
for (let value = 0; value < 16; value++) HEX_VALUES[value.toString(16).charCodeAt(0)] = value;

type Member = {
  readonly name: Uint8Array;
  readonly bit: number;
  readonly position: number;
  readonly kind: 'hex' | 'decimal' | 'u32' | 'u16';
  /** What stands in front of the hex digits. */
  readonly prefix: Uint8Array;
};

/** In the order in which they are usually sent. */
const MEMBERS: readonly Member[] = [
  member('id', 'hex', TransferOffset.id, ID_PREFIX.transfer),
  member('debit_account_id', 'hex', TransferOffset.debitAccountId, ID_PREFIX.account),
  member('credit_account_id', 'hex', TransferOffset.creditAccountId, ID_PREFIX.account),
  member('amount', 'decimal', TransferOffset.amount),
  member('ledger', 'u32', TransferOffset.ledger),
  member('code', 'u16', TransferOffset.code),
  member('pending_id', 'hex', TransferOffset.pendingId, ID_PREFIX.transfer),
  member('timeout_seconds', 'u32', TransferOffset.timeoutSeconds),
  member('user_data_128', 'hex', TransferOffset.userData128),
  member('user_data_64', 'decimal', TransferOffset.userData64),
  member('user_data_32', 'u32', TransferOffset.userData32),
];

function member(name: string, kind: Member['kind'], position: number, prefix = ''): Member {
  const { bit } = TRANSFER_FIELDS.get(name)!;
  return { name: Buffer.from(`"${name}"`), bit, position, kind, prefix: Buffer.from(prefix) };
}

/** Records are cut from slabs: an ArrayBuffer for each would cost as much as the reading. */
const SLAB_BYTES = 512 * TRANSFER_BYTES;
let slab = new DataView(new ArrayBuffer(SLAB_BYTES));
let slabUsed = 0;

/** The record of the transfer; undefined when the long way has to look at the body. */
export function readTransferBytes(body: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  if (slabUsed === SLAB_BYTES) {
    slab = new DataView(new ArrayBuffer(SLAB_BYTES));
    slabUsed = 0;
  }
  const record = new Uint8Array(slab.buffer, slabUsed, TRANSFER_BYTES);
  const isWhole = readObject(body, record, slabUsed);
  if (isWhole) slabUsed += TRANSFER_BYTES;
  else record.fill(0);
  return isWhole ? record : undefined;
}

/** Reads the members into the record, which stands at `offset` of the slab. */
function readObject(body: Uint8Array, bytes: Uint8Array, offset: number): boolean {
  let at = pastSpace(body, 0);
  if (body[at] !== OPEN_BRACE) return false;
  let seen = 0;
  let expected = 0;
  do {
    at = pastSpace(body, at + 1);
    const index = memberAt(body, at, expected);
    if (index < 0) return false;
    const found = MEMBERS[index]!;
    if ((seen & found.bit) !== 0) return false;
    seen |= found.bit;
    expected = index + 1;
    at = pastSpace(body, at + found.name.length);
    if (body[at] !== COLON) return false;
    at = readValue(body, pastSpace(body, at + 1), found, bytes, offset);
    if (at < 0) return false;
    at = pastSpace(body, at);
  } while (body[at] === COMMA);
  if (body[at] !== CLOSE_BRACE || pastSpace(body, at + 1) !== body.length) return false;
  if (missingMembers(slab, offset, seen).length > 0) return false;
  fillAmount(slab, offset, seen);
  return true;
}

/** The index of the member whose name stands at `at`: `expected`, or any other; -1 for none. */
function memberAt(body: Uint8Array, at: number, expected: number): number {
  if (expected < MEMBERS.length && standsAt(body, at, MEMBERS[expected]!.name)) return expected;
  for (let index = 0; index < MEMBERS.length; index++) {
    if (standsAt(body, at, MEMBERS[index]!.name)) return index;
  }
  return -1;
}

function standsAt(body: Uint8Array, at: number, text: Uint8Array): boolean {
  for (let index = 0; index < text.length; index++) {
    if (body[at + index] !== text[index]) return false;
  }
  return true;
}

/** Writes the value that stands at `at`; the place behind it, or -1 when it is not plain. */
function readValue(
  body: Uint8Array,
  at: number,
  { kind, position, prefix }: Member,
  bytes: Uint8Array,
  offset: number,
): number {
  if (kind === 'u32' || kind === 'u16') {
    const digits = digitsAt(body, at);
    if (digits === 0 || digits > NUMBER_DIGITS_MAX) return -1;
    const value = numberAt(body, at, digits);
    if (value < 0 || value > (kind === 'u16' ? U16_MAX : U32_MAX)) return -1;
    if (kind === 'u16') slab.setUint16(offset + position, value, true);
    else slab.setUint32(offset + position, value, true);
    return at + digits;
  }
  if (body[at] !== QUOTE) return -1;
  const start = at + 1;
  if (kind === 'hex') {
    if (!standsAt(body, start, prefix)) return -1;
    const end = start + prefix.length + HEX_DIGITS;
    if (body[end] !== QUOTE || !copyHex(body, start + prefix.length, bytes, position)) return -1;
    return end + 1;
  }
  const digits = digitsAt(body, start);
  if (digits === 0 || digits > DECIMAL_DIGITS_MAX || body[start + digits] !== QUOTE) return -1;
  const value = numberAt(body, start, digits);
  if (value < 0) return -1;
  slab.setUint32(offset + position, value % TWO_32, true);
  slab.setUint32(offset + position + 4, Math.floor(value / TWO_32), true);
  return start + digits + 1;
}

function pastSpace(body: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    const byte = body[at];
    // What JSON calls white space; there is none behind the end.
    if (byte !== SPACE && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at++;
  }
}

/** How many decimal digits stand from `from` on. */
function digitsAt(body: Uint8Array, from: number): number {
  let at = from;
  while (body[at]! >= ZERO && body[at]! <= ZERO + 9) at++;
  return at - from;
}

/** The number that the digits are; -1 when it begins with a zero and is not one. */
function numberAt(body: Uint8Array, from: number, digits: number): number {
  if (digits > 1 && body[from] === ZERO) return -1;
  let value = 0;
  for (let at = from; at < from + digits; at++) value = value * 10 + (body[at]! - ZERO);
  return value;
}

/** Writes 32 hex digits as 16 bytes; false when one is not such a digit. */
function copyHex(body: Uint8Array, from: number, bytes: Uint8Array, position: number): boolean {
  let all = 0;
  for (let index = 0; index < HEX_DIGITS / 2; index++) {
    const high = HEX_VALUES[body[from + 2 * index]!]!;
    const low = HEX_VALUES[body[from + 2 * index + 1]!]!;
    all |= high | low;
    bytes[position + index] = (high << 4) | low;
  }
  return all >= 0;
}
