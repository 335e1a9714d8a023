// Payments at a steady rate through all nodes: each client prefers another node and knows all of
// them. What was asked for and what was heard is kept, to be compared with the books.

import { setTimeout as sleep } from 'node:timers/promises';
import { createBinaryClient } from '../../src/client/binary-client.ts';
import { createClient } from '../../src/client/http-client.ts';
import { newTransferId } from '../../src/client/ids.ts';
import type { NewTransfer } from '../../src/client/wire.ts';
import type { DemoNode } from './cluster.ts';

export const LEDGER = 978;
export const ACCOUNTS = 100;
const DEADLINE_MS = 10_000;
const TICK_MS = 5;
/** Beyond it the cluster is slower than the rate that was asked for. */
const WAITING_MAX = 50_000;

export type Door = 'http' | 'binary';

export type Asked = {
  readonly id: bigint;
  readonly debit: bigint;
  readonly credit: bigint;
  readonly amount: bigint;
};

type Payer = AsyncDisposable & { readonly pay: (transfer: NewTransfer) => Promise<unknown> };

export class Payments {
  /** By id, as long as nothing was heard. */
  readonly waiting = new Map<bigint, Asked>();
  readonly acknowledged = new Map<bigint, Asked>();
  readonly unknown = new Map<bigint, Asked>();
  /** Of `performance.now()`, rising. */
  readonly answeredMs: number[] = [];
  readonly errors = new Map<string, number>();
  readonly #payers: readonly Payer[];
  readonly #ratePerSecond: number;
  #isStopped = false;
  #running: Promise<void> | undefined;

  constructor(payers: readonly Payer[], ratePerSecond: number) {
    this.#payers = payers;
    this.#ratePerSecond = ratePerSecond;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** No more; resolves when all have heard, within their deadline. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    const untilMs = performance.now() + DEADLINE_MS * 2;
    while (this.waiting.size > 0 && performance.now() < untilMs) await sleep(TICK_MS);
    for (const [id, asked] of this.waiting) this.unknown.set(id, asked);
    this.waiting.clear();
  }

  async close(): Promise<void> {
    await Promise.all(this.#payers.map((payer) => payer[Symbol.asyncDispose]()));
  }

  async #run(): Promise<void> {
    const startMs = performance.now();
    let asked = 0;
    while (!this.#isStopped) {
      const due = Math.floor(((performance.now() - startMs) / 1000) * this.#ratePerSecond);
      if (this.waiting.size >= WAITING_MAX) asked = due;
      for (; asked < due; asked++) this.#pay(this.#payers[asked % this.#payers.length]!);
      await sleep(TICK_MS);
    }
  }

  #pay(payer: Payer): void {
    const debit = 1 + Math.floor(Math.random() * ACCOUNTS);
    const credit = 1 + ((debit + Math.floor(Math.random() * (ACCOUNTS - 1))) % ACCOUNTS);
    const asked: Asked = {
      id: newTransferId(),
      debit: BigInt(debit),
      credit: BigInt(credit),
      amount: BigInt(1 + Math.floor(Math.random() * 10_000)),
    };
    this.waiting.set(asked.id, asked);
    payer
      .pay({
        id: asked.id,
        ledger: LEDGER,
        code: 1,
        debitAccountId: asked.debit,
        creditAccountId: asked.credit,
        amount: asked.amount,
      })
      .then(
        () => this.#acknowledged(asked),
        (error: unknown) => this.#failed(asked, error),
      );
  }

  #acknowledged(asked: Asked): void {
    this.answeredMs.push(performance.now());
    this.waiting.delete(asked.id);
    this.acknowledged.set(asked.id, asked);
  }

  #failed(asked: Asked, error: unknown): void {
    this.waiting.delete(asked.id);
    this.unknown.set(asked.id, asked);
    if (error instanceof Error && error.name === 'OutcomeUnknown') return;
    const text = String(error);
    this.errors.set(text, (this.errors.get(text) ?? 0) + 1);
  }
}

/** A client for each node: that one first, the others when it fails. */
export function payersOf(nodes: readonly DemoNode[], key: string, door: Door): Payer[] {
  return nodes.map((_, index) => {
    const order = [...nodes.slice(index), ...nodes.slice(0, index)];
    if (door === 'http') {
      const url = order.map((node) => node.url);
      const client = createClient({ url, key, deadlineMs: DEADLINE_MS, connectionsMax: 64 });
      return disposable(client, (transfer) => client.transfers.create(transfer));
    }
    const url = order.map((node) => node.binary_url);
    const client = createBinaryClient({ url, key, deadlineMs: DEADLINE_MS, gatherTransfersMax: 1 });
    return disposable(client, (transfer) => client.transfers.create(transfer));
  });
}

function disposable(client: AsyncDisposable, pay: Payer['pay']): Payer {
  return { pay, [Symbol.asyncDispose]: async () => await client[Symbol.asyncDispose]() };
}
