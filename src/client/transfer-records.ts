// Transfers as a caller says them to the records that travel. A number that does not fit its field
// is refused here: cut to size it would be another number, and money would move by it.

import { ID_MAX } from '../base/ids.ts';
import {
  TRANSFER_BYTES,
  TRANSFER_DEFAULTS,
  type Transfer,
  TransferFlag,
  encodeTransfer,
} from '../base/transfer-record.ts';
import { U128_MAX } from '../base/u128.ts';
import type { NewTransfer } from './wire.ts';

const U64_MAX = (1n << 64n) - 1n;
const U32_MAX = 0xffff_ffff;
const U16_MAX = 0xffff;

/** Fills in what was left out; throws a RangeError that names the field that cannot be sent. */
export function transferOf(transfer: NewTransfer): Transfer {
  const flags = transfer.flags ?? 0;
  // Without its amount a post takes all that is held: the books read 2^128 - 1 so.
  const amount = transfer.amount ?? ((flags & TransferFlag.postPending) === 0 ? 0n : U128_MAX);
  const whole: Transfer = { ...TRANSFER_DEFAULTS, ...transfer, amount, flags, timestampNs: 0n };
  big('id', whole.id, ID_MAX);
  big('debitAccountId', whole.debitAccountId, ID_MAX);
  big('creditAccountId', whole.creditAccountId, ID_MAX);
  big('amount', whole.amount, U128_MAX);
  big('pendingId', whole.pendingId, ID_MAX);
  big('userData128', whole.userData128, U128_MAX);
  big('userData64', whole.userData64, U64_MAX);
  small('userData32', whole.userData32, U32_MAX);
  small('timeoutSeconds', whole.timeoutSeconds, U32_MAX);
  small('ledger', whole.ledger, U32_MAX);
  small('code', whole.code, U16_MAX);
  small('flags', whole.flags, U16_MAX);
  return whole;
}

export function recordsOf(transfers: readonly Transfer[]): Uint8Array {
  // A few share the runtime's pool; every byte is written below.
  const bytes = Buffer.allocUnsafe(transfers.length * TRANSFER_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let index = 0; index < transfers.length; index++) {
    encodeTransfer(view, index * TRANSFER_BYTES, transfers[index]!);
  }
  return bytes;
}

function big(name: string, value: bigint, max: bigint): void {
  if (typeof value === 'bigint' && value >= 0n && value <= max) return;
  throw new RangeError(`${name} is ${String(value)}; it must be a bigint from 0 to ${max}.`);
}

function small(name: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 0 && value <= max) return;
  throw new RangeError(`${name} is ${String(value)}; it must be a whole number from 0 to ${max}.`);
}
