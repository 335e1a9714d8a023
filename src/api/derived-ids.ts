// Ids that follow from other ids, so that the same request has the same ids for ever and a second
// one finds what the first has done. They carry the same time (the top 48 bits) as what they follow
// from, so they are remembered, forgotten and refused as expired together with it; the other 80
// bits are the first of a SHA-256.

import { hash } from 'node:crypto';
import { transferIdFrom, transferIdUnixMs } from '../base/ids.ts';

const REST_DIGITS = 20;

/** Of the posting's id (16 bytes) and the number of the transfer, from 0 (8 bytes, big-endian). */
export function postingTransferId(posting: bigint, index: number): bigint {
  return derive(posting, `${hex(posting, 32)}${hex(BigInt(index), 16)}`);
}

/** Of the word "revert" and the id of the transfer that is reverted (16 bytes). */
export function revertId(reverted: bigint): bigint {
  const word = Buffer.from('revert', 'ascii').toString('hex');
  return derive(reverted, `${word}${hex(reverted, 32)}`);
}

function derive(origin: bigint, bytesHex: string): bigint {
  const digest = hash('sha256', Buffer.from(bytesHex, 'hex'), 'hex');
  return transferIdFrom(transferIdUnixMs(origin), BigInt(`0x${digest.slice(0, REST_DIGITS)}`));
}

function hex(value: bigint, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}
