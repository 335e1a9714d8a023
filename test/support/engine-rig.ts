// A node over any journal, on a clock that is turned by hand: for tests of the engine. Nothing here
// knows HTTP, files or processes.

import assert from 'node:assert/strict';
import { type OperationalError, isOperationalError } from '../../src/base/errors.ts';
import { transferIdFrom } from '../../src/base/ids.ts';
import {
  TRANSFER_DEFAULTS,
  type Transfer,
  encodeTransfers,
} from '../../src/base/transfer-record.ts';
import {
  type Command,
  accountsCommand,
  ledgersCommand,
  transfersCommand,
} from '../../src/domain/commands.ts';
import { CREATED } from '../../src/domain/refusals.ts';
import { createJournal } from '../../src/drivers/memory/driver.ts';
import type { MemoryLog } from '../../src/drivers/memory/memory-log.ts';
import type { CheckpointSettings } from '../../src/engine/checkpointing.ts';
import type { SubmitResult } from '../../src/engine/contract.ts';
import { HoldfastNode } from '../../src/engine/node.ts';
import type { NodeHistory } from '../../src/history/contract.ts';
import type { NodeViews } from '../../src/views/contract.ts';
import type { EngineObserver } from '../../src/engine/observer.ts';
import type { Clock } from '../../src/ports/clock.ts';
import type { Journal } from '../../src/ports/journal.ts';

export const CLUSTER_ID = new Uint8Array(16).fill(0xc1);
export const START_MS = 1_800_000_000_000;
export const FOREVER = new AbortController().signal;
export const ALICE = 1n;
export const BOB = 2n;
export const DAY_MS = 24 * 3600 * 1000;

/** A clock that is turned by hand. A sleep ends when its time has passed, or at its signal. */
export class HandClock implements Clock {
  wallMs = START_MS;
  steadyMs = 0;
  /** How often somebody asked for the time of day. */
  looks = 0;
  readonly #sleepers = new Set<{ readonly untilMs: number; readonly wake: () => void }>();

  pass(ms: number): void {
    this.wallMs += ms;
    this.steadyMs += ms;
    for (const { untilMs, wake } of this.#sleepers) if (untilMs <= this.steadyMs) wake();
  }

  get sleepers(): number {
    return this.#sleepers.size;
  }

  nowNs(): bigint {
    this.looks++;
    return BigInt(this.wallMs) * 1_000_000n;
  }

  monotonicMs(): number {
    return this.steadyMs;
  }

  sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (ms <= 0 || signal.aborted) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const sleeper = { untilMs: this.steadyMs + ms, wake: () => wake() };
    const wake = (): void => {
      this.#sleepers.delete(sleeper);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    this.#sleepers.add(sleeper);
    signal.addEventListener('abort', wake, { once: true });
    return promise;
  }
}

export const SILENT: EngineObserver = {
  roleChanged: () => {},
  tookOver: () => {},
  appended: () => {},
  applied: () => {},
  impeded: () => {},
  journalAway: () => {},
  replayed: () => {},
};

export type Rig = AsyncDisposable & {
  readonly node: HoldfastNode;
  readonly clock: HandClock;
  readonly halts: unknown[];
};

export type RigOptions = {
  readonly commandsMax?: number;
  readonly clock?: HandClock;
  readonly clusterId?: Uint8Array;
  readonly checkpoints?: CheckpointSettings;
  readonly history?: NodeHistory;
  readonly views?: NodeViews;
};

let nonces = 0;

/** A node that has not been started. */
export function makeNode(journal: Journal, options: RigOptions = {}): Rig {
  const clock = options.clock ?? new HandClock();
  const halts: unknown[] = [];
  const node = new HoldfastNode({
    journal,
    clusterId: options.clusterId ?? CLUSTER_ID,
    timeline: 1,
    clock,
    entropy: { bytes: (count) => new Uint8Array(count).fill(++nonces) },
    observer: SILENT,
    ...(options.history !== undefined && { history: options.history }),
    ...(options.views !== undefined && { views: options.views }),
    intakeBounds: { commandsMax: options.commandsMax ?? 1000, bytesMax: 64 * 1024 * 1024 },
    groupCommitMs: 1,
    release: 'test',
    ...(options.checkpoints === undefined ? {} : { checkpoints: options.checkpoints }),
    onHalted: (error) => halts.push(error),
  });
  return { node, clock, halts, [Symbol.asyncDispose]: () => node.stop(0) };
}

export async function startNode(log: MemoryLog, options: RigOptions = {}): Promise<Rig> {
  const rig = makeNode(createJournal({ log }), options);
  await rig.node.start();
  return rig;
}

export async function openBooks(node: HoldfastNode): Promise<void> {
  await node.submit(ledgersCommand([{ ledger: 978, currency: 'EUR', exponent: 2 }]), FOREVER);
  const account = (id: bigint) => ({
    id: id.toString(16).padStart(32, '0'),
    ledger: 978,
    code: 1,
    flags: 0,
    user_data_128: '0'.repeat(32),
    user_data_64: '0',
    user_data_32: 0,
  });
  const { outcome } = await node.submit(accountsCommand([account(ALICE), account(BOB)]), FOREVER);
  assert.deepEqual([...outcome.codes], [CREATED, CREATED]);
}

let sequence = 0n;

/** 5 units from Alice to Bob; `madeAtMs` is the time in its id. */
export function transfer(fields: Partial<Transfer> = {}, madeAtMs: number = START_MS): Transfer {
  sequence++;
  return {
    ...TRANSFER_DEFAULTS,
    id: transferIdFrom(madeAtMs, sequence),
    debitAccountId: ALICE,
    creditAccountId: BOB,
    amount: 5n,
    ledger: 978,
    code: 1,
    ...fields,
  };
}

export function pay(...transfers: Transfer[]): Command {
  return transfersCommand(encodeTransfers(transfers));
}

export function codesOf(results: readonly SubmitResult[]): number[] {
  return results.flatMap((result) => [...result.outcome.codes]);
}

export async function refusalOf(submitted: Promise<SubmitResult>): Promise<OperationalError> {
  const error: unknown = await submitted.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(isOperationalError(error), `expected an operational error, got ${String(error)}`);
  return error;
}

/** A journal that behaves as `inner` does, except where `changes` says otherwise. */
export function changedJournal(inner: Journal, changes: Partial<Journal>): Journal {
  return {
    guarantees: inner.guarantees,
    open: (options) => inner.open(options),
    append: (entry) => inner.append(entry),
    read: (options) => inner.read(options),
    bounds: () => inner.bounds(),
    discardThrough: (position) => inner.discardThrough(position),
    readDiscarded: (signal) => inner.readDiscarded(signal),
    close: () => inner.close(),
    ...changes,
  };
}
