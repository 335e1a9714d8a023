// Payload of a fresh read, for both ends of the binary protocol: a request that reads, wrapped in
// how fresh it must be. Old clients do not know the kind and send reads as they are.
//
//   offset bytes field
//        0     8 position     what is read holds at least this position; 0 = whatever is there
//        8     2 kind         of the request inside
//       10     1 consistency  0 = local, 1 = strong: all that was acknowledged before the question
//       11     5 zero
//       16       the payload of the request inside

import { readCount, writeCount } from './protocol.ts';

export const FRESH_READ_HEAD_BYTES = 16;

export type FreshRead = {
  readonly position: number;
  readonly isStrong: boolean;
  /** FrameKind of the request inside, and its payload (a view when it was read). */
  readonly kind: number;
  readonly payload: Uint8Array;
};

/** A field that cannot be meant. */
export type FreshReadFault = { readonly field: string; readonly detail: string };

const Offset = { position: 0, kind: 8, consistency: 10, zero: 11 } as const;

export function encodeFreshRead(read: FreshRead): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FRESH_READ_HEAD_BYTES + read.payload.byteLength);
  const view = new DataView(bytes.buffer);
  writeCount(view, Offset.position, read.position);
  view.setUint16(Offset.kind, read.kind, true);
  view.setUint8(Offset.consistency, read.isStrong ? 1 : 0);
  bytes.set(read.payload, FRESH_READ_HEAD_BYTES);
  return bytes;
}

/** `bytes` has FRESH_READ_HEAD_BYTES at least. */
export function decodeFreshRead(bytes: Uint8Array): FreshRead | FreshReadFault {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const position = readCount(view, Offset.position);
  const consistency = view.getUint8(Offset.consistency);
  if (!Number.isSafeInteger(position)) return fault('position', 'It must be below 2^53.');
  if (consistency > 1) return fault('consistency', 'It must be 0 or 1.');
  if (bytes.subarray(Offset.zero, FRESH_READ_HEAD_BYTES).some((byte) => byte !== 0)) {
    return fault('zero', 'Bytes 11 to 15 must be zero.');
  }
  return {
    position,
    isStrong: consistency === 1,
    kind: view.getUint16(Offset.kind, true),
    payload: bytes.subarray(FRESH_READ_HEAD_BYTES),
  };
}

function fault(field: string, detail: string): FreshReadFault {
  return { field, detail };
}
