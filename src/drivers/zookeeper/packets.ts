// Cuts the bytes of a connection into packets: four bytes of length, big-endian, and as many bytes.

const LENGTH_BYTES = 4;
const PACKET_BYTES_MAX = 4 * 1024 * 1024;

export class PacketReader {
  #bytes: Buffer = Buffer.alloc(0);

  add(chunk: Buffer): void {
    this.#bytes = this.#bytes.byteLength === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  /** Without its length; undefined until it is all there. RangeError for an impossible length. */
  next(): Buffer | undefined {
    if (this.#bytes.byteLength < LENGTH_BYTES) return undefined;
    const length = this.#bytes.readInt32BE(0);
    if (length < 0 || length > PACKET_BYTES_MAX) {
      throw new RangeError(`a packet of ${length} bytes`);
    }
    const end = LENGTH_BYTES + length;
    if (this.#bytes.byteLength < end) return undefined;
    const packet = this.#bytes.subarray(LENGTH_BYTES, end);
    this.#bytes = this.#bytes.subarray(end);
    return packet;
  }
}
