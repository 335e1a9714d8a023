// The small files beside the journal: whose they are, who creates them, and what it means when
// they are gone.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { isOperationalError } from '../base/errors.ts';
import {
  leaderFile,
  namedNodes,
  noteJournalBegun,
  openDataFolder,
  removeRunningNode,
  runningNodes,
  writeRunningNode,
} from './data-folder.ts';

class Folder implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(): Promise<Folder> {
    return new Folder(await mkdtemp(join(tmpdir(), 'holdfast-data-folder-')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
  }
}

const STARTS = 4;
const ROUNDS = 8;

/** A process that opens each folder that it is told on a line, and says what it has found. */
const OPENER = `
import { createInterface } from 'node:readline';
const { openDataFolder } = await import(${JSON.stringify(new URL('data-folder.ts', import.meta.url).href)});
console.log('ready');
for await (const folder of createInterface({ input: process.stdin })) {
  try {
    const { cluster, apiKey } = openDataFolder(folder);
    console.log(Buffer.from(cluster.clusterId).toString('hex') + ' ' + apiKey);
  } catch (error) {
    console.log(String(error));
  }
}
`;

test('processes that start at once on a new folder have one identity and one key', async () => {
  await using parent = await Folder.make();
  const openers = Array.from({ length: STARTS }, () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', OPENER], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = child.stdout.setEncoding('utf8').iterator({ destroyOnReturn: false });
    const nextLine = async () => String((await lines.next()).value).trim();
    return { child, nextLine };
  });
  try {
    for (const { nextLine } of openers) assert.equal(await nextLine(), 'ready');
    for (let round = 0; round < ROUNDS; round++) {
      const folder = join(parent.path, String(round));
      for (const { child } of openers) child.stdin.write(`${folder}\n`);
      const told = await Promise.all(openers.map(({ nextLine }) => nextLine()));
      assert.deepEqual(new Set(told).size, 1, told.join('\n'));
      const written = await readFile(join(folder, 'cluster.json'), 'utf8');
      const key = (await readFile(join(folder, 'api-key'), 'utf8')).trim();
      const identity = JSON.parse(written) as { readonly cluster_id: string };
      assert.equal(told[0], `${identity.cluster_id} ${key}`);
      assert.deepEqual((await readdir(folder)).sort(), ['api-key', 'cluster.json', 'journal']);
    }
  } finally {
    for (const { child } of openers) {
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    }
  }
});

test('a new folder gets an identity and a key that only its owner reads, and keeps both', async () => {
  await using parent = await Folder.make();
  const folder = join(parent.path, 'data');
  const first = openDataFolder(folder);
  assert.equal(first.isNew, true);
  assert.match(first.apiKey, /^hk_[A-Za-z0-9_-]{32}$/);
  assert.equal((await stat(first.apiKeyFile)).mode & 0o777, 0o600);
  assert.deepEqual(openDataFolder(folder), { ...first, isNew: false });
});

test('named nodes share identity, keys and journal, and have the rest for themselves', async () => {
  await using parent = await Folder.make();
  const folder = join(parent.path, 'data');
  const alone = openDataFolder(folder);
  assert.equal(alone.clusterKey.length, 0);
  const one = openDataFolder(folder, { node: 'node-1' });
  const two = openDataFolder(folder, { node: 'node-2' });
  assert.equal((await stat(join(folder, 'cluster-key'))).mode & 0o777, 0o600);
  assert.equal(one.clusterKey.length, 32);
  for (const shared of ['clusterKey', 'cluster', 'apiKey', 'journalFolder'] as const) {
    assert.deepEqual(one[shared], two[shared]);
  }
  assert.deepEqual(two.cluster, alone.cluster);
  assert.equal(two.historyFolder, join(folder, 'nodes', 'node-2', 'history'));
  assert.equal(two.checkpointFolder, join(folder, 'nodes', 'node-2', 'checkpoints'));
  assert.deepEqual(namedNodes(folder), ['node-1', 'node-2']);
  await writeFile(join(folder, 'cluster-key'), 'abc');
  const unkeyed = () => openDataFolder(folder, { node: 'node-3' });
  assert.throws(unkeyed, /cluster-key does not hold a key/);
});

