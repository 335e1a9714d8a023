// The network between the nodes of one machine, so that it can be cut: a listener in front of each
// node's port for the others. Of two nodes the lower name dials and says first who it is, so every
// connection is known by its two ends.

import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';
import { once } from 'node:events';

/**
 * `silent`: nothing that is sent arrives until it is mended, and then all of it does, as with
 * packets that are sent again. `broken`: connections end and none can be made.
 */
export type CutManner = 'silent' | 'broken';

const NAME_PATTERN = /"from":"([a-z0-9-]{1,32})"/;

type Wire = {
  readonly from: string;
  readonly to: string;
  readonly outer: Socket;
  readonly inner: Socket;
};

export class PeerWires implements AsyncDisposable {
  readonly #servers = new Map<string, Server>();
  readonly #wires = new Set<Wire>();
  readonly #cuts = new Map<string, CutManner>();
  /** Connections that were cut while they were up. */
  cutConnections = 0;

  /** `ports`: the nodes' own, by name. */
  static async start(ports: ReadonlyMap<string, number>): Promise<PeerWires> {
    const wires = new PeerWires();
    for (const [name, port] of ports) {
      const server = createServer((outer) => wires.#accept(outer, name, port));
      wires.#servers.set(name, server);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    return wires;
  }

  /** Where the others reach the node. */
  addressOf(name: string): string {
    const { port } = this.#servers.get(name)!.address() as AddressInfo;
    return `127.0.0.1:${port}`;
  }

  cut(one: string, other: string, manner: CutManner): void {
    this.#cuts.set(pairOf(one, other), manner);
    for (const wire of this.#wires) {
      if (pairOf(wire.from, wire.to) !== pairOf(one, other)) continue;
      this.cutConnections++;
      if (manner === 'broken') end(wire);
      else hold(wire);
    }
  }

  mend(): void {
    this.#cuts.clear();
    for (const wire of this.#wires) join(wire);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const wire of this.#wires) end(wire);
    for (const server of this.#servers.values()) {
      server.close();
      await once(server, 'close');
    }
  }

  #accept(outer: Socket, to: string, port: number): void {
    outer.on('error', () => outer.destroy());
    outer.once('data', (first: Buffer) => {
      outer.pause();
      const from = NAME_PATTERN.exec(first.toString('latin1'))?.[1] ?? '';
      const manner = this.#cuts.get(pairOf(from, to));
      if (manner === 'broken') {
        outer.destroy();
        return;
      }
      const inner = connect({ host: '127.0.0.1', port, noDelay: true });
      outer.setNoDelay(true);
      const wire: Wire = { from, to, outer, inner };
      this.#wires.add(wire);
      for (const socket of [outer, inner]) {
        socket.on('error', () => end(wire));
        socket.once('close', () => {
          this.#wires.delete(wire);
          end(wire);
        });
      }
      outer.unshift(first);
      if (manner === undefined) join(wire);
    });
  }
}

function pairOf(one: string, other: string): string {
  return [one, other].sort().join(' ');
}

function join({ outer, inner }: Wire): void {
  outer.unpipe();
  inner.unpipe();
  outer.pipe(inner);
  inner.pipe(outer);
}

function hold({ outer, inner }: Wire): void {
  outer.unpipe();
  inner.unpipe();
  outer.pause();
  inner.pause();
}

function end({ outer, inner }: Wire): void {
  outer.destroy();
  inner.destroy();
}
