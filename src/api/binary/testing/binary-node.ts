// For tests of the binary door: a real server on a free port in front of an engine without queue
// and disk, whose answers can be held back and let go in any order.

import { accountsCommand, ledgersCommand } from '../../../domain/commands.ts';
import type { Command } from '../../../domain/commands.ts';
import type { SubmitResult } from '../../../engine/contract.ts';
import { FAKE_API_KEY, FakeEngine, LEDGER } from '../../testing/fake-node.ts';
import { type BinaryServer, type BinaryServerOptions, createBinaryServer } from '../server.ts';

/** Carries out at once, but keeps the answers until the test lets them go. */
export class HoldingEngine extends FakeEngine {
  isHolding = false;
  readonly held: (() => void)[] = [];

  override async submit(command: Command, signal: AbortSignal): Promise<SubmitResult> {
    const result = super.submit(command, signal);
    if (this.isHolding) await new Promise<void>((resolve) => this.held.push(resolve));
    return result;
  }
}

export type BinaryNode = {
  readonly engine: HoldingEngine;
  readonly server: BinaryServer;
  readonly url: string;
  readonly port: number;
  readonly logged: unknown[];
} & AsyncDisposable;

/** Peers of these tests do not always leave by themselves. */
const LINGER_MS = 100;

/** A node with ledger 978 (EUR) and accounts 1, 2 and 3. */
export async function createBinaryNode(
  options: Partial<BinaryServerOptions> = {},
): Promise<BinaryNode> {
  const engine = new HoldingEngine();
  const never = new AbortController().signal;
  await engine.submit(ledgersCommand([{ ledger: LEDGER, currency: 'EUR', exponent: 2 }]), never);
  await engine.submit(accountsCommand([1, 2, 3].map(accountInput)), never);
  const logged: unknown[] = [];
  const server = createBinaryServer({
    engine,
    apiKey: FAKE_API_KEY,
    logger: { error: (fields) => logged.push(fields) },
    ...options,
    bounds: { lingerMs: LINGER_MS, ...options.bounds },
  });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const port = Number(new URL(url).port);
  return { engine, server, url, port, logged, [Symbol.asyncDispose]: () => server.close() };
}

function accountInput(number: number) {
  return {
    id: number.toString(16).padStart(32, '0'),
    ledger: LEDGER,
    code: 1,
    flags: 0,
    user_data_128: '0'.repeat(32),
    user_data_64: '0',
    user_data_32: 0,
  };
}
