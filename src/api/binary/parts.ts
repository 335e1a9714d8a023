// Answers that stand in several places: the pages of the history leave as they came from it, and
// nothing of them is copied. What must be written in front of them is a part of its own.

import { crc32 } from 'node:zlib';
import { type FrameAddress, frameHeaderOf } from '../../base/protocol.ts';

/** The payload of one frame, in order; together a multiple of 8 bytes. */
export type AnswerParts = { readonly parts: readonly Uint8Array[] };

/** The frame: its header, and the parts as they are. */
export function framedParts({ parts }: AnswerParts, address: FrameAddress): Uint8Array[] {
  let bytes = 0;
  let checksum = 0;
  for (const part of parts) {
    bytes += part.byteLength;
    checksum = crc32(part, checksum);
  }
  return [frameHeaderOf({ bytes, checksum }, address), ...parts.filter(isSomething)];
}

function isSomething(part: Uint8Array): boolean {
  return part.byteLength > 0;
}
