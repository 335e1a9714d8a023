// Payloads of the answers that are not JSON, for both ends of the binary protocol.
//
// created transfers                          looked up (transfers or accounts)
//   offset bytes field                         offset bytes field
//        0     8 position                           0     8 position
//        8     8 timestamp of the first             8     4 count of records found
//       16     4 count                             12     4 zero
//       20     4 form: 0 = all were created,       16 128*n records, in the order of the request
//                1 = a code for each follows            n one byte each, transfers only: bits 0-3
//       24   2*n codes: 0 = created, otherwise            the hold's state, bit 4 = failed
//                a refusal's number                     padded with zeros to a multiple of 8
//                padded with zeros

import { ACCOUNT_BYTES, decodeAccount, encodeAccount } from './account-record.ts';
import type { Account } from './account.ts';
import {
  FRAME_HEADER_BYTES,
  newFrame,
  paddedBytes,
  readCount,
  writeCount,
  writeU32,
} from './protocol.ts';
import {
  type Transfer,
  TRANSFER_BYTES,
  decodeTransfer,
  encodeTransfer,
} from './transfer-record.ts';

const CREATED_HEAD_BYTES = 24;
const FOUND_HEAD_BYTES = 16;
const TWO_32 = 0x1_0000_0000;

export type TransfersCreated = {
  readonly position: number;
  /** Of the first transfer; transfer i has this + i. */
  readonly timestampNs: bigint;
  /** One for each transfer, in the order of the request: 0 = created, or a refusal's number. */
  readonly codes: Uint16Array;
};

const Form = { allCreated: 0, codes: 1 } as const;

/** A frame without its header, for `sealFrame`. */
export function createdTransfersFrame(answer: TransfersCreated): Uint8Array<ArrayBuffer> {
  const { codes } = answer;
  const count = codes.length;
  const allCreated = isAllZero(codes);
  const frame = newFrame(CREATED_HEAD_BYTES + (allCreated ? 0 : 2 * count));
  writeU32(frame, FRAME_HEADER_BYTES, answer.position % TWO_32);
  writeU32(frame, FRAME_HEADER_BYTES + 4, Math.floor(answer.position / TWO_32));
  writeU32(frame, FRAME_HEADER_BYTES + 8, Number(BigInt.asUintN(32, answer.timestampNs)));
  writeU32(frame, FRAME_HEADER_BYTES + 12, Number(answer.timestampNs >> 32n));
  writeU32(frame, FRAME_HEADER_BYTES + 16, count);
  writeU32(frame, FRAME_HEADER_BYTES + 20, allCreated ? Form.allCreated : Form.codes);
  if (allCreated) return frame;
  for (let index = 0; index < count; index++) {
    const offset = FRAME_HEADER_BYTES + CREATED_HEAD_BYTES + 2 * index;
    frame[offset] = codes[index]!;
    frame[offset + 1] = codes[index]! >>> 8;
  }
  return frame;
}

function isAllZero(codes: Uint16Array): boolean {
  for (let index = 0; index < codes.length; index++) if (codes[index] !== 0) return false;
  return true;
}

/** `undefined` when the payload is not such an answer. */
export function readCreatedTransfers(payload: Uint8Array): TransfersCreated | undefined {
  if (payload.byteLength < CREATED_HEAD_BYTES) return undefined;
  const view = viewOf(payload);
  const count = view.getUint32(16, true);
  const form = view.getUint32(20, true);
  const codesBytes = form === Form.codes ? 2 * count : 0;
  if (form > Form.codes || payload.byteLength !== CREATED_HEAD_BYTES + paddedBytes(codesBytes)) {
    return undefined;
  }
  const codes = new Uint16Array(count);
  if (form === Form.codes) {
    for (let index = 0; index < count; index++) {
      codes[index] = view.getUint16(CREATED_HEAD_BYTES + 2 * index, true);
    }
  }
  return { position: readCount(view, 0), timestampNs: view.getBigUint64(8, true), codes };
}

