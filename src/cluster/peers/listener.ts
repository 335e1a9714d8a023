// The port where the other nodes knock. Whoever has not shown the cluster's key yet has a few
// seconds, a few kilobytes, and one of a few places.

import { type Server, type Socket, createServer } from 'node:net';
import { OperationalError } from '../../base/errors.ts';
import { Accepting, type HandshakeFailure, type Identity, type Met } from './handshake.ts';

const STRANGERS_MAX = 64;

export type ListenerOptions = {
  readonly host: string;
  /** 0 = any that is free. */
  readonly port: number;
  readonly identity: Identity;
  readonly onMet: (met: Met) => void;
  readonly onFailed: (failure: HandshakeFailure) => void;
};

export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #strangers = new Set<Accepting>();

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Resolves with `host:port`. */
  async open(): Promise<string> {
    const { host, port } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen({ host, port }, resolve);
    try {
      await promise;
    } catch (error) {
      throw new OperationalError('CONFIGURATION_INVALID', {
        detail: `The channel between nodes cannot listen at ${host}, port ${port}: ${String(error)}.`,
        wayOut: 'Set HOLDFAST_PEER_PORT to a port that is free (0 = any).',
        cause: error,
      });
    }
    this.#server.off('error', reject);
    // Out of file descriptors: those who knock come back.
    this.#server.on('error', () => undefined);
    const address = this.#server.address();
    const bound = typeof address === 'object' && address !== null ? address.port : port;
    return host.includes(':') ? `[${host}]:${bound}` : `${host}:${bound}`;
  }

  async close(): Promise<void> {
    for (const stranger of this.#strangers) stranger.cancel();
    this.#strangers.clear();
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: Socket): void {
    if (this.#strangers.size >= STRANGERS_MAX) {
      socket.on('error', () => undefined);
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    const { identity, onMet, onFailed } = this.#options;
    const accepting = new Accepting({
      socket,
      where: socket.remoteAddress ?? 'somebody',
      identity,
      onMet: (met) => {
        this.#strangers.delete(accepting);
        onMet(met);
      },
      onFailed: (failure) => {
        this.#strangers.delete(accepting);
        onFailed(failure);
      },
    });
    this.#strangers.add(accepting);
  }
}
