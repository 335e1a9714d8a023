// How often the file journal writes and syncs: an append is one write that is on the disk when it
// returns, and room is made in steps, so that no append waits behind megabytes at the disk.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type FileSystem,
  type OpenFile,
  realFileSystem,
} from '../../../src/drivers/file/file-system.ts';
import { createJournal } from '../../../src/drivers/file/driver.ts';
import type { Journal } from '../../../src/ports/journal.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';
import { entryAfter, openingAfter } from './entries.ts';

const MIB = 1024 * 1024;
const FOREVER = new AbortController().signal;

/** What was done with one file between its opening and its end. */
type Use = {
  readonly isThrough: boolean;
  readonly writes: { readonly start: number; readonly bytes: number }[];
  syncs: number;
  isClosed: boolean;
};

function counting(uses: Use[]): FileSystem {
  const counted = (file: OpenFile): OpenFile => {
    const use: Use = { isThrough: file.isWrittenThrough, writes: [], syncs: 0, isClosed: false };
    uses.push(use);
    return {
      isWrittenThrough: file.isWrittenThrough,
      sizeBytes: () => file.sizeBytes(),
      read: (target, offset) => file.read(target, offset),
      truncate: (sizeBytes) => file.truncate(sizeBytes),
      write: async (buffers, start) => {
        await file.write(buffers, start);
        use.writes.push({ start, bytes: buffers.reduce((sum, part) => sum + part.byteLength, 0) });
      },
      datasync: async () => {
        use.syncs += 1;
        await file.datasync();
      },
      close: async () => {
        use.isClosed = true;
        await file.close();
      },
    };
  };
  return {
    ...realFileSystem,
    open: async (path, mode) => {
      const file = await realFileSystem.open(path, mode);
      return mode === 'read' ? file : counted(file);
    },
  };
}

function appending(uses: readonly Use[]): Use {
  const open = uses.filter(({ isClosed }) => !isClosed);
  assert.equal(open.length, 1, 'one file is appended to');
  return open[0]!;
}

async function openJournal(directory: string, uses: Use[]): Promise<Journal> {
  const journal = createJournal({ directory, fileSystem: counting(uses), segmentBytes: 16 * MIB });
  await journal.open({ mode: 'write', signal: FOREVER });
  return journal;
}

test('an append is one write and no sync, and room is made in steps that are each synced', async () => {
  await using folder = await TemporaryFolder.make();
  const uses: Use[] = [];
  const journal = await openJournal(folder.path, uses);
  let last = openingAfter(undefined, 'a');
  await journal.append(last);
  const made = uses.length;
  const body = new Uint8Array(MIB / 2).fill(7);
  for (let count = 0; count < 8; count++) {
    const use = appending(uses.slice(0, made));
    const before = { writes: use.writes.length, syncs: use.syncs };
    last = entryAfter(last, { body });
    await journal.append(last);
    assert.equal(use.writes.length, before.writes + 1);
    assert.equal(use.syncs - before.syncs, use.isThrough ? 0 : 1);
  }
  await until(() => uses.filter(({ isClosed }) => !isClosed).length === 1, 'room is made');
  const extensions = uses.slice(made).filter(({ writes }) => writes.length > 0);
  assert.ok(
    extensions.some(({ writes }) => writes.length > 1),
    'some room took several writes',
  );
  for (const { isThrough, writes, syncs } of extensions) {
    assert.deepEqual([isThrough, syncs], [false, writes.length]);
    assert.ok(writes.every(({ bytes }) => bytes <= MIB));
  }
  await journal.close();

  // And behind a start, in the segment that is there.
  const again: Use[] = [];
  const next = await openJournal(folder.path, again);
  const use = appending(again);
  const syncs = use.syncs;
  const first = entryAfter(last);
  await next.append(first);
  assert.equal(use.writes.length, 1);
  assert.equal(use.syncs - syncs, use.isThrough ? 0 : 1);
  await next.close();
});
