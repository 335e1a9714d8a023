// Where a large payload is read, so that it need not be copied into its entry: behind free bytes
// for the entry's header and the command's frame. The sequencer makes the entry out of the buffer
// itself when the command has an entry of its own.
//
// Whose the memory is:
//   newPayloadRoom   the door's, which fills the payload and does not write to it once the command
//                    has been handed in
//   takeRoomOf       the sequencer's, once: the free bytes become header and frame. From here on
//                    everybody may read (journal, applier, listeners, waiters), nobody writes
//   giveBackRoom     nobody's: the entry is durable, applied, told to the listeners and answered.
//                    The memory is free at once; left to the collector, it was half of what made it
//                    run. Who kept a view finds it empty, not filled with another batch.
//
// A buffer is known by itself, not by its measures: a view into what the network brought may happen
// to stand at the same place, with a stranger's bytes in front. An entry that never gets so far
// (refused, halted) is the collector's.

import { assert } from '../base/assert.ts';
import { COMMAND_FRAME_BYTES, ENTRY_HEADER_BYTES } from '../base/limits.ts';

const FREE_BYTES = ENTRY_HEADER_BYTES + COMMAND_FRAME_BYTES;

const notTaken = new WeakSet<ArrayBuffer>();
const taken = new WeakSet<ArrayBuffer>();

/** Memory for a payload of `bytes`, a multiple of 8, to be filled; what it holds is undefined. */
export function newPayloadRoom(bytes: number): Uint8Array<ArrayBuffer> {
  assert(bytes % 8 === 0, 'a payload that needs no padding');
  const room = Buffer.allocUnsafeSlow(FREE_BYTES + bytes);
  notTaken.add(room.buffer);
  return room.subarray(FREE_BYTES);
}

/** The entry's buffer that `payload` fills up to its end, or undefined: then it is to be copied. */
export function takeRoomOf(payload: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const { buffer, byteOffset, byteLength } = payload;
  if (byteOffset !== FREE_BYTES || !(buffer instanceof ArrayBuffer)) return undefined;
  if (buffer.byteLength !== FREE_BYTES + byteLength || !notTaken.delete(buffer)) return undefined;
  taken.add(buffer);
  return new Uint8Array(buffer);
}

/** Frees the memory of an entry that was made of a room; any other is left alone. */
export function giveBackRoom({ buffer }: Uint8Array<ArrayBuffer>): void {
  if (taken.delete(buffer)) buffer.transfer(0);
}
