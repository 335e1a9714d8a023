// Networks over loopback for tests, and strangers that speak to them byte by byte.

import { once } from 'node:events';
import { type Socket, connect } from 'node:net';
import { crc32 } from 'node:zlib';
import { type Frame, FrameReader } from '../../base/frame-reader.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PeerNetwork } from '../contract.ts';
import { ANSWER_BYTES_MAX } from '../peers/frames.ts';
import { Dialing, type Identity, type Met } from '../peers/handshake.ts';
import { type PeerNetworkOptions, createPeerNetwork } from '../peers/network.ts';

const MACHINE_CLOCK: Clock = {
  nowNs: () => BigInt(Date.now()) * 1_000_000n,
  monotonicMs: () => performance.now(),
  sleep: () => Promise.reject(new Error('the network sleeps by timers of its own')),
};

export type TcpNode = {
  readonly id: string;
  readonly network: PeerNetwork;
  /** `host:port`, once it is open. */
  readonly peer: string;
  readonly port: number;
  readonly told: readonly string[];
};

const KEY = new Uint8Array(32).fill(7);

export function identityOf(id: string, more: Partial<Identity> = {}): Identity {
  return {
    id,
    clusterId: 'cluster-1',
    timeline: 'timeline-1',
    key: KEY,
    release: '0.1.0',
    addresses: () => ({ ...addressesOf(id), peer: '127.0.0.1:1' }),
    ...more,
  };
}

function addressesOf(id: string): { readonly url: string; readonly binaryUrl: string } {
  return { url: `http://${id}`, binaryUrl: `holdfast://${id}` };
}

/** What is opened here is closed with it. */
export class TcpNodes implements AsyncDisposable {
  readonly #nodes: TcpNode[] = [];
  readonly #sockets: Socket[] = [];
  readonly #dialings: Dialing[] = [];

  async open(id: string, more: Partial<PeerNetworkOptions> = {}): Promise<TcpNode> {
    const told: string[] = [];
    const { clusterId, timeline, key, release } = identityOf(id);
    const network = createPeerNetwork({
      self: { id },
      addresses: () => addressesOf(id),
      host: '127.0.0.1',
      port: 0,
      clusterId,
      timeline,
      key,
      release,
      clock: MACHINE_CLOCK,
      heartbeatMs: 20,
      log: (level, text) => {
        if (level !== 'info') told.push(text);
      },
      ...more,
    });
    const peer = await network.open();
    const node = { id, network, peer, port: Number(peer.split(':')[1]), told };
    this.#nodes.push(node);
    return node;
  }

  /** Everybody learns of everybody; of several with one id, of the last. */
  introduce(): void {
    const all = new Map(this.#nodes.map(({ id, peer }) => [id, peer]));
    for (const node of this.#nodes) knows(node, all);
  }

  /** A stranger at the port of `node`. */
  stranger(node: TcpNode): Stranger {
    const socket = this.socket(node);
    return new Stranger(socket);
  }

  socket({ port }: TcpNode): Socket {
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('error', () => undefined);
    this.#sockets.push(socket);
    return socket;
  }

  /** One that has the key and whose frames the test reads and writes itself. */
  async meet(node: TcpNode, identity: Identity): Promise<Met & { readonly socket: Socket }> {
    const { promise, resolve, reject } = Promise.withResolvers<Met>();
    const socket = this.socket(node);
    this.#dialings.push(
      new Dialing(node.id, {
        socket,
        where: node.peer,
        identity,
        onMet: resolve,
        onFailed: ({ detail }) => reject(new Error(detail)),
      }),
    );
    return { ...(await promise), socket };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const dialing of this.#dialings) dialing.cancel();
    for (const socket of this.#sockets) socket.destroy();
    for (const { network } of this.#nodes) await network.close();
  }
}

export function knows(node: TcpNode, peers: ReadonlyMap<string, string>): void {
  node.network.know(
    [...peers].map(([id, peer]) => ({ id, addresses: { ...addressesOf(id), peer } })),
  );
}

/** Sends whatever bytes, and reads the frames that come back until the end. */
export class Stranger {
  readonly socket: Socket;
  readonly text: Promise<string>;
  readonly #frames: Frame[] = [];
  readonly #ended: Promise<unknown>;

  constructor(socket: Socket) {
    this.socket = socket;
    const reader = new FrameReader({ crc32, payloadBytesMax: ANSWER_BYTES_MAX });
    const chunks: Buffer[] = [];
    let isFramed = true;
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (isFramed) reader.push(chunk);
      while (isFramed) {
        const reading = reader.next();
        if (reading.kind === 'frame') this.#frames.push(reading.frame);
        else if (reading.kind === 'fault') isFramed = false;
        else break;
      }
      socket.emit('looked');
    });
    this.#ended = once(socket, 'close');
    this.text = this.#ended.then(() => Buffer.concat(chunks).toString('latin1'));
  }

  /** The next frame that comes. */
  async frame(): Promise<Frame> {
    while (this.#frames.length === 0) await once(this.socket, 'looked');
    return this.#frames.shift()!;
  }

  async ended(): Promise<void> {
    await this.#ended;
  }
}
