// Payloads of the questions for lists (of transfers, of accounts) and of their answers, for both
// ends of the binary protocol.
//
// question, 88 bytes                         answer
//   offset bytes field                         offset bytes field
//        0    16 account        big-endian          0     8 position
//       16    16 user data 128  big-endian          8     4 count of records
//       32     8 user data 64                      12     4 zero
//       40     8 from           nanoseconds        16     8 next, to go on behind; all bits
//       48     8 until          nanoseconds                 set = there is nothing more
//       56     8 after          a number           24 128*n records, in the order asked for
//       64     4 user data 32                          n one byte each, transfers only: what
//       68     4 ledger                                  became of the hold (base/answers.ts)
//       72     4 limit          1 to 8,189               padded with zeros to a multiple of 8
//       76     2 code
//       78     2 given          which fields count (below); the others are zero
//       80     1 side           0 both, 1 debit, 2 credit
//       81     1 order          0 newest first, 1 oldest first
//       82     6 zero
//
// A number is the place of a transfer or an account in the order in which they were accepted.

import { HOLD_STATES, type HoldState } from './answers.ts';
import { ID_BYTES, readId, writeId } from './ids.ts';
import { TRANSFERS_PER_REQUEST_MAX } from './limits.ts';
import type { ListFilter, ListQuery } from './list-query.ts';
import { paddedBytes, readCount, writeCount } from './protocol.ts';

export const QUERY_BYTES = 88;
export const PAGE_HEAD_BYTES = 24;
export const PAGE_RECORD_BYTES = 128;

/** A field of a question that cannot be meant. */
export type QueryFault = { readonly field: string; readonly detail: string };

const Offset = {
  account: 0,
  userData128: 16,
  userData64: 32,
  fromNs: 40,
  untilNs: 48,
  after: 56,
  userData32: 64,
  ledger: 68,
  limit: 72,
  code: 76,
  given: 78,
  side: 80,
  order: 81,
  zero: 82,
} as const;

type FieldName = Exclude<keyof ListFilter, 'side'> | 'after';

/** Bits of `given`, in the order of this list, from the lowest; and the width of each field. */
const FIELDS: readonly { readonly name: FieldName; readonly bytes: 2 | 4 | 8 | 16 }[] = [
  { name: 'account', bytes: 16 },
  { name: 'userData128', bytes: 16 },
  { name: 'userData64', bytes: 8 },
  { name: 'userData32', bytes: 4 },
  { name: 'code', bytes: 2 },
  { name: 'ledger', bytes: 4 },
  { name: 'fromNs', bytes: 8 },
  { name: 'untilNs', bytes: 8 },
  { name: 'after', bytes: 8 },
];

const SIDES = [undefined, 'debit', 'credit'] as const;
const ORDERS = ['newest-first', 'oldest-first'] as const;
const NOTHING_MORE = 0xffff_ffff_ffff_ffffn;

/** Throws a RangeError that names a value that does not fit its field. */
export function encodeQuery(query: ListQuery): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(QUERY_BYTES);
  const view = new DataView(bytes.buffer);
  const values = { ...query.filter, after: query.after };
  let given = 0;
  for (const [index, { name, bytes: width }] of FIELDS.entries()) {
    const value = values[name];
    if (value === undefined) continue;
    given |= 1 << index;
    writeField(view, name, width, value);
  }
  const { limit, order, filter } = query;
  if (!Number.isInteger(limit) || limit < 1 || limit > TRANSFERS_PER_REQUEST_MAX) {
    throw new RangeError(`limit is ${limit}; it must be 1 to ${TRANSFERS_PER_REQUEST_MAX}.`);
  }
  view.setUint32(Offset.limit, limit, true);
  view.setUint16(Offset.given, given, true);
  view.setUint8(Offset.side, SIDES.indexOf(filter.side));
  view.setUint8(Offset.order, ORDERS.indexOf(order));
  return bytes;
}

