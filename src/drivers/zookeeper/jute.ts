// Records of ZooKeeper's wire protocol (jute): big-endian numbers, strings and buffers with their
// length in front, -1 for none. Only what this driver sends and reads.
// Source: zookeeper.jute and the Java client's ClientCnxn of ZooKeeper 3.8.

const NONE = -1;

export class JuteWriter {
  #bytes = Buffer.alloc(256);
  #length = 0;

  int(value: number): this {
    this.#reserve(4);
    this.#length = this.#bytes.writeInt32BE(value, this.#length);
    return this;
  }

  long(value: bigint): this {
    this.#reserve(8);
    this.#length = this.#bytes.writeBigInt64BE(value, this.#length);
    return this;
  }

  bool(value: boolean): this {
    this.#reserve(1);
    this.#length = this.#bytes.writeUInt8(value ? 1 : 0, this.#length);
    return this;
  }

  buffer(value: Uint8Array): this {
    this.int(value.byteLength);
    this.#reserve(value.byteLength);
    this.#bytes.set(value, this.#length);
    this.#length += value.byteLength;
    return this;
  }

  string(value: string): this {
    return this.buffer(Buffer.from(value, 'utf8'));
  }

  /** What was written, with its length in front, as it goes over the wire. */
  packet(): Buffer {
    const packet = Buffer.alloc(4 + this.#length);
    packet.writeInt32BE(this.#length, 0);
    this.#bytes.copy(packet, 4, 0, this.#length);
    return packet;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.byteLength) return;
    const larger = Buffer.alloc(2 * (this.#length + bytes));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Throws a RangeError where the packet is shorter than it says. */
export class JuteReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#offset >= this.#bytes.byteLength;
  }

  int(): number {
    const value = this.#bytes.readInt32BE(this.#offset);
    this.#offset += 4;
    return value;
  }

  long(): bigint {
    const value = this.#bytes.readBigInt64BE(this.#offset);
    this.#offset += 8;
    return value;
  }

  buffer(): Buffer {
    const length = this.int();
    if (length === NONE) return Buffer.alloc(0);
    if (length < 0 || this.#offset + length > this.#bytes.byteLength) {
      throw new RangeError(`a buffer of ${length} bytes ends behind its packet`);
    }
    const value = this.#bytes.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return value;
  }

  string(): string {
    return this.buffer().toString('utf8');
  }

  strings(): string[] {
    const count = this.int();
    if (count > this.#bytes.byteLength) throw new RangeError(`${count} strings in one packet`);
    return Array.from({ length: Math.max(0, count) }, () => this.string());
  }

  /** The facts about a node that this driver uses. */
  stat(): NodeStat {
    const createdZxid = this.long();
    const changedZxid = this.long();
    const createdAtMs = Number(this.long());
    this.long();
    const version = this.int();
    this.int();
    this.int();
    const ownerSession = this.long();
    this.int();
    this.int();
    this.long();
    return { createdZxid, changedZxid, createdAtMs, version, ownerSession };
  }
}

export type NodeStat = {
  readonly createdZxid: bigint;
  readonly changedZxid: bigint;
  readonly createdAtMs: number;
  readonly version: number;
  /** Session that it goes with; 0 = none. */
  readonly ownerSession: bigint;
};
