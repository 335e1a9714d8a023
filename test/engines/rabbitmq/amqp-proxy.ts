// A proxy that understands AMQP: it loses one message, or its confirmation, or changes the order of
// messages, as a connection that breaks and a network with several ways do. What it is to do is
// planned for all proxies of a cluster together, since nobody knows which one is used.

import { type Server, type Socket, connect, createServer } from 'node:net';
import { isDriverRecord } from '../../../src/drivers/rabbitmq/records.ts';
import { CONFIRM, FrameCutter, PUBLISH, type Unit } from './amqp-frames.ts';

export type Plan =
  | { readonly kind: 'lose-message' }
  | { readonly kind: 'lose-confirmation' }
  | { readonly kind: 'reorder'; readonly count: number }
  /** It arrives only after `until`; what is sent behind it waits, too. */
  | { readonly kind: 'delay'; readonly until: Promise<void> };

export type Plans = { next: Plan | undefined };

/** `hold`: connections are accepted and stay, and nothing that is sent arrives. */
export type ProxyMode = 'pass' | 'hold';

class Pair {
  readonly #outer: Socket;
  readonly #inner: Socket;
  readonly #plans: Plans;
  readonly #fromClient = new FrameCutter(true);
  readonly #fromServer = new FrameCutter(false);
  readonly #held: Unit[] = [];
  #reorderCount = 0;
  #losesConfirmation = false;
  #delay: Promise<void> | undefined;
  isHeld = false;

  constructor(outer: Socket, inner: Socket, plans: Plans) {
    this.#outer = outer;
    this.#inner = inner;
    this.#plans = plans;
    outer.on('data', (chunk: Buffer) => {
      for (const unit of this.#fromClient.push(chunk)) this.#sent(unit);
    });
    inner.on('data', (chunk: Buffer) => {
      for (const unit of this.#fromServer.push(chunk)) this.#answered(unit);
    });
  }

  cut(): void {
    this.#outer.destroy();
    this.#inner.destroy();
  }

  #sent(unit: Unit): void {
    if (this.isHeld) return;
    const isEntry = unit.method === PUBLISH && !isDriverRecord(unit.content);
    if (isEntry && this.#plan()) {
      this.cut();
      return;
    }
    if (this.#delay !== undefined) {
      this.#delay = this.#delay.then(() => void this.#inner.write(unit.bytes));
      return;
    }
    if (!isEntry || this.#reorderCount === 0) {
      this.#inner.write(unit.bytes);
      return;
    }
    this.#held.push(unit);
    if (this.#held.length < this.#reorderCount) return;
    this.#reorderCount = 0;
    for (const held of this.#held.splice(0).reverse()) this.#inner.write(held.bytes);
  }

  /** True = this message is lost. */
  #plan(): boolean {
    const plan = this.#plans.next;
    this.#plans.next = undefined;
    if (plan?.kind === 'reorder') this.#reorderCount = plan.count;
    if (plan?.kind === 'delay') this.#delay = plan.until;
    if (plan?.kind === 'lose-confirmation') this.#losesConfirmation = true;
    return plan?.kind === 'lose-message';
  }

  #answered(unit: Unit): void {
    if (this.isHeld) return;
    if (this.#losesConfirmation && unit.method === CONFIRM) this.cut();
    else this.#outer.write(unit.bytes);
  }
}

export class AmqpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #mode: ProxyMode = 'pass';

  private constructor(target: number, plans: Plans) {
    this.#server = createServer((outer) => {
      const inner = connect({ host: '127.0.0.1', port: target });
      const pair = new Pair(outer, inner, plans);
      pair.isHeld = this.#mode === 'hold';
      this.#pairs.add(pair);
      for (const socket of [inner, outer]) {
        socket.setNoDelay(true);
        socket.on('error', () => pair.cut());
        socket.on('close', () => {
          this.#pairs.delete(pair);
          pair.cut();
        });
      }
    });
  }

  static async start(target: number, plans: Plans): Promise<AmqpProxy> {
    const proxy = new AmqpProxy(target, plans);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('The proxy is closed.');
    return address.port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** A connection that was held never passes again: only those made later do. */
  set mode(mode: ProxyMode) {
    this.#mode = mode;
    if (mode === 'hold') for (const pair of this.#pairs) pair.isHeld = true;
  }

  cut(): void {
    for (const pair of this.#pairs) pair.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
