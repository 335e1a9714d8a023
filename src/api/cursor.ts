// Cursors: where a page ended, as opaque text that is handed back for the next one. A cursor says
// which question it belongs to, so that it cannot lead through another one's answers, and has a
// checksum, so that a cut or mistyped one is refused instead of beginning somewhere.
//
//   offset bytes field                 big-endian, written as base64url
//        0     1 version               1
//        1     8 number                of the account or transfer to go on behind
//        9     4 question              CRC-32 of the question's text
//       13     4 checksum              CRC-32 of bytes 0 .. 12

import { crc32 } from 'node:zlib';
import { inputProblem } from './problems.ts';

const VERSION = 1;
const NUMBER = 1;
const QUESTION = 9;
const CHECKSUM = 13;
const CURSOR_BYTES = 17;

/** `question`: everything that the pages of one list have in common, as text. */
export function writeCursor(question: string, number: number): string {
  const bytes = Buffer.alloc(CURSOR_BYTES);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeBigUInt64BE(BigInt(number), NUMBER);
  bytes.writeUInt32BE(crc32(Buffer.from(question)), QUESTION);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, CHECKSUM)), CHECKSUM);
  return bytes.toString('base64url');
}

/** The number to go on behind; throws an input problem that names the parameter `cursor`. */
export function readCursor(question: string, text: string): number {
  const bytes = Buffer.from(text, 'base64url');
  // The decoder forgives what is no base64url at all.
  const isWhole =
    bytes.byteLength === CURSOR_BYTES &&
    bytes.toString('base64url') === text &&
    bytes.readUInt8(0) === VERSION &&
    bytes.readUInt32BE(CHECKSUM) === crc32(bytes.subarray(0, CHECKSUM));
  const number = isWhole ? Number(bytes.readBigUInt64BE(NUMBER)) : Number.NaN;
  if (!Number.isSafeInteger(number)) {
    const detail = 'It is not the next of a page as this node wrote it.';
    throw inputProblem([{ parameter: 'cursor', code: 'cursor_malformed', detail }]);
  }
  if (bytes.readUInt32BE(QUESTION) !== crc32(Buffer.from(question))) {
    const detail = 'It is the next of a page of another list: another filter or order.';
    throw inputProblem([{ parameter: 'cursor', code: 'cursor_of_another_list', detail }]);
  }
  return number;
}
