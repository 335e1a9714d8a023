// A disk that fails or fills up under the file driver, and who may hold its directory.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isOperationalError } from '../../../src/base/errors.ts';
import { createJournal } from '../../../src/drivers/file/driver.ts';
import { until } from '../../support/until.ts';
import { chainAfter, entryAfter, openingAfter, randomBody } from './entries.ts';
import { DIRECTORY, journalOn } from './simulated-journal.ts';
import { SimulatedFileSystem } from './simulated-file-system.ts';
import { collect, hasCode } from './support.ts';

const WRITE = { mode: 'write', signal: new AbortController().signal } as const;

void describe('a failing disk under the file journal', () => {
  for (const operation of ['datasync', 'write'] as const) {
    void it(`ends the driver for good when a ${operation} fails, and recovers at the next start`, async () => {
      const disk = new SimulatedFileSystem();
      const journal = journalOn(disk);
      await journal.open(WRITE);
      const opening = openingAfter(undefined, 'a');
      await journal.append(opening);
      const [next, behind] = chainAfter(opening, 2);
      assert.ok(next !== undefined && behind !== undefined);
      disk.failNext({ operation, code: 'EIO' });
      const pair = await Promise.allSettled([journal.append(next), journal.append(behind)]);
      for (const result of pair) {
        assert.ok(result.status === 'rejected' && hasCode('JOURNAL_FAILED')(result.reason));
      }
      // The disk is well again, but what it lost is not known: nothing is tried a second time.
      const operationCount = disk.operationCount;
      await assert.rejects(journal.append(next), hasCode('JOURNAL_FAILED'));
      assert.equal(disk.operationCount, operationCount);
      await journal.close();
      const restarted = journalOn(disk);
      const { bounds } = await restarted.open(WRITE);
      assert.equal(bounds.last, operation === 'datasync' ? 3 : 1);
      await restarted.close();
    });
  }

  void it('takes a sync that fails for lack of room for a failure, not for a full disk', async () => {
    const disk = new SimulatedFileSystem();
    const journal = journalOn(disk);
    await journal.open(WRITE);
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    disk.failNext({ operation: 'datasync', code: 'ENOSPC' });
    await assert.rejects(journal.append(entryAfter(opening)), hasCode('JOURNAL_FAILED'));
    await journal.close();
  });

  void it('undoes what a full disk let it write, before it says that nothing was written', async () => {
    const disk = new SimulatedFileSystem();
    const journal = journalOn(disk);
    await journal.open(WRITE);
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    const entries = chainAfter(opening, 3, 400);
    disk.failNext({ operation: 'write', code: 'ENOSPC', writtenBytes: 1000 });
    const results = await Promise.allSettled(entries.map((entry) => journal.append(entry)));
    for (const result of results) {
      assert.ok(result.status === 'rejected' && hasCode('JOURNAL_FULL')(result.reason));
    }
    const after = journalOn(diskCopy(disk));
    assert.deepEqual((await after.open(WRITE)).bounds, { first: 1, last: 1 });
    await after.close();
    await journal.close();
  });

  void it('fails rather than claims, when what a full disk let it write cannot be undone', async () => {
    const disk = new SimulatedFileSystem();
    const journal = journalOn(disk);
    await journal.open(WRITE);
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    disk.failNext(
      { operation: 'write', code: 'ENOSPC', writtenBytes: 400 },
      { operation: 'write', code: 'ENOSPC' },
    );
    await assert.rejects(journal.append(entryAfter(opening)), hasCode('JOURNAL_FAILED'));
    await journal.close();
  });

  void it('says full while there is no room, still reads, and goes on by itself with room', async () => {
    const disk = new SimulatedFileSystem();
    const clock = { nowMs: 0, monotonicMs: () => clock.nowMs, sleep: () => Promise.resolve() };
    const journal = createJournal({
      directory: DIRECTORY,
      segmentBytes: 16 * 1024,
      fileSystem: disk,
      clock,
    });
    await journal.open(WRITE);
    disk.capacityBytes = 40 * 1024;
    const opening = openingAfter(undefined, 'a');
    const entries = [opening, ...chainAfter(opening, 60, 1000)];
    const acknowledged = [];
    let fullCount = 0;
    for (const entry of entries) {
      for (;;) {
        try {
          await journal.append(entry);
          break;
        } catch (error) {
          assert.ok(isOperationalError(error, 'JOURNAL_FULL'), String(error));
          assert.equal((await collect(journal)).length, acknowledged.length);
          fullCount += 1;
          clock.nowMs += 60;
          if (fullCount % 4 === 0) disk.capacityBytes += 4096;
        }
      }
      acknowledged.push(entry);
    }
    assert.ok(fullCount > 4);
    await journal.close();
    const restarted = journalOn(disk);
    await restarted.open(WRITE);
    assert.equal((await collect(restarted)).length, entries.length);
    await restarted.close();
  });

  void it('looks for room only now and then while the disk is full', async () => {
    const disk = new SimulatedFileSystem();
    const clock = { nowMs: 0, monotonicMs: () => clock.nowMs, sleep: () => Promise.resolve() };
    const journal = createJournal({ directory: DIRECTORY, fileSystem: disk, clock });
    await journal.open(WRITE);
    disk.capacityBytes = 0;
    const opening = openingAfter(undefined, 'a');
    await assert.rejects(journal.append(opening), hasCode('JOURNAL_FULL'));
    const operationCount = disk.operationCount;
    await assert.rejects(journal.append(opening), hasCode('JOURNAL_FULL'));
    assert.equal(disk.operationCount, operationCount);
    clock.nowMs = 100;
    await assert.rejects(journal.append(opening), hasCode('JOURNAL_FULL'));
    assert.ok(disk.operationCount > operationCount);
    disk.capacityBytes = 1024 * 1024 * 1024;
    clock.nowMs = 200;
    await journal.append(opening);
    await journal.close();
  });

  void it('leaves no gap when a new segment finds room but its first entry does not', async () => {
    const disk = new SimulatedFileSystem();
    const clock = { nowMs: 0, monotonicMs: () => clock.nowMs, sleep: () => Promise.resolve() };
    const journal = createJournal({ directory: DIRECTORY, fileSystem: disk, clock });
    await journal.open(WRITE);
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    // The zeros of the new segment pass, under another name; the write behind them does not.
    const second = openingAfter(opening, 'b');
    disk.isFullFor = (path) => path.endsWith('-0000000002.journal');
    await assert.rejects(journal.append(second), hasCode('JOURNAL_FULL'));
    disk.isFullFor = () => false;
    clock.nowMs = 1000;
    const third = openingAfter(opening, 'c', { epoch: 3 });
    await journal.append(third);
    await journal.append(entryAfter(third));
    await journal.close();
    const restarted = journalOn(disk);
    assert.deepEqual((await restarted.open(WRITE)).bounds, { first: 1, last: 3 });
    await restarted.close();
  });

  void it('says which folder cannot be used, and lets an abort through as what it is', async () => {
    const directory = join(tmpdir(), 'holdfast-no-such-folder', 'journal');
    const { signal } = new AbortController();
    const reading = createJournal({ directory }).open({ mode: 'read', signal });
    await assert.rejects(reading, (error) => {
      assert.ok(isOperationalError(error, 'DATA_FOLDER_UNUSABLE'));
      assert.ok(error.detail.includes(directory));
      return true;
    });
    const abort = AbortSignal.abort(new Error('stop'));
    const disk = new SimulatedFileSystem();
    const journal = journalOn(disk);
    await journal.open(WRITE);
    await journal.append(openingAfter(undefined, 'a'));
    await journal.close();
    await assert.rejects(journalOn(disk).open({ mode: 'write', signal: abort }), /^Error: stop$/);
  });

  void it('leaves a torn tail alone when it only reads', async () => {
    const disk = new SimulatedFileSystem();
    const journal = journalOn(disk);
    await journal.open(WRITE);
    const opening = openingAfter(undefined, 'a');
    await journal.append(opening);
    await journal.append(entryAfter(opening, { body: randomBody(1, 6000), durable: 1 }));
    await journal.close();
    const path = disk.paths().at(0) ?? '';
    const torn = disk.bytesOf(path).fill(0, 4096);
    disk.setBytes(path, torn);
    const reader = journalOn(disk);
    const { signal } = new AbortController();
    const { bounds } = await reader.open({ mode: 'read', signal });
    assert.deepEqual(bounds, { first: 1, last: 1 });
    assert.equal((await collect(reader)).length, 1);
    await reader.close();
    assert.deepEqual(disk.bytesOf(path), torn);
  });

  void it('refuses network file systems', async () => {
    for (const type of [0x6969, 0xff534d42, 0x517b, 0xfe534d42, -11317950]) {
      const disk = new SimulatedFileSystem();
      disk.fileSystemType = type;
      await assert.rejects(journalOn(disk).open(WRITE), hasCode('DATA_FOLDER_UNUSABLE'));
    }
    const disk = new SimulatedFileSystem();
    disk.fileSystemType = 0x65735546;
    const journal = journalOn(disk);
    const { notes } = await journal.open(WRITE);
    assert.match(notes[0] ?? '', /FUSE/);
    await journal.close();
  });
});

