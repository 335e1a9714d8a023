import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type OperationalError, isOperationalError } from '../base/errors.ts';
import { transferIdFrom } from '../base/ids.ts';
import {
  TRANSFER_DEFAULTS,
  type Transfer,
  TransferFlag,
  encodeTransfers,
} from '../base/transfer-record.ts';
import {
  type Command,
  accountsCommand,
  ledgersCommand,
  transfersCommand,
} from '../domain/commands.ts';
import { findAccount, findTransfer } from '../domain/queries.ts';
import { CREATED, REFUSAL } from '../domain/refusals.ts';
import { createJournal } from '../drivers/memory/driver.ts';
import { MemoryLog } from '../drivers/memory/memory-log.ts';
import type { Clock } from '../ports/clock.ts';
import type { Journal } from '../ports/journal.ts';
import type { SubmitResult } from './contract.ts';
import { HoldfastNode } from './node.ts';
import type { EngineObserver } from './observer.ts';

const CLUSTER_ID = new Uint8Array(16).fill(0xc1);
const START_MS = 1_800_000_000_000;
const FOREVER = new AbortController().signal;
const ALICE = 1n;
const BOB = 2n;

/** A clock that tests turn by hand; sleeping is real, so that nothing waits for a turn. */
class HandClock implements Clock {
  wallMs = START_MS;
  steadyMs = 0;

  pass(ms: number): void {
    this.wallMs += ms;
    this.steadyMs += ms;
  }

  nowNs(): bigint {
    return BigInt(this.wallMs) * 1_000_000n;
  }

  monotonicMs(): number {
    return this.steadyMs;
  }

  async sleep(_ms: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => resolve(), { once: true });
    await promise;
  }
}

const SILENT: EngineObserver = {
  roleChanged: () => {},
  appended: () => {},
  applied: () => {},
  impeded: () => {},
  replayed: () => {},
};

type Rig = AsyncDisposable & {
  readonly node: HoldfastNode;
  readonly clock: HandClock;
  readonly halts: unknown[];
};

async function startNode(log: MemoryLog, commandsMax = 1000): Promise<Rig> {
  const clock = new HandClock();
  const halts: unknown[] = [];
  let seed = 0;
  const node = new HoldfastNode({
    journal: createJournal({ log }),
    clusterId: CLUSTER_ID,
    timeline: 1,
    clock,
    entropy: { bytes: (count) => new Uint8Array(count).fill(++seed) },
    observer: SILENT,
    intakeBounds: { commandsMax, bytesMax: 64 * 1024 * 1024 },
    groupCommitMs: 1,
    release: 'test',
    onHalted: (error) => halts.push(error),
  });
  await node.start();
  return { node, clock, halts, [Symbol.asyncDispose]: () => node.stop(0) };
}

