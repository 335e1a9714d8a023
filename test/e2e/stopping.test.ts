// How a process ends: with connections open that say nothing, under signals that come twice, behind
// the shim on an old Node, and when its disk fails while it drains.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type Socket, connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { PlainCaller } from '../support/plain-caller.ts';
import { type Ready, SpawnedNode, clientOf, keyOf } from '../support/spawned-node.ts';
import { TemporaryFolder } from '../support/temporary-folder.ts';
import { openAccounts, payment, paymentsJson, received } from '../support/two-accounts.ts';
import { until } from '../support/until.ts';

/** A process that does not end by itself within this time is killed, and that is asserted. */
const LIFE_MS_MAX = 30_000;

/** Connects, sends what is given, and says no more. */
async function silentAfter(ready: Ready, sent: string): Promise<Socket> {
  const { hostname, port } = new URL(ready.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  socket.resume();
  await once(socket, 'connect');
  socket.write(sent);
  return socket;
}

test('connections that are silent or never end their request do not hold a stopping node', async () => {
  await using folder = await TemporaryFolder.make();
  await using node = new SpawnedNode({ data: folder.path, lifeMsMax: LIFE_MS_MAX });
  const ready = await node.ready();
  const key = await keyOf(ready);
  const head = 'POST /v1/transfers HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n';
  const keyed = `${head}Content-Type: application/json\r\nAuthorization: Bearer ${key}\r\n`;
  const sockets: Socket[] = [];
  for (const sent of ['', 'POST /v1/tr', keyed, `${keyed}\r\n{"id":`]) {
    sockets.push(await silentAfter(ready, sent));
  }
  const { exitCode, signal, stderr } = await node.end('SIGTERM');
  assert.equal(signal, null, 'it ended by itself');
  assert.equal(exitCode, 0, stderr);
  assert.equal(existsSync(join(folder.path, 'node.json')), false);
  for (const socket of sockets) socket.destroy();
});

/** A Node of this machine that is too old for us; ours where there is none. */
function oldestNode(): string {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin'];
  for (const program of folders.map((folder) => join(folder, 'node'))) {
    if (!existsSync(program)) continue;
    const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
    const [major = 0, minor = 0] = stdout.slice(1).split('.').map(Number);
    if (major < 24 || (major === 24 && minor < 16)) return program;
  }
  return process.execPath;
}

/** The process that the shim has started, which is the same one where the Node is new enough. */
function signalServing(ready: Ready, signal: NodeJS.Signals): void {
  try {
    process.kill(ready.pid, signal);
  } catch {
    // It has ended already.
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} that reaches shim and node alike, as from a terminal, still drains`, async () => {
    await using folder = await TemporaryFolder.make();
    const data = folder.path;
    await using node = new SpawnedNode({ data, program: oldestNode(), lifeMsMax: LIFE_MS_MAX });
    const ready = await node.ready();
    // Keeps it stopping for a while, so that the second signal finds it there.
    const socket = await silentAfter(ready, '');
    try {
      signalServing(ready, signal);
      node.signal(signal);
      const ended = await node.ended;
      assert.equal(ended.signal, null);
      assert.equal(ended.exitCode, 0, ended.stderr);
      assert.equal(existsSync(join(data, 'node.json')), false);
    } finally {
      socket.destroy();
      signalServing(ready, 'SIGKILL');
    }
  });
}

test('a terminal that is closed does not end a node', async () => {
  await using folder = await TemporaryFolder.make();
  await using node = new SpawnedNode({ data: folder.path, lifeMsMax: LIFE_MS_MAX });
  const ready = await node.ready();
  node.signal('SIGHUP');
  await using client = await clientOf(ready);
  await openAccounts(client);
  assert.equal((await node.end('SIGTERM')).exitCode, 0);
});

for (const signal of ['SIGUSR2', 'SIGKILL'] as const) {
  test(`a node that died of ${signal} is reported so, also through the shim`, async () => {
    await using folder = await TemporaryFolder.make();
    const data = folder.path;
    await using node = new SpawnedNode({ data, program: oldestNode(), lifeMsMax: LIFE_MS_MAX });
    const ready = await node.ready();
    try {
      signalServing(ready, signal);
      const ended = await node.ended;
      assert.equal(ended.signal, signal);
    } finally {
      signalServing(ready, 'SIGKILL');
    }
  });
}

test('a node whose disk fails while it drains says unknown, and exits as one that halted', async () => {
  await using folder = await TemporaryFolder.make();
  const data = folder.path;
  const faults = new URL('../support/stuck-disk.ts', import.meta.url);
  await using node = new SpawnedNode({ data, faults, lifeMsMax: LIFE_MS_MAX });
  const ready = await node.ready();
  await using client = await clientOf(ready);
  await openAccounts(client);
  const caller = new PlainCaller(ready.url, await keyOf(ready));
  node.signal('SIGUSR2');
  const paid = payment();
  const answered = caller.post('/v1/transfers/batch', paymentsJson([paid]));
  await until(
    () => node.stderr.includes('a sync hangs'),
    'the payment to be on its way to the disk',
  );
  const ended = await node.end('SIGTERM');
  const { status, body } = await answered;
  assert.equal(status, 503);
  assert.equal(body['code'], 'outcome_unknown');
  assert.equal(ended.exitCode, 70, ended.stderr);

  await using next = new SpawnedNode({ data });
  await using reader = await clientOf(await next.ready());
  const { results } = await reader.transfers.createBatch([paid]);
  assert.ok(['created', 'exists'].includes(results[0]!.status));
  assert.equal(await received(reader), 1n);
});

test('a journal folder that is gone is said so, and no new books are begun', async () => {
  await using folder = await TemporaryFolder.make();
  const data = folder.path;
  {
    await using node = new SpawnedNode({ data });
    await node.ready();
    assert.equal((await node.end('SIGTERM')).exitCode, 0);
  }
  await rm(join(data, 'journal'), { recursive: true });
  await using again = new SpawnedNode({ data, lifeMsMax: LIFE_MS_MAX });
  const { exitCode, stderr, stdout } = await again.ended;
  assert.equal(exitCode, 1, stderr);
  assert.equal(stdout, '');
  assert.match(stderr, /"code":"data_folder_unusable"/);
  assert.match(stderr, /holds no journal, but this cluster has one/);
});
