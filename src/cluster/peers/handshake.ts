// The first words of a connection between two nodes, after which both know that the other one has
// the cluster's key and belongs to the same books. Nothing else is listened to before.
//
//   dialer   -> hello      who I am, whom I want, cluster, timeline, a nonce, my addresses
//   acceptor -> challenge  who I am, a nonce, my addresses, my proof
//   dialer   -> proof      its proof
//   acceptor -> welcome    from here on: states, questions, answers
//
// Whoever finds something wrong says `refused` with the reason and ends the connection.

import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Frame } from '../../base/frame-reader.ts';
import { FrameKind, sealFrame, textFrame } from '../../base/protocol.ts';
import type { NodeAddresses } from '../contract.ts';
import { FrameSocket } from './frame-socket.ts';
import type { Socket } from 'node:net';
import { PEER_PROTOCOL_VERSION, PeerFrame, emptyFrame, jsonFrame, readJson } from './frames.ts';
import { type ProofFacts, isProof, proofOf } from './proof.ts';
import { type RefusalReason, isRefusalReason } from './refusals.ts';

const HANDSHAKE_MS_MAX = 3000;
const NONCE_BYTES = 32;
const ID_LENGTH_MAX = 256;
const ADDRESS_LENGTH_MAX = 512;

/** This node, as it presents itself. */
export type Identity = {
  readonly id: string;
  readonly clusterId: string;
  readonly timeline: string;
  readonly key: Uint8Array;
  readonly release: string;
  /** Asked at each handshake: some are known only when all ports are open. */
  readonly addresses: () => NodeAddresses;
};

export type Met = {
  readonly id: string;
  readonly addresses: NodeAddresses;
  readonly frames: FrameSocket;
};

export type HandshakeFailure = {
  /** Undefined = the connection ended or could not be made: nothing to explain. */
  readonly reason: RefusalReason | undefined;
  readonly detail: string;
};

export type HandshakeOptions = {
  readonly socket: Socket;
  /** Where the socket leads, for the log. */
  readonly where: string;
  readonly identity: Identity;
  readonly onMet: (met: Met) => void;
  readonly onFailed: (failure: HandshakeFailure) => void;
};

/** What both sides of a handshake share; ends by `met` or `fail`, once. */
abstract class Handshake {
  protected readonly options: HandshakeOptions;
  protected readonly frames: FrameSocket;
  protected readonly nonce = randomBytes(NONCE_BYTES).toString('hex');
  #timer: NodeJS.Timeout;
  #isOver = false;

  constructor(options: HandshakeOptions) {
    this.options = options;
    this.frames = new FrameSocket(options.socket, {
      onFrame: (frame) => this.heard(frame),
      onFault: (fault, start) => this.unreadable(fault, start),
      onClosed: (why) => this.#finish(undefined, why),
    });
    this.#timer = setTimeout(() => {
      this.fail('slow', `${options.where} sent nothing useful for ${HANDSHAKE_MS_MAX} ms.`);
    }, HANDSHAKE_MS_MAX);
  }

  protected abstract heard(frame: Frame): void;
  protected abstract unreadable(fault: string, start: Uint8Array): void;

  /** Gives up without a word. */
  cancel(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.frames.destroy('The link is not needed any more.');
  }

  protected met(id: string, addresses: NodeAddresses): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.options.onMet({ id, addresses, frames: this.frames });
  }

  /** `last`: what the other side hears instead of a refusal among nodes. */
  protected fail(reason: RefusalReason, detail: string, last?: Uint8Array): void {
    const refused = { reason, detail, release: this.options.identity.release };
    this.frames.end(last ?? jsonFrame(PeerFrame.refused, 0, refused), detail);
    this.#finish(reason, detail);
  }

  /** The other side has refused. */
  protected refused(frame: Frame): void {
    const { reason, detail } = readJson(frame.payload) ?? {};
    const said = typeof detail === 'string' ? detail.slice(0, ADDRESS_LENGTH_MAX) : '';
    this.frames.destroy('The other side refused the link.');
    this.#finish(
      isRefusalReason(reason) ? reason : 'malformed',
      `${this.options.where} refused the link: ${said}`,
    );
  }

  #finish(reason: RefusalReason | undefined, detail: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.options.onFailed({ reason, detail });
  }
}