function writeField(view: DataView, name: FieldName, bytes: number, value: bigint | number): void {
  const isWhole = typeof value === 'bigint' || Number.isSafeInteger(value);
  const number = isWhole ? BigInt(value) : -1n;
  if (number < 0n || number >= 1n << BigInt(8 * bytes)) {
    throw new RangeError(`${name} is ${value}; it must be a whole number of ${8 * bytes} bits.`);
  }
  const offset = Offset[name];
  if (bytes === ID_BYTES) writeId(view, offset, number);
  else if (bytes === 8) view.setBigUint64(offset, number, true);
  else if (bytes === 4) view.setUint32(offset, Number(number), true);
  else view.setUint16(offset, Number(number), true);
}

/** `payload` has QUERY_BYTES. */
export function decodeQuery(payload: Uint8Array): ListQuery | QueryFault {
  const view = viewOf(payload);
  const given = view.getUint16(Offset.given, true);
  if (given >>> FIELDS.length !== 0) return fault('given', 'It names a field that there is not.');
  const values: { [name: string]: bigint | number } = {};
  for (const [index, { name, bytes }] of FIELDS.entries()) {
    const value = readField(view, name, bytes);
    if ((given & (1 << index)) !== 0) {
      values[name] = name === 'after' || bytes < 8 ? Number(value) : value;
    } else if (value !== 0n) return fault(name, 'It is not zero, but not named as given.');
  }
  const side = SIDES[view.getUint8(Offset.side)];
  const order = ORDERS[view.getUint8(Offset.order)];
  const limit = view.getUint32(Offset.limit, true);
  if (view.getUint8(Offset.side) >= SIDES.length) return fault('side', 'It must be 0, 1 or 2.');
  if (order === undefined) return fault('order', 'It must be 0 or 1.');
  if (limit < 1 || limit > TRANSFERS_PER_REQUEST_MAX) {
    return fault('limit', `It must be 1 to ${TRANSFERS_PER_REQUEST_MAX}.`);
  }
  if (payload.subarray(Offset.zero, QUERY_BYTES).some((byte) => byte !== 0)) {
    return fault('zero', 'Bytes 82 to 87 must be zero.');
  }
  const { after, ...filter } = values;
  if (after !== undefined && !Number.isSafeInteger(after)) {
    return fault('after', 'It must be the next of a page.');
  }
  return { filter: { ...filter, side }, order, limit, after: after as number | undefined };
}

function readField(view: DataView, name: FieldName, bytes: number): bigint {
  const offset = Offset[name];
  if (bytes === ID_BYTES) return readId(view, offset);
  if (bytes === 8) return view.getBigUint64(offset, true);
  return BigInt(bytes === 4 ? view.getUint32(offset, true) : view.getUint16(offset, true));
}

function fault(field: string, detail: string): QueryFault {
  return { field, detail };
}

export type PageHead = {
  readonly position: number;
  readonly count: number;
  readonly next: number | undefined;
};

export function writePageHead(target: DataView, offset: number, head: PageHead): void {
  writeCount(target, offset, head.position);
  target.setUint32(offset + 8, head.count, true);
  const next = head.next === undefined ? NOTHING_MORE : BigInt(head.next);
  target.setBigUint64(offset + 16, next, true);
}

/** Records and holds are views of the payload. */
export type RecordsPage = PageHead & { readonly records: Uint8Array; readonly holds: Uint8Array };

/** `undefined` when the payload is not such an answer. */
export function readRecordsPage(
  payload: Uint8Array,
  { withHolds }: { readonly withHolds: boolean },
): RecordsPage | undefined {
  if (payload.byteLength < PAGE_HEAD_BYTES) return undefined;
  const view = viewOf(payload);
  const count = view.getUint32(8, true);
  const end = PAGE_HEAD_BYTES + PAGE_RECORD_BYTES * count;
  const holdBytes = withHolds ? count : 0;
  if (payload.byteLength !== paddedBytes(end + holdBytes)) return undefined;
  const holds = payload.subarray(end, end + holdBytes);
  if (holds.some((hold) => hold >= HOLD_STATES.length)) return undefined;
  const hasMore = view.getBigUint64(16, true) !== NOTHING_MORE;
  return {
    position: readCount(view, 0),
    count,
    next: hasMore ? readCount(view, 16) : undefined,
    records: payload.subarray(PAGE_HEAD_BYTES, end),
    holds,
  };
}

export function holdOf(page: RecordsPage, index: number): HoldState {
  return HOLD_STATES[page.holds[index]!]!;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
