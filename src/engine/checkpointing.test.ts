import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import {
  ALICE,
  BOB,
  FOREVER,
  HandClock,
  type Rig,
  codesOf,
  makeNode,
  openBooks,
  pay,
  startNode,
  transfer,
} from '../../test/support/engine-rig.ts';
import { CheckpointLog } from '../../test/support/checkpoint-rig.ts';
import { until } from '../../test/support/until.ts';
import { OperationalError, isOperationalError } from '../base/errors.ts';
import { encodeTransfers } from '../base/transfer-record.ts';
import { tickCommand, transfersCommand } from '../domain/commands.ts';
import { CREATED, REFUSAL } from '../domain/refusals.ts';
import { counts, findAccount } from '../domain/queries.ts';
import { MemoryCheckpoints } from '../drivers/memory/checkpoint-store.ts';
import { createJournal } from '../drivers/memory/driver.ts';
import { MemoryLog } from '../drivers/memory/memory-log.ts';
import type { CheckpointStore } from '../ports/checkpoint-store.ts';
import type { Journal, ReadOptions } from '../ports/journal.ts';
import type { CheckpointSettings } from './checkpointing.ts';
import { newPayloadRoom } from './entry-room.ts';

/** Everything that survives a restart, and what was told. */
class Site {
  readonly log = new MemoryLog();
  readonly contents = new MemoryCheckpoints();
  readonly told = new CheckpointLog();

  start(changes: Partial<CheckpointSettings> = {}, clock = new HandClock()): Promise<Rig> {
    return startNode(this.log, { clock, checkpoints: this.told.settings(this.contents, changes) });
  }

  /** Starts on a journal that behaves differently. */
  over(journal: Journal): Rig {
    return makeNode(journal, { checkpoints: this.told.settings(this.contents) });
  }
}

async function payOnce(rig: Rig, fields: Parameters<typeof transfer>[0] = {}): Promise<void> {
  const paid = await rig.node.submit(pay(transfer(fields)), FOREVER);
  assert.deepEqual(codesOf([paid]), [CREATED]);
}

function receivedByBob(rig: Rig): bigint {
  return findAccount(rig.node.state, BOB)?.creditsPosted ?? 0n;
}

/** Counts the entries that are read. */
function counting(inner: Journal): { readonly journal: Journal; readonly read: () => number } {
  let entries = 0;
  const journal: Journal = {
    guarantees: inner.guarantees,
    open: (options) => inner.open(options),
    append: (entry) => inner.append(entry),
    read: (options: ReadOptions) => countedRead(inner, options),
    bounds: () => inner.bounds(),
    discardThrough: (position) => inner.discardThrough(position),
    readDiscarded: (signal) => inner.readDiscarded(signal),
    close: () => inner.close(),
  };
  async function* countedRead(from: Journal, options: ReadOptions): ReturnType<Journal['read']> {
    for await (const batch of from.read(options)) {
      if (!options.follow) entries += batch.length;
      yield batch;
    }
  }
  return { journal, read: () => entries };
}