export class Dialing extends Handshake {
  readonly #target: string;
  #introduced: NodeAddresses | undefined;

  constructor(target: string, options: HandshakeOptions) {
    super(options);
    this.#target = target;
    const { id, clusterId, timeline, release, addresses } = options.identity;
    const hello = { from: id, to: target, cluster: clusterId, timeline, nonce: this.nonce };
    const more = { release, addresses: addresses() };
    // What is written before the connection is there waits for it.
    this.frames.send(jsonFrame(PeerFrame.hello, 0, { ...hello, ...more }));
  }

  protected override heard(frame: Frame): void {
    const { where } = this.options;
    if (frame.kind === PeerFrame.refused) {
      this.refused(frame);
    } else if (frame.kind === FrameKind.problem) {
      this.fail('door', `${where} answered like a node's port for clients.`);
    } else if (frame.kind === PeerFrame.challenge && this.#introduced === undefined) {
      this.#challenged(frame);
    } else if (frame.kind === PeerFrame.welcome && this.#introduced !== undefined) {
      this.met(this.#target, this.#introduced);
    } else {
      this.fail('malformed', `${where} sent a frame of kind ${frame.kind} out of turn.`);
    }
  }

  protected override unreadable(fault: string, start: Uint8Array): void {
    const { where } = this.options;
    if (Buffer.from(start).toString('latin1').startsWith('HTTP/')) {
      this.fail('door', `${where} answered in HTTP.`);
    } else {
      this.fail('malformed', `${where} sent bytes that are no frame (${fault}).`);
    }
  }

  #challenged(frame: Frame): void {
    const { identity, where } = this.options;
    if (frame.version !== PEER_PROTOCOL_VERSION) {
      return this.fail('version', `${where} speaks version ${frame.version} among nodes.`);
    }
    const said = readJson(frame.payload) ?? {};
    const addresses = readAddresses(said['addresses']);
    const { from, nonce } = said;
    if (typeof nonce !== 'string' || addresses === undefined) {
      return this.fail('malformed', `${where} sent a challenge that cannot be read.`);
    }
    if (from !== this.#target) {
      return this.fail('node', `${where} is not node ${this.#target}.`);
    }
    const facts: ProofFacts = {
      clusterId: identity.clusterId,
      timeline: identity.timeline,
      dialer: identity.id,
      acceptor: this.#target,
      dialerNonce: this.nonce,
      acceptorNonce: nonce,
    };
    if (!isProof(said['proof'], identity.key, 'acceptor', facts)) {
      return this.fail('key', `${where} did not prove that it has the cluster's key.`);
    }
    this.#introduced = addresses;
    const proof = proofOf(identity.key, 'dialer', facts);
    return this.frames.send(jsonFrame(PeerFrame.proof, 0, { proof }));
  }
}

export class Accepting extends Handshake {
  #facts: ProofFacts | undefined;
  #introduced: NodeAddresses | undefined;

  protected override heard(frame: Frame): void {
    const { where } = this.options;
    if (frame.kind === PeerFrame.hello && this.#facts === undefined) {
      this.#greeted(frame);
    } else if (frame.kind === PeerFrame.proof && this.#facts !== undefined) {
      this.#proved(frame, this.#facts);
    } else if (frame.kind === PeerFrame.refused) {
      this.refused(frame);
    } else if (frame.kind === FrameKind.hello) {
      const detail = `${where} is a client of the binary protocol.`;
      this.fail('client', detail, clientProblem(frame.request));
    } else {
      this.fail('malformed', `${where} sent a frame of kind ${frame.kind} out of turn.`);
    }
  }