async function openBooks(node: HoldfastNode): Promise<void> {
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

function transfer(fields: Partial<Transfer> = {}): Transfer {
  sequence++;
  return {
    ...TRANSFER_DEFAULTS,
    id: transferIdFrom(START_MS, sequence),
    debitAccountId: ALICE,
    creditAccountId: BOB,
    amount: 5n,
    ledger: 978,
    code: 1,
    ...fields,
  };
}

function pay(...transfers: Transfer[]): Command {
  return transfersCommand(encodeTransfers(transfers));
}

function codesOf(results: readonly SubmitResult[]): number[] {
  return results.flatMap((result) => [...result.outcome.codes]);
}

async function refusalOf(submitted: Promise<SubmitResult>): Promise<OperationalError> {
  const error: unknown = await submitted.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(isOperationalError(error), `expected an operational error, got ${String(error)}`);
  return error;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + 10_000;
  while (!condition()) {
    assert.ok(performance.now() < deadlineMs, `waited in vain for: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('what was acknowledged is there after a restart, under a higher epoch', async () => {
  const log = new MemoryLog();
  const payment = transfer();
  {
    await using first = await startNode(log);
    assert.equal(first.node.status().role, 'leading');
    assert.equal(first.node.status().epoch, 1);
    await openBooks(first.node);
    assert.deepEqual(codesOf([await first.node.submit(pay(payment), FOREVER)]), [CREATED]);
  }
  await using second = await startNode(log);
  assert.equal(second.node.status().epoch, 2);
  assert.equal(findAccount(second.node.state, BOB)?.creditsPosted, 5n);
  assert.deepEqual(codesOf([await second.node.submit(pay(payment), FOREVER)]), [REFUSAL.exists]);
  assert.equal(findAccount(second.node.state, BOB)?.creditsPosted, 5n);
});

test('commands that wait while the journal is busy share one entry', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  const before = rig.node.status().position;
  const submitted = Array.from({ length: 200 }, () => rig.node.submit(pay(transfer()), FOREVER));
  const results = await Promise.all(submitted);
  assert.deepEqual(new Set(codesOf(results)), new Set([CREATED]));
  assert.ok(rig.node.status().position - before <= 3, 'far fewer entries than commands');
  assert.equal(findAccount(rig.node.state, BOB)?.creditsPosted, 1000n);
});

test('beyond its bounds the queue refuses at once, and what it took is answered', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log, 4);
  await openBooks(rig.node);
  log.holdAnswers();
  const first = rig.node.submit(pay(transfer()), FOREVER);
  await until(() => rig.node.status().queuedCommands === 0, 'the first to be numbered');
  const submitted = Array.from({ length: 20 }, () => rig.node.submit(pay(transfer()), FOREVER));
  const settled = Promise.allSettled(submitted);
  log.releaseAnswers();
  const results = await settled;
  const refused = results.filter((result) => result.status === 'rejected');
  assert.ok(refused.length >= 1);
  for (const { reason } of refused) assert.ok(isOperationalError(reason, 'OVERLOADED'));
  await first;
  const done = BigInt(1 + 20 - refused.length);
  assert.equal(findAccount(rig.node.state, BOB)?.creditsPosted, 5n * done);
});

test('a full journal refuses payments as not executed, reads go on, and it resumes by itself', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  log.planNext({ kind: 'full' }, { kind: 'full' });
  const payment = transfer();
  assert.equal((await refusalOf(rig.node.submit(pay(payment), FOREVER))).code, 'JOURNAL_FULL');
  assert.equal(rig.node.status().impediment, 'JOURNAL_FULL');
  assert.equal(findAccount(rig.node.state, BOB)?.creditsPosted, 0n);
  assert.equal(findTransfer(rig.node.state, payment.id), undefined);
  await until(() => rig.node.status().impediment === undefined, 'the impediment to go');
  assert.deepEqual(codesOf([await rig.node.submit(pay(payment), FOREVER)]), [CREATED]);
  assert.equal(rig.halts.length, 0);
});

for (const written of ['now', 'never'] as const) {
  test(`a lost answer is "unknown", and the retry finds the truth (written: ${written})`, async () => {
    const log = new MemoryLog();
    const payment = transfer();
    {
      await using rig = await startNode(log);
      await openBooks(rig.node);
      log.planNext({ kind: 'unknown', written });
      const error = await refusalOf(rig.node.submit(pay(payment), FOREVER));
      assert.equal(error.code, 'OUTCOME_UNKNOWN');
      assert.equal(rig.node.status().role, 'halted');
      assert.equal(rig.halts.length, 1);
      const later = await refusalOf(rig.node.submit(pay(transfer()), FOREVER));
      assert.equal(later.code, 'NOT_READY');
    }
    await using next = await startNode(log);
    const [code] = codesOf([await next.node.submit(pay(payment), FOREVER)]);
    assert.equal(code, written === 'now' ? REFUSAL.exists : CREATED);
    assert.equal(findAccount(next.node.state, BOB)?.creditsPosted, 5n);
  });
}

test('a deposed leader acknowledges nothing, although its engine takes the bytes', async () => {
  const log = new MemoryLog();
  await using old = await startNode(log);
  await openBooks(old.node);
  await using successor = await startNode(log);
  assert.equal(successor.node.status().epoch, 2);
  const late = transfer();
  const error = await refusalOf(old.node.submit(pay(late), FOREVER));
  assert.equal(old.node.status().role, 'halted');
  assert.ok(['OUTCOME_UNKNOWN', 'NOT_READY'].includes(error.code), error.code);
  const mine = transfer();
  assert.deepEqual(codesOf([await successor.node.submit(pay(mine), FOREVER)]), [CREATED]);
  assert.equal(findTransfer(successor.node.state, late.id), undefined);
  await using third = await startNode(log);
  assert.equal(findAccount(third.node.state, BOB)?.creditsPosted, 5n);
});

test('a caller who leaves before his command is numbered hears that nothing happens', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  log.holdAnswers();
  const first = rig.node.submit(pay(transfer()), FOREVER);
  await until(() => rig.node.status().queuedCommands === 0, 'the first to be numbered');
  const leaving = new AbortController();
  const payment = transfer();
  const second = rig.node.submit(pay(payment), leaving.signal);
  leaving.abort();
  assert.equal((await refusalOf(second)).code, 'OVERLOADED');
  log.releaseAnswers();
  await first;
  await rig.node.submit(pay(transfer()), FOREVER);
  assert.equal(findTransfer(rig.node.state, payment.id), undefined);
});

test('a caller who leaves after it hears "unknown", and it may have happened', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  log.holdAnswers();
  const leaving = new AbortController();
  const payment = transfer();
  const submitted = rig.node.submit(pay(payment), leaving.signal);
  await until(() => rig.node.status().queuedCommands === 0, 'the command to be numbered');
  leaving.abort();
  assert.equal((await refusalOf(submitted)).code, 'OUTCOME_UNKNOWN');
  log.releaseAnswers();
  await until(
    () => findTransfer(rig.node.state, payment.id)?.state === 'accepted',
    'the command to happen',
  );
});

test('stopping answers what was admitted and refuses what comes later', async () => {
  const log = new MemoryLog();
  const rig = await startNode(log);
  await openBooks(rig.node);
  const submitted = Array.from({ length: 50 }, () => rig.node.submit(pay(transfer()), FOREVER));
  const stopping = rig.node.stop(10_000);
  const late = await refusalOf(rig.node.submit(pay(transfer()), FOREVER));
  assert.equal(late.code, 'SHUTTING_DOWN');
  assert.deepEqual(new Set(codesOf(await Promise.all(submitted))), new Set([CREATED]));
  await stopping;
  assert.equal(rig.node.status().role, 'stopped');
});

test('nothing is numbered while the clock has jumped, and it goes on when it is right', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  rig.clock.wallMs += 8 * 24 * 3600 * 1000;
  const payment = transfer();
  assert.equal((await refusalOf(rig.node.submit(pay(payment), FOREVER))).code, 'CLOCK_JUMPED');
  assert.equal(rig.node.status().impediment, 'CLOCK_JUMPED');
  rig.clock.wallMs -= 8 * 24 * 3600 * 1000;
  await until(() => rig.node.status().impediment === undefined, 'the impediment to go');
  assert.deepEqual(codesOf([await rig.node.submit(pay(payment), FOREVER)]), [CREATED]);
});

test('time rises although the clock steps back a little', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  const before = await rig.node.submit(pay(transfer(), transfer()), FOREVER);
  rig.clock.wallMs -= 500;
  const after = await rig.node.submit(pay(transfer()), FOREVER);
  assert.ok(after.outcome.timeNs >= before.outcome.timeNs + 2n);
});

test('an expired hold is released without anybody asking', async () => {
  const log = new MemoryLog();
  await using rig = await startNode(log);
  await openBooks(rig.node);
  const hold = transfer({ flags: TransferFlag.pending, timeoutSeconds: 60 });
  await rig.node.submit(pay(hold), FOREVER);
  assert.equal(findAccount(rig.node.state, BOB)?.creditsPending, 5n);
  rig.clock.pass(60_001);
  await until(() => findAccount(rig.node.state, BOB)?.creditsPending === 0n, 'the release');
  assert.equal(findTransfer(rig.node.state, hold.id)?.hold, 'expired');
});

test("a journal of another cluster is not taken for one's own", async () => {
  const log = new MemoryLog();
  {
    await using rig = await startNode(log);
    await openBooks(rig.node);
  }
  const stranger = new HoldfastNode({
    journal: createJournal({ log }),
    clusterId: new Uint8Array(16).fill(0xee),
    timeline: 1,
    clock: new HandClock(),
    entropy: { bytes: (count) => new Uint8Array(count).fill(9) },
    observer: SILENT,
    intakeBounds: { commandsMax: 10, bytesMax: 1_000_000 },
    groupCommitMs: 1,
    release: 'test',
    onHalted: () => {},
  });
  await assert.rejects(stranger.start(), (error) => isOperationalError(error, 'JOURNAL_DIVERGED'));
  assert.equal(stranger.status().role, 'halted');
  await stranger.stop(0);
});

test('a node that is told to stop while it recovers stops, and neither leads nor halts', async () => {
  const log = new MemoryLog();
  {
    await using rig = await startNode(log);
    await openBooks(rig.node);
  }
  const journal = createJournal({ log });
  const reading = Promise.withResolvers<void>();
  const slow: Journal = {
    guarantees: journal.guarantees,
    open: (options) => journal.open(options),
    append: (entry) => journal.append(entry),
    bounds: () => journal.bounds(),
    discardThrough: (position) => journal.discardThrough(position),
    close: () => journal.close(),
    // One entry, then nothing until it is told to stop: it ends as at the end of the journal.
    async *read({ from, signal }) {
      for await (const batch of journal.read({ from, follow: false, signal })) {
        yield batch.slice(0, 1);
        break;
      }
      reading.resolve();
      if (signal.aborted) return;
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    },
  };
  const halts: unknown[] = [];
  const node = new HoldfastNode({
    journal: slow,
    clusterId: CLUSTER_ID,
    timeline: 1,
    clock: new HandClock(),
    entropy: { bytes: (count) => new Uint8Array(count).fill(9) },
    observer: SILENT,
    intakeBounds: { commandsMax: 10, bytesMax: 1_000_000 },
    groupCommitMs: 1,
    release: 'test',
    onHalted: (error) => halts.push(error),
  });
  const started = node.start();
  const refused = assert.rejects(started);
  await reading.promise;
  const { last } = journal.bounds();
  await node.stop(0);
  await refused;
  assert.equal(node.status().role, 'stopped');
  assert.deepEqual(halts, []);
  assert.equal(log.bounds().last, last);
});
