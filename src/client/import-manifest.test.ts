import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { assert as assertProperty, integer, property } from 'fast-check';
import { transferIdUnixMs } from '../base/ids.ts';
import {
  type ImportManifest,
  ManifestUnusable,
  manifestPath,
  openManifest,
  parseManifest,
  rowTransferId,
  sha256Hex,
} from './import-manifest.ts';
import { newAccountId, newTransferId } from './ids.ts';

const DIGEST = sha256Hex(Buffer.from('a,b\n1,2\n'));
const MANIFEST: ImportManifest = { version: 1, fileSha256: DIGEST, baseTimeMs: 1_767_225_600_000 };

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-manifest-'));
  try {
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("a row's id is the base time and 80 bits of SHA-256 over file digest and row number", () => {
  assert.equal(
    rowTransferId({ version: 1, fileSha256: '00'.repeat(32), baseTimeMs: 1 }, 1).toString(16),
    `1${sha256Hex(Buffer.concat([Buffer.alloc(32), Buffer.from('0000000000000001', 'hex')])).slice(0, 20)}`,
  );
});

test('ids of rows carry the base time and differ from row to row', () => {
  assertProperty(
    property(integer({ min: 1, max: 1e9 }), integer({ min: 1, max: 1e9 }), (a, b) => {
      const id = rowTransferId(MANIFEST, a);
      assert.equal(transferIdUnixMs(id), MANIFEST.baseTimeMs);
      assert.equal(id === rowTransferId(MANIFEST, b), a === b);
    }),
    { numRuns: 200 },
  );
});

test('the second opening reads what the first one wrote', async () => {
  await withFolder(async (folder) => {
    const path = manifestPath(folder, DIGEST);
    const first = await openManifest(path, DIGEST);
    const second = await openManifest(path, DIGEST);
    assert.ok(first.isNew);
    assert.ok(!second.isNew);
    assert.deepEqual(second.manifest, first.manifest);
    assert.deepEqual(await readdir(join(folder, 'imports')), [`${DIGEST}.json`]);
  });
});

test('openings at the same time agree on one base time', async () => {
  await withFolder(async (folder) => {
    const path = manifestPath(folder, DIGEST);
    const manifests = await Promise.all([openManifest(path, DIGEST), openManifest(path, DIGEST)]);
    const stored = parseManifest(await readFile(path, 'utf8'));
    for (const { manifest } of manifests) assert.deepEqual(manifest, stored);
  });
});

test('a manifest of another file is refused', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'mine.json');
    await openManifest(path, DIGEST);
    const other = sha256Hex(Buffer.from('something else'));
    await assert.rejects(openManifest(path, other), ManifestUnusable);
  });
});

test('a damaged manifest is refused and never replaced', async () => {
  await withFolder(async (folder) => {
    const path = join(folder, 'mine.json');
    const damaged = [
      '',
      '{',
      'null',
      '{"version":2}',
      JSON.stringify({ ...MANIFEST, baseTimeMs: 1.5 }),
      JSON.stringify({ ...MANIFEST, baseTimeMs: 2 ** 48 }),
      JSON.stringify({ ...MANIFEST, fileSha256: 'xyz' }),
    ];
    for (const text of damaged) {
      await writeFile(path, text);
      await assert.rejects(openManifest(path, DIGEST), ManifestUnusable);
      assert.equal(await readFile(path, 'utf8'), text);
    }
  });
});

test('new ids carry the time of their making', () => {
  const beforeMs = Date.now();
  const id = newTransferId();
  const unixMs = transferIdUnixMs(id);
  assert.ok(unixMs >= beforeMs);
  assert.ok(unixMs <= Date.now());
  assert.notEqual(newTransferId(), id);
  assert.ok(newAccountId() > 0n);
});
