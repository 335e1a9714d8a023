// Keeps trying to have a link with one other node: at once, then with growing pauses. It dials when
// there is none, and when the one that there is has been silent for so long that the connection
// itself may be gone without a word (a machine that lost its power, a firewall that forgot).

import { type Socket, connect } from 'node:net';
import { Dialing, type HandshakeFailure, type Identity, type Met } from './handshake.ts';

const PAUSE_MS_MIN = 25;
const PAUSE_MS_MAX = 250;

export type DialerOptions = {
  readonly target: string;
  readonly identity: Identity;
  readonly onMet: (met: Met) => void;
  readonly onFailed: (target: string, failure: HandshakeFailure) => void;
};

export class Dialer {
  readonly #options: DialerOptions;
  /** Connections that failed and whose last word is on its way. */
  readonly #ending = new Set<Socket>();
  #address: string;
  #dialing: Dialing | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pauseMs = 0;
  #isWanted = false;

  constructor(address: string, options: DialerOptions) {
    this.#address = address;
    this.#options = options;
  }

  /** A new address is tried at once. */
  set address(address: string) {
    if (address === this.#address) return;
    this.#address = address;
    this.#pauseMs = 0;
    if (!this.#isWanted) return;
    this.#stop();
    this.want();
  }

  /** Dials until somebody is met. `isFresh`: whatever went before, begin at once. */
  want(isFresh = false): void {
    this.#isWanted = true;
    if (this.#dialing !== undefined || this.#timer !== undefined) return;
    if (isFresh) this.#pauseMs = 0;
    if (this.#pauseMs === 0) this.#dial();
    else this.#timer = setTimeout(() => this.#dial(), this.#pauseMs);
    this.#pauseMs = Math.min(PAUSE_MS_MAX, Math.max(PAUSE_MS_MIN, 2 * this.#pauseMs));
  }

  /** Not wanted (any more); may be wanted again. */
  close(): void {
    this.#isWanted = false;
    this.#stop();
    for (const socket of this.#ending) socket.destroy();
  }

  #stop(): void {
    if (this.#timer === undefined && this.#dialing === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dialing?.cancel();
    this.#dialing = undefined;
  }

  #dial(): void {
    this.#timer = undefined;
    const { target, identity, onMet, onFailed } = this.#options;
    const place = placeOf(this.#address);
    if (place === undefined) {
      const detail = `The address ${JSON.stringify(this.#address)} of node ${target} is none.`;
      this.#pauseMs = PAUSE_MS_MAX;
      onFailed(target, { reason: 'node', detail });
      this.want();
      return;
    }
    const socket: Socket = connect({ ...place, noDelay: true });
    const where = `${target} at ${this.#address}`;
    const dialing = new Dialing(target, {
      socket,
      where,
      identity,
      onMet: (met) => {
        this.#dialing = undefined;
        this.#isWanted = false;
        onMet(met);
      },
      onFailed: (failure) => {
        this.#dialing = undefined;
        if (!socket.closed) {
          this.#ending.add(socket);
          socket.once('close', () => this.#ending.delete(socket));
        }
        onFailed(target, failure);
        if (this.#isWanted) this.want();
      },
    });
    this.#dialing = dialing;
  }
}

/** `host:port`, with brackets around an IPv6 address. */
function placeOf(address: string): { readonly host: string; readonly port: number } | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port === 0 || port > 65_535) return undefined;
  return { host, port };
}
