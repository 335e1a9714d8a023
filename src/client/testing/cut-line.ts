// For tests: a line between a client and a node that can be cut at any moment, as cables are, and
// that notes what the client sent.

import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { crc32 } from 'node:zlib';
import { type Frame, FrameReader } from '../../base/frame-reader.ts';
import { REQUEST_PAYLOAD_BYTES_MAX } from '../../base/protocol.ts';

export class CutLine implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections since the beginning. */
  connections = 0;
  /** true = what the node says is lost; the connection stays. */
  isDeaf = false;
  /** Of all connections, as they came. */
  readonly sent: Frame[] = [];

  private constructor(port: number) {
    this.#server = createServer((near) => {
      this.connections++;
      const far = connect({ port, host: '127.0.0.1' });
      near.pipe(far);
      this.#note(near);
      far.on('data', (chunk) => {
        if (!this.isDeaf) near.write(chunk);
      });
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.on('error', () => other.destroy());
        one.on('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
    });
  }

  static async to(port: number): Promise<CutLine> {
    const line = new CutLine(port);
    await new Promise<void>((resolve) => line.#server.listen(0, '127.0.0.1', resolve));
    return line;
  }

  get url(): string {
    return `holdfast://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #note(near: Socket): void {
    const reader = new FrameReader({ crc32, payloadBytesMax: REQUEST_PAYLOAD_BYTES_MAX });
    near.on('data', (chunk: Buffer) => {
      reader.push(chunk);
      for (let at = reader.next(); at.kind === 'frame'; at = reader.next())
        this.sent.push(at.frame);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }
}
