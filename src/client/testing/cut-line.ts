// For tests: a line between a client and a node that can be cut at any moment, as cables are.

import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';

export class CutLine implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections since the beginning. */
  connections = 0;
  /** true = what the node says is lost; the connection stays. */
  isDeaf = false;

  private constructor(port: number) {
    this.#server = createServer((near) => {
      this.connections++;
      const far = connect({ port, host: '127.0.0.1' });
      near.pipe(far);
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

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.cut();
    await closed;
  }
}
