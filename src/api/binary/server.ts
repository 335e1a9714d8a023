// The binary door: frames on TCP or TLS (docs/reference/protocol.md). It listens, counts and bounds
// connections, looks at the clock for them, and lets them go one by one at the end. Its commands go
// through the same intake as those of the HTTP door.

import { randomBytes } from 'node:crypto';
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net';
import { type Server as TlsServer, createServer as createTlsServer } from 'node:tls';
import type { AssertionFailed } from '../../base/assert.ts';
import { assertProtocolLimits } from '../../base/protocol.ts';
import type { TlsFiles } from '../../config/tls-files.ts';
import type { Engine } from '../../engine/contract.ts';
import { createKeyCheck } from '../auth.ts';
import { ApiProblem } from '../problems.ts';
import type { ApiLogger } from '../server.ts';
import { BINARY_BOUNDS, type BinaryBounds } from './bounds.ts';
import { Connection } from './connection.ts';
import { MemoryBudget } from './memory-budget.ts';
import { BinaryTraffic } from './traffic.ts';

export type BinaryServerOptions = {
  readonly engine: Engine;
  readonly apiKey: string;
  readonly logger: ApiLogger;
  /** PEM; without it the door speaks plain TCP. */
  readonly tls?: TlsFiles | undefined;
  readonly bounds?: Partial<BinaryBounds>;
  /** A broken invariant: by default it is thrown outside of the request and stops the process. */
  readonly onBrokenInvariant?: (error: AssertionFailed) => void;
};

export type BinaryServer = AsyncDisposable & {
  /** Resolves with the URL, holdfast://... or holdfasts://..., when connections are taken. */
  listen(address: { readonly host: string; readonly port: number }): Promise<string>;
  /** Takes no new connections and asks clients to send nothing new. */
  sayGoodbye(): void;
  /** Answers what is under way and closes; what stays is closed after a grace. Idempotent. */
  close(): Promise<void>;
  /** For connections from now on; only where the door was made with a certificate. */
  useCertificate(tls: TlsFiles): void;
  /** For tests and metrics. */
  readonly connectionCount: number;
  readonly heldBytes: number;
  readonly traffic: BinaryTraffic;
};

/** Connections beyond `connectionsMax` that hear why before they are closed. */
const REFUSED_CONNECTIONS_MAX = 64;
const SWEEP_MS_MAX = 250;

export function createBinaryServer(options: BinaryServerOptions): BinaryServer {
  return new Door(options);
}

class Door implements BinaryServer {
  readonly traffic = new BinaryTraffic();
  readonly #options: BinaryServerOptions;
  readonly #bounds: BinaryBounds;
  readonly #budget: MemoryBudget;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  readonly #empty = Promise.withResolvers<void>();
  readonly #names = `bin_${randomBytes(6).toString('hex')}`;
  readonly #checkKey;
  #connectionNumber = 0;
  #sweeping: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  #isLeaving = false;

  constructor(options: BinaryServerOptions) {
    assertProtocolLimits();
    this.#options = options;
    this.#bounds = { ...BINARY_BOUNDS, ...options.bounds };
    this.#budget = new MemoryBudget(this.#bounds.totalBytesMax);
    this.#checkKey = createKeyCheck(options.apiKey);
    this.#server = this.#createServer();
    this.#server.maxConnections = this.#bounds.connectionsMax + REFUSED_CONNECTIONS_MAX;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  get heldBytes(): number {
    return this.#budget.usedBytes;
  }

  async listen(address: { readonly host: string; readonly port: number }): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once('error', reject);
    this.#server.listen(address.port, address.host, resolve);
    await promise;
    this.#server.removeListener('error', reject);
    // A connection that could not be taken (no file descriptors left) is its client's trouble.
    this.#server.on('error', (error) => {
      this.#options.logger.error({ err: error }, 'the binary door could not take a connection');
    });
    const sweepMs = Math.min(SWEEP_MS_MAX, Math.max(1, Math.floor(this.#bounds.outcomeWaitMs / 4)));
    this.#sweeping = setInterval(() => this.#sweep(), sweepMs);
    return this.#url();
  }

  sayGoodbye(): void {
    this.#isLeaving = true;
    for (const connection of this.#connections) connection.sayGoodbye();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  useCertificate(tls: TlsFiles): void {
    (this.#server as TlsServer).setSecureContext(tls);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#isLeaving = true;
    const closed = Promise.withResolvers<void>();
    this.#server.close(() => closed.resolve());
    for (const connection of this.#connections) connection.leave();
    const byForce = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy();
    }, 2 * this.#bounds.lingerMs);
    if (this.#connections.size > 0) await this.#empty.promise;
    await closed.promise;
    clearTimeout(byForce);
    clearInterval(this.#sweeping);
  }

  #createServer(): Server {
    const { tls } = this.#options;
    if (tls === undefined) return createServer((socket) => this.#connected(socket));
    return createTlsServer({ ...tls, handshakeTimeout: this.#bounds.helloMs }, (socket) =>
      this.#connected(socket),
    );
  }

  #connected(socket: Socket): void {
    const { engine, logger, onBrokenInvariant = throwOutside } = this.#options;
    this.#connectionNumber++;
    this.traffic.connectionsOpened++;
    const isTooMany = this.#connections.size >= this.#bounds.connectionsMax;
    const connection = new Connection({
      socket,
      name: `${this.#names}_${this.#connectionNumber}`,
      engine,
      checkKey: this.#checkKey,
      bounds: this.#bounds,
      budget: this.#budget,
      traffic: this.traffic,
      logger,
      onBrokenInvariant,
      onClosed: (closed) => this.#forget(closed),
    });
    this.#connections.add(connection);
    if (this.#isLeaving || isTooMany) this.traffic.connectionsRefused++;
    if (this.#isLeaving) {
      connection.refuse(new ApiProblem('shutting_down'));
    } else if (isTooMany) {
      const detail = `There are ${this.#bounds.connectionsMax} connections already.`;
      connection.refuse(new ApiProblem('overloaded', { detail }));
    }
  }

  #forget(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#closing !== undefined && this.#connections.size === 0) this.#empty.resolve();
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const connection of this.#connections) connection.sweep(nowMs);
  }

  #url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    const scheme = this.#options.tls === undefined ? 'holdfast' : 'holdfasts';
    return `${scheme}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }
}

function throwOutside(error: AssertionFailed): void {
  process.nextTick(() => {
    throw error;
  });
}
