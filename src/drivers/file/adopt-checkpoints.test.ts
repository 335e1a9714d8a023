import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { adoptCheckpoints } from './adopt-checkpoints.ts';
import { createCheckpointStore } from './checkpoint-store.ts';

test('newer checkpoints are adopted without a copy, older ones and none are not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-adopt-'));
  try {
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    assert.equal(await adoptCheckpoints(from, to), 0);
    const source = createCheckpointStore({ directory: from });
    const target = createCheckpointStore({ directory: to });
    const digest = 'a'.repeat(64);
    await source.putChunk(digest, new Uint8Array([1, 2, 3]));
    await source.publish(7, new Uint8Array([7]));
    await source.publish(9, new Uint8Array([9]));
    await target.publish(8, new Uint8Array([8]));
    assert.equal(await adoptCheckpoints(from, to), 9);
    assert.deepEqual(await target.positions(), [9, 8, 7]);
    assert.deepEqual(await target.readManifest(9), new Uint8Array([9]));
    assert.deepEqual(await target.readManifest(8), new Uint8Array([8]));
    const names = [from, to].map((place) => join(place, 'chunks', `${digest}.chunk`));
    const [one, other] = await Promise.all(names.map((name) => stat(name)));
    assert.equal(one?.ino, other?.ino);
    // The same again, and the other way round.
    assert.equal(await adoptCheckpoints(from, to), 0);
    assert.equal(await adoptCheckpoints(to, from), 0);
    assert.equal((await readdir(from)).length, 3);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
