// The 128-byte account record: an account as the binary protocol answers it. From offset 80 on it
// is laid out as the transfer record (base/transfer-record.ts).
//
//   offset bytes field               order
//        0    16 id                  big-endian
//       16    16 debits pending      little-endian, minor units
//       32    16 debits posted       little-endian
//       48    16 credits pending     little-endian
//       64    16 credits posted      little-endian
//       80    16 user data 128       big-endian
//       96     8 user data 64        little-endian
//      104     4 user data 32        little-endian
//      108     4 zero
//      112     4 ledger              little-endian
//      116     2 code                little-endian
//      118     2 flags               little-endian, AccountFlag
//      120     8 timestamp           little-endian, nanoseconds since 1970

import type { Account } from './account.ts';
import { readId, writeId } from './ids.ts';

export const ACCOUNT_BYTES = 128;

const Offset = {
  id: 0,
  debitsPending: 16,
  debitsPosted: 32,
  creditsPending: 48,
  creditsPosted: 64,
  userData128: 80,
  userData64: 96,
  userData32: 104,
  ledger: 112,
  code: 116,
  flags: 118,
  timestampNs: 120,
} as const;

const U64_MASK = 0xffff_ffff_ffff_ffffn;

/** Writes `account` at byte `offset`. Every field must be in its range. */
export function encodeAccount(target: DataView, offset: number, account: Account): void {
  writeId(target, offset + Offset.id, account.id);
  writeAmount(target, offset + Offset.debitsPending, account.debitsPending);
  writeAmount(target, offset + Offset.debitsPosted, account.debitsPosted);
  writeAmount(target, offset + Offset.creditsPending, account.creditsPending);
  writeAmount(target, offset + Offset.creditsPosted, account.creditsPosted);
  writeId(target, offset + Offset.userData128, account.userData128);
  target.setBigUint64(offset + Offset.userData64, account.userData64, true);
  target.setUint32(offset + Offset.userData32, account.userData32, true);
  target.setUint32(offset + Offset.ledger, account.ledger, true);
  target.setUint16(offset + Offset.code, account.code, true);
  target.setUint16(offset + Offset.flags, account.flags, true);
  target.setBigUint64(offset + Offset.timestampNs, account.timestampNs, true);
}

export function decodeAccount(source: DataView, offset: number): Account {
  return {
    id: readId(source, offset + Offset.id),
    ledger: source.getUint32(offset + Offset.ledger, true),
    code: source.getUint16(offset + Offset.code, true),
    flags: source.getUint16(offset + Offset.flags, true),
    userData128: readId(source, offset + Offset.userData128),
    userData64: source.getBigUint64(offset + Offset.userData64, true),
    userData32: source.getUint32(offset + Offset.userData32, true),
    timestampNs: source.getBigUint64(offset + Offset.timestampNs, true),
    debitsPending: readAmount(source, offset + Offset.debitsPending),
    debitsPosted: readAmount(source, offset + Offset.debitsPosted),
    creditsPending: readAmount(source, offset + Offset.creditsPending),
    creditsPosted: readAmount(source, offset + Offset.creditsPosted),
  };
}

function writeAmount(target: DataView, offset: number, amount: bigint): void {
  target.setBigUint64(offset, amount & U64_MASK, true);
  target.setBigUint64(offset + 8, amount >> 64n, true);
}

function readAmount(source: DataView, offset: number): bigint {
  return source.getBigUint64(offset, true) | (source.getBigUint64(offset + 8, true) << 64n);
}
