// Cuts one direction of an AMQP 0-9-1 connection into what belongs together: a method, or a message
// with its content.

const FRAME_OVERHEAD_BYTES = 8;
const GREETING_BYTES = 8;

const METHOD = 1;
const HEADER = 2;
const BODY = 3;

/** Class and method of what a frame of kind 1 asks for. */
export const PUBLISH = (60 << 16) | 40;
export const DELIVER = (60 << 16) | 60;
export const CONFIRM = (60 << 16) | 80;

export type Unit = {
  /** 0 = a heartbeat, the greeting. */
  readonly method: number;
  /** Of a message: its content. */
  readonly content: Buffer;
  readonly bytes: Buffer;
};

type Message = {
  readonly method: number;
  readonly frames: Buffer[];
  bodyBytesLeft: number | undefined;
};

export class FrameCutter {
  #rest: Buffer = Buffer.alloc(0);
  #greets: boolean;
  /** By channel: frames of different channels may stand between each other. */
  readonly #messages = new Map<number, Message>();

  /** Clients begin with a greeting that is no frame. */
  constructor(isClient: boolean) {
    this.#greets = isClient;
  }

  push(chunk: Buffer): Unit[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const units: Unit[] = [];
    if (this.#greets && this.#rest.byteLength >= GREETING_BYTES) {
      this.#greets = false;
      units.push(plain(0, this.#take(GREETING_BYTES)));
    }
    while (!this.#greets && this.#rest.byteLength >= FRAME_OVERHEAD_BYTES) {
      const frameBytes = this.#rest.readUInt32BE(3) + FRAME_OVERHEAD_BYTES;
      if (this.#rest.byteLength < frameBytes) break;
      const unit = this.#frame(this.#take(frameBytes));
      if (unit !== undefined) units.push(unit);
    }
    return units;
  }

  #take(count: number): Buffer {
    const taken = this.#rest.subarray(0, count);
    this.#rest = this.#rest.subarray(count);
    return taken;
  }

  #frame(frame: Buffer): Unit | undefined {
    const kind = frame[0];
    const channel = frame.readUInt16BE(1);
    if (kind === METHOD) {
      const method = frame.readUInt32BE(7);
      if (method !== PUBLISH && method !== DELIVER) return plain(method, frame);
      this.#messages.set(channel, { method, frames: [frame], bodyBytesLeft: undefined });
      return undefined;
    }
    const message = this.#messages.get(channel);
    if (message === undefined || (kind !== HEADER && kind !== BODY)) return plain(0, frame);
    message.frames.push(frame);
    if (kind === HEADER) message.bodyBytesLeft = Number(frame.readBigUInt64BE(11));
    else message.bodyBytesLeft = (message.bodyBytesLeft ?? 0) - bodyOf(frame).byteLength;
    if (message.bodyBytesLeft !== 0) return undefined;
    this.#messages.delete(channel);
    const content = Buffer.concat(message.frames.slice(2).map(bodyOf));
    return { method: message.method, content, bytes: Buffer.concat(message.frames) };
  }
}

function bodyOf(frame: Buffer): Buffer {
  return frame.subarray(7, -1);
}

function plain(method: number, bytes: Buffer): Unit {
  return { method, content: Buffer.alloc(0), bytes };
}
