// What the file journal does while something else is under way: work in the background, a discard,
// a close, a sync. Calls of the simulated disk are held at the place in question.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Entry } from '../../../src/base/entry.ts';
import { Prng } from '../../../src/base/prng.ts';
import { createJournal } from '../../../src/drivers/file/driver.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { chainAfter, entryAfter, openingAfter, randomBody } from './entries.ts';
import { DIRECTORY, journalOn } from './simulated-journal.ts';
import { type HeldCall, SimulatedFileSystem } from './simulated-file-system.ts';
import { collect, hasCode } from './support.ts';

const WRITE = { mode: 'write', signal: new AbortController().signal } as const;
const MIB = 1024 * 1024;
/** A wrong driver may wait for ever for a call that is held. */
const BOUNDED = { timeout: 30_000 };

void describe('a segment that grows in the background', BOUNDED, () => {
  void it('is trimmed to its entries only when it has grown, also when it was left meanwhile', async () => {
    const { disk, journal, last, extension } = await growingJournal('write');
    const next = openingAfter(last, 'b', { durable: last.position });
    await journal.append(next);
    extension.release();
    await journal.append(entryAfter(next, { durable: next.position }));
    await journal.close();
    const [sealed] = disk.paths();
    assert.ok(sealed !== undefined);
    // Now, since the next opening would trim it too.
    const { byteLength } = disk.bytesOf(sealed);
    const storedBytes = (await entriesOn(disk))
      .filter(({ epoch }) => epoch === 1)
      .reduce((sum, { bytes }) => sum + bytes.byteLength + 8, 0);
    assert.equal(byteLength, storedBytes);
  });

  void it('does not take the error of a failed write-back with it: the append hears it too', async () => {
    const { disk, journal, last, extension } = await growingJournal('datasync');
    const own = disk.holdNext('datasync');
    const appending = journal.append(entryAfter(last, { durable: last.position }));
    const refused = assert.rejects(appending, hasCode('JOURNAL_FAILED'));
    await own.reached;
    disk.failWriteBack(disk.paths()[0] ?? '');
    // The extension's sync is done first, and its thread sleeps before it can tell.
    extension.act();
    own.release();
    await refused;
    extension.release();
    await journal.close();
  });

  for (const operation of ['write', 'datasync'] as const) {
    void it(`ends the driver when its ${operation} fails, and nothing under way is acknowledged`, async () => {
      const { disk, journal, last, extension } = await growingJournal(operation);
      const own = disk.holdNext('datasync');
      const appending = journal.append(entryAfter(last, { durable: last.position }));
      const refused = assert.rejects(appending, hasCode('JOURNAL_FAILED'));
      await own.reached;
      disk.failNext({ operation, code: 'EIO' });
      extension.release();
      await turns();
      own.release();
      await refused;
      await turns();
      assert.equal(journal.bounds().last, last.position);
      await journal.close();
    });
  }
});

void describe('an append under way', BOUNDED, () => {
  void it('is not read by anybody before it is durable', async () => {
    const { disk, journal, opening } = await smallOpenJournal();
    const sync = disk.holdNext('datasync');
    const appending = journal.append(entryAfter(opening));
    await sync.reached;
    assert.equal((await collect(journal)).length, 1);
    assert.equal(journal.bounds().last, 1);
    sync.release();
    await appending;
    assert.equal((await collect(journal)).length, 2);
    await journal.close();
  });

  void it('is waited for by close, and the lock with it', async () => {
    const { disk, journal, opening } = await smallOpenJournal();
    const sync = disk.holdNext('datasync');
    const order: string[] = [];
    const appending = journal.append(entryAfter(opening)).then(() => order.push('appended'));
    await sync.reached;
    const closing = journal.close().then(() => order.push('closed'));
    await turns();
    assert.deepEqual(order, []);
    await assert.rejects(journalOn(disk).open(WRITE), hasCode('JOURNAL_LOCKED'));
    sync.release();
    await Promise.all([appending, closing]);
    assert.deepEqual(order, ['appended', 'closed']);
    const successor = journalOn(disk);
    assert.equal((await successor.open(WRITE)).bounds.last, 2);
    await successor.close();
  });

  void it('stays in the segment of its own epoch when the next one is opened behind it', async () => {
    const { disk, journal, opening } = await smallOpenJournal();
    const last = entryAfter(opening, { durable: 1 });
    const next = openingAfter(last, 'b', { durable: 1 });
    const offsets = await Promise.all([last, next, entryAfter(next)].map((e) => journal.append(e)));
    assert.equal(new Set(offsets.map((offset) => offset.split(':')[0])).size, 2);
    await journal.close();
    assert.equal((await entriesOn(disk)).length, 4);
  });

  void it('wakes a reader that had just seen that there is nothing more', async () => {
    const { disk, journal, opening } = await smallOpenJournal();
    const stop = new AbortController();
    const positions: number[] = [];
    const lastLook = Promise.withResolvers<HeldCall>();
    const reading = (async () => {
      const batches = journal.read({ from: null, follow: true, signal: stop.signal });
      for await (const batch of batches) {
        positions.push(...batch.map(({ entry }) => entry.position));
        if (positions.length === 1) lastLook.resolve(disk.holdNext('read'));
        if (positions.length === 2) stop.abort();
      }
    })();
    const look = await lastLook.promise;
    await look.reached;
    look.act();
    await journal.append(entryAfter(opening));
    look.release();
    // No other append follows that would wake it.
    await turns();
    assert.deepEqual(positions, [1, 2]);
    await reading;
    await journal.close();
  });
});

