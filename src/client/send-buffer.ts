// What a connection of the client is about to send. Small frames are written one behind the other
// into one buffer, which is used again and again; a large payload stays where it is and goes out
// between them. The buffer's front is used again only when the network has taken everything: until
// then somebody else reads it.

import {
  type Crc32,
  FRAME_HEADER_BYTES,
  type FrameAddress,
  writeFrameHeader,
} from '../base/protocol.ts';

const ROOM_BYTES = 64 * 1024;

/** Above it a payload is cheaper sent from where it is than copied. */
export const COPIED_PAYLOAD_BYTES_MAX = 16 * 1024;

export class SendBuffer {
  readonly #crc32: Crc32;
  #room = newRoom();
  /** Between the two stands what has been written and not been handed out. */
  #start = 0;
  #end = 0;
  #pieces: Uint8Array[] = [];

  constructor(crc32: Crc32) {
    this.#crc32 = crc32;
  }

  get isEmpty(): boolean {
    return this.#start === this.#end && this.#pieces.length === 0;
  }

  add(payload: Uint8Array, address: FrameAddress): void {
    const isCopied = payload.byteLength <= COPIED_PAYLOAD_BYTES_MAX;
    const bytes = FRAME_HEADER_BYTES + (isCopied ? payload.byteLength : 0);
    if (this.#end + bytes > ROOM_BYTES) {
      this.#closePiece();
      this.#room = newRoom();
      this.#start = 0;
      this.#end = 0;
    }
    writeFrameHeader(this.#room, this.#end, payload, address, this.#crc32);
    if (isCopied) this.#room.set(payload, this.#end + FRAME_HEADER_BYTES);
    this.#end += bytes;
    if (isCopied) return;
    this.#closePiece();
    this.#pieces.push(payload);
  }

  /** All that was added, in order. The pieces are somebody else's until `sent`. */
  take(): Uint8Array[] {
    this.#closePiece();
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  /** The network has taken all that was ever handed out: nobody reads the buffer any more. */
  sent(): void {
    if (!this.isEmpty) return;
    this.#start = 0;
    this.#end = 0;
  }

  #closePiece(): void {
    if (this.#start === this.#end) return;
    this.#pieces.push(this.#room.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }
}

function newRoom(): Buffer {
  return Buffer.allocUnsafeSlow(ROOM_BYTES);
}