test('whoever runs is found by what he noted, the one alone first; the dead are passed over', async () => {
  await using parent = await Folder.make();
  const folder = parent.path;
  assert.deepEqual(runningNodes(folder), []);
  const note = {
    url: 'http://127.0.0.1:2',
    binary_url: 'holdfast://127.0.0.1:3',
    pid: process.pid,
  };
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  for (const [name, pid] of [
    ['node-1', dead],
    ['node-2', process.pid],
  ] as const) {
    const { nodeFolder } = openDataFolder(folder, { node: name });
    writeRunningNode(nodeFolder, { ...note, node: name, pid });
  }
  assert.deepEqual(runningNodes(folder), [{ ...note, node: 'node-2' }]);
  const third = { ...note, node: 'node-3', pid: process.ppid };
  writeRunningNode(openDataFolder(folder, { node: 'node-3' }).nodeFolder, third);
  assert.deepEqual(runningNodes(folder), [{ ...note, node: 'node-2' }, third]);
  await writeFile(leaderFile(folder), JSON.stringify({ ...third, epoch: 3 }));
  assert.deepEqual(runningNodes(folder), [third, { ...note, node: 'node-2' }]);
  await rm(join(folder, 'nodes', 'node-3'), { recursive: true });
  writeRunningNode(folder, note);
  await writeFile(join(folder, 'nodes', 'node-2', 'node.json'), '{}');
  assert.deepEqual(runningNodes(folder), [note]);
});

test('an empty journal folder is a loss and not a start, once there was an entry', async () => {
  await using parent = await Folder.make();
  const folder = parent.path;
  const { journalFolder } = openDataFolder(folder);
  // Ended before its first entry: nothing was lost, so it may start again.
  openDataFolder(folder);
  await writeFile(join(journalFolder, 'a.journal'), '');
  noteJournalBegun(folder, 'file');
  noteJournalBegun(folder, 'file');
  openDataFolder(folder);
  const before = await readFile(join(folder, 'cluster.json'), 'utf8');
  await rm(journalFolder, { recursive: true });
  assert.throws(
    () => openDataFolder(folder),
    (error) => {
      assert.ok(isOperationalError(error, 'DATA_FOLDER_UNUSABLE'));
      assert.match(error.detail, /holds no journal, but this cluster has one/);
      assert.match(error.wayOut, /Mount its disk/);
      return true;
    },
  );
  assert.equal(await readFile(join(folder, 'cluster.json'), 'utf8'), before);
});

test('a journal on an engine is looked for there, and one cluster never has two', async () => {
  await using parent = await Folder.make();
  const folder = parent.path;
  const place = 'postgres://holdfast@db-1:5432/payments';
  assert.equal(openDataFolder(folder, { isJournalElsewhere: true }).hasBegun, false);
  noteJournalBegun(folder, place);
  assert.equal(openDataFolder(folder, { isJournalElsewhere: true }).hasBegun, true);
  assert.throws(
    () => openDataFolder(folder),
    (error) => isOperationalError(error) && error.detail.endsWith(`an engine, ${place}.`),
  );
  await writeFile(join(folder, 'journal', 'a.journal'), '');
  assert.throws(
    () => openDataFolder(folder, { isJournalElsewhere: true }),
    (error) => isOperationalError(error) && /journal is in files/.test(error.detail),
  );
});

test('a key file that holds no key is named, with a way out', async () => {
  await using parent = await Folder.make();
  for (const content of ['', 'secret', 'hk_short']) {
    const { apiKeyFile } = openDataFolder(join(parent.path, 'data'));
    await writeFile(apiKeyFile, content);
    assert.throws(
      () => openDataFolder(join(parent.path, 'data')),
      (error) => {
        assert.ok(isOperationalError(error, 'DATA_FOLDER_UNUSABLE'));
        assert.ok(error.detail.includes(apiKeyFile));
        assert.match(error.wayOut, /a new key is made/);
        return true;
      },
    );
    await rm(apiKeyFile);
  }
});

test("a leaving process removes its own note of the running node, never a successor's", async () => {
  await using parent = await Folder.make();
  const folder = parent.path;
  const file = join(folder, 'node.json');
  removeRunningNode(folder, 1);
  const note = { url: 'http://127.0.0.1:2', binary_url: 'holdfast://127.0.0.1:3', pid: 2 };
  writeRunningNode(folder, note);
  removeRunningNode(folder, 1);
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), note);
  removeRunningNode(folder, 2);
  assert.equal(existsSync(file), false);
  for (const unusable of ['', 'null', '7', '{"pid":"2"}']) {
    await writeFile(file, unusable);
    removeRunningNode(folder, 2);
    assert.equal(await readFile(file, 'utf8'), unusable);
  }
});
