// The conformance suite of checkpoint stores: what every driver must pass. A new driver brings a
// harness and no test logic of its own.

import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { describe, it } from 'node:test';
import { isOperationalError } from '../../../src/base/errors.ts';
import type { CheckpointStore } from '../../../src/ports/checkpoint-store.ts';

export type StoreUnderTest = {
  /** A store over the same contents, as after a restart. */
  attach(): CheckpointStore;
  dispose(): Promise<void>;
};

export type StoreHarness = { create(): Promise<StoreUnderTest> };

const CHUNK_BYTES_LARGE = 2_113_536;

function chunkOf(
  seed: number,
  size = 1000,
): { readonly digest: string; readonly bytes: Uint8Array } {
  const bytes = new Uint8Array(size).map((_, index) => (index * 31 + seed) & 0xff);
  return { digest: hash('sha256', bytes), bytes };
}

function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

async function isCorrupt(reading: Promise<unknown>): Promise<void> {
  await assert.rejects(reading, (error) => isOperationalError(error, 'CHECKPOINT_CORRUPT'));
}

export function checkpointStoreConformance(name: string, harness: StoreHarness): void {
  const withStore = async (
    work: (store: CheckpointStore, under: StoreUnderTest) => Promise<void>,
  ): Promise<void> => {
    const under = await harness.create();
    try {
      await work(under.attach(), under);
    } finally {
      await under.dispose();
    }
  };
  void describe(`checkpoint store conformance: ${name}`, () => {
    void it('is empty at first, and says so', () =>
      withStore(async (store) => {
        assert.deepEqual(await store.positions(), []);
        await store.removeLeftovers();
        await store.keepOnly({ positions: new Set(), chunks: new Set() });
        await isCorrupt(store.readManifest(1));
        await isCorrupt(store.readChunk(chunkOf(1).digest));
      }));

    void it('gives back byte for byte what was put, also after a restart', () =>
      withStore(async (store, under) => {
        const chunks = [chunkOf(1), chunkOf(2, 0), chunkOf(3, CHUNK_BYTES_LARGE)];
        await Promise.all(chunks.map(({ digest, bytes }) => store.putChunk(digest, bytes)));
        await store.publish(7, textBytes('seven'));
        const again = under.attach();
        await again.removeLeftovers();
        assert.deepEqual(await again.positions(), [7]);
        assert.deepEqual(await again.readManifest(7), textBytes('seven'));
        for (const { digest, bytes } of chunks) {
          assert.deepEqual(await again.readChunk(digest), bytes);
        }
      }));

    void it('shows a checkpoint only when it is published', () =>
      withStore(async (store, under) => {
        const { digest, bytes } = chunkOf(1);
        await store.putChunk(digest, bytes);
        assert.deepEqual(await under.attach().positions(), []);
      }));

    void it('keeps its own bytes: the caller may use his again', () =>
      withStore(async (store) => {
        const { digest, bytes } = chunkOf(1);
        const mine = bytes.slice();
        await store.putChunk(digest, mine);
        mine.fill(0);
        const read = await store.readChunk(digest);
        assert.deepEqual(read, bytes);
        read.fill(0);
        assert.deepEqual(await store.readChunk(digest), bytes);
      }));

    void it('lists the newest first, by number and not by text', () =>
      withStore(async (store) => {
        const positions = [9, 10, 1, 123_456_789_012];
        for (const position of positions) await store.publish(position, textBytes(`${position}`));
        assert.deepEqual(await store.positions(), [123_456_789_012, 10, 9, 1]);
        assert.deepEqual(await store.readManifest(10), textBytes('10'));
      }));

    void it('replaces a chunk and a manifest that are put again', () =>
      withStore(async (store) => {
        const { digest, bytes } = chunkOf(1);
        await store.putChunk(digest, chunkOf(2).bytes);
        await store.putChunk(digest, bytes);
        assert.deepEqual(await store.readChunk(digest), bytes);
        await store.publish(4, textBytes('a longer first one'));
        await store.publish(4, textBytes('second'));
        assert.deepEqual(await store.positions(), [4]);
        assert.deepEqual(await store.readManifest(4), textBytes('second'));
      }));

    void it('removes what is not kept, and only that, as often as it is asked', () =>
      withStore(async (store) => {
        const [old, shared, young] = [chunkOf(1), chunkOf(2), chunkOf(3)];
        for (const { digest, bytes } of [old, shared, young]) await store.putChunk(digest, bytes);
        for (const position of [1, 2, 3]) await store.publish(position, textBytes('m'));
        const chunks = new Set([shared.digest, young.digest]);
        for (let time = 0; time < 2; time++) {
          await store.keepOnly({ positions: new Set([2, 3]), chunks });
          assert.deepEqual(await store.positions(), [3, 2]);
          await isCorrupt(store.readManifest(1));
          await isCorrupt(store.readChunk(old.digest));
          assert.deepEqual(await store.readChunk(shared.digest), shared.bytes);
        }
      }));
  });
}