  protected override unreadable(fault: string, start: Uint8Array): void {
    const { where } = this.options;
    if (/^[A-Z]{3,7} /.test(Buffer.from(start).toString('latin1'))) {
      this.fail('client', `${where} speaks HTTP.`, httpProblem());
    } else {
      this.fail('malformed', `${where} sent bytes that are no frame (${fault}).`);
    }
  }

  #greeted(frame: Frame): void {
    const { identity, where } = this.options;
    if (frame.version !== PEER_PROTOCOL_VERSION) {
      return this.fail('version', `${where} speaks version ${frame.version} among nodes.`);
    }
    const said = readJson(frame.payload) ?? {};
    const { from, to, cluster, timeline, nonce } = said;
    const addresses = readAddresses(said['addresses']);
    if (typeof from !== 'string' || from.length > ID_LENGTH_MAX || from === '') {
      return this.fail('malformed', `${where} sent a hello that cannot be read.`);
    }
    if (typeof nonce !== 'string' || addresses === undefined) {
      return this.fail('malformed', `${where} sent a hello that cannot be read.`);
    }
    const whom = `Node ${JSON.stringify(from)} at ${where}`;
    if (cluster !== identity.clusterId) {
      return this.fail('cluster', `${whom} is of another cluster than node ${identity.id}.`);
    }
    if (timeline !== identity.timeline) {
      return this.fail('timeline', `${whom} is on another timeline than node ${identity.id}.`);
    }
    if (to !== identity.id) {
      return this.fail('node', `${whom} asked for another node than ${identity.id}.`);
    }
    if (from >= identity.id) {
      const detail = `${whom} dialled node ${identity.id}; of two nodes the lower id dials.`;
      return this.fail('direction', detail);
    }
    this.#facts = {
      clusterId: identity.clusterId,
      timeline: identity.timeline,
      dialer: from,
      acceptor: identity.id,
      dialerNonce: nonce,
      acceptorNonce: this.nonce,
    };
    this.#introduced = addresses;
    return this.frames.send(
      jsonFrame(PeerFrame.challenge, 0, {
        from: identity.id,
        nonce: this.nonce,
        release: identity.release,
        addresses: identity.addresses(),
        proof: proofOf(identity.key, 'acceptor', this.#facts),
      }),
    );
  }

  #proved(frame: Frame, facts: ProofFacts): void {
    const { identity, where } = this.options;
    const { proof } = readJson(frame.payload) ?? {};
    if (!isProof(proof, identity.key, 'dialer', facts) || this.#introduced === undefined) {
      this.fail('key', `${where} did not prove that it has the cluster's key.`);
      return;
    }
    this.frames.send(emptyFrame(PeerFrame.welcome, 0));
    this.met(facts.dialer, this.#introduced);
  }
}

function readAddresses(value: unknown): NodeAddresses | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { url, binaryUrl, peer } = value as Record<string, unknown>;
  if (!isAddress(url) || !isAddress(binaryUrl) || !isAddress(peer)) return undefined;
  return { url, binaryUrl, peer };
}

function isAddress(value: unknown): value is string {
  return typeof value === 'string' && value.length <= ADDRESS_LENGTH_MAX;
}

const WRONG_DOOR = 'This is the port of the channel between nodes; clients are not served here.';
const RIGHT_DOOR = 'Use the port of the HTTP API or of the binary protocol.';

/** For clients, in the form that they read. */
const PROBLEM = JSON.stringify({
  type: 'about:blank',
  title: 'The wrong port',
  status: 400,
  detail: WRONG_DOOR,
  money: 'No money moved.',
  action: RIGHT_DOOR,
  code: 'frame_malformed',
  retryable: false,
  request_id: '',
});

function clientProblem(request: number): Uint8Array {
  return sealFrame(textFrame(PROBLEM), { kind: FrameKind.problem, request }, crc32);
}

function httpProblem(): Uint8Array {
  const length = `content-length: ${PROBLEM.length}`;
  const head = `content-type: application/problem+json\r\n${length}\r\nconnection: close`;
  return Buffer.from(`HTTP/1.1 400 Bad Request\r\n${head}\r\n\r\n${PROBLEM}`);
}
