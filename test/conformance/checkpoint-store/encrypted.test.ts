// Encrypted checkpoints against the conformance suite, and what encrypting is for: nothing can be
// read or exchanged without the key, and nothing that is damaged is taken for something.

import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import { isOperationalError } from '../../../src/base/errors.ts';
import {
  MemoryCheckpoints,
  createCheckpointStore,
} from '../../../src/drivers/memory/checkpoint-store.ts';
import type { CheckpointStore } from '../../../src/ports/checkpoint-store.ts';
import { createEncryptedStore } from '../../../src/recovery/encrypted-store.ts';
import { findCheckpoints } from '../../../src/recovery/load-checkpoint.ts';
import { checkpointStoreConformance } from './suite.ts';

const KEY = new Uint8Array(32).fill(9);
const SECRET = new TextEncoder().encode('forty-two thousand euro and some cents');
const DIGEST = hash('sha256', SECRET);

function over(contents: MemoryCheckpoints, key = KEY): CheckpointStore {
  return createEncryptedStore(createCheckpointStore({ contents }), key);
}

checkpointStoreConformance('encrypted', {
  create() {
    const contents = new MemoryCheckpoints();
    return Promise.resolve({ attach: () => over(contents), dispose: () => Promise.resolve() });
  },
});

async function assertUnreadable(reading: Promise<Uint8Array>): Promise<void> {
  await assert.rejects(reading, (error) => isOperationalError(error, 'CHECKPOINT_CORRUPT'));
}

async function written(): Promise<MemoryCheckpoints> {
  const contents = new MemoryCheckpoints();
  const store = over(contents);
  await store.putChunk(DIGEST, SECRET);
  await store.publish(5, SECRET);
  return contents;
}

test('what is stored shows neither contents nor digests, and is another one each time', async () => {
  const [first, second] = [await written(), await written()];
  const stored = [...first.chunks.values(), ...first.manifests.values()];
  for (const bytes of stored) assert.equal(Buffer.from(bytes).includes(Buffer.from('euro')), false);
  assert.ok(!first.chunks.has(DIGEST));
  assert.notDeepEqual([...first.chunks.values()], [...second.chunks.values()]);
});

test('another key, a changed byte or a wrong place make it unreadable', async () => {
  const contents = await written();
  await assertUnreadable(over(contents, new Uint8Array(32).fill(8)).readManifest(5));
  const manifest = contents.manifests.get(5)!;
  contents.manifests.set(6, manifest);
  await assertUnreadable(over(contents).readManifest(6));
  // A changed magic is no encryption at all: recovery then sees by the digest that it is nothing.
  for (let index = 8; index < manifest.byteLength; index++) {
    manifest[index]! ^= 1;
    await assertUnreadable(over(contents).readManifest(5));
    manifest[index]! ^= 1;
  }
  assert.deepEqual(await over(contents).readManifest(5), SECRET);
});

test('what was written without a key is read and kept; without the key one is told so', async () => {
  const contents = new MemoryCheckpoints();
  const plain = createCheckpointStore({ contents });
  await plain.putChunk(DIGEST, SECRET);
  await plain.publish(4, SECRET);
  const store = over(contents);
  assert.deepEqual(await store.readChunk(DIGEST), SECRET);
  assert.deepEqual(await store.readManifest(4), SECRET);
  await store.keepOnly({ positions: new Set([4]), chunks: new Set([DIGEST]) });
  assert.deepEqual(await store.readChunk(DIGEST), SECRET);

  const { notes } = await findCheckpoints(createCheckpointStore({ contents: await written() }));
  assert.match(notes.join(), /encrypted.*HOLDFAST_CHECKPOINT_KEY_FILE/);
});
