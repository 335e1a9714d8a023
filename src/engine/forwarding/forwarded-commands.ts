// The question that carries commands from a standby to the leader. The commands stand in it as they
// stand in an entry (domain/commands.ts), so that payloads stay the bytes that they are.
//
//   offset bytes field         (little-endian)
//        0     2 version       1
//        2     2 zero
//        4     4 count         of commands, at least 1
//        8     . the commands, each a frame, its payload, and zeros up to a multiple of 8
//
// The other side belongs to the cluster and has validated what it admits, but is perhaps of another
// release: what does not add up is answered, it does not end the leader.

import {
  ACCOUNTS_PER_REQUEST_MAX,
  COMMAND_FRAME_BYTES,
  ENTRY_BYTES_MAX,
  ENTRY_HEADER_BYTES,
  TRANSFERS_PER_REQUEST_MAX,
} from '../../base/limits.ts';
import { TRANSFER_BYTES } from '../../base/transfer-record.ts';
import { type Command, CommandKind, commandBytes, writeCommand } from '../../domain/commands.ts';

export const FORWARD_VERSION = 1;
const HEAD_BYTES = 8;

/** What one question carries at most: as much as one entry. */
export const FORWARDED_BYTES_MAX = ENTRY_BYTES_MAX - ENTRY_HEADER_BYTES;
export const FORWARDED_COMMANDS_MAX = 1024;

/** Has memory of its own, which is worth giving back by hand. */
const LARGE_QUESTION_BYTES = 64 * 1024;

export function encodeForwarded(
  items: readonly { readonly command: Command; readonly bytes: number }[],
): Uint8Array<ArrayBuffer> {
  let bytes = HEAD_BYTES;
  for (const item of items) bytes += item.bytes;
  const isLarge = bytes >= LARGE_QUESTION_BYTES;
  const question = isLarge ? Buffer.allocUnsafeSlow(bytes) : Buffer.allocUnsafe(bytes);
  question.writeUInt32LE(FORWARD_VERSION, 0);
  question.writeUInt32LE(items.length, 4);
  let offset = HEAD_BYTES;
  for (const { command } of items) offset = writeCommand(question, offset, command);
  return question;
}

/**
 * The answer to the question has come, so all of it has gone out: its memory is free at once. Left
 * to the collector, that of large batches is most of what makes it run.
 */
export function giveBackQuestion({ buffer, byteLength }: Uint8Array<ArrayBuffer>): void {
  if (byteLength >= LARGE_QUESTION_BYTES) buffer.transfer(0);
}

/** The commands, as views of the question; or one sentence, what is wrong with it. */
export function decodeForwarded(question: Uint8Array): Command[] | string {
  if (question.byteLength < HEAD_BYTES) return 'it is shorter than its head';
  const view = new DataView(question.buffer, question.byteOffset, question.byteLength);
  const version = view.getUint32(0, true);
  if (version !== FORWARD_VERSION) return `its version is ${version}, not ${FORWARD_VERSION}`;
  const count = view.getUint32(4, true);
  if (count < 1 || count > FORWARDED_COMMANDS_MAX) return `it counts ${count} commands`;
  if (question.byteLength > HEAD_BYTES + FORWARDED_BYTES_MAX) return 'it is too large';
  const commands: Command[] = [];
  let offset = HEAD_BYTES;
  for (let index = 0; index < count; index++) {
    const command = readCommand(question, view, offset);
    if (typeof command === 'string') return `its command ${index} ${command}`;
    commands.push(command);
    offset += commandBytes(command);
  }
  return offset === question.byteLength ? commands : 'its commands do not fill it';
}

function readCommand(question: Uint8Array, view: DataView, offset: number): Command | string {
  const start = offset + COMMAND_FRAME_BYTES;
  if (start > question.byteLength) return 'has no whole frame';
  const kind = view.getUint16(offset, true);
  const payloadBytes = view.getUint32(offset + 4, true);
  const eventCount = view.getUint32(offset + 8, true);
  if (payloadBytes > question.byteLength - start) return 'is longer than the question';
  if (!isPlausible(kind, eventCount, payloadBytes)) {
    return `is of kind ${kind} with ${eventCount} events in ${payloadBytes} bytes`;
  }
  return { kind, eventCount, payload: question.subarray(start, start + payloadBytes) };
}

/** Events take time in the journal: their number is not believed. A tick is the leader's alone. */
function isPlausible(kind: number, eventCount: number, payloadBytes: number): boolean {
  switch (kind) {
    case CommandKind.transfers:
      if (eventCount < 1 || eventCount > TRANSFERS_PER_REQUEST_MAX) return false;
      return payloadBytes === eventCount * TRANSFER_BYTES;
    case CommandKind.accounts:
      return eventCount >= 1 && eventCount <= ACCOUNTS_PER_REQUEST_MAX;
    case CommandKind.ledgers:
    case CommandKind.configure:
    case CommandKind.accountFlags:
      return eventCount === 1;
    default:
      return false;
  }
}
