// CRC-32 as zlib, PNG and Ethernet have it (polynomial 0xEDB88320, reflected), byte by byte from a
// table. For headers and other few bytes, where calling native code costs more than it saves; long
// payloads are given to zlib by whoever has it.

const POLYNOMIAL = 0xedb8_8320;

const TABLE = new Int32Array(256);
for (let index = 0; index < 256; index++) {
  let value = index;
  for (let bit = 0; bit < 8; bit++) {
    value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ POLYNOMIAL;
  }
  TABLE[index] = value;
}

/** Of the bytes from `start` up to, not including, `end`. */
export function smallCrc32(bytes: Uint8Array, start: number, end: number): number {
  let crc = -1;
  for (let index = start; index < end; index++) {
    crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[index]!) & 0xff]!;
  }
  return ~crc >>> 0;
}