void describe('the lock of the file journal', () => {
  void it('names the process that holds it, and is free as soon as that process is killed', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-lock-'));
    const child = await spawnHolder(directory);
    try {
      const impatient = createJournal({ directory, lockWaitMs: 0 });
      await assert.rejects(impatient.open(WRITE), (error) => {
        assert.ok(isOperationalError(error, 'JOURNAL_LOCKED'));
        assert.match(error.detail, new RegExp(`process ${child.pid} since 20`));
        assert.doesNotMatch(error.detail, /not seen/);
        return true;
      });
      const patient = createJournal({ directory, lockWaitMs: 10_000 });
      const opened = patient.open(WRITE);
      child.kill('SIGKILL');
      await opened;
      await patient.append(openingAfter(undefined, 'a'));
      await patient.close();
      await patient.close();
    } finally {
      await killed(child);
      await rm(directory, { recursive: true, force: true });
    }
  });

  void it('is refused while its holder lives, even if the lock file was removed', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-lock-'));
    const child = await spawnHolder(directory);
    try {
      await rm(join(directory, 'lock.sqlite'));
      const second = createJournal({ directory, lockWaitMs: 0 });
      await assert.rejects(second.open(WRITE), (error) => {
        assert.ok(isOperationalError(error, 'JOURNAL_LOCKED'));
        assert.match(error.detail, new RegExp(`process ${child.pid} since 20`));
        return true;
      });
      await killed(child);
      await second.open(WRITE);
      await second.close();
    } finally {
      await killed(child);
      await rm(directory, { recursive: true, force: true });
    }
  });

  void it('is taken from a frozen process by a successor that may end it', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-lock-'));
    const child = await spawnHolder(directory);
    try {
      child.kill('SIGSTOP');
      const successor = createJournal({ directory, lockWaitMs: 0 });
      const depose = { ...WRITE, depose: () => true };
      // Until it has had the lock for a second it may be a successor itself, and is let live.
      const deposing = async (): Promise<boolean> => {
        try {
          await successor.open(depose);
          return true;
        } catch (error) {
          assert.ok(isOperationalError(error, 'JOURNAL_LOCKED'));
          assert.match(error.detail, /for [0-9]+ ms only/);
          return false;
        }
      };
      await until(deposing, 'the holder to be ended');
      if (child.signalCode === null) await once(child, 'exit');
      assert.equal(child.signalCode, 'SIGKILL');
      await successor.append(openingAfter(undefined, 'a'));
      await successor.close();
    } finally {
      await killed(child);
      await rm(directory, { recursive: true, force: true });
    }
  });

  void it('is left to a process of another namespace, or one that is not certainly the holder', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-lock-'));
    const child = await spawnHolder(directory);
    const path = join(directory, 'lock-holder.json');
    try {
      const note = JSON.parse(await readFile(path, 'utf8'));
      for (const change of [{ namespace: 'pid:[1]' }, { namespace: '' }, { startTime: null }]) {
        await writeFile(path, JSON.stringify({ ...note, sinceMs: 1, ...change }));
        const successor = createJournal({ directory, lockWaitMs: 0 });
        await assert.rejects(
          successor.open({ ...WRITE, depose: () => true }),
          hasCode('JOURNAL_LOCKED'),
        );
        assert.equal(child.signalCode, null);
      }
    } finally {
      await killed(child);
      await rm(directory, { recursive: true, force: true });
    }
  });

  void it('is had although its note names a process number that is in use again', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-lock-'));
    const note = { pid: process.ppid, startTime: 1, sinceMs: 1 };
    await writeFile(join(directory, 'lock-holder.json'), JSON.stringify(note));
    const journal = createJournal({ directory, lockWaitMs: 0 });
    try {
      await journal.open(WRITE);
    } finally {
      await journal.close();
      await rm(directory, { recursive: true, force: true });
    }
  });
});

/** Another process that holds the journal. */
async function spawnHolder(directory: string): Promise<ChildProcess> {
  const driver = new URL('../../../src/drivers/file/driver.ts', import.meta.url).href;
  const script = `
    import { createJournal } from ${JSON.stringify(driver)};
    const journal = createJournal({ directory: process.argv[1] });
    await journal.open({ mode: 'write', signal: new AbortController().signal });
    console.log('locked');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

/** The disk as another process would find it now. */
function diskCopy(disk: SimulatedFileSystem): SimulatedFileSystem {
  const copy = new SimulatedFileSystem();
  for (const path of disk.paths()) copy.setBytes(path, disk.bytesOf(path));
  return copy;
}