export const HOLD_STATES = ['none', 'pending', 'posted', 'voided', 'expired'] as const;
export type HoldState = (typeof HOLD_STATES)[number];

export type FoundTransfer = {
  readonly transfer: Transfer;
  readonly state: 'accepted' | 'failed';
  readonly hold: HoldState;
};

export type Found<T> = { readonly position: number; readonly found: readonly T[] };

const HOLD_MASK = 0b1111;
const FAILED_BIT = 0b1_0000;

export function foundTransfersFrame({
  position,
  found,
}: Found<FoundTransfer>): Uint8Array<ArrayBuffer> {
  const frame = foundFrame(position, found.length, TRANSFER_BYTES + 1);
  const view = new DataView(frame.buffer, FRAME_HEADER_BYTES);
  const states = FOUND_HEAD_BYTES + TRANSFER_BYTES * found.length;
  for (const [index, { transfer, state, hold }] of found.entries()) {
    encodeTransfer(view, FOUND_HEAD_BYTES + TRANSFER_BYTES * index, transfer);
    const failed = state === 'failed' ? FAILED_BIT : 0;
    view.setUint8(states + index, HOLD_STATES.indexOf(hold) | failed);
  }
  return frame;
}

export function readFoundTransfers(payload: Uint8Array): Found<FoundTransfer> | undefined {
  const count = readFoundCount(payload, TRANSFER_BYTES + 1);
  if (count === undefined) return undefined;
  const view = viewOf(payload);
  const states = FOUND_HEAD_BYTES + TRANSFER_BYTES * count;
  const found: FoundTransfer[] = [];
  for (let index = 0; index < count; index++) {
    const state = view.getUint8(states + index);
    const hold = HOLD_STATES[state & HOLD_MASK];
    if (hold === undefined) return undefined;
    found.push({
      transfer: decodeTransfer(view, FOUND_HEAD_BYTES + TRANSFER_BYTES * index),
      state: (state & FAILED_BIT) === 0 ? 'accepted' : 'failed',
      hold,
    });
  }
  return { position: readCount(view, 0), found };
}

export function foundAccountsFrame({ position, found }: Found<Account>): Uint8Array<ArrayBuffer> {
  const frame = foundFrame(position, found.length, ACCOUNT_BYTES);
  const view = new DataView(frame.buffer, FRAME_HEADER_BYTES);
  for (const [index, account] of found.entries()) {
    encodeAccount(view, FOUND_HEAD_BYTES + ACCOUNT_BYTES * index, account);
  }
  return frame;
}

export function readFoundAccounts(payload: Uint8Array): Found<Account> | undefined {
  const count = readFoundCount(payload, ACCOUNT_BYTES);
  if (count === undefined) return undefined;
  const view = viewOf(payload);
  const found: Account[] = [];
  for (let index = 0; index < count; index++) {
    found.push(decodeAccount(view, FOUND_HEAD_BYTES + ACCOUNT_BYTES * index));
  }
  return { position: readCount(view, 0), found };
}

function foundFrame(position: number, count: number, eachBytes: number): Uint8Array<ArrayBuffer> {
  const frame = newFrame(FOUND_HEAD_BYTES + eachBytes * count);
  const view = new DataView(frame.buffer, FRAME_HEADER_BYTES);
  writeCount(view, 0, position);
  view.setUint32(8, count, true);
  return frame;
}

function readFoundCount(payload: Uint8Array, eachBytes: number): number | undefined {
  if (payload.byteLength < FOUND_HEAD_BYTES) return undefined;
  const count = viewOf(payload).getUint32(8, true);
  const bytes = paddedBytes(FOUND_HEAD_BYTES + eachBytes * count);
  return payload.byteLength === bytes ? count : undefined;
}

function viewOf(payload: Uint8Array): DataView {
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
}
