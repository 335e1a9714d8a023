// The 128-byte transfer record: what a client sends, what the journal stores, what the ledger
// keeps. Stored for ever, so its layout is fixed (docs/adr/0002).
//
//   offset bytes field               order
//        0    16 id                  big-endian (base/ids.ts)
//       16    16 debit account id    big-endian
//       32    16 credit account id   big-endian
//       48    16 amount              little-endian, minor units of the ledger's currency
//       64    16 pending id          big-endian; only for post and void, otherwise zero
//       80    16 user data 128       big-endian, the client's own (an id of his, usually)
//       96     8 user data 64        little-endian
//      104     4 user data 32        little-endian
//      108     4 timeout seconds     little-endian; only for pending, 0 = never expires
//      112     4 ledger              little-endian; not 0
//      116     2 code                little-endian; the client's own classification, not 0
//      118     2 flags               little-endian, TransferFlag
//      120     8 timestamp           little-endian, nanoseconds since 1970; zero in a request
//                                 unless it is imported
//
// Quantities are little-endian because the machines are: they are added in place. Ids are bytes.

import { assert } from './assert.ts';
import { readId, writeId } from './ids.ts';

export const TRANSFER_BYTES = 128;
export const TRANSFER_WORDS = 32;

/** Flag bits of a transfer. Bits not named here are reserved and refused. */
export const TransferFlag = {
  /** All or none together with the next transfer of the batch. */
  linked: 1 << 0,
  /** Reserves the amount (a hold) until it is posted, voided or expires. */
  pending: 1 << 1,
  postPending: 1 << 2,
  voidPending: 1 << 3,
  /** The amount is an upper bound: at most what the debit account has. */
  balancingDebit: 1 << 4,
  /** The same for what the credit account can take. */
  balancingCredit: 1 << 5,
  /** A hold that closes the debit account, until it is voided or expires. */
  closingDebit: 1 << 6,
  closingCredit: 1 << 7,
  /** Carries a timestamp of its own, from the books that it is migrated from. */
  imported: 1 << 8,
} as const;

export const TRANSFER_FLAGS_KNOWN = 0x1ff;

/** Byte offsets, for DataView. */
export const TransferOffset = {
  id: 0,
  debitAccountId: 16,
  creditAccountId: 32,
  amount: 48,
  pendingId: 64,
  userData128: 80,
  userData64: 96,
  userData32: 104,
  timeoutSeconds: 108,
  ledger: 112,
  code: 116,
  flags: 118,
  timestampNs: 120,
} as const;

/** Word offsets, for a Uint32Array view. `codeAndFlags` holds code in its low half. */
export const TransferWord = {
  id: 0,
  debitAccountId: 4,
  creditAccountId: 8,
  amount: 12,
  pendingId: 16,
  userData128: 20,
  userData64: 24,
  userData32: 26,
  timeoutSeconds: 27,
  ledger: 28,
  codeAndFlags: 29,
  timestampNs: 30,
} as const;

/** A transfer as a value, for everything off the hot path. */
export type Transfer = {
  readonly id: bigint;
  readonly debitAccountId: bigint;
  readonly creditAccountId: bigint;
  readonly amount: bigint;
  readonly pendingId: bigint;
  readonly userData128: bigint;
  readonly userData64: bigint;
  readonly userData32: number;
  readonly timeoutSeconds: number;
  readonly ledger: number;
  readonly code: number;
  readonly flags: number;
  readonly timestampNs: bigint;
};

export const TRANSFER_DEFAULTS: Omit<Transfer, 'id'> = {
  debitAccountId: 0n,
  creditAccountId: 0n,
  amount: 0n,
  pendingId: 0n,
  userData128: 0n,
  userData64: 0n,
  userData32: 0,
  timeoutSeconds: 0,
  ledger: 0,
  code: 0,
  flags: 0,
  timestampNs: 0n,
};

const U64_MASK = 0xffff_ffff_ffff_ffffn;

/** Writes `transfer` at byte `offset`. Every field must be in its range; the caller has checked. */
export function encodeTransfer(target: DataView, offset: number, transfer: Transfer): void {
  writeId(target, offset + TransferOffset.id, transfer.id);
  writeId(target, offset + TransferOffset.debitAccountId, transfer.debitAccountId);
  writeId(target, offset + TransferOffset.creditAccountId, transfer.creditAccountId);
  target.setBigUint64(offset + TransferOffset.amount, transfer.amount & U64_MASK, true);
  target.setBigUint64(offset + TransferOffset.amount + 8, transfer.amount >> 64n, true);
  writeId(target, offset + TransferOffset.pendingId, transfer.pendingId);
  writeId(target, offset + TransferOffset.userData128, transfer.userData128);
  target.setBigUint64(offset + TransferOffset.userData64, transfer.userData64, true);
  target.setUint32(offset + TransferOffset.userData32, transfer.userData32, true);
  target.setUint32(offset + TransferOffset.timeoutSeconds, transfer.timeoutSeconds, true);
  target.setUint32(offset + TransferOffset.ledger, transfer.ledger, true);
  target.setUint16(offset + TransferOffset.code, transfer.code, true);
  target.setUint16(offset + TransferOffset.flags, transfer.flags, true);
  target.setBigUint64(offset + TransferOffset.timestampNs, transfer.timestampNs, true);
}

export function decodeTransfer(source: DataView, offset: number): Transfer {
  return {
    id: readId(source, offset + TransferOffset.id),
    debitAccountId: readId(source, offset + TransferOffset.debitAccountId),
    creditAccountId: readId(source, offset + TransferOffset.creditAccountId),
    amount:
      source.getBigUint64(offset + TransferOffset.amount, true) |
      (source.getBigUint64(offset + TransferOffset.amount + 8, true) << 64n),
    pendingId: readId(source, offset + TransferOffset.pendingId),
    userData128: readId(source, offset + TransferOffset.userData128),
    userData64: source.getBigUint64(offset + TransferOffset.userData64, true),
    userData32: source.getUint32(offset + TransferOffset.userData32, true),
    timeoutSeconds: source.getUint32(offset + TransferOffset.timeoutSeconds, true),
    ledger: source.getUint32(offset + TransferOffset.ledger, true),
    code: source.getUint16(offset + TransferOffset.code, true),
    flags: source.getUint16(offset + TransferOffset.flags, true),
    timestampNs: source.getBigUint64(offset + TransferOffset.timestampNs, true),
  };
}

/** A batch as the wire and the journal carry it: `transfers.length` records of 128 bytes. */
export function encodeTransfers(transfers: readonly Transfer[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(transfers.length * TRANSFER_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, transfer] of transfers.entries()) {
    encodeTransfer(view, index * TRANSFER_BYTES, transfer);
  }
  return bytes;
}

export function decodeTransfers(bytes: Uint8Array): Transfer[] {
  assert(bytes.byteLength % TRANSFER_BYTES === 0, 'a batch is whole records');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const transfers: Transfer[] = [];
  for (let offset = 0; offset < bytes.byteLength; offset += TRANSFER_BYTES) {
    transfers.push(decodeTransfer(view, offset));
  }
  return transfers;
}
