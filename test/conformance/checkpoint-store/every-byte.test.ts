// Every byte of a small checkpoint, changed in turn: it is always noticed, and the node comes to
// the very same books, from an older checkpoint or from the journal. Never to others (I33).

import { AbsentHistory } from '../../../src/history/absent-history.ts';
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createState } from '../../../src/domain/domain.ts';
import {
  MemoryCheckpoints,
  createCheckpointStore,
} from '../../../src/drivers/memory/checkpoint-store.ts';
import { createJournal } from '../../../src/drivers/memory/driver.ts';
import { MemoryLog } from '../../../src/drivers/memory/memory-log.ts';
import { type Restored, restoreFromNewest } from '../../../src/engine/roles/restoring.ts';
import { imageDigest } from '../../../src/recovery/image-digest.ts';
import { CheckpointLog } from '../../support/checkpoint-rig.ts';
import {
  CLUSTER_ID,
  FOREVER,
  openBooks,
  pay,
  startNode,
  transfer,
} from '../../support/engine-rig.ts';

const log = new MemoryLog();
const contents = new MemoryCheckpoints();
const store = createCheckpointStore({ contents });
/** Positions, the older one first, and the books at the end of the journal. */
let positions: number[] = [];
let truth = '';

/** Two checkpoints, with a hold, a refused id and payments, and more behind the second. */
before(async () => {
  const settings = new CheckpointLog().settings(contents);
  await using rig = await startNode(log, { checkpoints: settings });
  await openBooks(rig.node);
  const submit = (...fields: Parameters<typeof transfer>[0][]): Promise<unknown> =>
    rig.node.submit(pay(...fields.map((some) => transfer(some))), FOREVER);
  await submit({}, { flags: 2, amount: 9n, timeoutSeconds: 3600 }, { debitAccountId: 77n });
  await rig.node.takeCheckpoint();
  await submit({ amount: 11n });
  await rig.node.takeCheckpoint();
  await submit({ amount: 13n });
  positions = [...contents.manifests.keys()];
  truth = imageDigest(rig.node.state);
});

async function restored(): Promise<{ readonly result: Restored; readonly notes: string[] }> {
  const notes: string[] = [];
  const journal = createJournal({ log });
  const result = await restoreFromNewest({
    mode: 'write',
    journal,
    store,
    history: { clusterId: CLUSTER_ID, timeline: 1 },
    onCommand: undefined,
    derived: new AbsentHistory(),
    onOwned: () => Promise.resolve(),
    onNote: (text) => notes.push(text),
    onProgress: () => {},
    signal: FOREVER,
  });
  await journal.close();
  return { result, notes };
}

/** The same books, begun with `position` (0 = the journal), and told what was wrong. */
async function assertSameBooks(began: readonly number[], what: string): Promise<void> {
  const { result, notes } = await restored();
  const position = result.manifest?.place.position ?? 0;
  assert.ok(began.includes(position), `${what}: it began with ${position}`);
  assert.ok(notes.length > 0, `${what}: it was not told`);
  assert.equal(imageDigest(result.replica.state), truth, what);
}

/** Changes `bytes` for the time of `work`. */
async function whileFlipped(
  bytes: Uint8Array,
  index: number,
  bits: number,
  work: () => Promise<void>,
): Promise<void> {
  bytes[index]! ^= bits;
  try {
    await work();
  } finally {
    bytes[index]! ^= bits;
  }
}

/** Every byte in a lane of its own; a sample, another one for each chunk, in every run. */
const STRIDE = process.env['HOLDFAST_FLIP_ALL'] === '1' ? 1 : 7;

void describe('a small checkpoint that is damaged', () => {
  void it('is not: then it is what a start begins with', async () => {
    const { result, notes } = await restored();
    assert.equal(result.manifest?.place.position, positions[1]);
    assert.deepEqual(notes, []);
    assert.equal(imageDigest(result.replica.state), truth);
    assert.notEqual(imageDigest(createState()), truth);
  });

  void it('in any byte of its manifest: the older one is taken', async () => {
    const manifest = contents.manifests.get(positions[1]!)!;
    for (let index = 0; index < manifest.byteLength; index += STRIDE) {
      // Another case of a hex digit, or any other character.
      const bits = index % 2 === 0 ? 0x20 : 1 << (index % 8);
      await whileFlipped(manifest, index, bits, () =>
        assertSameBooks([positions[0]!], `byte ${index} of the manifest`),
      );
    }
  });

  void it('in any byte of a chunk: the older one or the journal is taken', async () => {
    assert.ok(contents.chunks.size >= 4, 'the two have chunks of their own');
    let first = 0;
    for (const [digest, bytes] of contents.chunks) {
      const newest = new TextDecoder().decode(contents.manifests.get(positions[1]!));
      if (!newest.includes(digest)) continue;
      for (let index = first++ % STRIDE; index < bytes.byteLength; index += STRIDE) {
        await whileFlipped(bytes, index, 1 << (index % 8), () =>
          assertSameBooks([positions[0]!, 0], `byte ${index} of the chunk ${digest}`),
        );
      }
    }
  });

  void it('cut short or grown: the older one or the journal is taken', async () => {
    const all = [...contents.manifests, ...contents.chunks] as [never, Uint8Array<ArrayBuffer>][];
    for (const [name, bytes] of all) {
      if (name === positions[0]) continue;
      const isManifest = typeof name === 'number';
      const map = (isManifest ? contents.manifests : contents.chunks) as Map<never, Uint8Array>;
      const longer = new Uint8Array(bytes.byteLength + 1);
      longer.set(bytes);
      const half = bytes.slice(0, bytes.byteLength >> 1);
      for (const damaged of [new Uint8Array(), half, bytes.slice(0, -1), longer]) {
        map.set(name, damaged);
        const { result } = await restored();
        assert.equal(imageDigest(result.replica.state), truth);
        assert.ok(!isManifest || result.manifest?.place.position === positions[0]);
      }
      map.delete(name);
      assert.equal(imageDigest((await restored()).result.replica.state), truth);
      map.set(name, bytes);
    }
  });

  void it('in a chunk and in the manifest of the other: the journal is taken', async () => {
    const older = contents.manifests.get(positions[0]!)!;
    for (const bytes of contents.chunks.values()) bytes[0]! ^= 1;
    await whileFlipped(older, 200, 1, () => assertSameBooks([0], 'both'));
    for (const bytes of contents.chunks.values()) bytes[0]! ^= 1;
  });

  void it('by another name: a manifest is of the position that its name says', async () => {
    const newest = contents.manifests.get(positions[1]!)!;
    contents.manifests.set(positions[1]! + 7, newest);
    const { result, notes } = await restored();
    contents.manifests.delete(positions[1]! + 7);
    assert.equal(result.manifest?.place.position, positions[1]);
    assert.match(notes.join(), /not of the one that its name says/);
  });
});
