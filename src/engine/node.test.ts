import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sealEntry } from '../base/entry.ts';
import { isOperationalError } from '../base/errors.ts';
import { ENTRY_HEADER_BYTES } from '../base/limits.ts';
import { TransferFlag } from '../base/transfer-record.ts';
import { commandBytes, writeCommand } from '../domain/commands.ts';
import { findAccount, findTransfer } from '../domain/queries.ts';
import { CREATED, REFUSAL } from '../domain/refusals.ts';
import { createJournal } from '../drivers/memory/driver.ts';
import { MemoryLog } from '../drivers/memory/memory-log.ts';
import { sha256 } from '../recovery/replica.ts';
import {
  BOB,
  DAY_MS,
  FOREVER,
  changedJournal,
  codesOf,
  makeNode,
  openBooks,
  pay,
  refusalOf,
  startNode,
  transfer,
} from '../../test/support/engine-rig.ts';
import { until } from '../../test/support/until.ts';

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
  await using rig = await startNode(log, { commandsMax: 4 });
  await openBooks(rig.node);
  log.holdAnswers();
  const first = rig.node.submit(pay(transfer()), FOREVER);
  await until(() => rig.node.status().queuedCommands === 0, 'the first to be numbered');
  const submitted = Array.from({ length: 20 }, () => rig.node.submit(pay(transfer()), FOREVER));
  const settled = Promise.allSettled(submitted);
  log.releaseAnswers();
  const results = await settled;
  const refused = results.filter((result) => result.status === 'rejected');
  assert.ok(refused.length >= 16, `only ${refused.length} of 20 were refused with room for 4`);
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
  rig.clock.wallMs += 8 * DAY_MS;
  const payment = transfer();
  assert.equal((await refusalOf(rig.node.submit(pay(payment), FOREVER))).code, 'CLOCK_JUMPED');
  assert.equal(rig.node.status().impediment, 'CLOCK_JUMPED');
  rig.clock.wallMs -= 8 * DAY_MS;
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
  const clusterId = new Uint8Array(16).fill(0xee);
  const { node: stranger } = makeNode(createJournal({ log }), { clusterId });
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
  const slow = changedJournal(journal, {
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
  });
  const { node, halts } = makeNode(slow);
  const started = node.start();
  const refused = assert.rejects(started);
  await reading.promise;
  const { end } = log;
  await node.stop(0);
  await refused;
  assert.equal(node.status().role, 'stopped');
  assert.deepEqual(halts, []);
  assert.equal(log.end, end, 'nothing was written over half a history');
});

test('a node that is told to stop at any moment of its start stops, and loses nothing', async () => {
  const log = new MemoryLog();
  {
    await using rig = await startNode(log);
    await openBooks(rig.node);
    for (let count = 0; count < 20; count++) await rig.node.submit(pay(transfer()), FOREVER);
  }
  for (let turns = 0; turns < 40; turns++) {
    const { node, halts } = makeNode(createJournal({ log }));
    const starting = node.start().catch(() => undefined);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    await node.stop(0);
    const { end } = log;
    await starting;
    assert.equal(node.status().role, 'stopped', `told after ${turns} turns`);
    assert.equal(log.end, end, 'nothing is written after it has stopped');
    assert.deepEqual(halts, []);
  }
  await using rig = await startNode(log);
  assert.equal(findAccount(rig.node.state, BOB)?.creditsPosted, 100n);
});

test('a stop does not wait longer for a stuck journal than it was told to', async () => {
  const log = new MemoryLog();
  const { node, clock } = await startNode(log);
  await openBooks(node);
  log.holdAnswers();
  const submitted = refusalOf(node.submit(pay(transfer()), FOREVER));
  await until(() => node.status().queuedCommands === 0, 'the command to be numbered');
  const stopping = node.stop(10_000);
  await until(() => clock.sleepers === 1, 'the drain to be limited');
  assert.equal(node.status().role, 'draining');
  clock.pass(10_000);
  assert.equal((await submitted).code, 'OUTCOME_UNKNOWN');
  log.releaseAnswers();
  await stopping;
  assert.equal(node.status().role, 'stopped');
});

test('an entry of a kind that this release does not know is not passed over', async () => {
  const log = new MemoryLog();
  {
    await using rig = await startNode(log);
    await openBooks(rig.node);
  }
  const last = log.at(log.end - 1);
  assert.ok(last !== undefined);
  const command = pay(transfer({ amount: 777n }));
  const bodyBytes = commandBytes(command);
  const bytes = new Uint8Array(ENTRY_HEADER_BYTES + bodyBytes);
  writeCommand(bytes, ENTRY_HEADER_BYTES, command);
  const header = { ...last, commandCount: 1, eventCount: 1, bodyBytes, outcomePosition: 0 };
  const position = last.position + 1;
  const timeNs = last.timeNs + 1000n;
  const place = { position, durable: last.position, timeNs, previousDigest: last.digest };
  log.write(sealEntry({ ...header, ...place, kind: 9 }, bytes, sha256));
  const { node } = makeNode(createJournal({ log }));
  await assert.rejects(node.start(), (error) => isOperationalError(error, 'JOURNAL_DIVERGED'));
  assert.match(node.status().reason, /position 4 is of kind 9/);
  await node.stop(0);
});
