// CRC-32 for the frames of this door: zlib's, which is native code.

import { crc32 as zlibCrc32 } from 'node:zlib';

export function crc32(bytes: Uint8Array, before = 0): number {
  return zlibCrc32(bytes, before);
}
