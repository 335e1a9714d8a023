// The file driver against the conformance suite of checkpoint stores, and what only files have:
// leftovers of a crash, a full disk, and the order in which names reach the disk.

import assert from 'node:assert/strict';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOperationalError } from '../../../src/base/errors.ts';
import { createCheckpointStore } from '../../../src/drivers/file/checkpoint-store.ts';
import { type FileSystem, realFileSystem } from '../../../src/drivers/file/file-system.ts';
import { QuotaFileSystem } from '../../support/quota-file-system.ts';
import { TemporaryFolder } from '../../support/temporary-folder.ts';
import { checkpointStoreConformance } from './suite.ts';

const DIGEST = 'ab'.repeat(32);

checkpointStoreConformance('file', {
  async create() {
    const folder = await TemporaryFolder.make();
    const directory = join(folder.path, 'checkpoints');
    return {
      attach: () => createCheckpointStore({ directory }),
      dispose: () => folder[Symbol.asyncDispose](),
    };
  },
});

async function filesUnder(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

test('leftovers of a crash are never read, and are removed', async () => {
  await using folder = await TemporaryFolder.make();
  const store = createCheckpointStore({ directory: folder.path });
  await mkdir(join(folder.path, 'chunks'));
  await writeFile(join(folder.path, `${'0'.repeat(19)}5.checkpoint.partial`), 'half');
  await writeFile(join(folder.path, 'chunks', `${DIGEST}.chunk.partial`), 'half');
  await writeFile(join(folder.path, 'notes.txt'), 'not ours');
  assert.deepEqual(await store.positions(), []);
  await store.removeLeftovers();
  assert.deepEqual(await filesUnder(folder.path), ['notes.txt']);
});

test('a full disk fails the checkpoint, leaves no partial file and nothing else changed', async () => {
  await using folder = await TemporaryFolder.make();
  const disk = new QuotaFileSystem(realFileSystem);
  const store = createCheckpointStore({ directory: folder.path, fileSystem: disk });
  await store.putChunk(DIGEST, new Uint8Array(1000).fill(1));
  await store.publish(1, new Uint8Array(100));
  disk.capacityBytes = disk.usedBytes + 500;
  for (const fail of [
    () => store.putChunk('cd'.repeat(32), new Uint8Array(5000)),
    () => store.publish(2, new Uint8Array(5000)),
  ]) {
    await assert.rejects(fail, (error) => {
      assert.ok(isOperationalError(error, 'CHECKPOINT_FAILED'));
      assert.match(error.detail, /no room/);
      return true;
    });
  }
  assert.deepEqual(await store.positions(), [1]);
  assert.deepEqual(await store.readChunk(DIGEST), new Uint8Array(1000).fill(1));
  const names = (await filesUnder(folder.path)).sort();
  assert.deepEqual(names, [`${'0'.repeat(19)}1.checkpoint`, `${DIGEST}.chunk`]);
});

test('a manifest gets its name after everything that it names is durable', async () => {
  await using folder = await TemporaryFolder.make();
  const deeds: string[] = [];
  const kindOf = (path: string): string => (path.includes('.chunk') ? 'chunk' : 'manifest');
  const fileSystem: FileSystem = {
    ...realFileSystem,
    open: async (path, mode) => {
      const file = await realFileSystem.open(path, mode);
      return {
        isWrittenThrough: false,
        sizeBytes: () => file.sizeBytes(),
        read: (target, offset) => file.read(target, offset),
        truncate: (sizeBytes) => file.truncate(sizeBytes),
        close: () => file.close(),
        write: (buffers, offset) => file.write(buffers, offset),
        datasync: async () => {
          deeds.push(`sync ${kindOf(path)}`);
          await file.datasync();
        },
      };
    },
    rename: async (source, target) => {
      deeds.push(`name ${kindOf(target)}`);
      await realFileSystem.rename(source, target);
    },
    syncDirectory: async (directory) => {
      deeds.push(directory.endsWith('chunks') ? 'sync names of chunks' : 'sync names');
      await realFileSystem.syncDirectory(directory);
    },
  };
  const store = createCheckpointStore({ directory: folder.path, fileSystem });
  await store.putChunk(DIGEST, new Uint8Array(8));
  deeds.splice(0, deeds.indexOf('sync chunk'));
  await store.publish(1, new Uint8Array(8));
  assert.deepEqual(deeds, [
    'sync chunk',
    'name chunk',
    'sync names of chunks',
    'sync manifest',
    'name manifest',
    'sync names',
  ]);
});