void describe('discarding the oldest segments', BOUNDED, () => {
  void it('leaves no gap when a move fails and is asked for again', async () => {
    const { disk, journal } = await longJournal(0);
    disk.failNext({ operation: 'rename', code: 'EACCES' });
    await assert.rejects(journal.discardThrough(20));
    await journal.discardThrough(20);
    const { first } = journal.bounds();
    assert.ok(first > 1 && first <= 21);
    await journal.close();
    const entries = await entriesOn(disk);
    assert.deepEqual([entries[0]?.position, entries.at(-1)?.position], [first, 41]);
  });

  void it('leaves no gap when calls overlap and the machine goes off', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const prng = new Prng(seed);
      const { disk, journal } = await longJournal(seed);
      const off = disk.crashAfter(1 + prng.below(12));
      const discarding = [12, 24, 18].map((position) => journal.discardThrough(position));
      await Promise.race([off, Promise.all(discarding)]);
      const entries = await entriesOn(disk.restart(prng));
      assert.ok((entries[0]?.position ?? 99) <= 25, `seed ${seed}`);
      assert.equal(entries.at(-1)?.position, 41);
    }
  });

  void it('makes each move durable before the next', async () => {
    const { disk, journal } = await longJournal(0);
    const before = disk.paths();
    const sync = disk.holdNext('syncDirectory');
    const discarding = journal.discardThrough(24);
    await sync.reached;
    assert.deepEqual(keptOn(disk), before.slice(1));
    sync.release();
    await discarding;
    assert.ok(keptOn(disk).length < before.length - 1);
    assert.equal(disk.paths().length, before.length, 'nothing is deleted');
    await journal.close();
  });
});

function keptOn(disk: SimulatedFileSystem): string[] {
  return disk.paths().filter((path) => !path.includes('/discarded/'));
}

/** One entry, open for writing. */
async function smallOpenJournal(): Promise<{
  readonly disk: SimulatedFileSystem;
  readonly journal: Journal;
  readonly opening: Entry;
}> {
  const disk = new SimulatedFileSystem();
  const journal = journalOn(disk);
  await journal.open(WRITE);
  const opening = openingAfter(undefined, 'a');
  await journal.append(opening);
  return { disk, journal, opening };
}

/** 41 entries in segments of a few; with a seed its calls take turns. */
async function longJournal(
  seed: number,
): Promise<{ readonly disk: SimulatedFileSystem; readonly journal: Journal }> {
  const disk = new SimulatedFileSystem(seed === 0 ? {} : { turns: new Prng(seed) });
  const journal = journalOn(disk, 8192);
  await journal.open(WRITE);
  const opening = openingAfter(undefined, 'a');
  const entries = [opening, ...chainAfter(opening, 40, 1000)];
  await Promise.all(entries.map((entry) => journal.append(entry)));
  return { disk, journal };
}

/**
 * A journal whose segment is being extended in the background; the extension is held at its first
 * call of `operation`.
 */
async function growingJournal(operation: 'write' | 'datasync'): Promise<{
  readonly disk: SimulatedFileSystem;
  readonly journal: Journal;
  readonly last: Entry;
  readonly extension: HeldCall;
}> {
  const disk = new SimulatedFileSystem();
  const journal = createJournal({
    directory: DIRECTORY,
    segmentBytes: 4 * MIB,
    lockWaitMs: 0,
    fileSystem: disk,
  });
  await journal.open(WRITE);
  const opening = openingAfter(undefined, 'a');
  await journal.append(opening);
  const last = entryAfter(opening, { body: randomBody(1, 600 * 1024), durable: 1 });
  const sync = disk.holdNext('datasync');
  const appending = journal.append(last);
  await sync.reached;
  // The append has made its calls: the next one of this kind is the extension's.
  const extension = disk.holdNext(operation);
  sync.release();
  await appending;
  await extension.reached;
  return { disk, journal, last, extension };
}

/** Opens for writing as a next process would, and reads everything. */
async function entriesOn(disk: SimulatedFileSystem): Promise<Entry[]> {
  const journal = journalOn(disk, 8192);
  await journal.open(WRITE);
  const entries = (await collect(journal)).map(({ entry }) => entry);
  await journal.close();
  return entries;
}

/** Everything that can go on without a held call goes on. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