void describe('checkpoints of a node', () => {
  void it('let a start read only what stands behind the newest one', async () => {
    const site = new Site();
    {
      await using rig = await site.start();
      await openBooks(rig.node);
      for (let time = 0; time < 20; time++) await payOnce(rig);
      const taken = await rig.node.takeCheckpoint();
      assert.equal(taken.position, rig.node.status().position);
      await payOnce(rig);
      await payOnce(rig);
    }
    const { journal, read } = counting(createJournal({ log: site.log }));
    await using again = site.over(journal);
    await again.node.start();
    assert.equal(receivedByBob(again), 110n);
    // The head, what stands behind it, and the opening that is read back with what it follows.
    assert.ok(read() <= 6, `${read()} entries were read`);
    assert.deepEqual(site.told.restores.at(-1), { position: 23, entries: 2 });
    assert.deepEqual(site.told.notes, []);
    await payOnce(again);
    assert.equal(receivedByBob(again), 115n);
  });

  void it('go on being compared with the outcomes that the journal tells', async () => {
    const site = new Site();
    {
      await using rig = await site.start();
      await openBooks(rig.node);
      await payOnce(rig);
      await rig.node.takeCheckpoint();
      await payOnce(rig);
    }
    // The next entry names the outcome digest of one before it: without them this start would stop.
    await using again = await site.start();
    await payOnce(again);
    await again.node.takeCheckpoint();
    assert.deepEqual(again.halts, []);
    assert.equal(site.told.taken.length, 2);
  });

  void it('remember ids, holds and their expiry over a restart', async () => {
    const site = new Site();
    const clock = new HandClock();
    const paid = transfer();
    {
      await using rig = await site.start({}, clock);
      await openBooks(rig.node);
      await rig.node.submit(pay(paid), FOREVER);
      await payOnce(rig, { amount: 7n, flags: 2, timeoutSeconds: 60 });
      await rig.node.takeCheckpoint();
    }
    await using again = await site.start({}, clock);
    assert.deepEqual(codesOf([await again.node.submit(pay(paid), FOREVER)]), [REFUSAL.exists]);
    assert.equal(counts(again.node.state).holds, 1);
    clock.pass(61_000);
    await payOnce(again);
    assert.equal(counts(again.node.state).holds, 0);
    assert.equal(findAccount(again.node.state, ALICE)?.debitsPending, 0n);
  });

  void it('are taken when enough journal has been written', async () => {
    const site = new Site();
    await using rig = await site.start({ journalBytes: 3000 });
    await openBooks(rig.node);
    for (let time = 0; time < 30; time++) await payOnce(rig);
    await until(() => site.told.taken.length > 1, 'two checkpoints are taken by themselves');
    assert.equal(site.told.failures.length, 0);
  });

  void it('are no more often than that, whatever is written while one is taken', async () => {
    const site = new Site();
    const journalBytes = 100_000;
    await using rig = await site.start({ journalBytes });
    await openBooks(rig.node);
    const written = { bytes: 0 };
    rig.node.subscribe(({ entry }) => (written.bytes += entry.bytes.byteLength));
    const writeUntil = async (bytes: number): Promise<void> => {
      for (; written.bytes < bytes; ) await payOnce(rig);
    };
    await writeUntil(6 * journalBytes);
    const count = site.told.taken.length;
    assert.ok(count > 1 && count <= 6, `${count} checkpoints of 6 times as much journal`);
    // One by hand in between does not make the node forget what is due.
    await rig.node.takeCheckpoint();
    const later = site.told.taken.length;
    await writeUntil(written.bytes + journalBytes);
    await until(() => site.told.taken.length > later, 'the next one is due');
  });

  void it('are taken behind an entry whose memory has been given back', async () => {
    const site = new Site();
    {
      await using rig = await site.start();
      await openBooks(rig.node);
      const records = encodeTransfers([transfer(), transfer()]);
      const payload = newPayloadRoom(records.byteLength);
      payload.set(records);
      await rig.node.submit(transfersCommand(payload), FOREVER);
      assert.equal(payload.byteLength, 0, 'nobody looks at it any more');
      await rig.node.takeCheckpoint();
    }
    await using again = await site.start();
    assert.equal(receivedByBob(again), 10n);
    assert.ok((site.told.restores.at(-1)?.position ?? 0) > 0);
  });

  void it('are taken after a period, and only when something has changed', async () => {
    const site = new Site();
    const clock = new HandClock();
    await using rig = await site.start({ periodMs: 1000 }, clock);
    await openBooks(rig.node);
    clock.pass(1000);
    await until(() => site.told.taken.length === 1, 'the period has passed');
    await until(() => clock.sleepers > 0, 'it waits for the next period');
    const once = rig.node.takeCheckpoint();
    assert.equal((await once).position, site.told.taken[0]?.position);
    assert.equal(site.told.taken.length, 1);
    await payOnce(rig);
    clock.pass(1000);
    await until(() => site.told.taken.length === 2, 'something has changed');
  });

  void it('write again only what has changed', async () => {
    const site = new Site();
    await using rig = await site.start();
    await openBooks(rig.node);
    await payOnce(rig);
    const first = await rig.node.takeCheckpoint();
    assert.equal(first.chunksWritten, first.chunks);
    await rig.node.submit(pay(transfer({ debitAccountId: 77n })), FOREVER);
    const second = await rig.node.takeCheckpoint();
    // A refusal that may pass is remembered; no balance and no hold has changed.
    assert.equal(second.chunksWritten, 1);
    assert.equal(second.chunks, first.chunks);
  });

  void it('keep so many, remove the chunks of older ones, and let the journal discard', async () => {
    const site = new Site();
    await using rig = await site.start({ kept: 2 });
    await openBooks(rig.node);
    const positions: number[] = [];
    for (let time = 0; time < 4; time++) {
      await payOnce(rig);
      positions.push((await rig.node.takeCheckpoint()).position);
    }
    const { checkpoints, notes } = await rig.node.storedCheckpoints();
    const kept = positions.slice(2);
    assert.deepEqual(
      checkpoints.map(({ position }) => position),
      kept.toReversed(),
    );
    assert.deepEqual(notes, []);
    assert.equal(site.contents.manifests.size, 2);
    assert.ok(site.contents.chunks.size <= 4, 'chunks that no kept manifest names are gone');
    assert.equal(rig.node.status().journalFirst, kept[0], 'the head of the oldest one stays');
  });

  void it('are taken at a clean stop, as long as there is time', async () => {
    const site = new Site();
    const rig = await site.start();
    await openBooks(rig.node);
    await rig.node.stop(1000);
    assert.equal(site.told.taken.length, 1);
    const hasty = await site.start();
    await payOnce(hasty);
    await hasty.node.stop(0);
    assert.equal(site.told.taken.length, 1);
  });

  void it('wait until what else is derived from the journal is as far', async () => {
    const site = new Site();
    const asked: number[] = [];
    const gate = Promise.withResolvers<void>();
    const beforePublish = (position: number): Promise<void> => {
      asked.push(position);
      return gate.promise;
    };
    await using rig = await site.start({ beforePublish });
    await openBooks(rig.node);
    const taking = rig.node.takeCheckpoint();
    await until(() => asked.length === 1, 'the history is asked');
    await payOnce(rig);
    assert.equal(site.contents.manifests.size, 0);
    gate.resolve();
    const taken = await taking;
    assert.deepEqual(asked, [taken.position]);
    assert.deepEqual([...site.contents.manifests.keys()], [taken.position]);
  });
});

