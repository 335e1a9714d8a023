import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import { type Entry, EntryKind, sealEntry } from '../../base/entry.ts';
import { isOperationalError } from '../../base/errors.ts';
import { ENTRY_HEADER_BYTES } from '../../base/limits.ts';
import type { Journal } from '../../ports/journal.ts';
import { createJournal } from './driver.ts';
import { MemoryLog } from './memory-log.ts';

function entryAt(position: number): Entry {
  const header = {
    kind: EntryKind.commands,
    commandCount: 1,
    clusterId: new Uint8Array(16),
    timeline: 1,
    position,
    epoch: 1,
    durable: 0,
    timeNs: BigInt(position),
    rulesVersion: 1,
    eventCount: 1,
    bodyBytes: 0,
    outcomePosition: 0,
    outcomeDigest: new Uint8Array(32),
    previousDigest: new Uint8Array(32),
  };
  return sealEntry(header, new Uint8Array(ENTRY_HEADER_BYTES), (bytes) => {
    return hash('sha256', bytes, 'buffer');
  });
}

async function opened(log: MemoryLog): Promise<Journal> {
  const journal = createJournal({ log });
  await journal.open({ mode: 'write', signal: new AbortController().signal });
  return journal;
}

function positionsIn(log: MemoryLog): number[] {
  const positions: number[] = [];
  for (let index = log.first; index < log.end; index++) {
    positions.push(log.at(index)?.position ?? 0);
  }
  return positions;
}

void describe('the hooks of the memory log', () => {
  void it('holds answers back and gives them in call order, whatever the order of release', async () => {
    const log = new MemoryLog();
    const journal = await opened(log);
    log.holdAnswers();
    const answered: number[] = [];
    const appends = [1, 2, 3].map(async (position) => {
      await journal.append(entryAt(position));
      answered.push(position);
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(positionsIn(log), [1, 2, 3]);
    assert.deepEqual(answered, []);
    log.releaseAnswers('reversed');
    await Promise.all(appends);
    assert.deepEqual(answered, [1, 2, 3]);
    await journal.close();
  });

  void it('lets a doubtful record arrive late', async () => {
    const log = new MemoryLog();
    const journal = await opened(log);
    log.planNext({ kind: 'unknown', written: 'late' });
    await assert.rejects(journal.append(entryAt(1)), (error) =>
      isOperationalError(error, 'JOURNAL_UNKNOWN_OUTCOME'),
    );
    await assert.rejects(journal.append(entryAt(2)), (error) =>
      isOperationalError(error, 'JOURNAL_CLOSED'),
    );
    assert.deepEqual(positionsIn(log), []);
    log.releaseLate();
    assert.deepEqual(positionsIn(log), [1]);
    await journal.open({ mode: 'write', signal: new AbortController().signal });
    await journal.append(entryAt(2));
    assert.deepEqual(positionsIn(log), [1, 2]);
    await journal.close();
  });

  void it('writes reordered records in reverse and answers all of them', async () => {
    const log = new MemoryLog();
    const journal = await opened(log);
    log.reorderNext(3);
    const offsets = await Promise.all([1, 2, 3].map((p) => journal.append(entryAt(p))));
    assert.deepEqual(positionsIn(log), [3, 2, 1]);
    assert.deepEqual(offsets, ['m2', 'm1', 'm0']);
    await journal.close();
  });

  void it('fails for good when planned so', async () => {
    const log = new MemoryLog();
    const journal = await opened(log);
    log.planNext({ kind: 'failed' });
    for (const position of [1, 1]) {
      await assert.rejects(journal.append(entryAt(position)), (error) =>
        isOperationalError(error, 'JOURNAL_FAILED'),
      );
    }
    await journal.close();
  });
});