/** A store whose writes fail while `fails` says so. */
class FailingStore {
  fails = true;
  attempts = 0;
  readonly store: CheckpointStore;

  constructor(inner: CheckpointStore) {
    const writing = async (work: () => Promise<void>): Promise<void> => {
      this.attempts++;
      if (this.fails) throw new OperationalError('CHECKPOINT_FAILED', { detail: 'no room' });
      await work();
    };
    this.store = {
      removeLeftovers: () => inner.removeLeftovers(),
      putChunk: (digest, bytes) => writing(() => inner.putChunk(digest, bytes)),
      publish: (position, manifest) => writing(() => inner.publish(position, manifest)),
      positions: () => inner.positions(),
      readManifest: (position) => inner.readManifest(position),
      readChunk: (digest) => inner.readChunk(digest),
      keepOnly: (kept) => inner.keepOnly(kept),
    };
  }
}

void describe('checkpoints that go wrong', () => {
  void it('are not published when memory has changed by itself, and a rotten chunk heals', async () => {
    const site = new Site();
    await using rig = await site.start({ kept: 1 });
    await openBooks(rig.node);
    await payOnce(rig);
    await rig.node.takeCheckpoint();
    for (const bytes of site.contents.chunks.values()) bytes[0]! ^= 1;
    // Nothing but positions changes: every other chunk is written again when it has its turn.
    for (let round = 0; round < 16; round++) {
      await rig.node.submit(tickCommand(), FOREVER);
      await rig.node.takeCheckpoint();
    }
    for (const [digest, bytes] of site.contents.chunks) assert.equal(hash('sha256', bytes), digest);

    const { records } = rig.node.state.ledger.accounts;
    records.wordsOf(0)[0]! ^= 1;
    const failures: unknown[] = [];
    for (let round = 0; round < 16; round++) {
      await rig.node.submit(tickCommand(), FOREVER);
      await rig.node.takeCheckpoint().catch((error: unknown) => failures.push(error));
    }
    assert.match(String(failures[0]), /changed although nothing wrote to it/);
    assert.equal(receivedByBob(rig), 5n);
  });

  void it('impede no payment, are told, and are tried again later', async () => {
    const site = new Site();
    const clock = new HandClock();
    const failing = new FailingStore(site.told.settings(site.contents).store);
    await using rig = await site.start({ store: failing.store, periodMs: 1000 }, clock);
    await openBooks(rig.node);
    await assert.rejects(rig.node.takeCheckpoint(), (error) =>
      isOperationalError(error, 'CHECKPOINT_FAILED'),
    );
    assert.equal(site.told.failures.length, 1);
    await until(() => clock.sleepers > 0, 'the period is waited for');
    clock.pass(1000);
    await until(() => site.told.failures.length === 2, 'the failure is told');
    await payOnce(rig);
    assert.equal(rig.node.status().impediment, undefined);
    failing.fails = false;
    await until(() => clock.sleepers > 0, 'it waits for its next attempt');
    clock.pass(20_000);
    await until(() => site.told.taken.length === 1, 'it was tried again');
    assert.equal(site.told.taken[0]?.chunksWritten, 2, 'everything was written this time');
    await rig.node.stop(0);
    await using again = await site.start();
    assert.equal(receivedByBob(again), 5n);
  });

  void it('keep no node from stopping, though their disk hangs', async () => {
    const site = new Site();
    const clock = new HandClock();
    const hangs = Promise.withResolvers<void>();
    const inner = site.told.settings(site.contents).store;
    const store: CheckpointStore = {
      removeLeftovers: () => inner.removeLeftovers(),
      putChunk: () => hangs.promise,
      publish: (position, manifest) => inner.publish(position, manifest),
      positions: () => inner.positions(),
      readManifest: (position) => inner.readManifest(position),
      readChunk: (digest) => inner.readChunk(digest),
      keepOnly: (kept) => inner.keepOnly(kept),
    };
    const rig = await site.start({ store }, clock);
    await openBooks(rig.node);
    const taking = rig.node.takeCheckpoint().catch((error: unknown) => error);
    const stopping = rig.node.stop(500);
    let stopped = false;
    void stopping.then(() => (stopped = true));
    await until(() => {
      clock.pass(100);
      return stopped;
    }, 'the node has stopped');
    assert.equal(rig.node.status().role, 'stopped');
    assert.equal(site.contents.manifests.size, 0);
    hangs.resolve();
    assert.ok(isOperationalError(await taking, 'CHECKPOINT_FAILED'));
  });

  void it('halt a node whose journal ends before what a checkpoint proves', async () => {
    const site = new Site();
    {
      await using rig = await site.start();
      await openBooks(rig.node);
      await payOnce(rig);
      await rig.node.takeCheckpoint();
    }
    const shortened = new MemoryLog();
    for (let index = 0; index < 2; index++) shortened.write(site.log.at(index)!);
    await using again = site.over(createJournal({ log: shortened }));
    await assert.rejects(again.node.start(), (error) => {
      assert.ok(isOperationalError(error, 'JOURNAL_DIVERGED'));
      assert.match(error.detail, /ends at position 2.*went on to 4/);
      assert.match(error.wayOut, /Put back/);
      return true;
    });
    assert.equal(again.node.status().role, 'halted');
  });

  void it('halt a node whose journal is of another history', async () => {
    const [site, other] = [new Site(), new Site()];
    for (const { start } of [{ start: () => site.start() }, { start: () => other.start() }]) {
      await using rig = await start();
      await openBooks(rig.node);
      await payOnce(rig);
      await rig.node.takeCheckpoint();
      await payOnce(rig);
    }
    await using mixed = site.over(createJournal({ log: other.log }));
    await assert.rejects(mixed.node.start(), (error) => {
      assert.ok(isOperationalError(error, 'JOURNAL_DIVERGED'));
      assert.match(error.detail, /another entry than the checkpoint/);
      return true;
    });
  });

  void it('halt a node when none can be used and the journal does not reach back', async () => {
    const site = new Site();
    {
      await using rig = await site.start({ kept: 1 });
      await openBooks(rig.node);
      await payOnce(rig);
      await rig.node.takeCheckpoint();
      await payOnce(rig);
    }
    for (const bytes of site.contents.chunks.values()) bytes[0]! ^= 1;
    await assert.rejects(site.start(), (error) => {
      assert.ok(isOperationalError(error, 'JOURNAL_DIVERGED'));
      assert.match(error.detail, /must start at position 1/);
      return true;
    });
  });
});
